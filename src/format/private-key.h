/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Private keys, wherever they are: in a PEM file (PKCS#8, RFC 5958, or what OpenSSL reads besides), which may
 * be encrypted, or in a token that PKCS#11 speaks for.
 *
 * A key of a token is named by a URI (RFC 7512), "pkcs11:token=release;object=targets". A key file may hold
 * such a line in place of PEM, so that a folder of keys can point to a token.
 */
#pragma once

#include <openssl/types.h>

#include "base/buffer.h"
#include "base/error.h"

#define KEY_SECRET_MAX 256 /* bytes of a passphrase or PIN, with the NUL */
#define KEY_ATTEMPTS 3	   /* passphrases that are tried on one key file; of PINs it is always one */

enum key_secret_kind { KEY_PASSPHRASE, KEY_PIN };

/* What is asked for. */
struct key_question {
	enum key_secret_kind kind;
	const char *name; /* of the file, or the token's URI without what may be a PIN */
	unsigned attempt; /* from 0; how many answers did not open the file */
};

/* Who knows the passphrase of an encrypted key file, or the PIN of a token. */
struct key_secret {
	/* Writes the answer, with a NUL, to *ret*. Returns 0; a negative errno where there is none. */
	int (*ask)(const struct key_question *question, char *ret, size_t size, void *userdata);
	void *userdata;
};

/*
 * Loads the key that *where* names: a path, or a URI "pkcs11:…". *secret* may be NULL: then an encrypted key
 * is refused, and a URI has to bring its PIN along ("pin-value", "pin-source"). *ret_name* (may be NULL) is
 * what messages may call it: without a PIN, malloc()ed. The caller frees *ret*.
 *
 * Returns 0; -ENOENT where there is no such file, token or key; -EPERM where a file may be read by everybody
 * or changed by its group; -EBADMSG where it is no key; -EKEYREJECTED where the passphrase or PIN is wrong,
 * or is not known; -ENOTSUP where OpenSSL has nothing that speaks PKCS#11; -ENOMEM.
 */
int private_key_load(const char *where, const struct key_secret *secret, EVP_PKEY **ret, char **ret_name,
	struct error **err);

/* The same from a PEM text in memory. *name* is what messages call it. */
int private_key_from_pem(const char *name, const char *pem, size_t size, const struct key_secret *secret,
	EVP_PKEY **ret, struct error **err);

/*
 * Writes the key as PKCS#8 in PEM, a malloc()ed text that the caller wipes and frees. With a *passphrase*
 * (NULL: none) it is encrypted: PBES2 (RFC 8018, 6.2) with PBKDF2, HMAC-SHA-256, 600,000 rounds, and
 * AES-256-CBC.
 */
int private_key_to_pem(EVP_PKEY *key, const char *passphrase, char **ret, struct error **err);

/*
 * Appends the signature over *data*: RSA with PKCS#1 v1.5 padding and ECDSA over its SHA-256, Ed25519 over
 * the data themselves. Returns 0; -EIO where the key, or its token, does not sign; -ENOMEM.
 */
int private_key_sign(EVP_PKEY *key, const char *name, const void *data, size_t size, struct buffer *ret,
	struct error **err);
