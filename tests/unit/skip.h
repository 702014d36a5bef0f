/* SPDX-License-Identifier: MIT */
/* A case that cannot run here says why: unit/run shows that with the count. */
#ifndef SKIP_H
#define SKIP_H

#define skip_because(reason)                                    \
	do {                                                    \
		print_message("skipped because: %s\n", reason); \
		skip();                                         \
	} while (0)

#endif
