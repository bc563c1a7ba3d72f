/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A tree written out as files of the build host: for programs that read a system's headers and libraries in a
 * folder of their own, as compilers do with a sysroot.
 */
#pragma once

#include "format/tree.h"

/*
 * Writes all of the tree below the folder *path*, which is made where it is missing; a name in it that is
 * taken is an error (-EEXIST). What only an image can have is left out: owners, times, attributes, and of the
 * permissions all but the owner's right to execute. The target of a link that begins with "/" is meant from
 * the tree's root, and becomes a relative one that leads to the same place, so that nothing in the folder
 * points at the host.
 *
 * Nothing is flushed to the disk: who needs the folder whole makes it anew after a crash.
 */
int tree_write_folder(const struct tree *tree, const char *path, struct error **err);
