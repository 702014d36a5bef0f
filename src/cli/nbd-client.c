/* SPDX-License-Identifier: MIT */
#include "cli/nbd-client.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/nbd-client-words.h"
#include "endpoint/uri-parts.h"

#define POSITIONS 3 /* host, port, device */

/* The options as given, before they are converted into nbd-attach's. */
struct given {
	const char *position[POSITIONS]; /* host, port, device; NULL: not given */
	size_t n;			 /* the next position */
	const char *device;		 /* of -c and -d */
	const char *name;		 /* the export; NULL: the default export */
	const char *cert, *key;
	const char *dead_timeout; /* -T, of nbd-client 3.27; NULL: not given */
	unsigned long timeout;	  /* s */
	bool persist, unix_socket, tls;
};

/* A word of nbd-client that has one word of ours. */
struct plain {
	const char *option;
	int letter;
	bool tls; /* nbd-client turns TLS on for it */
};

static const struct option longs[] = {
    {"block-size", required_argument, NULL, 'b'},
    {"cacertfile", required_argument, NULL, 'A'},
    {"certfile", required_argument, NULL, 'F'},
    {"check", required_argument, NULL, 'c'},
    {"connections", required_argument, NULL, 'C'},
    {"dead-timeout", required_argument, NULL, 'T'},
    {"disconnect", required_argument, NULL, 'd'},
    {"enable-tls", no_argument, NULL, 'x'},
    {"help", no_argument, NULL, 'h'},
    {"identifier", required_argument, NULL, 'i'},
    {"keyfile", required_argument, NULL, 'K'},
    {"list", no_argument, NULL, 'l'},
    {"name", required_argument, NULL, 'N'},
    {"no-optgo", no_argument, NULL, 'g'},
    {"nofork", no_argument, NULL, 'n'},
    {"nonetlink", no_argument, NULL, 'L'},
    {"persist", no_argument, NULL, 'p'},
    {"preinit", no_argument, NULL, 'P'},
    {"priority", required_argument, NULL, 'y'},
    {"readonly", no_argument, NULL, 'R'},
    {"sdp", no_argument, NULL, 'S'},
    {"size", required_argument, NULL, 'B'},
    {"swap", no_argument, NULL, 's'},
    {"systemd-mark", no_argument, NULL, 'm'},
    {"timeout", required_argument, NULL, 't'},
    {"tlshostname", required_argument, NULL, 'H'},
    {"unix", no_argument, NULL, 'u'},
    {"version", no_argument, NULL, 'V'},
    {0},
};

static const char letters[] = "-:A:B:b:C:c:d:F:gH:hi:K:LlmN:nPpRSsT:t:uVxy:";

static const struct plain plains[] = {
    {"--tls-ca", 'A', true},	  {"--tls-hostname", 'H', true},   {"--tls-priority", 'y', false},
    {"--identifier", 'i', false}, {"--read-only", 'R', false},	   {"--swap", 's', false},
    {"--foreground", 'n', false}, {"--backend=ioctl", 'L', false},
};

#define HELP_COLUMNS 78
#define IN_USAGE     "cdhluV"
#define REFUSED	     "PS"

/* In the form of nbd-client: programs look there for an option, to learn whether it is supported.
 */
static void help_options(FILE *f)
{
	size_t column = HELP_COLUMNS, n;
	char text[64];

	for (const struct option *o = longs; o->name; o++) {
		if (strchr(IN_USAGE REFUSED, o->val))
			continue;
		n = (size_t)snprintf(text, sizeof(text), "[-%s|-%c%s]", o->name, o->val,
				     o->has_arg ? " VALUE" : "");
		column += n + 1;
		if (column > HELP_COLUMNS) {
			fputs("\n      ", f);
			column = n + 7;
		}
		fprintf(f, " %s", text);
	}
	fputc('\n', f);
}

void nbd_client_help(FILE *f)
{
	fputs("Usage: nbd-client HOST [PORT] DEVICE [OPTION]...\n"
	      "       nbd-client -unix PATH DEVICE [OPTION]...\n"
	      "       nbd-client nbdN [OPTION]...  (what /etc/nbdtab says of it)\n"
	      "       nbd-client -d DEVICE | -c DEVICE | -l HOST [PORT]\n"
	      "\n"
	      "Options:",
	      f);
	help_options(f);
	fputs("\n"
	      "This is nbd-attach with the command line of nbd-client: see COMPATIBILITY WITH\n"
	      "NBD-CLIENT in nbd-attach(8) for what each option means here.\n",
	      f);
}

static int take_position(struct given *g, struct nbd_client *c, const char *word, struct err *err)
{
	unsigned long n;

	if (strncmp(word, "bs=", 3) == 0)
		return nbd_client_number("block-size", word + 3, &n, err) < 0
			   ? -EINVAL
			   : nbd_client_add(c, err, "--block-size=%lu", n);
	if (strncmp(word, "timeout=", 8) == 0)
		return nbd_client_number("timeout", word + 8, &g->timeout, err);
	/* The port may be left out; a device never begins with a digit. */
	if (g->n == 1 && (word[0] < '0' || word[0] > '9'))
		g->n++;
	if (g->n == POSITIONS)
		return part_bad(err, "%s is one word too many: HOST [PORT] DEVICE are expected",
				quoted_str(word).text);
	if (word[0] == '-' || word[0] == '[')
		return part_bad(err, "%s is neither a host, a port nor a device",
				quoted_str(word).text);
	g->position[g->n++] = word;
	return 0;
}

static int take_plain(struct given *g, struct nbd_client *c, int letter, const char *value,
		      struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(plains); i++) {
		if (plains[i].letter != letter)
			continue;
		g->tls |= plains[i].tls;
		return value ? nbd_client_add(c, err, "%s=%s", plains[i].option, value)
			     : nbd_client_add(c, err, "%s", plains[i].option);
	}
	return part_bad(err, "nbd-client has no option -%c", letter);
}

/* Options that change what is done with the others. */
static int take_switch(struct given *g, struct nbd_client *c, int letter, struct err *err)
{
	switch (letter) {
	case 'g': /* nbd-attach tries OPT_GO, and does without it when the server must */
		return 0;
	case 'h':
		c->task = NBD_CLIENT_HELP;
		return 0;
	case 'l':
		c->task = NBD_CLIENT_LIST;
		return 0;
	case 'm':
		c->mark = true;
		return 0;
	case 'P':
		return part_bad(err, "-preinit: nbd-attach always shakes hands with the server, "
				     "because only the handshake tells whether the server that "
				     "comes back still serves the same export");
	case 'p':
		g->persist = true;
		return 0;
	case 'S':
		return part_bad(err, "-sdp: Linux has no Socket Direct Protocol any more");
	case 'u':
		g->unix_socket = true;
		return 0;
	case 'V':
		c->task = NBD_CLIENT_VERSION;
		return 0;
	case 'x':
		g->tls = true;
		return 0;
	default:
		return take_plain(g, c, letter, optarg, err);
	}
}

static int take(struct given *g, struct nbd_client *c, int letter, struct err *err)
{
	switch (letter) {
	case 1:
		return take_position(g, c, optarg, err);
	case 'B':
		return nbd_client_take_size(c, optarg, err);
	case 'b':
		return nbd_client_take_block_size(c, optarg, err);
	case 'C':
		return nbd_client_take_connections(c, optarg, err);
	case 'c':
		c->task = NBD_CLIENT_CHECK;
		g->device = optarg;
		return 0;
	case 'd':
		c->task = NBD_CLIENT_DETACH;
		g->device = optarg;
		return 0;
	case 'F':
		g->cert = optarg;
		return 0;
	case 'K':
		g->key = optarg;
		return 0;
	case 'N':
		g->name = optarg;
		return 0;
	case 'T':
		g->dead_timeout = optarg;
		return 0;
	case 't':
		return nbd_client_number("timeout", optarg, &g->timeout, err);
	default:
		return take_switch(g, c, letter, err);
	}
}

static void start_words(void)
{
	opterr = 0;
	optind = 0; /* GNU: start anew */
}

/* True if a check is asked for, whatever else is wrong with the words. */
static bool asks_for_check(int argc, char **argv)
{
	int letter, at;

	start_words();
	do {
		at = optind ? optind : 1;
		letter = getopt_long_only(argc, argv, letters, longs, NULL);
		if (letter == 'c' || (letter == ':' && optopt == 'c'))
			return true;
		if (letter == '?') { /* goes on after the whole word */
			argc -= at;
			argv += at;
			start_words();
		}
	} while (letter != -1);
	return false;
}

static int read_words(struct given *g, struct nbd_client *c, int argc, char **argv, struct err *err)
{
	int letter, at, r = 0;

	start_words();
	while (r == 0) {
		at = optind ? optind : 1;
		letter = getopt_long_only(argc, argv, letters, longs, NULL);
		if (letter == -1)
			break;
		if (letter == ':')
			return part_bad(err, "%s needs a value", quoted_str(argv[at]).text);
		if (letter == '?')
			return part_bad(err, "nbd-client has no option %s",
					quoted_str(argv[at]).text);
		r = take(g, c, letter, err);
		if (c->task == NBD_CLIENT_HELP || c->task == NBD_CLIENT_VERSION)
			return r;
	}
	if (r == 0 && optind < argc)
		return part_bad(err, "%s comes after --, where nbd-client takes nothing",
				quoted_str(argv[optind]).text);
	return r;
}

static int add_tls(const struct given *g, struct nbd_client *c, struct err *err)
{
	int r = 0;

	if (g->tls || g->cert || g->key)
		r = nbd_client_add(c, err, "--tls");
	if (r == 0 && g->cert)
		r = nbd_client_add(c, err, "--tls-cert=%s", g->cert);
	if (r == 0 && g->key)
		r = nbd_client_add(c, err, "--tls-key=%s", g->key);
	return r;
}

/* -timeout never becomes nbd-attach's --timeout; write_timeout() of cli/nbdtab.c says why. */
static int add_patience(const struct given *g, struct nbd_client *c, struct err *err)
{
	if (g->dead_timeout)
		return nbd_client_add(c, err, "--dead-timeout=%s", g->dead_timeout);
	return g->persist ? 0 : nbd_client_add_impatience(c, g->timeout, err);
}

/* Where the export is, but for the host, and TLS. */
static int add_export(const struct given *g, struct nbd_client *c, struct err *err)
{
	int r = 0;

	if (g->unix_socket)
		r = nbd_client_add(c, err, "--unix=%s", g->position[0]);
	else if (g->position[1])
		r = nbd_client_add(c, err, "--port=%s", g->position[1]);
	if (r == 0)
		r = add_tls(g, c, err);
	if (r == 0 && c->task == NBD_CLIENT_ATTACH && g->name)
		r = nbd_client_add(c, err, "--export=%s", g->name);
	return r;
}

static int add_server(const struct given *g, struct nbd_client *c, struct err *err)
{
	int r = add_export(g, c, err);

	if (r == 0)
		r = nbd_client_complete_tls(c, err);
	if (r == 0 && c->task == NBD_CLIENT_ATTACH)
		r = nbd_client_add(c, err, "%s", g->position[2] ? g->position[2] : "auto");
	if (r == 0 && !g->unix_socket)
		r = nbd_client_add(c, err, "%s", g->position[0]);
	return r;
}

static bool is_device(const char *word)
{
	return strncmp(word, "nbd", 3) == 0 || strncmp(word, "/dev/nbd", 8) == 0;
}

/* The server is the table's, but everything else that was typed holds. */
static int add_tabled(const struct given *g, struct nbd_client *c, const char *nbdtab,
		      struct err *err)
{
	const struct nbd_client_typed typed = {
	    .device = g->position[0], .timeout = g->timeout, .persist = g->persist};
	int r = g->dead_timeout ? add_patience(g, c, err) : 0;

	if (r == 0)
		r = add_export(g, c, err);
	return r < 0 ? r : nbd_client_add_from_nbdtab(c, nbdtab, &typed, err);
}

static int put_together(const struct given *g, struct nbd_client *c, const char *nbdtab,
			struct err *err)
{
	size_t len;
	int r;

	switch (c->task) {
	case NBD_CLIENT_HELP:
	case NBD_CLIENT_VERSION:
		return 0;
	case NBD_CLIENT_CHECK:
		/* Of a partition, nbd-client checks the whole device. */
		len = is_device(g->device) ? strcspn(g->device, "p") : strlen(g->device);
		r = nbd_client_add(c, err, "--check");
		return r < 0 ? r : nbd_client_add(c, err, "%.*s", (int)len, g->device);
	case NBD_CLIENT_DETACH:
		r = nbd_client_add(c, err, "--detach");
		return r < 0 ? r : nbd_client_add(c, err, "%s", g->device);
	case NBD_CLIENT_LIST:
		r = g->position[0] ? nbd_client_add(c, err, "--list")
				   : part_bad(err, "-list needs a HOST");
		return r < 0 ? r : add_server(g, c, err);
	case NBD_CLIENT_ATTACH:
		break;
	}
	if (!g->position[0])
		return part_bad(err, "a HOST and a DEVICE are needed: nbd-client HOST [PORT] "
				     "DEVICE -name EXPORT");
	if (!g->position[2] && !g->unix_socket && is_device(g->position[0]))
		return add_tabled(g, c, nbdtab, err);
	r = add_patience(g, c, err);
	return r < 0 ? r : add_server(g, c, err);
}

int nbd_client_parse(int argc, char **argv, const char *nbdtab, struct nbd_client *ret,
		     struct err *err)
{
	struct given given = {.device = ""};
	int r;

	*ret = (struct nbd_client){.task = NBD_CLIENT_ATTACH};
	r = nbd_client_add(ret, err, "nbd-attach");
	if (r == 0)
		r = read_words(&given, ret, argc, argv, err);
	if (r == 0)
		r = put_together(&given, ret, nbdtab, err);
	if (r < 0) {
		if (asks_for_check(argc, argv))
			ret->task = NBD_CLIENT_CHECK;
		nbd_client_done(ret);
	}
	return r;
}
