/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From packages to one file tree: each .deb is verified, read and filtered on its own thread, then all are
 * put together in the order in which they are given, so that the tree does not depend on the number of
 * threads.
 *
 * Rules, where packages meet:
 * - /bin, /sbin, /lib, /lib32, /lib64, /libx32 are /usr/bin and so on ("merged /usr"); what a package has
 * below such a name is put below /usr, and the links themselves come from the package that has them
 * (base-files).
 * - A folder of several packages has the attributes that the first one gives it, as with dpkg, except where
 * they disagree about owner or permissions and one of them has the plain 0755 root:root: then the other's
 * count. Two different ones that are not plain are an error.
 * - A file or link of two packages is an error that names both, except where it is the same in both (type,
 *   content, owner, permissions, target), or one of them Replaces the other in its version: then that one's
 * counts.
 * - Diversions (dpkg-divert) are made by scripts, so nobody sees them here: leave out the file that is not
 * wanted.
 *
 * The origin of every inode is its package's name.
 */
#pragma once

#include "base/progress.h"
#include "base/string-util.h"
#include "format/control.h"
#include "format/deb.h"
#include "format/tree.h"
#include "source/package.h"

struct unpack_package {
	/* As the repository has them; what the package says of itself must be the same. NULL: anything. */
	const char *name, *version, *architecture, *source, *source_version;
	const char *path;	     /* of the .deb */
	uint64_t size;		     /* of that file, in bytes */
	uint8_t sha256[SHA256_SIZE]; /* of that file */
};

struct unpack_options {
	struct strv exclude; /* patterns (base/glob.h) of paths that are left out, with all below them … */
	struct strv keep;    /* … except for these */
	unsigned threads;    /* 0: one for each processor */
	deb_filter_fn aside; /* what is taken out whether it is in the tree or not; may be NULL */
	struct cache *cache; /* that keeps packages decompressed; NULL: none does */
	struct progress *progress; /* NULL: tell nobody */
};

/* What became of a package. */
struct unpacked_package {
	char *name;
	struct control control;
	struct strv conffiles;	/* "/etc/foo.conf" */
	size_t files;		/* files and links that are in the tree */
	uint64_t size;		/* of the files among them, in bytes */
	size_t left_out;	/* files and links that a pattern kept out */
	uint64_t left_out_size; /* of the files among them, in bytes */
	struct deb_entry *aside;
	size_t aside_count;
};

struct unpacked {
	struct unpacked_package *packages; /* in the order given */
	size_t count;
	/* Patterns that no path of any package matched: what they were for has gone, or they are misspelt. */
	struct strv idle_exclude, idle_keep;
};

void unpacked_release(struct unpacked *unpacked);
#define _cleanup_unpacked_ _cleanup_(unpacked_release)

/* What unpack() is told of a package of a repository; its texts stay the package's. */
struct unpack_package unpack_package_of(const struct package *package);

/*
 * Unpacks *count* packages into a new tree, which the caller frees. No package is looked into before its
 * SHA-256 was found right. *ret_unpacked* may be NULL.
 *
 * Returns 0, or a negative errno with *err* naming the package and the path: -EBADMSG for a digest, size or
 * name that differs and for a damaged package, -EEXIST for two packages with one file, and all that
 * deb_read() returns.
 */
int unpack(const struct unpack_package *packages, size_t count, const struct unpack_options *options,
	struct tree **ret, struct unpacked *ret_unpacked, struct error **err);
