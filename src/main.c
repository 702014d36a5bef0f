/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "verbs/verbs.h"
#include "cli/options.h"
#include "worker/helper-main.h"

static int run(const struct options *o)
{
	switch (o->verb) {
	case VERB_ATTACH:
		return cmd_attach(o);
	case VERB_DETACH:
		return cmd_detach(o);
	case VERB_CHECK:
		return cmd_check(o);
	case VERB_RECONNECT:
		return cmd_reconnect(o);
	case VERB_RESIZE:
		return cmd_resize(o);
	case VERB_STATUS:
		return o->follow ? cmd_follow(o) : cmd_status(o);
	case VERB_LIST:
		return cmd_list(o);
	case VERB_INFO:
		return cmd_info(o);
	case VERB_CHECK_CONFIG:
		return cmd_check_config(o);
	case VERB_SHUTDOWN:
		return cmd_shutdown(o);
	case VERB_IMPORT:
		return cmd_import(o);
	case VERB_KEEP:
		return cmd_keep(o);
	case VERB_HELP:
		options_help(stdout);
		return 0;
	case VERB_VERSION:
		printf("nbd-attach %s\n", VERSION);
		return 0;
	case VERB_COMPLETION:
		options_completion(stdout);
		return 0;
	}
	return err_exit_status(ERR_FAILED);
}

int main(int argc, char **argv)
{
	struct options options;
	struct err err;
	int status;

	helper_main(argc, argv); /* does not return in a process that the program itself started */
	log_init("nbd-attach", LOG_TO_STDERR, LOG_INFO);
	if (options_parse(argc, argv, &options, &err) < 0) {
		log_error("%s", err.message);
		exit(err_exit_status(err.kind));
	}
	log_init("nbd-attach", LOG_TO_STDERR, options.log_level);
	status = run(&options);
	options_done(&options);
	/* A full disk or a closed pipe must not look like success. */
	if (fflush(stdout) == EOF || ferror(stdout)) {
		log_error("cannot write to standard output");
		status = status ? status : err_exit_status(ERR_FAILED);
	}
	exit(status);
}
