/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * CRC-32 as Ethernet, zlib and GPT have it (ISO 3309: polynomial 0x04c11db7, reflected, inverted at both
 * ends), without a library, for code that also runs in the initrd.
 */
#pragma once

#include "base/macro.h"

/* Goes on from *crc*, the value of what came before; 0 at the beginning. */
uint32_t crc32_update(uint32_t crc, const void *data, size_t size);
