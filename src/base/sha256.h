/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * SHA-256 (FIPS 180-4) through OpenSSL, with one context that is used again and again: for 4 KiB blocks,
 * making a context for each costs as much as the hash.
 */
#pragma once

#include "base/block-io.h"

#define SHA256_SIZE 32
#define SHA256_HEX_SIZE (2 * SHA256_SIZE + 1) /* with the NUL */

struct sha256; /* a context; one thread at a time */

struct sha256 *sha256_new(void); /* NULL where memory is out */
struct sha256 *sha256_free(struct sha256 *context);
DEFINE_CLEANUP(struct sha256 *, sha256_free);
#define _cleanup_sha256_ _cleanup_(sha256_freep)

/* A context begins empty, and is empty again after sha256_final(). */
void sha256_update(struct sha256 *context, const void *data, size_t size);
void sha256_final(struct sha256 *context, uint8_t ret[SHA256_SIZE]);

/* The digest of one array. Returns 0 or -ENOMEM. */
int sha256_bytes(const void *data, size_t size, uint8_t ret[SHA256_SIZE]);

/* The digest and size of all that *fd* holds from its beginning; its file offset stays. *ret_size may
 * be NULL. */
int sha256_file(int fd, uint8_t ret[SHA256_SIZE], uint64_t *ret_size);

/*
 * Adds *size* bytes from *offset* on of a disk or file, which are read piece by piece, so that memory does
 * not depend on *size*. Returns 0; -ENOMEM; the errors of block_read().
 */
int sha256_update_io(struct sha256 *context, const struct block_io *io, uint64_t offset, uint64_t size);

/* The digest of all of it; the same errors. */
int sha256_io(const struct block_io *io, uint8_t ret[SHA256_SIZE]);
