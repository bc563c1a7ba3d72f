/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bytes as text: hexadecimal (RFC 4648, section 8, written in lower case) and Base64 (section 4, with
 * padding).
 */
#pragma once

#include "base/buffer.h"

/* Writes 2 × *size* lower-case digits and a NUL to *ret*. */
void hex_encode(const void *data, size_t size, char *ret);

/* The same as a malloc()ed string, NULL where memory is out. */
char *hex_encode_new(const void *data, size_t size);

/*
 * Reads exactly 2 × *size* digits of either case from *text*, which may go on behind them. Returns 0, or
 * -EINVAL where a character is no digit; *ret* may then be partly written.
 */
int hex_decode(const char *text, void *ret, size_t size);

/* Base64 as a malloc()ed string, NULL where memory is out. */
char *base64_encode_new(const void *data, size_t size);

/*
 * Appends the decoded bytes of *length* characters to *ret*. White space, missing padding and bits that do
 * not count are errors: a text has one encoding. Returns 0, -EINVAL or -ENOMEM.
 */
int base64_decode(const char *text, size_t length, struct buffer *ret);
