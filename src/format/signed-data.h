/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * PKCS#7 SignedData (RFC 2315, section 9) with one signer and SHA-256, in the three shapes that boot needs:
 * detached without attributes for verity root hashes, with attributes and its content for Authenticode, and
 * without the outer ContentInfo for UEFI variable updates.
 *
 * Written element by element so that nothing but the signature itself comes from the signer, and so that the
 * same input gives the same bytes every time: no signing time is ever included.
 */
#pragma once

#include "format/der.h"
#include "format/signer.h"

extern const struct der_oid signed_data_type_data; /* 1.2.840.113549.1.7.1 */

struct signed_data {
	const struct der_oid *type; /* of the content */
	const void *octets;	    /* what is hashed */
	size_t size;
	const void *content; /* the element that goes inside, [0] EXPLICIT; NULL: detached */
	size_t content_size;
	bool attributes;  /* sign contentType and messageDigest in the content's place */
	bool certificate; /* include the signer's certificate */
	bool bare;	  /* without the ContentInfo around it */
};

/* Appends the DER encoding to *ret*. Returns 0 or a negative errno. */
int signed_data_write(
	const struct signer *signer, const struct signed_data *data, struct buffer *ret, struct error **err);
