/* SPDX-License-Identifier: MIT */
/*
 *   nbd-stub driver DIR      the driver, until SIGTERM; DIR is RUNDIR/stub
 *   nbd-stub ctl WORDS...    sends a test's command to the driver: control.c
 *   nbd-stub ctl -           reads a command a line; each answer ends with a zero byte
 *   nbd-stub load nbdN ...   a program that uses a device: load.c
 *   nbd-stub open nbdN [exclusive]
 *                            holds the device open until it is killed
 */
#include "client.h"
#include "driver.h"

#include <string.h>
#include <unistd.h>

static int open_main(int argc, char **argv)
{
	struct stub_request r = {.op = STUB_OPEN, .writes = 1};
	int fd, ret;

	if (argc < 1 || sscanf(argv[0], "nbd%d", &r.index) != 1)
		return 2;
	r.exclusive = argc > 1 && strcmp(argv[1], "exclusive") == 0;
	fd = stub_connect();
	ret = fd < 0 ? fd : stub_ask(fd, &r, NULL, 0, NULL, 0);
	if (ret < 0) {
		fprintf(stderr, "open: %s: %s\n", argv[0], strerror(-ret));
		return 1;
	}
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "driver") == 0)
		return driver_run(argv[2]);
	if (argc > 2 && strcmp(argv[1], "ctl") == 0)
		return control_main(argc - 2, argv + 2);
	if (argc > 2 && strcmp(argv[1], "load") == 0)
		return load_main(argc - 2, argv + 2);
	if (argc > 2 && strcmp(argv[1], "open") == 0)
		return open_main(argc - 2, argv + 2);
	fprintf(stderr, "usage: nbd-stub driver|ctl|load|open ...\n");
	return 2;
}
