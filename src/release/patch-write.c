/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "release/patch-write.h"

#include <errno.h>
#include <lzma.h>
#include <string.h>
#include <zstd.h>

#include "base/bytes.h"
#include "base/file.h"
#include "base/sha256.h"
#include "base/work.h"
#include "format/patch.h"
#include "release/difference.h"
#include "release/similar.h"

#define LEVEL 19

/* A frame in the making; each belongs to one thread. */
struct frame {
	struct patch_run *targets, *sources;
	size_t target_count, source_count;
	uint32_t target_blocks;
	enum patch_method method;
	struct buffer payload;
};

struct writing {
	const struct patch_images *images;
	struct patch_write_options options;
	struct similar *similar;
	struct frame *frames;
	size_t count;
};

static void writing_release(struct writing *writing)
{
	for (size_t i = 0; i < writing->count; i++) {
		free(writing->frames[i].targets);
		free(writing->frames[i].sources);
		buffer_release(&writing->frames[i].payload);
	}
	free(writing->frames);
	similar_free(writing->similar);
}

static ZSTD_CCtx *free_compressor(ZSTD_CCtx *context)
{
	(void)ZSTD_freeCCtx(context);
	return NULL;
}
DEFINE_CLEANUP(ZSTD_CCtx *, free_compressor);

/* ---- What is missing, in frames ---- */

static int compare_digests(const void *a, const void *b)
{
	return memcmp(a, b, SHA256_SIZE);
}

/* The first *count* digests, in order. */
static uint8_t *sort_digests(const uint8_t *digests, uint64_t count)
{
	uint8_t *sorted = malloc(count * SHA256_SIZE);

	if (!sorted)
		return NULL;
	memcpy(sorted, digests, count * SHA256_SIZE);
	qsort(sorted, count, SHA256_SIZE, compare_digests);
	return sorted;
}

static bool is_known(const uint8_t *sorted, uint64_t count, const uint8_t *digest)
{
	return bsearch(digest, sorted, count, SHA256_SIZE, compare_digests) != NULL;
}

/* Adds a missing block: to the last run where it follows that, in a new frame where the last one is full. */
static int add_block(struct writing *writing, uint64_t block)
{
	struct frame *frame = writing->count > 0 ? &writing->frames[writing->count - 1] : NULL;
	struct patch_run *last = frame ? &frame->targets[frame->target_count - 1] : NULL, *runs;

	if (!frame || frame->target_blocks == writing->options.frame_blocks) {
		struct frame *frames = reallocarray(writing->frames, writing->count + 1, sizeof(*frames));

		if (!frames)
			return -ENOMEM;
		writing->frames = frames;
		frame = &frames[writing->count++];
		*frame = (struct frame){};
		last = NULL;
	}
	frame->target_blocks++;
	if (last && last->first + last->count == block) {
		last->count++;
		return 0;
	}
	runs = reallocarray(frame->targets, frame->target_count + 1, sizeof(*runs));
	if (!runs)
		return -ENOMEM;
	frame->targets = runs;
	runs[frame->target_count++] = (struct patch_run){.first = block, .count = 1};
	return 0;
}

/* Puts the blocks that the old image lacks into frames. */
static int find_missing(struct writing *writing, struct error **err)
{
	const struct patch_images *images = writing->images;
	_cleanup_free_ uint8_t *known = sort_digests(images->old_digests, images->old_blocks);
	int r = known ? 0 : -ENOMEM;

	for (uint64_t i = 0; i < images->new_blocks && r >= 0; i++)
		if (!is_known(known, images->old_blocks, images->new_digests + i * SHA256_SIZE))
			r = add_block(writing, i);
	if (r < 0)
		return error_set_errno(err, r, "patch");
	if (writing->count > PATCH_FRAMES_MAX)
		return error_set(err, -EFBIG, "a patch of %zu frames is too large", writing->count);
	return 0;
}

/* ---- One frame ---- */

static int read_runs(
	int fd, const struct patch_run *runs, size_t count, struct buffer *ret, struct error **err)
{
	for (size_t i = 0; i < count; i++) {
		size_t size = (size_t)runs[i].count * PATCH_BLOCK_SIZE;
		uint8_t *to = buffer_extend(ret, size);
		int r = to ? pread_full(fd, to, size, runs[i].first * PATCH_BLOCK_SIZE) : -ENOMEM;

		if (r < 0)
			return error_set_errno(
				err, r, "reading an image at block %llu", (unsigned long long)runs[i].first);
	}
	return 0;
}

/* The least power of two, as its logarithm, in which so many bytes can be looked back at. */
static int window_log(size_t size)
{
	int log = 10;

	while ((UINT64_C(1) << log) < size)
		log++;
	return log;
}

/* Compresses *data* with *source* before it (may be empty), and keeps it where it is the smallest so far. */
static int try_method(struct frame *frame, enum patch_method method, const struct buffer *source,
	const struct buffer *data, struct error **err)
{
	_cleanup_(free_compressorp) ZSTD_CCtx *context = ZSTD_createCCtx();
	_cleanup_buffer_ struct buffer payload = {};
	size_t bound = ZSTD_compressBound(data->size), n;

	if (!context || buffer_reserve(&payload, bound) < 0)
		return error_set_errno(err, -ENOMEM, "patch");
	(void)ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, LEVEL);
	(void)ZSTD_CCtx_setParameter(
		context, ZSTD_c_windowLog, window_log(data->size + (source ? source->size : 0)));
	if (source)
		(void)ZSTD_CCtx_refPrefix(context, source->data, source->size);
	n = ZSTD_compress2(context, payload.data, bound, data->data, data->size);
	if (ZSTD_isError(n))
		return error_set(err, -EIO, "patch: zstd: %s", ZSTD_getErrorName(n));
	payload.size = n;
	if (frame->payload.size > 0 && frame->payload.size <= n)
		return 0;
	buffer_release(&frame->payload);
	frame->payload = payload;
	payload = (struct buffer){};
	frame->method = method;
	return 0;
}

/* The same with LZMA2, which is slower and makes differences smaller. */
static int try_lzma(struct frame *frame, const struct buffer *data, struct error **err)
{
	lzma_options_lzma options;
	const lzma_filter filters[] = {
		{.id = LZMA_FILTER_LZMA2, .options = &options}, {.id = LZMA_VLI_UNKNOWN}};
	_cleanup_buffer_ struct buffer payload = {};
	lzma_ret r;

	if (lzma_lzma_preset(&options, 9 | LZMA_PRESET_EXTREME))
		return error_set(err, -EIO, "patch: LZMA has no such preset");
	options.dict_size = PATCH_LZMA_DICTIONARY;
	options.pb = 0; /* what is left of code has no alignment */
	if (buffer_reserve(&payload, frame->payload.size) < 0)
		return error_set_errno(err, -ENOMEM, "patch");
	/* No room for more than what is to be beaten. */
	r = lzma_raw_buffer_encode(
		filters, NULL, data->data, data->size, payload.data, &payload.size, frame->payload.size);
	if (r == LZMA_MEM_ERROR)
		return error_set_errno(err, -ENOMEM, "patch");
	if (r != LZMA_OK || payload.size >= frame->payload.size)
		return 0;
	buffer_release(&frame->payload);
	frame->payload = payload;
	payload = (struct buffer){};
	frame->method = PATCH_DIFFERENCE_LZMA;
	return 0;
}

static int try_difference(
	struct frame *frame, const struct buffer *source, const struct buffer *target, struct error **err)
{
	_cleanup_difference_ struct difference difference = {};
	_cleanup_buffer_ struct buffer content = {};
	int r;

	if (difference_make(source->data, source->size, target->data, target->size, &difference) < 0)
		return error_set_errno(err, -ENOMEM, "patch");
	patch_difference_write(
		difference.steps, difference.step_count, &difference.added, &difference.literals, &content);
	if (buffer_failed(&content))
		return error_set_errno(err, -ENOMEM, "patch");
	/* Too many steps for what a node sets aside: then the other way is the better one anyway. */
	if (content.size > PATCH_DIFFERENCE_MAX(target->size))
		return 0;
	r = try_method(frame, PATCH_DIFFERENCE, NULL, &content, err);
	return r < 0 ? r : try_lzma(frame, &content, err);
}

static int make_frame(size_t index, void *userdata, struct error **err)
{
	struct writing *writing = userdata;
	struct frame *frame = &writing->frames[index];
	_cleanup_buffer_ struct buffer source = {}, target = {};
	int r = read_runs(writing->images->new_fd, frame->targets, frame->target_count, &target, err);

	if (r < 0)
		return r;
	if (similar_find(writing->similar, target.data, target.size, writing->options.source_blocks,
		    &frame->sources, &frame->source_count) < 0)
		return error_set_errno(err, -ENOMEM, "patch");
	r = read_runs(writing->images->old_fd, frame->sources, frame->source_count, &source, err);
	if (r >= 0)
		r = try_method(frame, PATCH_PREFIX, source.size > 0 ? &source : NULL, &target, err);
	if (r >= 0 && source.size > 0 && !writing->options.no_difference)
		r = try_difference(frame, &source, &target, err);
	progress_add(writing->options.progress, (uint64_t)frame->target_blocks * PATCH_BLOCK_SIZE);
	return r;
}

/* ---- The file ---- */

static int write_file(
	const struct writing *writing, struct buffer *ret, uint64_t *ret_index, struct error **err)
{
	_cleanup_free_ struct patch_entry *entries = calloc(writing->count, sizeof(*entries));
	size_t begin = ret->size;
	int r;

	if (!entries)
		return error_set_errno(err, -ENOMEM, "patch");
	for (size_t i = 0; i < writing->count; i++) {
		const struct frame *frame = &writing->frames[i];

		entries[i] = (struct patch_entry){.method = frame->method,
			.size = (uint32_t)frame->payload.size,
			.targets = frame->targets,
			.target_count = frame->target_count,
			.sources = frame->sources,
			.source_count = frame->source_count};
	}
	r = patch_index_write(
		entries, writing->count, writing->images->old_blocks, writing->images->new_blocks, ret, err);
	if (r < 0)
		return r;
	*ret_index = ret->size - begin;
	for (size_t i = 0; i < writing->count; i++)
		buffer_append(ret, writing->frames[i].payload.data, writing->frames[i].payload.size);
	return buffer_failed(ret) ? error_set_errno(err, -ENOMEM, "patch") : 0;
}

int patch_write(const struct patch_images *images, const struct patch_write_options *options,
	struct buffer *ret, uint64_t *ret_index, struct error **err)
{
	_cleanup_(writing_release) struct writing writing = {.images = images, .options = *options};
	uint32_t *frame_blocks = &writing.options.frame_blocks,
		 *source_blocks = &writing.options.source_blocks;
	int r;

	*frame_blocks = *frame_blocks > 0 ? *frame_blocks : PATCH_WRITE_FRAME_BLOCKS;
	*source_blocks = *source_blocks > 0 ? *source_blocks : PATCH_WRITE_SOURCE_BLOCKS;
	if (*frame_blocks > PATCH_FRAME_BLOCKS || *source_blocks > PATCH_SOURCE_BLOCKS)
		return error_set(err, -EINVAL, "frames of %u blocks from %u: more than %u and %u",
			*frame_blocks, *source_blocks, PATCH_FRAME_BLOCKS, PATCH_SOURCE_BLOCKS);
	*ret_index = 0;
	r = find_missing(&writing, err);
	if (r < 0 || writing.count == 0)
		return r;
	r = similar_new(images->old_fd, images->old_blocks, options->threads, &writing.similar, err);
	if (r < 0)
		return r;
	progress_begin(options->progress, "patch", (uint64_t)writing.count * *frame_blocks * PATCH_BLOCK_SIZE,
		PROGRESS_BYTES);
	r = work_run(options->threads, writing.count, make_frame, &writing, err);
	if (r < 0)
		return r;
	progress_end(options->progress, NULL);
	return write_file(&writing, ret, ret_index, err);
}
