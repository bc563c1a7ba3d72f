/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * /etc: an overlay of the image's own copy in /usr and of what was changed on this machine, which is state.
 * Paths that decide whom to trust are sealed: what state says of them is thrown away at each boot, and while
 * the system runs the image's copy is mounted over them read-only.
 */
#pragma once

#include "base/error.h"
#include "base/string-util.h"

/*
 * Reads a list of sealed paths, one a line, relative to /etc; "#" begins a comment line. Returns 0; -EINVAL
 * with *err* naming the line where a path is absolute, empty or has a component "." or ".."; -ENOMEM.
 */
int etc_parse_sealed(const char *text, struct strv *ret, struct error **err);

/*
 * Removes from the upper layer in the folder *upper* what it says of *path*: the name itself with all below
 * it, a parent that is no folder, and marks on the parents by which an overlay would hide or move what is
 * below. Links are not followed. Returns 0 or a negative errno.
 */
int etc_unseal_upper(int upper, const char *path);

/*
 * Mounts /etc of the new root; *lower* and *sealed* (may be NULL) are paths in the new root. Notes as well in
 * /etc and /var that both fit this /usr, so that ConditionNeedsUpdate= does not hold.
 */
int etc_mount(const char *lower, const char *sealed, struct error **err);
