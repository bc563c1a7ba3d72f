/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "build/usr-image.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "base/sparse.h"
#include "base/work.h"
#include "format/fsverity.h"

#define RANGE_BLOCKS 2048 /* one thread's at a time … */
#define PIECE_BLOCKS 64	  /* … in pieces that the processor still has at hand when they are written */

struct writing {
	const struct usr_image_options *options;
	const struct erofs_plan *plan;
	struct verity *verity;
	int fd, copy; /* *copy* is -1 where there is none, or where it shares the blocks later */
	const char *path;
};

/* The disk may begin now: the flush at the end then has little left to wait for. Only a hint. */
static void begin_flush(int fd, uint64_t offset, size_t size)
{
	(void)sync_file_range(fd, (off_t)offset, (off_t)size, SYNC_FILE_RANGE_WRITE);
}

static int write_piece(const struct writing *writing, const uint8_t *data, size_t size, uint64_t offset)
{
	uint64_t there = writing->options->copy_offset + offset;
	int r = pwrite_full(writing->fd, data, size, offset);

	if (r >= 0)
		begin_flush(writing->fd, offset, size);
	if (r < 0 || writing->copy < 0)
		return r;
	r = sparse_write(writing->copy, data, size, there);
	if (r >= 0)
		begin_flush(writing->copy, there, size);
	return r;
}

static int write_range(size_t index, void *userdata, struct error **err)
{
	const struct writing *writing = userdata;
	_cleanup_free_ uint8_t *blocks = malloc(PIECE_BLOCKS * EROFS_BLOCK_SIZE);
	_cleanup_sha256_ struct sha256 *context = sha256_new();
	uint64_t first = (uint64_t)index * RANGE_BLOCKS,
		 end = MIN(first + RANGE_BLOCKS, erofs_plan_blocks(writing->plan));
	int r = blocks && context ? 0 : -ENOMEM;

	while (r >= 0 && first < end) {
		size_t count = (size_t)MIN((uint64_t)PIECE_BLOCKS, end - first),
		       size = count * EROFS_BLOCK_SIZE;

		erofs_plan_fill(writing->plan, first, count, blocks);
		verity_hash(writing->verity, context, first, blocks, count);
		r = write_piece(writing, blocks, size, first * EROFS_BLOCK_SIZE);
		progress_add(writing->options->progress, size);
		first += count;
	}
	return r < 0 ? error_set_errno(err, r, "%s: write", writing->path) : 0;
}

static int write_hash_file(struct verity *verity, const char *path, struct usr_image_result *ret,
	struct atomic_file *file, struct error **err)
{
	const uint8_t *data;
	int r;

	ret->hash_size = verity_size(verity);
	r = verity_finish(verity, &data, ret->root_hash);
	if (r >= 0)
		r = sha256_bytes(data, ret->hash_size, ret->hash_digest);
	if (r < 0)
		return error_set_errno(err, r, "%s", path);
	r = atomic_file_open(file, path, 0644, err);
	if (r < 0)
		return r;
	r = write_full(file->fd, data, ret->hash_size);
	if (r < 0)
		return error_set_errno(err, r, "%s: write", path);
	return 0;
}

/* What the leaves say of the image itself: its digest, and those of its blocks. */
static int take_leaves(const struct writing *writing, struct usr_image_result *ret, struct error **err)
{
	const struct fsverity_known known = {
		.blocks = erofs_plan_blocks(writing->plan), .digests = verity_leaves(writing->verity)};

	ret->leaves = malloc(known.blocks * SHA256_SIZE);
	if (!ret->leaves)
		return error_set_errno(err, -ENOMEM, "%s", writing->path);
	memcpy(ret->leaves, known.digests, known.blocks * SHA256_SIZE);
	return fsverity_digest(writing->fd, 1, &known, ret->image_digest, &ret->image_size, err);
}

/* Where the file system can share blocks, the copy is made so in the end. */
static int write_image(struct writing *writing, struct usr_image_result *ret, struct error **err)
{
	const struct usr_image_options *options = writing->options;
	bool share = options->copy >= 0 && sparse_can_share(writing->fd, options->copy);
	uint64_t blocks = erofs_plan_blocks(writing->plan);
	int r;

	writing->copy = share ? -1 : options->copy;
	r = work_run(
		options->threads, (size_t)div_round_up_u64(blocks, RANGE_BLOCKS), write_range, writing, err);
	if (r < 0)
		return r;
	if (share)
		r = sparse_copy(
			writing->fd, 0, options->copy, options->copy_offset, blocks * EROFS_BLOCK_SIZE, NULL);
	return r < 0 ? error_set_errno(err, r, "%s: copy to the disk", writing->path)
		     : take_leaves(writing, ret, err);
}

static int write_files(
	struct writing *writing, const char *hash_path, struct usr_image_result *ret, struct error **err)
{
	_cleanup_atomic_file_ struct atomic_file image = ATOMIC_FILE_INIT, hash = ATOMIC_FILE_INIT;
	int r;

	r = atomic_file_open(&image, writing->path, 0644, err);
	if (r < 0)
		return r;
	writing->fd = image.fd;
	r = write_image(writing, ret, err);
	if (r >= 0)
		r = write_hash_file(writing->verity, hash_path, ret, &hash, err);
	if (r >= 0)
		r = atomic_file_prepare(&image, err);
	if (r >= 0)
		r = atomic_file_prepare(&hash, err);
	if (r >= 0)
		r = atomic_file_commit(&image, err);
	if (r >= 0)
		r = atomic_file_commit(&hash, err);
	return r;
}

void usr_image_result_release(struct usr_image_result *result)
{
	free(result->leaves);
	*result = (struct usr_image_result){};
}

int usr_image_write(struct tree_inode *folder, const struct usr_image_options *options,
	const char *image_path, const char *hash_path, struct usr_image_result *ret, struct error **err)
{
	_cleanup_erofs_plan_ struct erofs_plan *plan = NULL;
	_cleanup_verity_ struct verity *verity = NULL;
	_cleanup_usr_image_result_ struct usr_image_result result = {};
	int r;

	assert(options->verity.salt_size == 0);
	r = erofs_plan_new(folder, &options->erofs, &plan, err);
	if (r < 0)
		return r;
	r = verity_new(&options->verity, erofs_plan_blocks(plan), &verity, err);
	if (r < 0)
		return r;
	struct writing writing = {.options = options, .plan = plan, .verity = verity, .path = image_path};

	result.compression = options->erofs.compression;
	erofs_plan_statistics(plan, &result.statistics);
	progress_begin(
		options->progress, "usr image", erofs_plan_blocks(plan) * EROFS_BLOCK_SIZE, PROGRESS_BYTES);
	r = write_files(&writing, hash_path, &result, err);
	if (r < 0)
		return r;
	progress_end(options->progress, NULL);
	*ret = result;
	result.leaves = NULL;
	return 0;
}
