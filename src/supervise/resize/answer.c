/* SPDX-License-Identifier: MIT */
/* The answers of a check of the export's size and of growing. */
#include "supervise/resize/resize-private.h"

#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"

void resize_answer(struct resize *z, int status, const char *sentence)
{
	if (z->asked)
		z->events->answer(status, sentence, z->arg);
	else
		log_debug("/dev/nbd%d: --resize: %s", z->env->at->index, sentence);
	z->asked = false;
}

void resize_end(struct resize *z, int status, const char *sentence)
{
	attempt_free(TAKE_PTR(z->attempt));
	if (z->look)
		loop_timer_cancel(z->look);
	while (z->n)
		close(z->fd[--z->n]);
	z->size = 0;
	resize_answer(z, status, sentence);
}

void resize_lost_meanwhile(struct resize *z)
{
	resize_end(
	    z, err_exit_status(ERR_RETRY),
	    "a connection to the server is lost: the device takes the export's size when it is "
	    "connected again");
}
