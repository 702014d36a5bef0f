/* SPDX-License-Identifier: MIT */
/* Who uses a device: the driver's /proc answers, not that of this machine. */
#include "client.h"

#include <stdio.h>
#include <unistd.h>

#include "kernel/usage.h"

/*
 * The driver keeps its own /proc, which shows the processes that have a device open. With the real
 * one of a container every answer would be unsure; here only the file `unsure` makes it so. With
 * `slow-look` a look takes 12 s, with `unhurried-look` 3 s.
 */
int __wrap_usage_find(int index, pid_t skip, struct usage *ret_usage, struct err *err);
int __wrap_usage_find(int index, pid_t skip, struct usage *ret_usage, struct err *err)
{
	int ret;

	if (stub_wanted("slow-look"))
		sleep(12);
	if (stub_wanted("unhurried-look"))
		sleep(3);
	ret = usage_find_at(stub_path("proc").text, stub_path("sys").text, stub_path("md").text,
			    index, skip, ret_usage, err);
	if (ret == 0)
		ret_usage->unsure = stub_wanted("unsure");
	return ret;
}

/* The file `looks` gets a line for each look. With `long-looks` each takes 1 s. */
void __wrap_usage_find_several(struct usage_question *questions, size_t n);
void __wrap_usage_find_several(struct usage_question *questions, size_t n)
{
	FILE *f = fopen(stub_path("looks").text, "ae");

	if (f) {
		fprintf(f, "%zu\n", n);
		fclose(f);
	}
	if (stub_wanted("slow-look"))
		sleep(12);
	if (stub_wanted("long-looks"))
		sleep(1);
	usage_find_several_at(stub_path("proc").text, stub_path("sys").text, stub_path("md").text,
			      questions, n);
	for (size_t i = 0; i < n; i++)
		questions[i].usage.unsure = stub_wanted("unsure");
}
