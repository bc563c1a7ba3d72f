/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Files of the build host laid over the tree: what an edition adds to its packages.
 */
#pragma once

#include "base/string-util.h"
#include "format/tree.h"

/*
 * Adds all that is in the folder *path*: folders, regular files and symbolic links, owned by 0:0, with
 * *mtime*. A file that is there already is replaced; a folder and a file under one name, and anything else
 * than these three, are errors.
 *
 * Folders are of mode 0755, files too where the owner may execute them, and 0644 otherwise: that is all that
 * version control keeps, and what is the same whatever the umask of a checkout was. Files that are setuid,
 * setgid or sticky, and folders that are setuid or sticky, are errors, since these bits were set on purpose.
 * (The setgid bit of a folder may be that of the folder that it was made in.)
 *
 * Passed over are what *left_out* (may be NULL) names, as the paths that come of *path*, with all that is
 * below it, and what is version control's, an editor's or a file manager's:
 *
 *     .git  .gitignore  .gitattributes  .gitkeep  *~  .*.sw[a-p]  .#*  .DS_Store
 */
int overlay_add(struct tree *tree, const char *path, const struct strv *left_out, int64_t mtime,
	const char *origin, struct error **err);

/* Whether overlay_add() would find something at *name* in the folder *path*; -ENOMEM. */
int overlay_has(const char *path, const char *name);
