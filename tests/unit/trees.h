/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * File trees for tests and benchmarks: made at random from a seed, read from a folder of the host, written to
 * one, and compared.
 */
#pragma once

#include "format/tree.h"

/* Repeatable numbers (xorshift64*). The state must not be 0. */
uint64_t random_next(uint64_t *state);
uint64_t random_below(uint64_t *state, uint64_t limit);

enum tree_features {
	TREE_ALL = 0,
	TREE_HOST = 1, /* what any host can hold and mkfs.erofs 1.5 can read: no odd xattrs, names up to 254
			  bytes */
};

/* About *count* names: folders, files of awkward sizes, links of both kinds, owners, modes, extended
 * attributes. */
struct tree *tree_random(uint64_t seed, size_t count, enum tree_features features);

/* Reads a folder of the host. Names in *skip* (may be NULL) at its top are left out. */
int tree_read_folder(const char *path, const char *skip, struct tree **ret, struct error **err);

/* Writes a tree to an existing folder of the host, with owners (where root), modes, times and attributes. */
int tree_write_folder(const struct tree *tree, const char *path, struct error **err);

/*
 * Compares two folders: names, types, modes, owners, times (unless *times* is false), attributes, contents
 * and which names are one inode. Returns a malloc()ed text that names the first difference, NULL where there
 * is none. Uses the field *number* of the inodes.
 */
char *tree_difference(struct tree_inode *a, struct tree_inode *b, bool times);
