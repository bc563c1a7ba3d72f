/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The digests that files are known by: SHA-256, and SHA-1 for formats that want it. */
#pragma once

#include "base/sha1.h"
#include "base/sha256.h"

struct digests {
	uint8_t sha256[SHA256_SIZE], sha1[SHA1_SIZE];
};

/* Those of one array. Returns 0 or -ENOMEM. */
static inline int digests_compute(const void *data, size_t size, struct digests *ret)
{
	int r = sha256_bytes(data, size, ret->sha256);

	return r < 0 ? r : sha1_bytes(data, size, ret->sha1);
}
