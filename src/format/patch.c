/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/patch.h"

#include <assert.h>
#include <errno.h>
#include <lzma.h>
#include <string.h>
#include <zstd_errors.h>

#include "base/bytes.h"
#include "base/varint.h"

static const char magic[8] = "orlop-pt";

enum {
	HEADER_MAGIC = 0,
	HEADER_VERSION = 8,	/* 32 bits: 1 */
	HEADER_FRAMES = 12,	/* 32 */
	HEADER_OLD_BLOCKS = 16, /* 64 */
	HEADER_NEW_BLOCKS = 24, /* 64 */
	HEADER_SIZE = 32,
};

/* A difference, decompressed: two sizes, the steps, the new bytes, the bytes to be added. */
enum {
	DIFFERENCE_STEPS = 0,	 /* 32: bytes */
	DIFFERENCE_LITERALS = 4, /* 32: bytes */
	DIFFERENCE_HEADER = 8,
};

/* ---- Index ---- */

static int run_read(
	struct varint_reader *reader, const struct patch_runs *runs, uint64_t *ret_first, uint64_t *ret_count)
{
	uint64_t ahead = 0;
	int64_t distance = 0;
	int r = runs->ascending ? varint_read(reader, &ahead) : varint_read_signed(reader, &distance);

	if (r >= 0)
		r = varint_read(reader, ret_count);
	*ret_first = runs->position + ahead + (uint64_t)distance;
	return r;
}

bool patch_run_next(struct patch_runs *runs, uint64_t *ret_first, uint64_t *ret_count)
{
	struct varint_reader reader = {.at = runs->at, .end = runs->end};
	int r;

	if (runs->left == 0)
		return false;
	r = run_read(&reader, runs, ret_first, ret_count);
	assert(r >= 0);
	(void)r;
	runs->left--;
	runs->at = reader.at;
	runs->position = *ret_first + *ret_count;
	return true;
}

/*
 * Reads *runs* from *reader* and checks that each lies within *blocks* blocks; *ret* is their number of
 * blocks, at most *max*, and *ret_end* where the last one ends.
 */
static int take_runs(struct varint_reader *reader, uint64_t blocks, uint32_t max, struct patch_runs *runs,
	uint32_t *ret, uint64_t *ret_end)
{
	struct patch_runs check;
	uint32_t total = 0;

	runs->end = reader->end;
	if (varint_read(reader, &runs->left) < 0)
		return -EBADMSG;
	runs->at = reader->at;
	check = *runs;
	for (; check.left > 0; check.left--) {
		uint64_t first, count;

		if (run_read(reader, &check, &first, &count) < 0 || count == 0 || first > blocks ||
			count > blocks - first || count > max - total)
			return -EBADMSG;
		if (check.ascending && first < check.position)
			return -EBADMSG;
		total += (uint32_t)count;
		check.position = first + count;
	}
	*ret = total;
	*ret_end = check.position;
	return 0;
}

/* Reads the frame at *cursor*. Returns 0 or -EBADMSG. */
static int take_frame(const struct patch_index *index, struct patch_cursor *cursor, struct patch_frame *ret)
{
	struct varint_reader reader = {.at = cursor->at, .end = index->end};
	uint64_t method, size, ignored;
	int r = varint_read(&reader, &method);

	if (r >= 0)
		r = varint_read(&reader, &size);
	if (r < 0 || method < PATCH_PREFIX || method > PATCH_DIFFERENCE_LZMA)
		return -EBADMSG;
	*ret = (struct patch_frame){.method = (enum patch_method)method, .offset = cursor->offset};
	ret->targets = (struct patch_runs){.position = cursor->target_end, .ascending = true};
	r = take_runs(&reader, index->new_blocks, PATCH_FRAME_BLOCKS, &ret->targets, &ret->target_blocks,
		&cursor->target_end);
	if (r >= 0)
		r = take_runs(&reader, index->old_blocks, PATCH_SOURCE_BLOCKS, &ret->sources,
			&ret->source_blocks, &ignored);
	if (r < 0 || ret->target_blocks == 0 || size == 0 ||
		size > ZSTD_compressBound((size_t)ret->target_blocks * PATCH_BLOCK_SIZE))
		return -EBADMSG;
	ret->size = (uint32_t)size;
	cursor->at = reader.at;
	cursor->offset += size;
	return 0;
}

static int check_frames(const struct patch_index *index, uint64_t file_size, struct error **err)
{
	struct patch_cursor cursor = {.at = index->entries, .offset = index->payload};
	struct patch_frame frame;

	for (size_t i = 0; i < index->frames; i++)
		if (take_frame(index, &cursor, &frame) < 0)
			return error_set(err, -EBADMSG, "frame %zu of the patch is damaged", i);
	if (cursor.at != index->end || cursor.offset != file_size)
		return error_set(err, -EBADMSG,
			"the frames of the patch end at %llu, the file at %llu, %td bytes of the index are "
			"left",
			(unsigned long long)cursor.offset, (unsigned long long)file_size,
			index->end - cursor.at);
	return 0;
}

int patch_index_parse(const uint8_t *data, size_t size, uint64_t file_size, uint64_t old_blocks,
	uint64_t new_blocks, struct patch_index *ret, struct error **err)
{
	struct patch_index index = {.old_blocks = old_blocks, .new_blocks = new_blocks, .payload = size};
	int r;

	if (size < HEADER_SIZE || size > file_size ||
		memcmp(data + HEADER_MAGIC, magic, sizeof(magic)) != 0 ||
		read_le32(data + HEADER_VERSION) != 1)
		return error_set(err, -EBADMSG, "%zu bytes that are no index of a patch of version 1", size);
	if (size > PATCH_INDEX_MAX)
		return error_set(err, -EFBIG, "an index of %zu bytes is more than %u", size,
			(unsigned)PATCH_INDEX_MAX);
	if (read_le64(data + HEADER_OLD_BLOCKS) != old_blocks ||
		read_le64(data + HEADER_NEW_BLOCKS) != new_blocks)
		return error_set(err, -EBADMSG,
			"the patch leads from %llu blocks to %llu, and not from %llu to %llu",
			(unsigned long long)read_le64(data + HEADER_OLD_BLOCKS),
			(unsigned long long)read_le64(data + HEADER_NEW_BLOCKS),
			(unsigned long long)old_blocks, (unsigned long long)new_blocks);
	index.frames = read_le32(data + HEADER_FRAMES);
	if (index.frames > PATCH_FRAMES_MAX)
		return error_set(err, -EFBIG, "%zu frames are more than %u", index.frames, PATCH_FRAMES_MAX);
	index.entries = data + HEADER_SIZE;
	index.end = data + size;
	r = check_frames(&index, file_size, err);
	if (r >= 0)
		*ret = index;
	return r;
}

bool patch_index_next(const struct patch_index *index, struct patch_cursor *cursor, struct patch_frame *ret)
{
	int r;

	if (!cursor->at)
		*cursor = (struct patch_cursor){.at = index->entries, .offset = index->payload};
	if (cursor->at == index->end)
		return false;
	r = take_frame(index, cursor, ret);
	assert(r >= 0);
	(void)r;
	return true;
}

/* ---- Frames ---- */

void patch_decoder_release(struct patch_decoder *decoder)
{
	(void)ZSTD_freeDCtx(decoder->context);
	free(decoder->scratch);
	*decoder = (struct patch_decoder){};
}

static int decoder_prepare(struct patch_decoder *decoder, enum patch_method method, struct error **err)
{
	if (!decoder->context)
		decoder->context = ZSTD_createDCtx();
	if (!decoder->scratch && method != PATCH_PREFIX)
		decoder->scratch =
			malloc(PATCH_DIFFERENCE_MAX((size_t)PATCH_FRAME_BLOCKS * PATCH_BLOCK_SIZE));
	if (!decoder->context || (!decoder->scratch && method != PATCH_PREFIX))
		return error_set_errno(err, -ENOMEM, "patch");
	return 0;
}

static int zstd_fault(size_t code, struct error **err)
{
	return error_set(err, ZSTD_getErrorCode(code) == ZSTD_error_memory_allocation ? -ENOMEM : -EBADMSG,
		"a frame of the patch can't be decompressed: %s", ZSTD_getErrorName(code));
}

static int decode_prefix(struct patch_decoder *decoder, const uint8_t *data, size_t size,
	const uint8_t *source, size_t source_size, uint8_t *ret, size_t ret_size, struct error **err)
{
	size_t n = ZSTD_DCtx_refPrefix(decoder->context, source, source_size);

	if (!ZSTD_isError(n))
		n = ZSTD_decompressDCtx(decoder->context, ret, ret_size, data, size);
	/* A prefix counts for one frame; where that failed before it was used, it must not stay. */
	(void)ZSTD_DCtx_reset(decoder->context, ZSTD_reset_session_and_parameters);
	if (ZSTD_isError(n))
		return zstd_fault(n, err);
	if (n != ret_size)
		return error_set(err, -EBADMSG, "a frame of the patch makes %zu bytes, not %zu", n, ret_size);
	return 0;
}

/* A difference that is being applied. */
struct difference {
	struct varint_reader steps;
	const uint8_t *literals, *literals_end, *added, *added_end;
	const uint8_t *source;
	size_t source_size;
	uint64_t position; /* in the source */
	uint8_t *to;
};

static void add_bytes(uint8_t *to, const uint8_t *from, const uint8_t *difference, size_t size)
{
	for (size_t i = 0; i < size; i++)
		to[i] = (uint8_t)(from[i] + difference[i]);
}

static int apply_step(struct difference *difference)
{
	uint64_t added, literal;
	int64_t seek;

	if (varint_read(&difference->steps, &added) < 0 || varint_read(&difference->steps, &literal) < 0 ||
		varint_read_signed(&difference->steps, &seek) < 0)
		return -EBADMSG;
	if (added > (uint64_t)(difference->added_end - difference->added) ||
		literal > (uint64_t)(difference->literals_end - difference->literals) ||
		difference->position > difference->source_size ||
		added > difference->source_size - difference->position)
		return -EBADMSG;
	add_bytes(difference->to, difference->source + difference->position, difference->added, added);
	memcpy(difference->to + added, difference->literals, literal);
	difference->to += added + literal;
	difference->added += added;
	difference->literals += literal;
	difference->position += added + (uint64_t)seek;
	return 0;
}

/* Decompresses a difference. Returns 0 with *ret_size, -EBADMSG or -ENOMEM. */
static int decompress_difference(struct patch_decoder *decoder, enum patch_method method, const uint8_t *data,
	size_t size, size_t most, size_t *ret_size, struct error **err)
{
	lzma_options_lzma options = {.dict_size = PATCH_LZMA_DICTIONARY};
	const lzma_filter filters[] = {
		{.id = LZMA_FILTER_LZMA2, .options = &options}, {.id = LZMA_VLI_UNKNOWN}};
	size_t used = 0;
	lzma_ret r;

	if (method == PATCH_DIFFERENCE) {
		*ret_size = ZSTD_decompressDCtx(decoder->context, decoder->scratch, most, data, size);
		return ZSTD_isError(*ret_size) ? zstd_fault(*ret_size, err) : 0;
	}
	*ret_size = 0;
	r = lzma_raw_buffer_decode(filters, NULL, data, &used, size, decoder->scratch, ret_size, most);
	if (r == LZMA_MEM_ERROR)
		return error_set_errno(err, -ENOMEM, "patch");
	if (r != LZMA_OK || used != size)
		return error_set(
			err, -EBADMSG, "a frame of the patch can't be decompressed: LZMA2 fault %d", (int)r);
	return 0;
}

static int decode_difference(struct patch_decoder *decoder, enum patch_method method, const uint8_t *data,
	size_t size, const uint8_t *source, size_t source_size, uint8_t *ret, size_t ret_size,
	struct error **err)
{
	uint8_t *scratch = decoder->scratch;
	size_t steps, literals, n;
	int r = decompress_difference(decoder, method, data, size, PATCH_DIFFERENCE_MAX(ret_size), &n, err);

	if (r < 0)
		return r;
	steps = n >= DIFFERENCE_HEADER ? read_le32(scratch + DIFFERENCE_STEPS) : 0;
	literals = n >= DIFFERENCE_HEADER ? read_le32(scratch + DIFFERENCE_LITERALS) : 0;
	/* What is new and what is added are together the blocks: so no step can write behind them. */
	if (n < DIFFERENCE_HEADER || n - DIFFERENCE_HEADER < ret_size || literals > ret_size ||
		steps != n - DIFFERENCE_HEADER - ret_size)
		return error_set(err, -EBADMSG, "a difference of %zu bytes does not make %zu", n, ret_size);
	scratch += DIFFERENCE_HEADER;

	struct difference difference = {.steps = {.at = scratch, .end = scratch + steps},
		.literals = scratch + steps,
		.literals_end = scratch + steps + literals,
		.added = scratch + steps + literals,
		.added_end = scratch + steps + ret_size,
		.source = source,
		.source_size = source_size,
		.to = ret};

	while (difference.steps.at < difference.steps.end && r >= 0)
		r = apply_step(&difference);
	if (r < 0 || difference.added != difference.added_end ||
		difference.literals != difference.literals_end)
		return error_set(err, -EBADMSG, "the steps of a difference are damaged");
	return 0;
}

int patch_frame_decode(struct patch_decoder *decoder, enum patch_method method, const uint8_t *data,
	size_t size, const uint8_t *source, size_t source_size, uint8_t *ret, size_t ret_size,
	struct error **err)
{
	int r = decoder_prepare(decoder, method, err);

	assert(ret_size <= (size_t)PATCH_FRAME_BLOCKS * PATCH_BLOCK_SIZE);
	if (r < 0)
		return r;
	return method == PATCH_PREFIX
		       ? decode_prefix(decoder, data, size, source, source_size, ret, ret_size, err)
		       : decode_difference(
				 decoder, method, data, size, source, source_size, ret, ret_size, err);
}

/* ---- Writing ---- */

static void write_runs(
	const struct patch_run *runs, size_t count, bool ascending, uint64_t position, struct buffer *ret)
{
	buffer_append_varint(ret, count);
	for (size_t i = 0; i < count; i++) {
		if (ascending)
			buffer_append_varint(ret, runs[i].first - position);
		else
			buffer_append_signed_varint(ret, (int64_t)(runs[i].first - position));
		buffer_append_varint(ret, runs[i].count);
		position = runs[i].first + runs[i].count;
	}
}

int patch_index_write(const struct patch_entry *entries, size_t count, uint64_t old_blocks,
	uint64_t new_blocks, struct buffer *ret, struct error **err)
{
	uint64_t target_end = 0;
	size_t begin = ret->size;

	buffer_append(ret, magic, sizeof(magic));
	buffer_append_le32(ret, 1);
	buffer_append_le32(ret, (uint32_t)count);
	buffer_append_le64(ret, old_blocks);
	buffer_append_le64(ret, new_blocks);
	for (size_t i = 0; i < count; i++) {
		const struct patch_run *last = &entries[i].targets[entries[i].target_count - 1];

		buffer_append_varint(ret, entries[i].method);
		buffer_append_varint(ret, entries[i].size);
		write_runs(entries[i].targets, entries[i].target_count, true, target_end, ret);
		write_runs(entries[i].sources, entries[i].source_count, false, 0, ret);
		target_end = last->first + last->count;
	}
	if (buffer_failed(ret))
		return error_set_errno(err, -ENOMEM, "patch");
	if (count > PATCH_FRAMES_MAX || ret->size - begin > PATCH_INDEX_MAX)
		return error_set(err, -EFBIG, "a patch of %zu frames is too large", count);
	return 0;
}

void patch_difference_write(const struct patch_step *steps, size_t count, const struct buffer *differences,
	const struct buffer *literals, struct buffer *ret)
{
	size_t header = ret->size, size;

	buffer_append_zeros(ret, DIFFERENCE_HEADER);
	for (size_t i = 0; i < count; i++) {
		buffer_append_varint(ret, steps[i].added);
		buffer_append_varint(ret, steps[i].literal);
		buffer_append_signed_varint(ret, steps[i].seek);
	}
	size = ret->size - header - DIFFERENCE_HEADER;
	buffer_append(ret, literals->data, literals->size);
	buffer_append(ret, differences->data, differences->size);
	if (buffer_failed(ret))
		return;
	write_le32(ret->data + header + DIFFERENCE_STEPS, (uint32_t)size);
	write_le32(ret->data + header + DIFFERENCE_LITERALS, (uint32_t)literals->size);
}
