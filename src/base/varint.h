/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Numbers of a variable length (LEB128, as DWARF 5, section 7.6, has them): seven bits a byte, the lowest
 * first, the top bit of all bytes but the last one set. A number has one encoding: the shortest. Signed ones
 * are folded first (0, -1, 1, -2 … become 0, 1, 2, 3 …).
 */
#pragma once

#include "base/buffer.h"

#define VARINT_MAX 10 /* bytes of the longest */

void buffer_append_varint(struct buffer *buffer, uint64_t value);
void buffer_append_signed_varint(struct buffer *buffer, int64_t value);

/* Bytes that are being read. */
struct varint_reader {
	const uint8_t *at, *end;
};

/* Take the next number. Return 0, or -EBADMSG where there is none, or one that is too long. */
int varint_read(struct varint_reader *reader, uint64_t *ret);
int varint_read_signed(struct varint_reader *reader, int64_t *ret);
