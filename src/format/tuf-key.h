/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Public keys of The Update Framework, as root and delegating metadata list them, and signatures by them.
 *
 * Format: TUF specification 1.0, section 4.2; docs/formats/tuf.md. Three kinds can be used: "ed25519" (64
 * hexadecimal digits), "ecdsa" or "ecdsa-sha2-nistp256" (PEM) with the scheme "ecdsa-sha2-nistp256", and
 * "rsa" (PEM, at least 2048 bits) with "rsassa-pss-sha256". A key of another kind may be listed and signs
 * nothing.
 */
#pragma once

#include <jansson.h>
#include <openssl/types.h>

#include "base/error.h"
#include "base/sha256.h"

struct tuf_key {
	char id[SHA256_HEX_SIZE];
	EVP_PKEY *public; /* NULL where the key is of a kind that can't be used, or damaged */
};

void tuf_key_release(struct tuf_key *key);

/*
 * Reads the key *object* that is listed under *id*. The id has to be the SHA-256 of the key's canonical form:
 * of the whole object, or of its three specified members, both of which are in use. Returns 0; -EBADMSG where
 * the id is another one's, or a member is missing; -ENOMEM.
 */
int tuf_key_parse(const char *id, const json_t *object, struct tuf_key *ret, struct error **err);

/* True where *signature* is one by this key over *data*. */
bool tuf_key_verify(const struct tuf_key *key, const void *data, size_t size, const uint8_t *signature,
	size_t signature_size);

/* True where both are the same public key, whatever their ids and however they are written. */
bool tuf_key_same(const struct tuf_key *a, const struct tuf_key *b);

/* The id of a key object that has nothing but the specified members. */
int tuf_key_id(const json_t *object, char ret[SHA256_HEX_SIZE], struct error **err);
