/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/sha1.h"

#include <errno.h>
#include <openssl/evp.h>

int sha1_bytes(const void *data, size_t size, uint8_t ret[SHA1_SIZE])
{
	return EVP_Digest(data, size, ret, NULL, EVP_sha1(), NULL) == 1 ? 0 : -ENOMEM;
}
