/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who signs: a certificate and the private key that belongs to it. Everything that the firmware and the
 * kernel check (boot programs, variable updates, root hashes, policies) is signed through one of these.
 *
 * Whoever holds a signer sees the certificate and can ask for a signature; where the key lives is the
 * signer's own business. The keys are RSA of at least 2048 bits with SHA-256 and PKCS#1 v1.5 padding (RFC
 * 8017, 8.2), which firmware understands and which gives the same signature for the same data every time.
 */
#pragma once

#include "base/buffer.h"
#include "base/error.h"
#include "base/sha256.h"

struct signer;

struct signer *signer_free(struct signer *signer);
DEFINE_CLEANUP(struct signer *, signer_free);
#define _cleanup_signer_ _cleanup_(signer_freep)

/*
 * Loads a certificate and its private key, both PEM. The key must not be encrypted, not readable by everybody
 * and not writable by the group (-EPERM), and belong to the certificate (-EKEYREJECTED). A file that is no
 * certificate or no key is -EBADMSG.
 */
int signer_load(const char *certificate_path, const char *key_path, struct signer **ret, struct error **err);

/* The same from PEM texts in memory. *name* is what messages call it. */
int signer_from_pem(const char *name, const char *certificate, size_t certificate_size, const char *key,
	size_t key_size, struct signer **ret, struct error **err);

/* Loads only a certificate (PEM) and gives it in DER, a malloc()ed array that the caller frees. */
int certificate_load(const char *path, uint8_t **ret, size_t *ret_size, struct error **err);

/* The certificate in DER; belongs to the signer. */
const uint8_t *signer_certificate(const struct signer *signer, size_t *ret_size);

/* The SHA-256 of the certificate in DER, as systemd writes it to verity signature partitions. */
void signer_fingerprint(const struct signer *signer, uint8_t ret[SHA256_SIZE]);

/* What a SignerInfo says of the certificate: the issuer's Name and the serial INTEGER, DER elements. */
void signer_issuer_and_serial(const struct signer *signer, struct buffer *ret);

/* Appends the plain signature over *data* (as long as the key's modulus) to *ret*. */
int signer_sign(
	const struct signer *signer, const void *data, size_t size, struct buffer *ret, struct error **err);

/*
 * Appends the detached signature that the kernel wants for a dm-verity root hash (the data is the hash in
 * lower-case hexadecimal, without a newline) to *ret*: PKCS#7 in DER, without attributes and certificates.
 */
int signer_pkcs7_detached(
	const struct signer *signer, const void *data, size_t size, struct buffer *ret, struct error **err);

/* A key that has just been made, PEM texts with a NUL behind them. */
struct signer_pem {
	char *certificate;
	char *key; /* PKCS#8, not encrypted; wiped on release */
};

void signer_pem_release(struct signer_pem *pem);
#define _cleanup_signer_pem_ _cleanup_(signer_pem_release)

/*
 * Makes an RSA key of 2048 bits and a certificate for it that it has signed itself: subject CN=*name*,
 * basicConstraints CA:FALSE, keyUsage digitalSignature, extendedKeyUsage codeSigning, valid for *years* from
 * *not_before* (seconds since 1970). Firmware and kernel don't look at the clock; other tools do.
 */
int signer_generate(
	const char *name, int64_t not_before, unsigned int years, struct signer_pem *ret, struct error **err);
