/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/buffer.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>

#include "base/bytes.h"

void buffer_release(struct buffer *buffer)
{
	free(buffer->data);
	*buffer = (struct buffer){};
}

int buffer_reserve(struct buffer *buffer, size_t extra)
{
	size_t need, capacity;
	uint8_t *data;

	if (buffer->failed)
		return -ENOMEM;
	if (!checked_add(buffer->size, extra, &need))
		goto fail;
	if (need <= buffer->capacity)
		return 0;
	capacity = MAX(need, MAX(buffer->capacity + buffer->capacity / 2, (size_t)64));
	data = realloc(buffer->data, capacity);
	if (!data)
		goto fail;
	buffer->data = data;
	buffer->capacity = capacity;
	return 0;
fail:
	buffer->failed = true;
	return -ENOMEM;
}

void *buffer_extend(struct buffer *buffer, size_t size)
{
	void *at;

	/* At least one byte, so that a pointer to nothing is not taken for an error. */
	if (buffer_reserve(buffer, MAX(size, (size_t)1)) < 0)
		return NULL;
	at = buffer->data + buffer->size;
	buffer->size += size;
	return at;
}

void buffer_append(struct buffer *buffer, const void *data, size_t size)
{
	void *at = buffer_extend(buffer, size);

	if (at && size > 0)
		memcpy(at, data, size);
}

void buffer_append_string(struct buffer *buffer, const char *string)
{
	buffer_append(buffer, string, strlen(string));
}

void buffer_append_zeros(struct buffer *buffer, size_t size)
{
	void *at = buffer_extend(buffer, size);

	if (at && size > 0)
		memset(at, 0, size);
}

void buffer_printf(struct buffer *buffer, const char *format, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list args;
	int n;

	va_start(args, format);
	n = vasprintf(&text, format, args);
	va_end(args);
	if (n < 0) {
		text = NULL;
		buffer->failed = true;
		return;
	}
	buffer_append(buffer, text, (size_t)n);
}

void buffer_align(struct buffer *buffer, size_t align)
{
	assert(is_power_of_two_u64(align));
	buffer_append_zeros(buffer, (size_t)round_up_u64(buffer->size, align) - buffer->size);
}

void buffer_append_u8(struct buffer *buffer, uint8_t value)
{
	buffer_append(buffer, &value, 1);
}

void buffer_append_le16(struct buffer *buffer, uint16_t value)
{
	uint8_t bytes[2];

	write_le16(bytes, value);
	buffer_append(buffer, bytes, sizeof(bytes));
}

void buffer_append_le32(struct buffer *buffer, uint32_t value)
{
	uint8_t bytes[4];

	write_le32(bytes, value);
	buffer_append(buffer, bytes, sizeof(bytes));
}

void buffer_append_le64(struct buffer *buffer, uint64_t value)
{
	uint8_t bytes[8];

	write_le64(bytes, value);
	buffer_append(buffer, bytes, sizeof(bytes));
}

void buffer_append_be32(struct buffer *buffer, uint32_t value)
{
	uint8_t bytes[4];

	write_be32(bytes, value);
	buffer_append(buffer, bytes, sizeof(bytes));
}

void *buffer_take(struct buffer *buffer, size_t *ret_size)
{
	uint8_t *data;
	size_t size = buffer->size;

	buffer_append_u8(buffer, 0);
	if (buffer->failed) {
		buffer_release(buffer);
		return NULL;
	}
	data = TAKE_PTR(buffer->data);
	*buffer = (struct buffer){};
	if (ret_size)
		*ret_size = size;
	return data;
}
