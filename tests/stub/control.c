/* SPDX-License-Identifier: MIT */
/*
 * Commands of a test to the driver:
 *
 *   show N              prints the figures of nbdN as `key=value` lines
 *   block | unblock     commands of the program wait, or go on
 *   decline N COUNT     the driver drops the next COUNT sockets and reports success
 *   notice N MS         the driver learns MS milliseconds late that a connection has ended
 *   mute N on|off       the driver does not log that it accepts a socket
 *   silent N on|off     the driver sends no event when a connection ends
 *   break N SLOT        the driver ends that connection, as after an invalid reply
 *   event N             the driver sends an event although no connection has ended
 *   overflow            the driver reports that events were lost
 *   refuse N on|off     DISCONNECT is refused
 *   detach N            DISCONNECT of another program
 *   attach N ID [SIZE]  CONNECT of another program, to a server that never answers
 */
#include "driver.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client.h"

static void show(const struct driver *d, struct client *c, uint64_t id, const struct device *dev)
{
	unsigned alive = 0, commands = 0;
	unsigned flight = queue_in(dev, REQUEST_FLIGHT) + queue_in(dev, REQUEST_SENDING),
		 waiting = queue_in(dev, REQUEST_WAITING), queued = queue_in(dev, REQUEST_QUEUED);
	char text[1024];
	int len;

	for (unsigned i = 0; i < dev->n_slots; i++)
		alive += !dev->slot[i].dead;
	for (const struct command *w = d->commands; w; w = w->next)
		commands++;
	len = snprintf(
	    text, sizeof(text),
	    "configured=%d\ndisconnected=%d\nslots=%u\nalive=%u\nopeners=%u\n"
	    "pending=%u\nin-flight=%u\nwaiting=%u\nqueued=%u\ntimeout=%llu\ndead-timeout=%llu\n"
	    "size=%llu\noffered=%u\ntaken=%u\ndeclined=%u\nchanges=%u\ndetaches=%u\n"
	    "failed=%u\ndead-told=%u\nsizes=%u\nfrozen=%d\ndone=%llu\noverlapping=%u\nsilent=%d\n"
	    "commands=%u\nrepeated=%u\nstale=%u\nidentifier=%s\n",
	    dev->configured, dev->disconnected, dev->n_slots, alive, dev->openers,
	    flight + waiting + queued, flight, waiting, queued, (unsigned long long)dev->timeout,
	    (unsigned long long)dev->dead_timeout, (unsigned long long)dev->size, dev->offered,
	    dev->taken, dev->declined, dev->changes, dev->detaches, dev->failed, dev->dead_told,
	    dev->sizes, dev->frozen,
	    (unsigned long long)(dev->done[0] + dev->done[1] + dev->done[2] + dev->done[3]),
	    d->overlapping, dev->silent, commands, dev->repeated, dev->stale,
	    dev->identifier ? dev->identifier : "");
	driver_reply(c, id, 0, text, (size_t)len);
}

/* Attaches a socket whose other end answers nothing. */
static int foreign(struct driver *d, struct device *dev, const char *identifier, const char *size)
{
	struct command c = {
	    .request = {.op = STUB_ATTACH,
			.index = dev->index,
			.size = size ? strtoull(size, NULL, 10) : 1 << 20,
			.block_size = 512,
			.flags = 1,
			.dead_timeout = 1},
	    .identifier = strdup(identifier),
	    .n_fds = 1,
	};
	int pair[2], ret;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	c.fds[0] = pair[0];
	ret = device_attach(d, dev, &c);
	if (c.fds[0] >= 0)
		close(c.fds[0]);
	free(c.identifier);
	return ret;
}

static int of_device(struct driver *d, struct client *c, uint64_t id, struct device *dev,
		     char **word, bool *ret_answered)
{
	if (strcmp(word[0], "show") == 0) {
		show(d, c, id, dev);
		*ret_answered = true;
	} else if (strcmp(word[0], "decline") == 0 && word[2]) {
		dev->decline = (unsigned)atoi(word[2]);
	} else if (strcmp(word[0], "notice") == 0 && word[2]) {
		dev->notice_ms = (uint64_t)atoi(word[2]);
	} else if (strcmp(word[0], "refuse") == 0 && word[2]) {
		dev->refuse = strcmp(word[2], "on") == 0;
	} else if (strcmp(word[0], "mute") == 0 && word[2]) {
		dev->mute = strcmp(word[2], "on") == 0;
	} else if (strcmp(word[0], "silent") == 0 && word[2]) {
		dev->silent = strcmp(word[2], "on") == 0;
	} else if (strcmp(word[0], "break") == 0 && word[2]) {
		if ((unsigned)atoi(word[2]) >= dev->n_slots)
			return -EINVAL;
		driver_log(d, dev, "Wrong magic (0x0)");
		device_ends(d, dev, &dev->slot[atoi(word[2])]);
	} else if (strcmp(word[0], "event") == 0) {
		driver_event(d, dev->index);
	} else if (strcmp(word[0], "detach") == 0) {
		return device_detach(d, dev);
	} else if (strcmp(word[0], "attach") == 0 && word[2]) {
		return foreign(d, dev, word[2], word[3]);
	} else {
		return -EINVAL;
	}
	return 0;
}

void control_words(struct driver *d, struct client *c, uint64_t id, char *words)
{
	char *word[8] = {NULL}, *rest = words;
	bool answered = false;
	size_t n = 0;
	int ret = 0;

	while (n < 7 && (word[n] = strsep(&rest, " ")))
		n++;
	if (n == 0)
		ret = -EINVAL;
	else if (strcmp(word[0], "block") == 0)
		d->blocked = true;
	else if (strcmp(word[0], "unblock") == 0)
		d->blocked = false;
	else if (strcmp(word[0], "overflow") == 0)
		driver_event(d, -1);
	else if (n > 1 && atoi(word[1]) < STUB_DEVICES)
		ret = of_device(d, c, id, &d->device[atoi(word[1])], word, &answered);
	else
		ret = -EINVAL;
	if (!answered)
		driver_reply(c, id, ret, NULL, 0);
}

/* The test's side. */
static int control_ask(const char *words)
{
	const struct stub_request r = {.op = STUB_CONTROL};
	struct stub_reply reply;
	int fd = stub_connect();
	char text[4096];
	ssize_t n;

	n = fd < 0 ? fd : stub_send(fd, &r, words, strlen(words), NULL, 0);
	if (n == 0)
		n = stub_receive(fd, &reply, text, sizeof(text));
	if (fd >= 0)
		close(fd);
	if (n < 0 || reply.error) {
		fprintf(stderr, "ctl %s: %s\n", words, strerror(n < 0 ? (int)-n : -reply.error));
		return 1;
	}
	fwrite(text, 1, (size_t)n, stdout);
	return 0;
}

/* One process sends many commands: each is a line, and each answer ends with a zero byte. */
static int control_lines(void)
{
	char words[4096];

	while (fgets(words, sizeof(words), stdin)) {
		words[strcspn(words, "\n")] = '\0';
		control_ask(words);
		putchar('\0');
		fflush(stdout);
	}
	return 0;
}

/* `nbd-stub ctl WORDS...`, or `nbd-stub ctl -`. */
int control_main(int argc, char **argv)
{
	char words[4096] = "";

	if (argc == 1 && strcmp(argv[0], "-") == 0)
		return control_lines();
	for (int i = 0; i < argc; i++) {
		strncat(words, i ? " " : "", sizeof(words) - strlen(words) - 1);
		strncat(words, argv[i], sizeof(words) - strlen(words) - 1);
	}
	return control_ask(words);
}
