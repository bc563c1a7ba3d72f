/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The cpio archive in its "newc" form, which the Linux kernel unpacks as its initial file system (Linux:
 * Documentation/driver-api/early-userspace/buffer-format.rst): for each name a header of 110 ASCII
 * characters, the name and the content, each padded to four bytes, ended by the name "TRAILER!!!".
 *
 * The same tree always makes the same bytes: names in the tree's order, inode numbers counted from 1.
 */
#pragma once

#include "base/buffer.h"
#include "format/tree.h"

/*
 * Appends *tree* to *ret*, without its root folder. A hard link's content stands with its last name. Owners
 * and times come from the tree.
 *
 * Returns 0; -EINVAL where an inode has an extended attribute, which the format cannot hold; -ERANGE where a
 * time or a size needs more than 32 bits; -ENOMEM.
 */
int cpio_write(struct tree *tree, struct buffer *ret, struct error **err);

/* The same, with the content of each file at a multiple of *alignment* (of 4) from the archive's beginning:
 * names are padded with more NULs, as the document above has it. */
int cpio_write_aligned(struct tree *tree, size_t alignment, struct buffer *ret, struct error **err);

/*
 * Finds the content of the file *name* in the first of the archives in *data* that has it: plain ones, one
 * after another with zeros between, as the kernel takes them; what is behind them may be anything. Returns 0;
 * -ENOENT where none has it; -EBADMSG where an entry is damaged or goes beyond the end.
 */
int cpio_find(const uint8_t *data, size_t size, const char *name, size_t *ret_offset, size_t *ret_size,
	struct error **err);
