/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/der.h"

#include <errno.h>
#include <string.h>

/* Writes tag and length to *header* and returns how many bytes they take. */
static size_t der_header(uint8_t tag, size_t size, uint8_t header[2 + sizeof(size_t)])
{
	size_t bytes = 0, n = 0;

	header[n++] = tag;
	if (size < 0x80) {
		header[n++] = (uint8_t)size;
		return n;
	}
	for (size_t rest = size; rest > 0; rest >>= 8)
		bytes++;
	header[n++] = (uint8_t)(0x80 | bytes);
	while (bytes-- > 0)
		header[n++] = (uint8_t)(size >> (8 * bytes));
	return n;
}

void der_append(struct buffer *buffer, uint8_t tag, const void *content, size_t size)
{
	uint8_t header[2 + sizeof(size_t)];

	buffer_append(buffer, header, der_header(tag, size, header));
	buffer_append(buffer, content, size);
}

size_t der_begin(const struct buffer *buffer)
{
	return buffer->size;
}

void der_end(struct buffer *buffer, size_t begin, uint8_t tag)
{
	uint8_t header[2 + sizeof(size_t)];
	size_t size, length;

	if (buffer_failed(buffer))
		return;
	size = buffer->size - begin;
	length = der_header(tag, size, header);
	if (!buffer_extend(buffer, length))
		return;
	memmove(buffer->data + begin + length, buffer->data + begin, size);
	memcpy(buffer->data + begin, header, length);
}

int der_read(struct der_reader *reader, uint8_t tag, struct der_reader *ret_content)
{
	const uint8_t *at = reader->data;
	size_t left = reader->size, size, bytes;

	if (left < 2 || at[0] != tag)
		return -EBADMSG;
	size = at[1];
	at += 2;
	left -= 2;
	if (size >= 0x80) {
		bytes = size & 0x7f;
		if (bytes == 0 || bytes > 4 || bytes > left)
			return -EBADMSG;
		for (size = 0; bytes > 0; bytes--, left--)
			size = size << 8 | *at++;
	}
	if (size > left)
		return -EBADMSG;
	*ret_content = (struct der_reader){.data = at, .size = size};
	*reader = (struct der_reader){.data = at + size, .size = left - size};
	return 0;
}

int der_read_oid(struct der_reader *reader, const struct der_oid *oid)
{
	if (reader->size < oid->size || memcmp(reader->data, oid->data, oid->size) != 0)
		return -EBADMSG;
	reader->data += oid->size;
	reader->size -= oid->size;
	return 0;
}
