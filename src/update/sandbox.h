/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Gives up, for good, all that a process doesn't need which talks to the network and writes to a socket that
 * it has: its user and groups, every capability, the file system but for a few files to read, and all system
 * calls but those that libcurl, OpenSSL, Zstandard and their threads make. docs/security.md says why each.
 *
 * To be called while the process has one thread. What it has open stays open.
 */
#pragma once

#include <sys/types.h>

#include "base/error.h"

/* The address sanitizer's shadow of the memory is larger than any limit. */
#if defined(__SANITIZE_ADDRESS__)
#define SANDBOX_NO_MEMORY_LIMIT
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANDBOX_NO_MEMORY_LIMIT
#endif
#endif

/* What took hold. */
enum sandbox_measure {
	SANDBOX_USER = 1 << 0,	       /* not root; where it was, no groups but its own */
	SANDBOX_CAPABILITIES = 1 << 1, /* no capability, nor a way to one */
	SANDBOX_SECCOMP = 1 << 2,      /* system calls by a list; what isn't on it kills the process */
	SANDBOX_FILES = 1 << 3, /* Landlock: the files that are listed can be opened, and only be read */
	SANDBOX_BIND = 1 << 4,	/* Landlock: no TCP port can be bound (Linux 6.7) */
	SANDBOX_SCOPE = 1 << 5, /* Landlock: no signals and abstract sockets of others (Linux 6.12) */

	/* Without these nothing is begun. The others depend on the kernel. */
	SANDBOX_REQUIRED = SANDBOX_USER | SANDBOX_CAPABILITIES | SANDBOX_SECCOMP,
	SANDBOX_ALL = SANDBOX_REQUIRED | SANDBOX_FILES | SANDBOX_BIND | SANDBOX_SCOPE,
};

struct sandbox_options {
	uid_t uid; /* to become, where the process is root's; nobody else may use them */
	gid_t gid;
	const char *const *readable; /* files and folders that may be read; NULL at the end; absent ones are
				      * skipped */
};

/*
 * Goes in. Returns 0 with *ret* the measures that took hold, SANDBOX_REQUIRED at least; -EINVAL where a
 * process of root's is to stay root's; another negative errno with *err* set, and then the process is to end:
 * what it has given up so far is gone.
 */
int sandbox_enter(const struct sandbox_options *options, uint32_t *ret, struct error **err);

/* "user capabilities seccomp …" into a malloc()ed string; NULL where memory is out. */
char *sandbox_describe(uint32_t measures);
