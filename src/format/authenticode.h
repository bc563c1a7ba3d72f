/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Authenticode signatures in PE images ("Windows Authenticode Portable Executable Signature Format";
 * UEFI 2.10, 32.2.4 and 32.5.3.3): PKCS#7 SignedData over the image's digest, kept in the attribute
 * certificate table.
 *
 * Signatures are deterministic: the same image and key give the same file.
 */
#pragma once

#include "format/pe.h"
#include "format/signer.h"

/* Writes a signed copy of *image* to *ret* (empty before); signatures that it already has are replaced. */
int authenticode_sign(
	const struct signer *signer, const void *image, size_t size, struct buffer *ret, struct error **err);

/* The digest that such a signature is about, of an image with or without one. */
int authenticode_digest(const void *image, size_t size, uint8_t ret[SHA256_SIZE], struct error **err);

/* One PKCS#7 signature of an image. */
struct authenticode_signature {
	const uint8_t *pkcs7; /* DER; points into the image's certificate table */
	size_t size;
};

/*
 * Reads the next entry of the certificate table; *position* is 0 at first and moved on. Entries of other
 * types are passed over. Returns 1 and *ret*, 0 behind the last one, or -EBADMSG.
 */
int authenticode_next(
	const struct pe *pe, size_t *position, struct authenticode_signature *ret, struct error **err);

/*
 * Checks that the image carries a signature made by *certificate* (DER) over its present content. Returns 0;
 * -ENOKEY where it has none of that certificate; -EBADMSG where the content or the signature doesn't match.
 * Like firmware, it doesn't look at dates and issuers: the certificate itself is what is trusted. Takes any
 * image, as the next one does.
 */
int authenticode_verify(
	const struct pe *pe, const void *certificate, size_t certificate_size, struct error **err);

/* The same for who tries several certificates: *digest* is that of pe_authenticode_digest(). */
int authenticode_verify_digest(const struct pe *pe, const uint8_t digest[SHA256_SIZE],
	const void *certificate, size_t certificate_size, struct error **err);

/*
 * Whose signature it is, for people: the subject of the signer's certificate ("CN=Orlop db") and its SHA-256,
 * taken from the certificates inside the signature. Returns 0, or -EBADMSG.
 */
int authenticode_describe(const struct authenticode_signature *signature, char **ret_subject,
	uint8_t ret_fingerprint[SHA256_SIZE], struct error **err);
