/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Private keys that metadata of The Update Framework is signed with: ed25519 (RFC 8032) or ECDSA on P-256
 * with SHA-256, in a PEM file or in a token that PKCS#11 speaks for.
 *
 * A key of a token is named by a URI (RFC 7512), "pkcs11:token=release;object=targets". A key file may hold
 * such a line in place of PEM, so that a folder of keys can point to a token.
 */
#pragma once

#include <jansson.h>

#include "base/buffer.h"
#include "base/error.h"

#define TUF_SECRET_MAX 256 /* bytes of a passphrase or PIN, with the NUL */

/* Who knows the passphrase of an encrypted key file, or the PIN of a token. */
struct tuf_secret {
	/* Writes the one of *name*, with a NUL, to *ret*. Returns 0 or a negative errno. */
	int (*ask)(const char *name, char *ret, size_t size, void *userdata);
	void *userdata;
};

struct tuf_signer;

struct tuf_signer *tuf_signer_free(struct tuf_signer *signer);
DEFINE_CLEANUP(struct tuf_signer *, tuf_signer_free);
#define _cleanup_tuf_signer_ _cleanup_(tuf_signer_freep)

/*
 * Loads the key that *where* names: a path, or a URI "pkcs11:…". *secret* may be NULL: then an encrypted key
 * is refused, and a URI has to bring its PIN along ("pin-value", "pin-source").
 *
 * Returns 0; -ENOENT where there is no such file or key; -EPERM where a file may be read by everybody or
 * changed by its group; -EBADMSG where it is no key; -EKEYREJECTED where the passphrase is wrong or the key
 * is of another kind; -ENOTSUP where OpenSSL has nothing that speaks PKCS#11; -ENOMEM.
 */
int tuf_signer_load(
	const char *where, const struct tuf_secret *secret, struct tuf_signer **ret, struct error **err);

/* The same from a PEM text in memory. *name* is what messages call it. */
int tuf_signer_from_pem(const char *name, const char *pem, size_t size, const struct tuf_secret *secret,
	struct tuf_signer **ret, struct error **err);

/* Makes an ed25519 key: PKCS#8 in PEM, a malloc()ed text that the caller wipes and frees (tuf_pem_free()). */
int tuf_signer_generate(char **ret, struct error **err);
char *tuf_pem_free(char *pem);

/* The public key as metadata lists it, and the id it is listed under; both belong to the signer. */
json_t *tuf_signer_key(const struct tuf_signer *signer);
const char *tuf_signer_id(const struct tuf_signer *signer);

/* Appends the signature over *data*. Returns 0; -EIO where the key, or its token, does not sign; -ENOMEM. */
int tuf_signer_sign(const struct tuf_signer *signer, const void *data, size_t size, struct buffer *ret,
	struct error **err);
