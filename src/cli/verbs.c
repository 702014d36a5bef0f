/* SPDX-License-Identifier: MIT */
#include "cli/verbs.h"

const struct verb_def options_verbs[OPTIONS_VERBS] = {
    [VERB_ATTACH] = {.takes_device = true, .takes_server = true, .takes_export = true},
    [VERB_DETACH] = {.option = "--detach", .takes_device = true, .several = true},
    [VERB_CHECK] = {.option = "--check", .takes_device = true, .several = true},
    [VERB_RECONNECT] = {.option = "--reconnect", .takes_device = true, .several = true},
    [VERB_RESIZE] = {.option = "--resize", .takes_device = true, .several = true},
    [VERB_FAIL_NOW] = {.option = "--fail-now", .takes_device = true, .several = true},
    [VERB_RELOAD] = {.option = "--reload", .takes_device = true, .several = true},
    [VERB_REPORT] = {.option = "--report", .takes_device = true},
    [VERB_STATUS] = {.option = "--status",
		     .takes_device = true,
		     .device_optional = true,
		     .several = true},
    [VERB_LIST] = {.option = "--list", .takes_server = true},
    [VERB_INFO] = {.option = "--info", .takes_server = true, .takes_export = true},
    [VERB_CHECK_CONFIG] = {.option = "--check-config", .takes_file = true},
    [VERB_IMPORT] = {.option = "--import-nbdtab", .takes_file = true, .file_optional = true},
    [VERB_SHUTDOWN] = {.option = "--shutdown"},
    [VERB_ATTACH_ALL] = {.option = "--attach-all"},
    [VERB_HELP] = {.option = "--help"},
    [VERB_VERSION] = {.option = "--version"},
    [VERB_COMPLETION] = {.option = "--completion"},
    [VERB_KEEP] = {.option = "--keep-captive", .takes_file = true},
};

const char *verb_name(enum verb verb)
{
	return options_verbs[verb].option ? options_verbs[verb].option : "attaching";
}
