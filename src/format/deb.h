/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Debian binary packages (deb(5), format 2.x): an ar archive of "debian-binary", control.tar and data.tar,
 * each plain or compressed with gzip, xz or zstd (libarchive decompresses).
 *
 * The package is read as data: its fields, its list of configuration files and its payload. Maintainer
 * scripts are passed over. What a package may hold is limited to files, folders and links; a payload may be
 * twice as large as its Installed-Size and 16 MiB, not more, and is never larger than 8 GiB or a million
 * entries.
 */
#pragma once

#include "base/string-util.h"
#include "format/control.h"
#include "format/tree.h"

struct deb_entry {
	char *path;  /* "usr/bin/env"; never empty */
	mode_t mode; /* type (S_IFDIR, S_IFREG, S_IFLNK) and permissions */
	uint32_t uid, gid;
	int64_t mtime;
	struct content *content; /* of a file; NULL for a hard link */
	size_t offset;		 /* of the content in the package's bytes; 0: compressed there */
	char *target;		 /* of a symbolic link */
	char *existing;		 /* of a hard link: the path of an earlier entry, which is a file */
	size_t existing_index;	 /* and that entry's index */
	struct tree_xattr *xattrs;
	size_t xattr_count;
};

struct deb {
	struct control control;	   /* has Package, Version and Architecture */
	struct strv conffiles;	   /* "/etc/foo.conf" */
	struct deb_entry *entries; /* in the package's order; no path twice */
	size_t entry_count;
	uint64_t size;		/* of all contents kept, in bytes */
	size_t left_out;	/* files and links that the filter did not want */
	uint64_t left_out_size; /* of the files among them, in bytes */

	/* Files and symbolic links that the filter wanted set aside, in the package's order. */
	struct deb_entry *aside;
	size_t aside_count;
};

void deb_release(struct deb *deb);
#define _cleanup_deb_ _cleanup_(deb_release)

void deb_entries_release(struct deb_entry *entries, size_t count);

/* What becomes of an entry; 0: it is left out, and never held in memory. */
enum {
	DEB_KEEP = 1 << 0,
	DEB_ASIDE = 1 << 1, /* folders and hard links have no place there */
};
typedef unsigned (*deb_filter_fn)(const char *path, mode_t mode, void *userdata);

/*
 * Reads the package that *package* holds: contents that are not compressed in it are slices of it. *what*
 * names it in errors; *filter* may be NULL: all is wanted.
 *
 * Returns 0; -EBADMSG where the package is damaged or lies about its size; -EINVAL for a path that leads out
 * of the tree; -ENOTSUP for a device node, FIFO, socket, unknown entry, or unknown compression; -EEXIST for a
 * path that stands twice in it; -EFBIG for a payload beyond its limit. *ret* is filled on success alone.
 */
int deb_read_content(struct content *package, const char *what, deb_filter_fn filter, void *userdata,
	struct deb *ret, struct error **err);

/* The same of bytes that need not outlive the call: all contents are copies. */
int deb_read(const void *data, size_t size, const char *what, deb_filter_fn filter, void *userdata,
	struct deb *ret, struct error **err);

/* Copies the contents that are slices, so that the package's bytes are not kept for them. Returns 0 or
 * -ENOMEM. */
int deb_detach(struct deb *deb);
