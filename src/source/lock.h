/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A lock file: the exact packages of a build, for builds that are to have the same. It is written by one
 * build, kept with the definition, and obeyed by the others, which then read no metadata of an archive: that
 * a package is the right one says its SHA-256 in the lock. So who can change the lock can change the image.
 *
 * Format: a JSON object, docs/formats/lock.md.
 */
#pragma once

#include "base/buffer.h"
#include "base/error.h"
#include "base/string-util.h"
#include "source/package.h"

#define LOCK_MAX MiB(16)	/* bytes */
#define LOCK_PACKAGES_MAX 10000 /* of each list */

struct lock {
	char *edition, *architecture, *suite, *version;

	/* What was asked for, with names of architectures filled in. */
	struct strv wanted, boot_wanted, absent;

	/* What that came to. Of a package, all but *url* and *path*. */
	struct package_list packages, boot_packages;
};

void lock_release(struct lock *lock);
#define _cleanup_lock_ _cleanup_(lock_release)

/* Reads a lock. Returns 0; -EBADMSG with *err* naming the member that is missing or wrong; -ENOMEM. */
int lock_parse(const void *data, size_t size, struct lock *ret, struct error **err);

/* The same of a file. -ENOENT where there is none. */
int lock_read(const char *path, struct lock *ret, struct error **err);

/* Appends the text of a lock, in which packages stand in the order of their names. Returns 0; -EINVAL with
 * *err* set where nobody would read it; -ENOMEM. */
int lock_write(const struct lock *lock, struct buffer *ret, struct error **err);
