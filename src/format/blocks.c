/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/blocks.h"

#include <assert.h>
#include <errno.h>
#include <zstd_errors.h>

#include "base/bytes.h"

#define TABLE_MAGIC 0x184D2A5Eu /* a skippable frame */
#define FOOTER_MAGIC 0x8F92EAB1u

/* The seek table: a header, entries, a footer. */
enum {
	HEADER_MAGIC = 0,  /* 32 bits */
	HEADER_LENGTH = 4, /* 32: bytes behind the header */
	HEADER_SIZE = 8,

	ENTRY_COMPRESSED = 0, /* 32 */
	ENTRY_CONTENT = 4,    /* 32 */
	ENTRY_SIZE = 8,	      /* 12 with a checksum */

	FOOTER_FRAMES = 0,     /* 32 */
	FOOTER_DESCRIPTOR = 4, /* 8 */
	FOOTER_END = 5,	       /* 32: FOOTER_MAGIC */
	FOOTER_SIZE = 9,
};

#define DESCRIPTOR_CHECKSUM 0x80u
#define DESCRIPTOR_RESERVED 0x7cu

uint64_t blocks_index_size(uint64_t frames)
{
	return HEADER_SIZE + frames * ENTRY_SIZE + FOOTER_SIZE;
}

void blocks_index_write(
	const uint32_t *sizes, size_t frames, uint32_t frame_size, uint64_t image_size, struct buffer *ret)
{
	assert(frames <= BLOCKS_FRAMES_MAX && frames == div_round_up_u64(image_size, frame_size));
	buffer_append_le32(ret, TABLE_MAGIC);
	buffer_append_le32(ret, (uint32_t)(frames * ENTRY_SIZE + FOOTER_SIZE));
	for (size_t i = 0; i < frames; i++) {
		uint64_t left = image_size - (uint64_t)i * frame_size;

		buffer_append_le32(ret, sizes[i]);
		buffer_append_le32(ret, (uint32_t)MIN(left, (uint64_t)frame_size));
	}
	buffer_append_le32(ret, (uint32_t)frames);
	buffer_append_u8(ret, 0);
	buffer_append_le32(ret, FOOTER_MAGIC);
}

uint32_t blocks_frame_size(const struct blocks_index *index, size_t frame)
{
	return read_le32(index->entries + frame * index->entry_size + ENTRY_COMPRESSED);
}

uint32_t blocks_frame_blocks(const struct blocks_index *index, size_t frame)
{
	return read_le32(index->entries + frame * index->entry_size + ENTRY_CONTENT) / BLOCKS_BLOCK_SIZE;
}

static int parse_footer(const uint8_t *data, size_t size, struct blocks_index *ret, struct error **err)
{
	const uint8_t *footer;
	uint8_t descriptor;

	footer = size >= HEADER_SIZE + FOOTER_SIZE ? data + size - FOOTER_SIZE : NULL;
	if (!footer || read_le32(footer + FOOTER_END) != FOOTER_MAGIC ||
		read_le32(data + HEADER_MAGIC) != TABLE_MAGIC ||
		read_le32(data + HEADER_LENGTH) != size - HEADER_SIZE)
		return error_set(
			err, -EBADMSG, "%zu bytes that are no seek table of the seekable format", size);
	descriptor = footer[FOOTER_DESCRIPTOR];
	if (descriptor & DESCRIPTOR_RESERVED)
		return error_set(err, -EBADMSG, "the seek table has reserved bits set (0x%02x)", descriptor);
	ret->frames = read_le32(footer + FOOTER_FRAMES);
	ret->entry_size = descriptor & DESCRIPTOR_CHECKSUM ? ENTRY_SIZE + 4 : ENTRY_SIZE;
	ret->entries = data + HEADER_SIZE;
	if (ret->frames > BLOCKS_FRAMES_MAX)
		return error_set(err, -EFBIG, "%zu frames are more than %u", ret->frames, BLOCKS_FRAMES_MAX);
	if (size != HEADER_SIZE + FOOTER_SIZE + ret->frames * ret->entry_size)
		return error_set(err, -EBADMSG, "a seek table of %zu bytes does not hold %zu frames", size,
			ret->frames);
	return 0;
}

/* Every frame but the last holds as many blocks as the first. */
static int check_frames(const struct blocks_index *index, uint64_t bytes, struct error **err)
{
	uint64_t blocks = 0, compressed = 0;

	for (size_t i = 0; i < index->frames; i++) {
		const uint8_t *entry = index->entries + i * index->entry_size;
		uint32_t content = read_le32(entry + ENTRY_CONTENT), size = read_le32(entry);

		if (content == 0 || content % BLOCKS_BLOCK_SIZE != 0)
			return error_set(
				err, -EBADMSG, "frame %zu holds %u bytes, no whole blocks", i, content);
		if (content > BLOCKS_FRAME_MAX)
			return error_set(err, -EFBIG, "frame %zu holds %u bytes, more than %u", i, content,
				(unsigned)BLOCKS_FRAME_MAX);
		if (content / BLOCKS_BLOCK_SIZE != index->frame_blocks &&
			(i + 1 < index->frames || content / BLOCKS_BLOCK_SIZE > index->frame_blocks))
			return error_set(err, -EBADMSG, "frame %zu holds %u bytes, the first one %u", i,
				content, index->frame_blocks * BLOCKS_BLOCK_SIZE);
		if (size == 0 || size > ZSTD_compressBound(content))
			return error_set(err, -EBADMSG, "frame %zu has %u bytes for %u of the image", i, size,
				content);
		blocks += content / BLOCKS_BLOCK_SIZE;
		compressed += size;
	}
	if (blocks != index->image_blocks)
		return error_set(err, -EBADMSG, "the frames hold %llu blocks, the image has %llu",
			(unsigned long long)blocks, (unsigned long long)index->image_blocks);
	if (compressed != bytes)
		return error_set(err, -EBADMSG, "the frames have %llu bytes, the file has %llu for them",
			(unsigned long long)compressed, (unsigned long long)bytes);
	return 0;
}

int blocks_index_parse(const uint8_t *data, size_t size, uint64_t file_size, uint64_t image_blocks,
	struct blocks_index *ret, struct error **err)
{
	struct blocks_index index = {.image_blocks = image_blocks};
	int r;

	if (size > file_size)
		return error_set(err, -EBADMSG, "a seek table of %zu bytes in a file of %llu", size,
			(unsigned long long)file_size);
	r = parse_footer(data, size, &index, err);
	if (r < 0)
		return r;
	if (index.frames > 0)
		index.frame_blocks = read_le32(index.entries + ENTRY_CONTENT) / BLOCKS_BLOCK_SIZE;
	r = check_frames(&index, file_size - size, err);
	if (r >= 0)
		*ret = index;
	return r;
}

int blocks_frame_decode(ZSTD_DCtx *context, const uint8_t *data, size_t size, uint8_t *ret, size_t ret_size,
	struct error **err)
{
	size_t n = ZSTD_decompressDCtx(context, ret, ret_size, data, size);

	if (ZSTD_isError(n))
		return error_set(err,
			ZSTD_getErrorCode(n) == ZSTD_error_memory_allocation ? -ENOMEM : -EBADMSG,
			"a frame can't be decompressed: %s", ZSTD_getErrorName(n));
	if (n != ret_size)
		return error_set(err, -EBADMSG, "a frame holds %zu bytes, not %zu", n, ret_size);
	return 0;
}
