/* SPDX-License-Identifier: MIT */
#include "worker/resolve.h"

#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/text.h"

int resolve_lookup(const char *host, uint16_t port, struct address_list *ret_list)
{
	/* Without AI_ADDRCONFIG, which hides loopback addresses from a host with no other: a
	 * family that is not there fails to connect at once. */
	const struct addrinfo hints = {
	    .ai_flags = AI_NUMERICSERV,
	    .ai_socktype = SOCK_STREAM,
	};
	struct address_list list = {0};
	struct addrinfo *ai = NULL;
	char service[8];
	int ret;

	snprintf(service, sizeof(service), "%u", port);
	ret = getaddrinfo(host, service, &hints, &ai);
	if (ret != 0)
		return ret;
	for (const struct addrinfo *i = ai; i; i = i->ai_next) {
		struct address a = {.len = i->ai_addrlen};

		if (i->ai_addrlen > sizeof(a.sa))
			continue;
		memcpy(&a.sa, i->ai_addr, i->ai_addrlen);
		address_list_add_fairly(&list, &a);
	}
	freeaddrinfo(ai);
	*ret_list = list;
	return 0;
}

static volatile sig_atomic_t forbidden; /* as in struct resolve_answer */

/*
 * The filter has refused a system call: the caller gets the kernel's error; the user is told later.
 */
static void on_refusal(int number, siginfo_t *info, void *context)
{
	ucontext_t *c = context;

	(void)number;
	if (!forbidden)
		forbidden = info->si_syscall + 1;
#if defined(__x86_64__)
	c->uc_mcontext.gregs[REG_RAX] = -EPERM;
#elif defined(__aarch64__)
	c->uc_mcontext.regs[0] = (uint64_t)-EPERM;
#else
	(void)c; /* the result is what the C library finds there: most often not success */
#endif
}

static void tell_refusals(void)
{
	const struct sigaction action = {.sa_sigaction = on_refusal,
					 .sa_flags = SA_SIGINFO | SA_NODEFER};

	sigaction(SIGSYS, &action, NULL);
}

void resolve_serve(int fd, pid_t parent, const void *setup, size_t len, resolve_lookup_fn *lookup)
{
	static struct resolve_answer answer; /* of this process alone: started for one job */
	const struct resolve_job *job = setup;
	struct address_list list = {0};

	if (len != sizeof(*job) || !memchr(job->host, '\0', sizeof(job->host)))
		_exit(1);
	tell_refusals();
	answer.ret = sandbox_enter(&job->sandbox, SANDBOX_RESOLVE, parent, &answer.err);
	if (answer.ret == 0) {
		answer.eai = lookup(job->host, job->port, &list);
		answer.system_errno = answer.eai == EAI_SYSTEM ? errno : 0;
		answer.forbidden = forbidden;
		answer.n = (uint32_t)list.n;
		memcpy(answer.item, list.item, list.n * sizeof(list.item[0]));
	}
	if (send(fd, &answer, sizeof(answer), MSG_NOSIGNAL) != (ssize_t)sizeof(answer))
		_exit(1);
}

void resolve_run(int fd, pid_t parent, const void *setup, size_t len)
{
	resolve_serve(fd, parent, setup, len, resolve_lookup);
}

/* Adds which system call of a name service module the filter refused: the network is not at fault.
 */
static int explain_refusal(const struct resolve_answer *a, struct err *err, int ret)
{
	size_t len = strlen(err->message);

	if (a->forbidden > 0 && a->forbidden < 4096)
		snprintf(err->message + len, sizeof(err->message) - len,
			 " (a name service of /etc/nsswitch.conf made system call %d, which is not "
			 "allowed to it here: use an address, or another name service)",
			 a->forbidden - 1);
	return ret;
}

static int failed(const struct resolve_answer *a, const char *host, struct err *err)
{
	if (a->eai == EAI_NONAME || a->eai == EAI_NODATA)
		return err_set(err, ERR_RETRY, ENOENT,
			       "no address is known for the host name %s: is it spelt right?",
			       host);
	if (a->eai == EAI_AGAIN)
		return err_set(err, ERR_RETRY, EAGAIN,
			       "no name server answers for the host name %s", host);
	if (a->eai == EAI_SYSTEM && a->system_errno > 0)
		return err_errno(err, ERR_RETRY, a->system_errno, "cannot resolve the host name %s",
				 host);
	return err_set(err, ERR_RETRY, EIO, "cannot resolve the host name %s: %s", host,
		       gai_strerror(a->eai));
}

int resolve_answer_check(const struct resolve_answer *a, const char *host, uint16_t port,
			 struct address_list *ret_list, struct err *err)
{
	struct address_list list = {0};
	char quoted[300], message[ERR_MESSAGE_MAX];
	struct text t;

	text_init(&t, quoted, sizeof(quoted));
	text_quote(&t, host, strlen(host), 255);
	if (a->ret < 0 && a->ret >= -4095 && memchr(a->err.message, '\0', ERR_MESSAGE_MAX)) {
		text_init(&t, message, sizeof(message));
		text_escape(&t, a->err.message, strlen(a->err.message), ERR_MESSAGE_MAX);
		return err_set(err, ERR_SYSTEM, -a->ret, "%s", message);
	}
	if (a->ret == 0 && a->eai != 0)
		return explain_refusal(a, err, failed(a, quoted, err));
	if (a->ret != 0 || a->n > ADDRESSES_MAX)
		goto invalid;
	for (uint32_t i = 0; i < a->n; i++) {
		if (!address_resolved_valid(&a->item[i], port))
			goto invalid;
		address_list_add(&list, &a->item[i]);
	}
	if (list.n == 0)
		return err_set(err, ERR_RETRY, ENOENT, "no address is known for the host name %s",
			       quoted);
	address_list_interleave(&list);
	*ret_list = list;
	return 0;
invalid:
	return err_set(err, ERR_PERMANENT, EPROTO,
		       "the resolver process gave an invalid answer for the host name %s: a name "
		       "server may have attacked it",
		       quoted);
}
