/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "release/blocks-write.h"

#include <errno.h>

#include "base/file.h"
#include "base/work.h"
#include "format/blocks.h"

#define ITEM_BYTES MiB(1) /* of the image, compressed at a time by one thread */
#define BATCH_ITEMS 64	  /* before what they made is written */

/* Frames that one thread makes, one behind the other. */
struct item {
	struct buffer frames;
};

struct writing {
	int image_fd;
	uint64_t image_size;
	struct blocks_write_options options;
	uint64_t item_frames, first_item; /* of this batch */
	struct item items[BATCH_ITEMS];
	uint32_t *sizes; /* of all frames, compressed */
	uint64_t frames;
};

static void writing_release(struct writing *writing)
{
	for (size_t i = 0; i < BATCH_ITEMS; i++)
		buffer_release(&writing->items[i].frames);
	free(writing->sizes);
}

static ZSTD_CCtx *free_compressor(ZSTD_CCtx *context)
{
	(void)ZSTD_freeCCtx(context);
	return NULL;
}
DEFINE_CLEANUP(ZSTD_CCtx *, free_compressor);

static int add_frame(const struct writing *writing, ZSTD_CCtx *context, const uint8_t *data, size_t size,
	struct buffer *ret, uint32_t *ret_size, struct error **err)
{
	size_t bound = ZSTD_compressBound(size), n;

	if (buffer_reserve(ret, bound) < 0)
		return error_set_errno(err, -ENOMEM, "zstd");
	n = ZSTD_compressCCtx(context, ret->data + ret->size, bound, data, size, writing->options.level);
	if (ZSTD_isError(n))
		return error_set(err, -EIO, "zstd: %s", ZSTD_getErrorName(n));
	ret->size += n;
	*ret_size = (uint32_t)n;
	return 0;
}

static int compress_item(size_t index, void *userdata, struct error **err)
{
	_cleanup_(free_compressorp) ZSTD_CCtx *context = ZSTD_createCCtx();
	struct writing *writing = userdata;
	uint32_t frame_size = writing->options.frame_size;
	uint64_t first = (writing->first_item + index) * writing->item_frames;
	uint64_t begin = first * frame_size;
	size_t size = (size_t)MIN(writing->item_frames * frame_size, writing->image_size - begin);
	_cleanup_free_ uint8_t *data = malloc(size);
	int r;

	if (!data || !context)
		return error_set_errno(err, -ENOMEM, "zstd");
	r = pread_full(writing->image_fd, data, size, begin);
	if (r < 0)
		return error_set_errno(err, r, "reading the image at %llu", (unsigned long long)begin);
	for (size_t at = 0; at < size && r >= 0; at += frame_size)
		r = add_frame(writing, context, data + at, MIN(size - at, (size_t)frame_size),
			&writing->items[index].frames, &writing->sizes[first + at / frame_size], err);
	progress_add(writing->options.progress, size);
	return r;
}

static int write_batch(struct writing *writing, size_t items, int fd, uint64_t *size, struct error **err)
{
	int r = work_run(writing->options.threads, items, compress_item, writing, err);

	for (size_t i = 0; i < items && r >= 0; i++) {
		struct buffer *frames = &writing->items[i].frames;

		r = write_full(fd, frames->data, frames->size);
		if (r < 0)
			return error_set_errno(err, r, "write");
		*size += frames->size;
		frames->size = 0;
	}
	return r;
}

static int write_index(
	const struct writing *writing, int fd, struct blocks_write_result *ret, struct error **err)
{
	_cleanup_buffer_ struct buffer index = {};
	int r;

	blocks_index_write(writing->sizes, (size_t)writing->frames, writing->options.frame_size,
		writing->image_size, &index);
	r = buffer_failed(&index) ? -ENOMEM : write_full(fd, index.data, index.size);
	if (r < 0)
		return error_set_errno(err, r, "write");
	ret->index_size = index.size;
	ret->size += index.size;
	return 0;
}

static int choose_sizes(struct writing *writing, struct error **err)
{
	uint32_t *frame = &writing->options.frame_size;

	if (*frame == 0)
		for (*frame = BLOCKS_WRITE_FRAME;
			div_round_up_u64(writing->image_size, *frame) > BLOCKS_FRAMES_MAX &&
			*frame < BLOCKS_FRAME_MAX;)
			*frame *= 2;
	writing->frames = div_round_up_u64(writing->image_size, *frame);
	if (*frame % BLOCKS_BLOCK_SIZE != 0 || *frame > BLOCKS_FRAME_MAX)
		return error_set(err, -EINVAL, "frames of %u bytes: not whole blocks, or more than %u",
			*frame, (unsigned)BLOCKS_FRAME_MAX);
	if (writing->image_size % BLOCKS_BLOCK_SIZE != 0 || writing->frames == 0 ||
		writing->frames > BLOCKS_FRAMES_MAX)
		return error_set(err, -EINVAL,
			"an image of %llu bytes: no whole blocks, or more than %u frames of %u bytes",
			(unsigned long long)writing->image_size, BLOCKS_FRAMES_MAX, *frame);
	writing->item_frames = MAX(ITEM_BYTES / *frame, UINT64_C(1));
	writing->sizes = calloc(writing->frames, sizeof(*writing->sizes));
	return writing->sizes ? 0 : error_set_errno(err, -ENOMEM, "seek table");
}

int blocks_write(int image_fd, uint64_t image_size, int fd, const struct blocks_write_options *options,
	struct blocks_write_result *ret, struct error **err)
{
	_cleanup_(writing_release) struct writing writing = {
		.image_fd = image_fd, .image_size = image_size, .options = *options};
	struct blocks_write_result result = {};
	uint64_t items;
	int r;

	if (writing.options.level == 0)
		writing.options.level = BLOCKS_WRITE_LEVEL;
	r = choose_sizes(&writing, err);
	if (r < 0)
		return r;
	items = div_round_up_u64(writing.frames, writing.item_frames);
	for (; writing.first_item < items && r >= 0; writing.first_item += BATCH_ITEMS)
		r = write_batch(&writing, (size_t)MIN(items - writing.first_item, (uint64_t)BATCH_ITEMS), fd,
			&result.size, err);
	if (r >= 0)
		r = write_index(&writing, fd, &result, err);
	if (r >= 0)
		*ret = result;
	return r;
}
