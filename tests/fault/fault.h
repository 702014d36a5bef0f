/* SPDX-License-Identifier: MIT */
/* Functions that the verbs of tests/fault/fault.c share. */
#ifndef FAULT_FAULT_H
#define FAULT_FAULT_H

#include <stdint.h>

/* Nanoseconds of CLOCK_MONOTONIC. */
uint64_t fault_now(void);

/* Prints the message on standard error and exits with 2. */
void fault_die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* A file of at least a whole number of blocks, bypassing the page cache if direct. */
int fault_open(const char *path, int flags, uint64_t *ret_size);

/* Set by SIGTERM and SIGINT after fault_catch(): finish what is in flight and end. */
extern volatile int fault_stop;
void fault_catch(void);

int fault_load(int argc, char **argv);
int fault_files(int argc, char **argv);
int fault_verify(int argc, char **argv);
int fault_verify_files(int argc, char **argv);
int fault_times(int argc, char **argv);
int fault_hog(int argc, char **argv);
int fault_serve(int argc, char **argv);

#endif
