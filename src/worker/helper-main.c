/* SPDX-License-Identifier: MIT */
#include "worker/helper-main.h"

#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/pages.h"
#include "worker/look.h"
#include "worker/resolve.h"
#include "worker/tls/reader.h"
#include "worker/worker.h"
#include "worker/zygote.h"

void helper_run(const struct process_call *call)
{
	static const struct {
		const char *kind;
		process_fn *run;
	} kinds[] = {
	    {HELPER_WORKER, worker_run}, {HELPER_RESOLVER, resolve_run},
	    {HELPER_ZYGOTE, zygote_run}, {HELPER_KEYS, tls_reader_run},
	    {HELPER_LOOK, look_run},
	};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (strcmp(call->kind, kinds[i].kind) == 0) {
			kinds[i].run(call->fd, call->parent, call->setup, call->len);
			_exit(0);
		}
	}
	_exit(1);
}

void helper_main(int argc, char *const *argv)
{
	struct process_call *call;

	if (argc != 2) /* an ordinary command: see process_accept() */
		return;
	call = pages_new(sizeof(*call));
	if (call && process_accept(argc, argv, call))
		helper_run(call);
	pages_free(call, sizeof(*call));
}
