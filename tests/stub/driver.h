/* SPDX-License-Identifier: MIT */
/*
 * The driver: one process with one thread that behaves like drivers/block/nbd.c of the kernel and
 * keeps the files of sysfs. It imitates the source of 6.12:
 *
 *   - a connection that ends is marked dead and reported once; the requests in flight on it are
 *     left alone until their timers run out, which ask by the cookie whether the socket was
 * replaced;
 *   - a new request goes to another living connection; without one it waits, and fails when the
 *     dead timeout is over;
 *   - RECONFIGURE compares identifiers if the device has one, gives the socket to the first dead
 *     connection, and answers success also when there is none;
 *   - a changed size waits for every request with the commands of all devices behind it;
 *   - DISCONNECT waits for a send that is under way, and fails what waits or is in flight;
 *   - a disconnected device that a process has open stays until the last close, and takes no
 *     command.
 */
#ifndef STUB_DRIVER_H
#define STUB_DRIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "proto.h"

#define CLIENTS_MAX 128

struct device;

struct client {
	int fd; /* -1: none */
	int pid;
	uint32_t op;	       /* its purpose: STUB_EVENTS, STUB_LOG, STUB_OPEN; 0: commands */
	struct device *device; /* of STUB_OPEN */
	bool exclusive;
};

enum request_state {
	REQUEST_QUEUED,	 /* needs a connection */
	REQUEST_WAITING, /* waits until a connection is replaced */
	REQUEST_SENDING,
	REQUEST_FLIGHT,
};

struct request {
	struct request *next;
	struct client *client; /* NULL: it has ended */
	uint64_t id;
	enum stub_op op;
	uint64_t offset;
	uint32_t length;
	uint8_t *data;
	enum request_state state;
	unsigned home, slot; /* the queue it came from; the connection it was sent on */
	uint32_t cookie;     /* the connection's cookie when it was sent */
	uint64_t handle;
	uint64_t timer, began; /* monotonic ms */
	uint32_t timeout_ms;
	uint64_t wait_until;
};

struct slot {
	int fd;
	bool dead;
	uint64_t ended; /* time of its end, which the driver does not know yet; 0: none */
	uint32_t cookie;
	struct request *sending;
	uint8_t head[28];
	size_t sent;
	uint8_t reply[16];
	size_t got;
	struct request *reading; /* the request whose data is being received */
	size_t data_got;
};

struct device {
	int index;
	bool configured;   /* `pid` exists */
	bool disconnected; /* by DISCONNECT, but still open */
	bool expired;	   /* the dead timeout passed: NBD_RT_DISCONNECTED without a DISCONNECT */
	bool frozen;
	bool ioctl; /* the device ends with its connections */
	char *identifier;
	uint16_t flags;
	uint64_t size;
	uint32_t block_size;
	uint64_t timeout, dead_timeout; /* s */
	unsigned n_slots;
	struct slot slot[STUB_FDS_MAX];
	unsigned openers, next_queue;
	uint32_t sequence; /* of handles */
	struct request *requests;
	uint64_t done[4]; /* reads, writes, discards, flushes */
	uint64_t sectors; /* written */
	int pid_fd;	  /* keeps the inode of the former `pid` from being used again */
	int stat_fd, inflight_fd;
	/* Set or read by tests. */
	unsigned decline;   /* the number of sockets to drop while reporting success */
	uint64_t notice_ms; /* ms until the driver knows that a connection has ended */
	bool silent;	    /* no events */
	bool refuse;	    /* DISCONNECT is refused */
	bool mute;	    /* accepted sockets are not logged */
	ino_t seen[64];	    /* the last sockets that were offered */
	unsigned repeated;  /* number of sockets that were offered again */
	unsigned offered, taken, declined, changes, detaches, failed, dead_told, sizes;
	unsigned stale; /* partitions of the previous disk that existed at the last attach */
};

struct command {
	struct command *next;
	struct client *client;
	struct stub_request request;
	char *identifier;
	int fds[STUB_FDS_MAX];
	size_t n_fds;
};

struct driver {
	char dir[96];
	struct client client[CLIENTS_MAX];
	struct device device[STUB_DEVICES];
	struct command *commands; /* the first one is being executed */
	bool blocked;		  /* no command is answered */
	unsigned overlapping;	  /* commands of one connection that did not wait for another */
	FILE *log;
	uint64_t records;
	bool no_size_freeze; /* before 6.9 */
};

uint64_t now_ms(void);

/* driver.c */
int driver_run(const char *dir);
void driver_reply(struct client *c, uint64_t id, int error, const void *data, size_t len);
void driver_event(struct driver *d, int index);
void driver_log(struct driver *d, const struct device *dev, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* device.c. Returns 0, -errno, or -EINPROGRESS: then it must be called again */
int device_attach(struct driver *d, struct device *dev, struct command *c);
int device_change(struct driver *d, struct device *dev, struct command *c);
int device_detach(struct driver *d, struct device *dev);
void device_last_close(struct driver *d, struct device *dev);
void device_ends(struct driver *d, struct device *dev, struct slot *s);

/* queue.c */
void queue_submit(struct driver *d, struct device *dev, struct client *c,
		  const struct stub_request *r, const uint8_t *data);
void queue_run(struct driver *d, struct device *dev);
void queue_fail_all(struct driver *d, struct device *dev);
void queue_forget_client(struct device *dev, const struct client *c);
void queue_receive(struct driver *d, struct device *dev, struct slot *s);
void queue_requeue(struct driver *d, struct device *dev, struct slot *s);
bool queue_busy(const struct device *dev);
unsigned queue_in(const struct device *dev, enum request_state state);

/* files.c */
void files_make(struct driver *d);
void files_configured(struct driver *d, struct device *dev, int pid);
void files_free(struct driver *d, struct device *dev);
void files_size(struct driver *d, struct device *dev);
void files_stat(struct driver *d, struct device *dev);
uint64_t files_number(struct driver *d, const struct device *dev, const char *name,
		      uint64_t otherwise);
void files_set(struct driver *d, const struct device *dev, const char *name, const char *format,
	       ...) __attribute__((format(printf, 4, 5)));
/* Returns the number of partitions; `drop` removes them, as each open(2) does. */
unsigned files_partitions(struct driver *d, const struct device *dev, bool drop);
void files_opened(struct driver *d, const struct client *c, bool open);
void files_references(struct driver *d);

/* control.c */
void control_words(struct driver *d, struct client *c, uint64_t id, char *words);

/* load.c, verify.c */
int load_main(int argc, char **argv);
int control_main(int argc, char **argv);

#endif
