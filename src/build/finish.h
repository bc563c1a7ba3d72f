/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Finishers: what the packages' maintainer scripts would have done, done to the tree instead. Each is one
 * named function that reads the unpacked tree, and adds or changes names in it; none runs anything.
 */
#pragma once

#include "format/tree.h"

struct finish {
	struct tree *tree;	  /* the whole root: usr, etc, var … as the packages hold them */
	const char *architecture; /* Debian's name: "amd64", "arm64" */
	int64_t mtime;		  /* seconds since 1970, for everything that a finisher makes */
};

/* Returns 0 or a negative errno with *err* set. The origin of what it makes is "finisher:NAME". */
typedef int (*finisher_fn)(struct finish *finish, struct error **err);

/*
 * For finishers: make a file, folder or symbolic link of 0:0 with the origin "finisher:*name*", in the place
 * of a file or link that is there. A folder that is there keeps its attributes.
 */
int finish_file(struct finish *finish, const char *name, const char *path, mode_t mode, const void *data,
	size_t size, struct error **err);
int finish_folder(struct finish *finish, const char *name, const char *path, mode_t mode, struct error **err);
int finish_link(
	struct finish *finish, const char *name, const char *path, const char *target, struct error **err);

/* Makes *path* a copy of the file *from*, which must be there. */
int finish_copy(
	struct finish *finish, const char *name, const char *path, const char *from, struct error **err);

/* The text of the file at *path* (links are followed), NULL where there is none. It belongs to the tree. */
const char *finish_text(const struct finish *finish, const char *path);
