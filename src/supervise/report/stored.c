/* SPDX-License-Identifier: MIT */
#include "supervise/report/stored.h"

#include <stdio.h>

void stored_found(struct stored *t, const struct stored_socket *s)
{
	if (s->name.serial > t->serial)
		t->serial = s->name.serial;
	if (t->n < STORED_MAX)
		t->item[t->n++] = *s;
}

static bool is_wished(const struct stored_wish *wishes, size_t n, uint64_t inode)
{
	for (size_t i = 0; i < n; i++)
		if (wishes[i].inode == inode)
			return true;
	return false;
}

static const struct stored_socket *find(const struct stored *t, uint64_t inode)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->item[i].inode == inode)
			return &t->item[i];
	return NULL;
}

bool stored_name(const struct stored *t, uint64_t inode, struct linkname *ret_name)
{
	const struct stored_socket *s = find(t, inode);

	if (s)
		*ret_name = s->name;
	return s != NULL;
}

static struct stored_message drop(const struct stored_socket *s)
{
	return (struct stored_message){.verb = STORED_DROP, .socket = *s, .fd = -1};
}

struct stored_message stored_next(const struct stored *t, const struct stored_wish *wishes,
				  size_t n, uint64_t attachment)
{
	const struct stored_message nothing = {.verb = STORED_NOTHING, .fd = -1};
	const struct stored_socket *s;

	/* First, because a full store refuses further sockets. */
	for (size_t i = 0; i < t->n; i++)
		if (!is_wished(wishes, n, t->item[i].inode))
			return drop(&t->item[i]);
	for (size_t i = 0; i < n; i++) {
		s = find(t, wishes[i].inode);
		if (s && (attachment == 0 || s->name.attachment == attachment))
			continue;
		if (s)
			return drop(s);
		if (t->n == STORED_MAX)
			break;
		return (struct stored_message){
		    .verb = STORED_KEEP,
		    .socket = {.inode = wishes[i].inode,
			       .name = {.attachment = attachment, .serial = t->serial + 1}},
		    .fd = wishes[i].fd,
		};
	}
	return nothing;
}

void stored_sent(struct stored *t, const struct stored_message *m)
{
	switch (m->verb) {
	case STORED_NOTHING:
		break;
	case STORED_KEEP:
		stored_found(t, &m->socket);
		break;
	case STORED_DROP:
		for (size_t i = 0; i < t->n; i++) {
			if (t->item[i].name.attachment != m->socket.name.attachment ||
			    t->item[i].name.serial != m->socket.name.serial)
				continue;
			t->item[i--] = t->item[--t->n];
		}
		break;
	}
}

/* sd_pid_notify_with_fds(3), sd_notify(3). */
void stored_text(const struct stored_message *m, char *buf)
{
	char name[LINKNAME_MAX];

	linkname_write(&m->socket.name, name);
	/*
	 * Without FDPOLL=0 the manager drops a socket that hangs up: the very one that shows how
	 * its connection has ended.
	 */
	snprintf(buf, STORED_TEXT_MAX,
		 m->verb == STORED_KEEP ? "FDSTORE=1\nFDPOLL=0\nFDNAME=%s"
					: "FDSTOREREMOVE=1\nFDNAME=%s",
		 name);
}
