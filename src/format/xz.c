/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/xz.h"

#include <errno.h>
#include <lzma.h>
#include <string.h>

#define DECODER_MEMORY_MAX MiB(256)

bool xz_is(const void *data, size_t size)
{
	return size >= 6 && memcmp(data,
				    "\xfd"
				    "7zXZ",
				    6) == 0;
}

/* A first guess at the size; a wrong one costs a copy, not more. */
static size_t guess(size_t size, size_t max)
{
	size_t guessed;

	return checked_mul(size, (size_t)5, &guessed) && guessed < max ? guessed : max;
}

/* *max*: how many bytes *to* may have at most. */
static int decode(lzma_stream *stream, size_t max, struct buffer *to)
{
	lzma_ret code = LZMA_OK;

	while (code == LZMA_OK) {
		/* One byte beyond *max* tells a file that is too large from one that just fits. */
		size_t left = to->size > max ? 0 : max + 1 - to->size,
		       room = MIN(to->capacity - to->size, left);

		if (left == 0)
			return -EFBIG;
		if (room == 0) {
			room = MIN(MAX(to->size, (size_t)KiB(64)), left);
			if (buffer_reserve(to, room) < 0)
				return -ENOMEM;
		}
		stream->next_out = to->data + to->size;
		stream->avail_out = room;
		code = lzma_code(stream, LZMA_FINISH);
		to->size += room - stream->avail_out;
	}
	if (code == LZMA_MEM_ERROR)
		return -ENOMEM;
	if (code == LZMA_MEMLIMIT_ERROR || to->size > max)
		return -EFBIG;
	return code == LZMA_STREAM_END && stream->avail_in == 0 ? 0 : -EBADMSG;
}

static int append(
	const void *data, size_t size, size_t max, uint32_t flags, struct buffer *to, struct error **err)
{
	lzma_stream stream = LZMA_STREAM_INIT;
	int r;

	max = MIN(max, SIZE_MAX / 2);
	if (lzma_stream_decoder(&stream, DECODER_MEMORY_MAX, flags) != LZMA_OK)
		return error_set_errno(err, -ENOMEM, "xz");
	stream.next_in = data;
	stream.avail_in = size;
	r = decode(&stream, to->size + max, to);
	lzma_end(&stream);
	if (r == -EBADMSG)
		return error_set(err, r, "damaged xz file");
	if (r == -EFBIG)
		return error_set(err, r, "xz file that becomes larger than %zu bytes", max);
	return r < 0 ? error_set_errno(err, r, "xz") : 0;
}

int xz_append(const void *data, size_t size, size_t max, struct buffer *to, struct error **err)
{
	return append(data, size, max, LZMA_IGNORE_CHECK, to, err);
}

int xz_decode(const void *data, size_t size, size_t max, void **ret, size_t *ret_size, struct error **err)
{
	_cleanup_buffer_ struct buffer to = {};
	int r = buffer_reserve(&to, guess(size, MIN(max, SIZE_MAX / 2)) + 1);

	r = r < 0 ? error_set_errno(err, r, "xz")
		  : append(data, size, max, LZMA_TELL_UNSUPPORTED_CHECK, &to, err);
	if (r < 0)
		return r;
	*ret = buffer_take(&to, ret_size);
	return *ret ? 0 : error_set_errno(err, -ENOMEM, "xz");
}
