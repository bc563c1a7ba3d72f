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
