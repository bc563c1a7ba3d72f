/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * SHA-1 (FIPS 180-4) through OpenSSL, for formats that want it to name files by. It protects nothing.
 */
#pragma once

#include "base/error.h"

#define SHA1_SIZE 20
#define SHA1_HEX_SIZE (2 * SHA1_SIZE + 1) /* with the NUL */

/* The digest of one array. Returns 0 or -ENOMEM. */
int sha1_bytes(const void *data, size_t size, uint8_t ret[SHA1_SIZE]);
