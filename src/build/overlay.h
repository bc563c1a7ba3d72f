/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Files of the build host laid over the tree: what an edition adds to its packages.
 */
#pragma once

#include "base/string-util.h"
#include "format/tree.h"

/*
 * Adds all that is in the folder *path*: folders, regular files (mode 0755 where the owner may execute them,
 * 0644 otherwise) and symbolic links, owned by 0:0, with *mtime*. A file that is there already is replaced; a
 * folder and a file under one name, and anything else than these three, are errors. Names that begin with "."
 * or end in "~" are passed over: they belong to editors and version control. So is what *left_out* (may be
 * NULL) names, as the paths that come of *path*, with all that is below it.
 */
int overlay_add(struct tree *tree, const char *path, const struct strv *left_out, int64_t mtime,
	const char *origin, struct error **err);
