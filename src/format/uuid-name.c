/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>

#include "base/sha256.h"
#include "format/uuid.h"

int uuid_from_name(const struct uuid *space, const void *name, size_t size, struct uuid *ret)
{
	_cleanup_sha256_ struct sha256 *context = sha256_new();
	uint8_t digest[SHA256_SIZE];

	if (!context)
		return -ENOMEM;
	sha256_update(context, space->bytes, UUID_SIZE);
	sha256_update(context, name, size);
	sha256_final(context, digest);

	memcpy(ret->bytes, digest, UUID_SIZE);
	ret->bytes[6] = (uint8_t)((ret->bytes[6] & 0x0f) | 0x80); /* version 8 */
	ret->bytes[8] = (uint8_t)((ret->bytes[8] & 0x3f) | 0x80); /* the RFC's variant */
	return 0;
}
