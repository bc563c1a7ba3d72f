/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The content of a verity signature partition (Discoverable Partitions Specification, "Verity signature
 * partitions"): one JSON object whose members are strings, padded with NUL bytes:
 *
 *     {"rootHash":HEX,"certificateFingerprint":HEX,"signature":BASE64 of DER PKCS#7}
 */
#pragma once

#include "base/buffer.h"
#include "base/error.h"

#define SIGNATURE_PARTITION_MAX \
	KiB(64) /* bytes read; more than any RSA-4096 signature with its chain needs */

struct verity_signature {
	char *root_hash;       /* as it is written there */
	struct buffer message; /* the PKCS#7 message */
};

void verity_signature_release(struct verity_signature *signature);
#define _cleanup_verity_signature_ _cleanup_(verity_signature_release)

/*
 * Reads the *size* bytes of *data*. Members of other names are skipped where they are strings. Returns 0;
 * -EBADMSG where it is no such object, a member is missing or stands twice, or the signature is no Base64;
 * -ENOMEM.
 */
int verity_signature_parse(const char *data, size_t size, struct verity_signature *ret, struct error **err);
