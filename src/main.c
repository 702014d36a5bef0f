/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "base/protect.h"
#include "cli/nbd-client.h"
#include "verbs/verbs.h"
#include "cli/options.h"
#include "worker/helper-main.h"

static int run(const struct options *o)
{
	switch (o->verb) {
	case VERB_ATTACH:
		return o->show_config ? cmd_show_config(o) : o->exec ? cmd_exec(o) : cmd_attach(o);
	case VERB_DETACH:
		return cmd_detach(o);
	case VERB_CHECK:
		return cmd_check(o);
	case VERB_RECONNECT:
		return cmd_reconnect(o);
	case VERB_RESIZE:
		return cmd_resize(o);
	case VERB_FAIL_NOW:
		return cmd_fail_now(o);
	case VERB_RELOAD:
		return cmd_reload(o);
	case VERB_REPORT:
		return cmd_report(o);
	case VERB_STATUS:
		return o->follow ? cmd_follow(o) : cmd_status(o);
	case VERB_LIST:
		return cmd_list(o);
	case VERB_INFO:
		return cmd_info(o);
	case VERB_CHECK_CONFIG:
		return cmd_check_config(o);
	case VERB_ATTACH_ALL:
		return cmd_attach_all(o);
	case VERB_SHUTDOWN:
		return cmd_shutdown(o);
	case VERB_IMPORT:
		return cmd_import(o);
	case VERB_KEEP:
		return cmd_keep(o);
	case VERB_HELP:
		options_help(stdout, o->all);
		return 0;
	case VERB_VERSION:
		printf("nbd-attach %s\n", VERSION);
		return 0;
	case VERB_COMPLETION:
		options_completion(stdout, o->shell);
		return 0;
	}
	return err_exit_status(ERR_FAILED);
}

static int run_words(int argc, char **argv)
{
	struct options options;
	struct err err;
	int status;

	if (options_parse(argc, argv, &options, &err) < 0) {
		log_error("%s", err.message);
		return err_exit_status(err.kind);
	}
	log_init("nbd-attach", LOG_TO_STDERR, options.log_level);
	if (options.export_is_number)
		log_notice("%s is used as the name of the export; write a port as HOST:PORT",
			   options.endpoint.export_name);
	status = run(&options);
	options_done(&options);
	return status;
}

/* nbd-client's way to attach: its note, its mark, and the size that the export must have. */
static int attach_as_nbd_client(const struct nbd_client *c, struct options *o)
{
	int status = c->size ? cmd_check_size(o, c->size) : 0;

	if (status)
		return status;
	if (c->mark)
		protect_mark();
	o->plain_status = true;
	if (c->warning[0])
		log_warning("%s: %s", NBD_CLIENT_NBDTAB, c->warning);
	if (c->note[0])
		log_notice("%s", c->note);
	return run(o);
}

/* The exit status is nbd-client's: 0 or 1, and 2 for a check that failed. */
static int run_as_nbd_client(int argc, char **argv)
{
	struct nbd_client c;
	struct options options;
	struct err err;
	int status = 0;

	if (nbd_client_parse(argc, argv, NBD_CLIENT_NBDTAB, &c, &err) < 0 ||
	    (c.n > 1 && options_parse((int)c.n, c.word, &options, &err) < 0)) {
		log_error("%s", err.message);
		status = c.task == NBD_CLIENT_CHECK ? 2 : EXIT_FAILURE;
		nbd_client_done(&c);
		return status;
	}
	if (c.n > 1)
		log_init("nbd-attach", LOG_TO_STDERR, options.log_level);
	switch (c.task) {
	case NBD_CLIENT_HELP:
		nbd_client_help(stdout);
		return 0;
	case NBD_CLIENT_VERSION:
		printf("nbd-client: nbd-attach %s\n", VERSION);
		return 0;
	case NBD_CLIENT_CHECK:
		status = cmd_check_pid(&options);
		break;
	case NBD_CLIENT_ATTACH:
		status = attach_as_nbd_client(&c, &options) ? EXIT_FAILURE : 0;
		break;
	case NBD_CLIENT_DETACH:
	case NBD_CLIENT_LIST:
		status = run(&options) ? EXIT_FAILURE : 0;
		break;
	}
	options_done(&options);
	nbd_client_done(&c);
	return status;
}

/*
 * If the caller has closed a standard descriptor, a file or a socket of ours would get its number,
 * and would be written to, or closed, in its place. Writing to standard output still fails. Where
 * /dev/null is missing, as in a small container, the root directory takes the place.
 */
static void fill_standard_descriptors(void)
{
	static const int mode[] = {O_RDONLY, O_RDONLY, O_RDWR};

	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", mode[fd]) < 0)
			(void)!open("/", O_RDONLY | O_DIRECTORY);
}

int main(int argc, char **argv)
{
	int status;

	fill_standard_descriptors();
	/*
	 * A caller may ignore SIGCHLD. The kernel would then reap our children, and their exit
	 * status would be lost.
	 */
	signal(SIGCHLD, SIG_DFL);
	helper_main(argc, argv); /* does not return in a process that the program itself started */
	log_init("nbd-attach", LOG_TO_STDERR, LOG_INFO);
	status =
	    nbd_client_is_named(argv[0]) ? run_as_nbd_client(argc, argv) : run_words(argc, argv);
	/* A full disk or a closed pipe must not look like success. */
	if (fflush(stdout) == EOF || ferror(stdout)) {
		log_error("cannot write to standard output");
		status = status ? status : err_exit_status(ERR_FAILED);
	}
	exit(status);
}
