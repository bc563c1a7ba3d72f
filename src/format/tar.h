/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A strict reader of the tar archives inside packages: the ustar format of POSIX.1-1988, GNU tar's long names
 * ("L", "K") and base-256 numbers, and the pax headers of POSIX.1-2001 ("x"). It is stricter than a tool that
 * is made to rescue archives: an entry that is neither file, folder, symbolic link nor hard link is an error,
 * never "treated as a file"; so is a size that disagrees, a name that leads out of the tree, or an archive
 * without its end.
 *
 * The reader never holds more than one header and one buffer; contents are read by the caller.
 */
#pragma once

#include "base/error.h"
#include "format/tree.h"

/*
 * Where the archive comes from: reads up to *size* bytes, or passes over them where *buffer* is NULL. Returns
 * how many (fewer at the end only, then 0), or a negative errno with *err* set.
 */
typedef ssize_t (*tar_source_fn)(void *userdata, void *buffer, size_t size, struct error **err);

struct tar_entry {
	mode_t mode; /* type (S_IFDIR, S_IFREG, S_IFLNK) and permissions; of a hard link the type is S_IFREG
		      */
	uint32_t uid, gid;
	int64_t mtime;
	uint64_t size;	/* of a file's content, 0 for all others */
	char *path;	/* "usr/bin/env": no "./" or "/" in front, none at the end; "" is the root folder */
	char *target;	/* of a symbolic link */
	char *existing; /* of a hard link: the path of the entry it is another name of */
	struct tree_xattr *xattrs; /* in the order of the archive */
	size_t xattr_count;
};

struct tar;

/* *what* names the archive in errors and must outlive the reader. NULL where memory is out. */
struct tar *tar_new(const char *what, tar_source_fn source, void *userdata);
struct tar *tar_free(struct tar *tar);
DEFINE_CLEANUP(struct tar *, tar_free);
#define _cleanup_tar_ _cleanup_(tar_freep)

/*
 * Goes to the next entry, past whatever of the last one's content was not read. Returns 1 and sets *ret*,
 * which belongs to the reader and lasts until the next call (the caller may take its strings out by setting
 * them to NULL); 0 at the archive's end, which is two blocks of zeros and nothing but zeros behind them;
 * -EBADMSG where the archive is damaged or ends too early; -ENOTSUP for an entry that has no place in a
 * package.
 */
int tar_next(struct tar *tar, struct tar_entry **ret, struct error **err);

/* Reads the next *size* bytes of the entry's content, which must have that many left. Returns 0 or -errno. */
int tar_read(struct tar *tar, void *data, size_t size, struct error **err);
