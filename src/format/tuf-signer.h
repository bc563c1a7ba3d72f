/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Private keys that metadata of The Update Framework is signed with: ed25519 (RFC 8032) or ECDSA on P-256
 * with SHA-256, in a file or in a token (private-key.h).
 */
#pragma once

#include <jansson.h>

#include "format/private-key.h"

struct tuf_signer;

struct tuf_signer *tuf_signer_free(struct tuf_signer *signer);
DEFINE_CLEANUP(struct tuf_signer *, tuf_signer_free);
#define _cleanup_tuf_signer_ _cleanup_(tuf_signer_freep)

/* As private_key_load(); -EKEYREJECTED, too, where the key is of another kind. */
int tuf_signer_load(
	const char *where, const struct key_secret *secret, struct tuf_signer **ret, struct error **err);

/* The same from a PEM text in memory. *name* is what messages call it. */
int tuf_signer_from_pem(const char *name, const char *pem, size_t size, const struct key_secret *secret,
	struct tuf_signer **ret, struct error **err);

/* Makes an ed25519 key: as private_key_to_pem(); tuf_pem_free() wipes and frees the text. */
int tuf_signer_generate(const char *passphrase, char **ret, struct error **err);
char *tuf_pem_free(char *pem);

/* The public key as metadata lists it, and the id it is listed under; both belong to the signer. */
json_t *tuf_signer_key(const struct tuf_signer *signer);
const char *tuf_signer_id(const struct tuf_signer *signer);

/* Appends the signature over *data*. Returns 0; -EIO where the key, or its token, does not sign; -ENOMEM. */
int tuf_signer_sign(const struct tuf_signer *signer, const void *data, size_t size, struct buffer *ret,
	struct error **err);
