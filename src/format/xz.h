/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Decompression of .xz files that are small enough to be held in memory: packages, and the kernel's modules.
 */
#pragma once

#include "base/buffer.h"
#include "base/error.h"

/* True where *data* begins like an .xz file. */
bool xz_is(const void *data, size_t size);

/*
 * Appends what a whole .xz file holds to *to*, which needs no more memory if it has room for all. Checksums
 * inside the file are passed over: for files that have been found right by a digest. Returns as xz_decode().
 */
int xz_append(const void *data, size_t size, size_t max, struct buffer *to, struct error **err);

/*
 * Decompresses a whole .xz file into a malloc()ed array that the caller frees. Returns 0; -EBADMSG where it
 * is damaged, ends too early or has something behind its end; -EFBIG where it would become larger than *max*
 * bytes or would need more than 256 MiB to decompress; -ENOMEM.
 */
int xz_decode(const void *data, size_t size, size_t max, void **ret, size_t *ret_size, struct error **err);
