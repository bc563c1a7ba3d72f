/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who signs: a certificate, and the private key that belongs to it or somebody who asks for the signature
 * elsewhere. Everything that the firmware and the kernel check (boot programs, variable updates, root hashes,
 * policies) is signed through one of these.
 *
 * Whoever holds a signer sees the certificate and can ask for a signature; where the key lives is the
 * signer's own business. The keys are RSA of at least 2048 bits with SHA-256 and PKCS#1 v1.5 padding (RFC
 * 8017, 8.2), which firmware understands and which gives the same signature for the same data every time.
 */
#pragma once

#include "base/buffer.h"
#include "base/error.h"
#include "base/sha256.h"
#include "format/private-key.h"

struct signer;

struct signer *signer_free(struct signer *signer);
DEFINE_CLEANUP(struct signer *, signer_free);
#define _cleanup_signer_ _cleanup_(signer_freep)

/*
 * Loads a certificate (PEM) and its private key: a file, or one that points to a token (private-key.h, which
 * *secret* is of, too). The key must belong to the certificate (-EKEYREJECTED). A file that is no certificate
 * is -EBADMSG; otherwise as private_key_load().
 */
int signer_load(const char *certificate_path, const char *key_path, const struct key_secret *secret,
	struct signer **ret, struct error **err);

/* The same from PEM texts in memory. *name* is what messages call it. */
int signer_from_pem(const char *name, const char *certificate, size_t certificate_size, const char *key,
	size_t key_size, struct signer **ret, struct error **err);

/* A signer that knows the certificate alone (PEM), and refuses to sign: -ENOKEY. */
int signer_load_certificate(const char *path, struct signer **ret, struct error **err);
int signer_from_certificate(
	const char *name, const void *certificate, size_t size, struct signer **ret, struct error **err);
bool signer_has_key(const struct signer *signer);

/*
 * Another signer of the same certificate, which has its signatures from *sign*: it writes one of *length*
 * bytes over *data* to *ret*, and returns 0 or a negative errno with *err* set. Nobody looks at what it
 * writes.
 */
typedef int (*signer_fn)(
	void *userdata, const void *data, size_t size, uint8_t *ret, size_t length, struct error **err);
int signer_new_asking(
	const struct signer *of, signer_fn sign, void *userdata, struct signer **ret, struct error **err);

/* The certificate in DER; belongs to the signer. */
const uint8_t *signer_certificate(const struct signer *signer, size_t *ret_size);

/* The same as a text in PEM, malloc()ed; NULL where memory is out. */
char *signer_certificate_text(const struct signer *signer);

/* The SHA-256 of the certificate in DER, as systemd writes it to verity signature partitions. */
void signer_fingerprint(const struct signer *signer, uint8_t ret[SHA256_SIZE]);

/* What a SignerInfo says of the certificate: the issuer's Name and the serial INTEGER, DER elements. */
void signer_issuer_and_serial(const struct signer *signer, struct buffer *ret);

/* The certificate's subject, as RFC 2253 writes it; belongs to the signer. */
const char *signer_subject(const struct signer *signer);

/* How long its signatures are: the key's modulus, in bytes. */
size_t signer_length(const struct signer *signer);

/* 0 where *signature* is the certificate's over *data*, -EBADMSG where it is not, -ENOMEM. */
int signer_verify(const struct signer *signer, const void *data, size_t size, const void *signature,
	size_t signature_size);

/* Appends the plain signature over *data*, signer_length() bytes, to *ret*. A key's is looked at: -EIO where
 * it does not fit the certificate. */
int signer_sign(
	const struct signer *signer, const void *data, size_t size, struct buffer *ret, struct error **err);

/*
 * Appends the detached signature that the kernel wants for a dm-verity root hash (the data is the hash in
 * lower-case hexadecimal, without a newline) to *ret*: PKCS#7 in DER, without attributes and certificates.
 */
int signer_pkcs7_detached(
	const struct signer *signer, const void *data, size_t size, struct buffer *ret, struct error **err);

/* A key and its certificate, PEM texts with a NUL behind them. */
struct signer_pem {
	char *certificate;
	char *key; /* PKCS#8; wiped on release. NULL where the key was there before */
};

void signer_pem_release(struct signer_pem *pem);
#define _cleanup_signer_pem_ _cleanup_(signer_pem_release)

/* What a certificate says. */
struct signer_claim {
	const char *name;   /* subject CN, 1 to 64 bytes */
	int64_t not_before; /* seconds since 1970 */
	unsigned int years; /* it is valid for */
};

/*
 * Makes an RSA key of 2048 bits, encrypted where there is a *passphrase* (NULL: it is not), and a certificate
 * for it that it has signed itself: basicConstraints CA:FALSE, keyUsage digitalSignature, extendedKeyUsage
 * codeSigning. Firmware and kernel don't look at the clock; other tools do.
 */
int signer_generate(
	const struct signer_claim *claim, const char *passphrase, struct signer_pem *ret, struct error **err);

/* Makes the certificate alone, for a key that is there: as private_key_load(). */
int signer_certify(const struct signer_claim *claim, const char *where, const struct key_secret *secret,
	char **ret, struct error **err);
