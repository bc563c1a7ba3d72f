/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/varint.h"

#include <errno.h>

void buffer_append_varint(struct buffer *buffer, uint64_t value)
{
	for (; value > 0x7f; value >>= 7)
		buffer_append_u8(buffer, (uint8_t)(value | 0x80));
	buffer_append_u8(buffer, (uint8_t)value);
}

void buffer_append_signed_varint(struct buffer *buffer, int64_t value)
{
	uint64_t bits = (uint64_t)value;

	buffer_append_varint(buffer, value < 0 ? ~(bits << 1) : bits << 1);
}

int varint_read(struct varint_reader *reader, uint64_t *ret)
{
	const uint8_t *at = reader->at;
	uint64_t value = 0;

	for (unsigned shift = 0; at < reader->end && shift < 64; shift += 7) {
		uint8_t byte = *at++;

		/* The tenth byte has one bit to give; a last byte of 0 adds nothing. */
		if ((shift == 63 && byte > 1) || (shift > 0 && byte == 0))
			return -EBADMSG;
		value |= (uint64_t)(byte & 0x7f) << shift;
		if (byte & 0x80)
			continue;
		reader->at = at;
		*ret = value;
		return 0;
	}
	return -EBADMSG;
}

int varint_read_signed(struct varint_reader *reader, int64_t *ret)
{
	uint64_t bits;
	int r = varint_read(reader, &bits);

	if (r >= 0)
		*ret = (int64_t)(bits >> 1 ^ (UINT64_C(0) - (bits & 1)));
	return r;
}
