/* SPDX-License-Identifier: MIT */
/*
 * Any answer of a worker or a resolver, which a server or a name server may have taken over. The
 * first byte chooses the kind; numbers come first, then the texts, each after its length.
 * Invariants: an accepted answer is sound, and every error is printable.
 */
#include <errno.h>
#include <netinet/in.h>

#include "fuzz.h"
#include "worker/resolve.h"
#include "worker/worker.h"

/* Up to 16 times 255 bytes; the last bit of the length decides whether a NUL is at the end. */
static void take_text(struct fuzz_input *in, char *to, size_t size)
{
	uint8_t len;
	size_t n;

	fuzz_take(in, &len, 1);
	n = (size_t)(len >> 1) * 8;
	n = n < size ? n : size;
	fuzz_take(in, to, n);
	if (len & 1)
		memset(to + n, 'x', size - n);
	else
		memset(to + n, 0, size - n);
}

static void check_worker(struct fuzz_input *in)
{
	static struct worker_answer a;
	enum nego_goal goal = NEGO_GOAL_GO;
	struct err err = {.message = ""};
	uint8_t which;
	uint16_t style;
	int ret;

	memset(&a, 0, sizeof(a));
	fuzz_take(in, &which, 1);
	goal = which % 3 == 0 ? NEGO_GOAL_GO : which % 3 == 1 ? NEGO_GOAL_INFO : NEGO_GOAL_LIST;
	fuzz_take(in, &a.type, 1);
	fuzz_take(in, &a.ret, sizeof(a.ret));
	fuzz_take(in, &a.err.kind, sizeof(a.err.kind));
	fuzz_take(in, &a.export.size, sizeof(a.export.size));
	fuzz_take(in, &a.export.flags, sizeof(a.export.flags));
	fuzz_take(in, &a.export.min_block, sizeof(uint32_t));
	fuzz_take(in, &a.export.pref_block, sizeof(uint32_t));
	fuzz_take(in, &a.export.max_block, sizeof(uint32_t));
	fuzz_take(in, &style, sizeof(style));
	memcpy(&a.export.style, &style, sizeof(style));
	fuzz_take(in, &a.tls.peer_expires, sizeof(int64_t));
	fuzz_take(in, &a.tls.own_expires, sizeof(int64_t));
	take_text(in, a.err.message, sizeof(a.err.message));
	take_text(in, a.tls.version, sizeof(a.tls.version));
	take_text(in, a.tls.cipher, sizeof(a.tls.cipher));
	take_text(in, a.tls.peer, sizeof(a.tls.peer));
	take_text(in, a.export.name, sizeof(a.export.name));
	take_text(in, a.export.description, sizeof(a.export.description));

	ret = worker_answer_check(&a, goal, &err);
	require(ret == 0 || ret == -EPROTO);
	if (ret < 0) {
		require(err.kind == ERR_PERMANENT);
		return;
	}
	if (a.type == WORKER_FAILED) {
		require(a.ret < 0 && a.ret >= -4095 && a.err.kind <= ERR_SYSTEM);
		require(a.err.kind != ERR_BUSY && a.err.message[0]);
		require(fuzz_text_printable(a.err.message, sizeof(a.err.message)));
	}
	if (a.type == WORKER_LISTED) {
		require(goal == NEGO_GOAL_LIST);
		require(nbd_string_valid(a.export.name, strlen(a.export.name)));
		require(nbd_string_valid(a.export.description, strlen(a.export.description)));
	}
	if (a.type == WORKER_DONE) {
		require(goal == NEGO_GOAL_LIST || nbd_export_valid(&a.export));
		require(fuzz_text_printable(a.tls.version, sizeof(a.tls.version)));
		require(fuzz_text_printable(a.tls.cipher, sizeof(a.tls.cipher)));
		require(fuzz_text_printable(a.tls.peer, sizeof(a.tls.peer)));
	}
}

static void check_resolver(struct fuzz_input *in)
{
	static struct resolve_answer a;
	struct address_list list = {.n = 0};
	char text[ADDRESS_TEXT_MAX];
	struct err err = {.message = ""};
	int ret;

	memset(&a, 0, sizeof(a));
	fuzz_take(in, &a.ret, sizeof(a.ret));
	fuzz_take(in, &a.eai, sizeof(a.eai));
	fuzz_take(in, &a.system_errno, sizeof(a.system_errno));
	fuzz_take(in, &a.n, sizeof(a.n));
	fuzz_take(in, &a.err.kind, sizeof(a.err.kind));
	take_text(in, a.err.message, sizeof(a.err.message));
	for (size_t i = 0; i < ADDRESSES_MAX && in->left; i++) {
		fuzz_take(in, &a.item[i].len, 1);
		fuzz_take(in, &a.item[i].sa, sizeof(struct sockaddr_in6));
	}
	ret = resolve_answer_check(&a, "server.example", 10809, &list, &err);
	if (ret < 0) {
		require(err.kind == ERR_RETRY || err.kind == ERR_PERMANENT ||
			err.kind == ERR_SYSTEM);
		require(fuzz_text_printable(err.message, sizeof(err.message)));
		return;
	}
	require(ret == 0 && list.n > 0 && list.n <= ADDRESSES_MAX);
	for (size_t i = 0; i < list.n; i++) {
		require(address_resolved_valid(&list.item[i], 10809));
		address_describe(&list.item[i], text, sizeof(text));
		require(fuzz_text_printable(text, sizeof(text)));
		for (size_t k = 0; k < i; k++)
			require(!address_equal(&list.item[i], &list.item[k]));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	uint8_t which;

	fuzz_take(&in, &which, 1);
	if (which & 1)
		check_resolver(&in);
	else
		check_worker(&in);
	return 0;
}
