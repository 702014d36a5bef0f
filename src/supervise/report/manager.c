/* SPDX-License-Identifier: MIT */
#include "supervise/report/manager.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/text.h"
#include "supervise/report/notify.h"
#include "supervise/report/stored.h"

#define LINE_MAX_BYTES 400
#define DAY	       86400
#define AGAIN_MS       200 /* before a message is sent again that found the manager's queue full */

struct manager {
	struct notify notify;
	struct loop_timer *alive, *again;
	bool ready_due, status_due; /* the manager has not got READY=1, the line */
	char line[7 + LINE_MAX_BYTES];
	struct stored stored;
};

/* After a message that was not sent: there may soon be room for it. */
static bool is_full(const struct manager *m)
{
	return m->notify.fd >= 0 && (errno == EAGAIN || errno == ENOBUFS);
}

/*
 * The manager may read slowly, as while a machine boots: without READY=1 it would end a service
 * that is well. False: it has not got the message, and the timer sends again what is due.
 */
static bool send_line(struct manager *m, const char *lines, int fd)
{
	if (notify_send_fd(&m->notify, lines, fd))
		return true;
	if (is_full(m))
		loop_timer_set(m->again, AGAIN_MS);
	return false;
}

static void sign_of_life(void *arg)
{
	struct manager *m = arg;
	bool sent = notify_send_fd(&m->notify, "WATCHDOG=1", -1);

	/* Twice as often as required: sd_watchdog_enabled(3). */
	loop_timer_set(m->alive, sent || !is_full(m) ? m->notify.watchdog_ms / 2 : AGAIN_MS);
}

/* Sockets that the manager has not got are sent again by the next manager_keep(). */
static void send_due(void *arg)
{
	struct manager *m = arg;

	if (m->ready_due && send_line(m, "READY=1", -1)) {
		m->ready_due = false;
		if (m->notify.watchdog_ms)
			sign_of_life(m);
	}
	if (m->status_due && send_line(m, m->line, -1))
		m->status_due = false;
}

struct manager *manager_new(struct loop *loop)
{
	struct manager *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	notify_open(&m->notify);
	m->alive = loop_timer_new(loop, sign_of_life, m);
	m->again = loop_timer_new(loop, send_due, m);
	if (m->notify.fd >= 0 && m->alive && m->again)
		return m;
	manager_free(m);
	return NULL;
}

void manager_free(struct manager *m)
{
	if (!m)
		return;
	loop_timer_free(m->alive);
	loop_timer_free(m->again);
	notify_close(&m->notify);
	free(m);
}

void manager_ready(struct manager *m)
{
	if (!m)
		return;
	m->ready_due = true;
	send_due(m);
}

void manager_stopping(struct manager *m)
{
	if (m)
		notify_send(&m->notify, "STOPPING=1");
}

void manager_found(struct manager *m, const char *name, int fd)
{
	struct stored_socket s;
	struct stat st;

	if (!m || !linkname_read(name, &s.name) || fstat(fd, &st) < 0)
		return;
	s.inode = st.st_ino;
	stored_found(&m->stored, &s);
}

static size_t make_wishes(const int *fds, size_t n, struct stored_wish *ret_wishes)
{
	struct stat st;
	size_t used = 0;

	for (size_t i = 0; i < n && used < STORED_MAX; i++)
		if (fstat(fds[i], &st) == 0)
			ret_wishes[used++] = (struct stored_wish){.inode = st.st_ino, .fd = fds[i]};
	return used;
}

void manager_keep(struct manager *m, const int *fds, size_t n, uint64_t attachment)
{
	struct stored_wish wishes[STORED_MAX];
	char text[STORED_TEXT_MAX];
	struct stored_message msg;

	if (!m)
		return;
	n = make_wishes(fds, n, wishes);
	for (;;) {
		msg = stored_next(&m->stored, wishes, n, attachment);
		if (msg.verb == STORED_NOTHING)
			return;
		stored_text(&msg, text);
		if (!send_line(m, text, msg.fd))
			return;
		stored_sent(&m->stored, &msg);
	}
}

bool manager_name(const struct manager *m, int fd, struct linkname *ret_name)
{
	struct stat st;

	return m && fstat(fd, &st) == 0 && stored_name(&m->stored, st.st_ino, ret_name);
}

bool manager_succeeded(struct manager *m, pid_t pid)
{
	char line[32];

	snprintf(line, sizeof(line), "MAINPID=%d", (int)pid);
	if (!m || !notify_send_fd(&m->notify, line, -1))
		return false;
	notify_close(&m->notify); /* further messages would be refused */
	return true;
}

/* `12:00:01`, with the date unless it is within about a day. */
static void put_time(struct text *t, int64_t moment, int64_t now)
{
	int64_t distance = moment > now ? moment - now : now - moment;
	time_t value = (time_t)moment;
	char buf[32] = "";
	struct tm tm;

	if (localtime_r(&value, &tm))
		strftime(buf, sizeof(buf), distance < DAY ? "%H:%M:%S" : "%Y-%m-%d %H:%M", &tm);
	text_str(t, buf);
}

static const char *opening(enum fsm_state state)
{
	switch (state) {
	case FSM_STARTING:
	case FSM_JOINING:
		return "Connecting";
	case FSM_WAITING:
		return "Waiting for the server";
	case FSM_CONFIGURING:
		return "Handing the device to the kernel";
	case FSM_ADOPTING:
		return "Taking the device over";
	case FSM_ATTACHED:
		return "Attached";
	case FSM_DEGRADED:
		return "Some connections are lost";
	case FSM_LOST:
		return "The server is lost, I/O waits";
	case FSM_HEALING:
		return "The server is back";
	case FSM_REFUSED:
		return "The server is refused, I/O waits";
	case FSM_HELD:
		return "The server has another disk, I/O waits for --reconnect --accept content";
	case FSM_EXPIRED:
		return "The server is lost, I/O fails";
	case FSM_GIVING:
		return "Handing the device over to another supervisor";
	case FSM_DETACHING:
	case FSM_LEAVING:
		return "Detaching";
	case FSM_ENDED:
		return "Ended";
	case FSM_STATES:
		break;
	}
	return "";
}

/* The opening says that I/O waits. */
static bool is_waiting(enum fsm_state state)
{
	return state == FSM_LOST || state == FSM_REFUSED || state == FSM_HELD;
}

/* The reason may name the device, which the sentence has named already. */
static void put_kept(struct text *t, const struct manager_status *s)
{
	char device[40];
	size_t len = (size_t)snprintf(device, sizeof(device), "/dev/nbd%d is ", s->index);

	text_str(t, "Still attached, without a supervisor: ");
	text_str(t, s->kept + (strncmp(s->kept, device, len) == 0 ? len : 0));
}

void manager_sentence(const struct manager_status *s, int64_t now, char *buf, size_t size)
{
	struct text t;

	text_init(&t, buf, size);
	if (s->index >= 0) {
		text_str(&t, "/dev/nbd");
		text_u64(&t, (uint64_t)s->index);
		text_str(&t, ": ");
	}
	if (s->kept && s->state == FSM_ENDED) {
		put_kept(&t, s);
		return;
	}
	text_str(&t, opening(s->state));
	if (s->address[0]) {
		text_str(&t, s->state == FSM_ATTACHED ? " to " : ", server ");
		text_str(&t, s->address);
	}
	if (s->since) {
		text_str(&t, ", since ");
		put_time(&t, s->since, now);
	}
	if (s->fails_at && is_waiting(s->state)) {
		text_str(&t, ", until ");
		put_time(&t, s->fails_at, now);
	}
	if (s->next_try) {
		text_str(&t, ", next try ");
		put_time(&t, s->next_try, now);
	}
	if (s->reason[0]) {
		text_str(&t, ": ");
		text_str(&t, s->reason);
	}
}

void manager_status(struct manager *m, const struct manager_status *status)
{
	char line[sizeof(m->line)] = "STATUS=";

	if (!m)
		return;
	manager_sentence(status, time(NULL), line + 7, LINE_MAX_BYTES);
	if (strcmp(m->line, line) == 0)
		return;
	memcpy(m->line, line, sizeof(m->line));
	m->status_due = true;
	send_due(m);
}
