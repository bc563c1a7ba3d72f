/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which files of two trees differ, in what: type, mode, owner, content, target, extended attributes. Times
 * are not looked at, since images have one for all files; nor is which names are one inode.
 */
#pragma once

#include <jansson.h>

#include "base/buffer.h"
#include "format/tree.h"

/* What of a file is another, as bits. */
enum file_difference {
	FILE_TYPE = 1 << 0,
	FILE_MODE = 1 << 1,
	FILE_OWNER = 1 << 2,
	FILE_CONTENT = 1 << 3, /* of a file, or the target of a link */
	FILE_XATTRS = 1 << 4,
};

struct file_change {
	char *path;				 /* without a "/" first; the root is "" */
	const struct tree_inode *before, *after; /* NULL: it is only in the other; they belong to the trees */
	unsigned differences;			 /* of enum file_difference; 0 where one is NULL */
};

struct file_changes {
	struct file_change *items; /* in the byte order of their paths' parts, as a tree is walked */
	size_t count;
};

void file_changes_release(struct file_changes *changes);
#define _cleanup_file_changes_ _cleanup_(file_changes_release)

/* Compares. *ret* refers to both trees. A folder that is in one alone is listed with all that is in it.
 * Returns 0 or -ENOMEM. */
int file_changes_find(
	const struct tree *before, const struct tree *after, struct file_changes *ret, struct error **err);

/* Appends a line for each: "+ usr/bin/foo", "- …" or "* …" and what differs. Returns 0 or -ENOMEM. */
int file_changes_text(const struct file_changes *changes, struct buffer *ret, struct error **err);

/* The list that orlop-diff(1) describes, as a new reference; NULL where memory is out. */
json_t *file_changes_json(const struct file_changes *changes);
