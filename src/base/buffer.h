/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A growing array of bytes, for building files and formats in memory.
 *
 * Initialise with `struct buffer b = {};` and release with buffer_release() or _cleanup_buffer_. Once an
 * allocation has failed the buffer stays failed: further appends do nothing, so a writer checks
 * buffer_failed() once, at its end.
 */
#pragma once

#include "base/macro.h"

struct buffer {
	uint8_t *data;
	size_t size;
	size_t capacity;
	bool failed;
};

void buffer_release(struct buffer *buffer);
#define _cleanup_buffer_ _cleanup_(buffer_release)

/* Makes room for *extra* more bytes; returns 0 or -ENOMEM. */
int buffer_reserve(struct buffer *buffer, size_t extra);

/* Adds *size* uninitialised bytes and returns where they begin, NULL where memory is out. */
void *buffer_extend(struct buffer *buffer, size_t size);

void buffer_append(struct buffer *buffer, const void *data, size_t size);
void buffer_append_string(struct buffer *buffer, const char *string); /* without its NUL */
void buffer_append_zeros(struct buffer *buffer, size_t size);
void buffer_printf(struct buffer *buffer, const char *format, ...) _printf_(2, 3);

/* Appends zeros up to a multiple of *align*, a power of two. */
void buffer_align(struct buffer *buffer, size_t align);

void buffer_append_u8(struct buffer *buffer, uint8_t value);
void buffer_append_le16(struct buffer *buffer, uint16_t value);
void buffer_append_le32(struct buffer *buffer, uint32_t value);
void buffer_append_le64(struct buffer *buffer, uint64_t value);
void buffer_append_be32(struct buffer *buffer, uint32_t value);

/* True where an allocation has failed since the buffer was initialised: what it holds is then incomplete. */
static inline bool buffer_failed(const struct buffer *buffer)
{
	return buffer->failed;
}

/*
 * Takes the content out: a malloc()ed array that the caller frees, with one NUL byte behind it that *ret_size
 * does not count. NULL where the buffer has failed; the buffer is empty afterwards. *ret_size* may be NULL.
 */
void *buffer_take(struct buffer *buffer, size_t *ret_size);
