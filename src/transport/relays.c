/* SPDX-License-Identifier: MIT */
#include "transport/relays.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/stat.h>

/*
 * More than run at a time (transport/helpers.c), so that the latest ones that have ended are known
 * as well.
 */
#define RECORDS 96

struct relays {
	size_t next;
	struct relay_record *record; /* RECORDS of them, inode 0: unused; NULL before the first */
};

struct relays *relays_new(void)
{
	return calloc(1, sizeof(struct relays));
}

void relays_free(struct relays *r)
{
	if (r)
		free(r->record);
	free(r);
}

int relays_pair(int *ret_kernel_end, int *ret_relay_end, struct err *err)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_errno(err, ERR_SYSTEM, errno, "cannot create the sockets for the relay");
	*ret_kernel_end = pair[0];
	*ret_relay_end = pair[1];
	return 0;
}

uint64_t relays_inode(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 ? st.st_ino : 0;
}

/* The next one that is unused or has ended; if there is none, the next one. */
static struct relay_record *replaceable(struct relays *r)
{
	for (size_t i = 0; i < RECORDS; i++) {
		struct relay_record *record = &r->record[(r->next + i) % RECORDS];

		if (record->inode && !record->ended)
			continue;
		r->next = (r->next + i) % RECORDS;
		break;
	}
	return &r->record[r->next++ % RECORDS];
}

void relays_add(struct relays *r, int kernel_end, int sock)
{
	struct relay_record record = {.inode = relays_inode(kernel_end)};
	socklen_t len = sizeof(record.local), peer_len = sizeof(record.peer);

	if (!r || !record.inode)
		return;
	/* Most devices have no relay. One that is not recorded has ended for an unknown reason. */
	if (!r->record)
		r->record = calloc(RECORDS, sizeof(*r->record));
	if (!r->record)
		return;
	if (getsockname(sock, (void *)&record.local, &len) < 0 ||
	    getpeername(sock, (void *)&record.peer, &peer_len) < 0 ||
	    (record.local.ss_family != AF_INET && record.local.ss_family != AF_INET6))
		record.local.ss_family = 0;
	*replaceable(r) = record;
}

/* For those that add to it and those that only look. */
static struct relay_record *find(struct relays *r, uint64_t inode)
{
	for (size_t i = 0; r && r->record && inode && i < RECORDS; i++)
		if (r->record[i].inode == inode)
			return &r->record[i];
	return NULL;
}

void relays_ended(struct relays *r, uint64_t inode, const struct process_end *end)
{
	struct relay_record *record = find(r, inode);

	if (!record)
		return;
	record->ended = true;
	record->end = RELAY_END_BROKEN;
	if (end->exited && end->value >= RELAY_END_BROKEN && end->value <= RELAY_END_DRIVER)
		record->end = (enum relay_end)end->value;
}

const struct relay_record *relays_find(const struct relays *r, uint64_t inode)
{
	return find((struct relays *)r, inode);
}
