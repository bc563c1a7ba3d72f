/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reading a compressed file of an EROFS image, of the forms that erofs-index.h writes and of those of
 * mkfs.erofs that have the same parts: both kinds of index, clusters of one block or of several, LZ4 and
 * Zstandard.
 */
#pragma once

#include "format/erofs.h"

/* Reads *size* bytes from *offset* of an image on. Returns 0, or -EBADMSG where that lies outside. */
int erofs_source_read(
	const struct erofs_source *source, uint64_t offset, size_t size, void *ret, struct error **err);

struct erofs_packed_file {
	uint64_t place; /* where inode and attributes end, bytes from the image's beginning */
	uint64_t size;	/* of the content, bytes */
};

/*
 * Reads the whole content to *to*, which has room for it. Returns 0; -EBADMSG for one that is damaged;
 * -ENOTSUP for parts of the format that are not known here; -ENOMEM; the errors of reading.
 */
int erofs_unpack(const struct erofs_source *source, const struct erofs_packed_file *file, uint8_t *to,
	struct error **err);
