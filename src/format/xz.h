/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Decompression of .xz files that are small enough to be held in memory (the kernel's modules are).
 */
#pragma once

#include "base/error.h"

/* True where *data* begins like an .xz file. */
bool xz_is(const void *data, size_t size);

/*
 * Decompresses a whole .xz file into a malloc()ed array that the caller frees. Returns 0; -EBADMSG where it
 * is damaged, ends too early or has something behind its end; -EFBIG where it would become larger than *max*
 * bytes or would need more than 64 MiB to decompress; -ENOMEM.
 */
int xz_decode(const void *data, size_t size, size_t max, void **ret, size_t *ret_size, struct error **err);
