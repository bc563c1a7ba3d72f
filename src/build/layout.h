/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The last step of a tree: from a whole root to the content of /usr, which is all that the image carries.
 *
 * /etc becomes the lower layer of the node's /etc, in /usr/share/orlop/etc. The folders of /var become
 * tmpfiles.d lines, since /var is the node's own, unless a package's or the edition's tmpfiles.d file makes
 * them already. What else there is beside /usr has no place on a node: folders of packages are dropped
 * (orlop-init makes the top-level ones), a file is an error, and so is whatever the definition itself has
 * there, so that nothing gets lost unnoticed.
 */
#pragma once

#include "base/string-util.h"
#include "build/finish.h"

#define LAYOUT_ETC "usr/share/orlop/etc"
#define LAYOUT_TMPFILES "usr/lib/tmpfiles.d/orlop-var.conf"

/*
 * Changes the tree so that only /usr is left in it, every name with the time finish->mtime. *setuid* lists
 * the files (paths without a leading "/") that keep their setuid or setgid bit; all others lose it, and
 * *ret_stripped* (may be NULL) counts them.
 *
 * Returns 0; -ENOENT where *setuid* names a file that the tree lacks or that has neither bit, about
 * which the error then is (error_about()); -EINVAL for a
 * file outside of /usr and /etc, which *err* names with its package, or with file and line of the definition.
 */
int layout_usr(struct finish *finish, const struct strv *setuid, size_t *ret_stripped, struct error **err);
