/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * UTF-8 to UTF-16 and back, for the formats that firmware reads: partition labels, long FAT names, EFI
 * variables. Code units are in host order; a format's byte order is its own affair.
 */
#pragma once

#include "base/macro.h"

/*
 * Converts *text* (UTF-8, ended by NUL) to at most *max* code units, without a NUL, and sets *ret_count.
 * Returns 0, -EILSEQ where the text is not well-formed UTF-8 (RFC 3629), or -ENAMETOOLONG.
 */
int utf16_from_utf8(const char *text, uint16_t *ret, size_t max, size_t *ret_count);

/* Whether the text is well-formed UTF-8 (RFC 3629). */
bool utf8_is_valid(const char *text);

/* Bytes that *units* code units need as UTF-8, with the NUL. */
#define UTF8_SIZE(units) (3 * (size_t)(units) + 1)

/*
 * Converts *count* code units, or those before the first NUL, to UTF-8 with a NUL in *ret*, which holds
 * UTF8_SIZE(count) bytes. A surrogate without its partner becomes U+FFFD; returns false where there was one.
 */
bool utf16_to_utf8(const uint16_t *units, size_t count, char *ret);
