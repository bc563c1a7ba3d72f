/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * CRC-32C (Castagnoli; RFC 3720, appendix B.4): polynomial 0x1EDC6F41, bits reflected.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/*
 * Goes on with *crc* over *size* bytes, with no inversion at either end: formats differ in it. The CRC of RFC
 * 3720 is ~crc32c(~0, data, size); EROFS uses crc32c(~0, data, size).
 */
uint32_t crc32c(uint32_t crc, const void *data, size_t size);
