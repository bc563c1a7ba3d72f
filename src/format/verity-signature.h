/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The content of a verity signature partition: a JSON object with the root hash, the fingerprint of the
 * certificate that signed it, and the signature, filled up with zeros.
 *
 * Format: Discoverable Partitions Specification, "Verity signature partitions"; docs/formats/verity.md. The
 * signature is a detached PKCS#7 in DER over the root hash in lower-case hexadecimal; making and checking it
 * is the business of signer.h and of the kernel.
 */
#pragma once

#include "base/buffer.h"
#include "base/error.h"
#include "base/sha256.h"

#define VERITY_SIGNATURE_SIZE 16384    /* of a partition, as systemd-repart makes it */
#define VERITY_SIGNATURE_MAX 0x400000u /* more than this is not read */

struct verity_signature {
	uint8_t root_hash[SHA256_SIZE];
	uint8_t fingerprint[SHA256_SIZE]; /* SHA-256 of the certificate in DER */
	bool has_fingerprint;		  /* it is optional in the specification; the writer wants it */
	struct buffer signature;	  /* DER, never empty */
};

void verity_signature_release(struct verity_signature *signature);
#define _cleanup_verity_signature_ _cleanup_(verity_signature_release)

/*
 * Appends *size* bytes to *ret*: the JSON text and zeros. Returns 0; -ENOSPC where the text and one zero
 * don't fit into *size*; -EINVAL for an empty signature or no fingerprint; -ENOMEM.
 */
int verity_signature_write(
	const struct verity_signature *signature, size_t size, struct buffer *ret, struct error **err);

/*
 * Reads what a partition of *size* bytes holds. *ret* is the caller's to release. Returns 0; -EBADMSG where
 * it is not such a text, or something but zeros follows it; -EFBIG above VERITY_SIGNATURE_MAX; -ENOMEM.
 */
int verity_signature_parse(const void *data, size_t size, struct verity_signature *ret, struct error **err);
