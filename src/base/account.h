/* SPDX-License-Identifier: MIT */
/*
 * The accounts of local files. A name service (LDAP and the like) would bring bytes from the
 * network into this process, which is root. Blocks for files only.
 */
#ifndef BASE_ACCOUNT_H
#define BASE_ACCOUNT_H

#include <pwd.h>
#include <stdbool.h>

/* True: no other account is of interest. pw lives until the return. */
typedef bool account_fn(const struct passwd *pw, void *arg);

/* Calls fn for each account, until it returns true. What cannot be read has no accounts. */
void account_each(account_fn *fn, void *arg);

#endif
