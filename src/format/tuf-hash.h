/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The digests that metadata of The Update Framework lists for a file ("hashes", specification 1.0,
 * section 4.4), and their check while the file's bytes pass by. "sha256" and "sha512" are known; others are
 * not looked at.
 */
#pragma once

#include <jansson.h>

#include "base/error.h"
#include "base/sha256.h"

#define TUF_SHA512_SIZE 64

struct tuf_hashes {
	bool has_sha256, has_sha512;
	uint8_t sha256[SHA256_SIZE], sha512[TUF_SHA512_SIZE];
};

/*
 * Reads a "hashes" object. Returns 0; -EBADMSG where it is none, is empty, or a digest of a known algorithm
 * is malformed. One that holds unknown algorithms alone can be read, and no file passes its check.
 */
int tuf_hashes_parse(const json_t *object, struct tuf_hashes *ret, struct error **err);

struct tuf_hasher;

struct tuf_hasher *tuf_hasher_new(void); /* NULL where memory is out */
struct tuf_hasher *tuf_hasher_free(struct tuf_hasher *hasher);
DEFINE_CLEANUP(struct tuf_hasher *, tuf_hasher_free);
#define _cleanup_tuf_hasher_ _cleanup_(tuf_hasher_freep)

void tuf_hasher_update(struct tuf_hasher *hasher, const void *data, size_t size);

/* The digests of all that passed; the hasher is empty afterwards. */
void tuf_hasher_final(struct tuf_hasher *hasher, struct tuf_hashes *ret);

/*
 * Compares what was computed with what is listed. Returns 0; -EBADMSG where a listed digest differs; -ENOTSUP
 * where none is of a known algorithm.
 */
int tuf_hashes_check(const struct tuf_hashes *listed, const struct tuf_hashes *found, struct error **err);

/* The same for an array. */
int tuf_hashes_check_bytes(
	const struct tuf_hashes *listed, const void *data, size_t size, struct error **err);
