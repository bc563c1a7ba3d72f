/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Compression for file systems: as much of the data as goes into so many bytes, in one pass. What comes out
 * depends on the data, the algorithm, its level and the library's version, on nothing else.
 *
 * Formats: the LZ4 block format, lz4's doc/lz4_Block_format.md; Zstandard frames, RFC 8878, without content
 * size and checksum.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum compression_algorithm { COMPRESSION_NONE, COMPRESSION_LZ4, COMPRESSION_LZ4HC, COMPRESSION_ZSTD };

#define COMPRESSION_WINDOW_LOG 19 /* log2 of the bytes that a frame of zstd refers back at most */
#define COMPRESSION_GRAIN 4096	  /* bytes: what is stored takes a multiple of these */

struct compression {
	enum compression_algorithm algorithm;
	int level; /* 0: the algorithm's usual one */
};

/* "none", "lz4", "lz4hc", "zstd"; NULL for no algorithm. */
const char *compression_name(enum compression_algorithm algorithm);

/* Takes "zstd", or "zstd:9" with a level. Returns 0, or -EINVAL with *err* saying what there is. */
int compression_parse(const char *text, struct compression *ret, struct error **err);

/* What levels an algorithm has: both 0 where it has none. *ret_usual is that of level 0. */
void compression_levels(enum compression_algorithm algorithm, int *ret_least, int *ret_most, int *ret_usual);

/* The library and its version, which the output depends on: "liblz4 1.9.4". Empty for COMPRESSION_NONE. The
 * text is the library's. */
struct compression_library {
	const char *name, *version;
};
struct compression_library compression_library(enum compression_algorithm algorithm);

struct compressor; /* what one thread needs */

/* *compression* is not COMPRESSION_NONE and its level one that there is. Returns 0 or -ENOMEM. */
int compressor_new(const struct compression *compression, struct compressor **ret);
struct compressor *compressor_free(struct compressor *compressor);
DEFINE_CLEANUP(struct compressor *, compressor_free);
#define _cleanup_compressor_ _cleanup_(compressor_freep)

/* What was compressed before no longer plays a part. */
void compressor_reset(struct compressor *compressor);

/*
 * Compresses from the beginning of *data* (1 to INT32_MAX bytes) as much as goes into *room* bytes (at least
 * 64) at *to*. *ret_used* is how much of the data that was. Returns the bytes written; 0 where the data can't
 * be made smaller, or -ENOMEM. Later calls may profit from what was learnt of earlier data:
 * compressor_reset() ends that.
 */
int compressor_fit(struct compressor *compressor, const uint8_t *data, size_t size, uint8_t *to, size_t room,
	size_t *ret_used);

/* Decompresses *size* bytes of *data*, all of them, to exactly *ret_size* bytes at *ret*. Returns 0, -EBADMSG
 * or -ENOMEM. */
int compression_decode(enum compression_algorithm algorithm, const uint8_t *data, size_t size, uint8_t *ret,
	size_t ret_size);
