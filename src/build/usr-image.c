/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "build/usr-image.h"

#include <errno.h>
#include <fcntl.h>

#include "base/file.h"
#include "base/work.h"

#define RANGE_BLOCKS 256 /* made, written and hashed at a time by one thread */

struct writing {
	const struct usr_image_options *options;
	const struct erofs_plan *plan;
	struct verity *verity;
	int fd;
	const char *path;
	uint8_t *digest; /* of the whole image */
};

static int hash_sink(uint64_t first, const uint8_t *blocks, size_t count, void *userdata, struct error **err)
{
	(void)first;
	(void)err;
	sha256_update(userdata, blocks, count * EROFS_BLOCK_SIZE);
	return 0;
}

/* The digest of the whole image: one thread's work, from memory, while the others write. */
static int hash_whole(const struct writing *writing, struct error **err)
{
	_cleanup_sha256_ struct sha256 *context = sha256_new();
	int r;

	if (!context)
		return error_set_errno(err, -ENOMEM, "%s", writing->path);
	r = erofs_plan_emit(writing->plan, hash_sink, context, err);
	if (r >= 0)
		sha256_final(context, writing->digest);
	return r;
}

static int write_range(const struct writing *writing, uint64_t first, struct error **err)
{
	_cleanup_free_ uint8_t *blocks = malloc(RANGE_BLOCKS * EROFS_BLOCK_SIZE);
	_cleanup_sha256_ struct sha256 *context = sha256_new();
	size_t count = (size_t)MIN((uint64_t)RANGE_BLOCKS, erofs_plan_blocks(writing->plan) - first);
	int r;

	if (!blocks || !context)
		return error_set_errno(err, -ENOMEM, "%s", writing->path);
	erofs_plan_fill(writing->plan, first, count, blocks);
	verity_hash(writing->verity, context, first, blocks, count);
	r = pwrite_full(writing->fd, blocks, count * EROFS_BLOCK_SIZE, first * EROFS_BLOCK_SIZE);
	if (r < 0)
		return error_set_errno(err, r, "%s: write", writing->path);
	/* The disk may begin now: the flush at the end then has little left to wait for. Only a hint. */
	(void)sync_file_range(writing->fd, (off_t)(first * EROFS_BLOCK_SIZE),
		(off_t)(count * EROFS_BLOCK_SIZE), SYNC_FILE_RANGE_WRITE);
	progress_add(writing->options->progress, count * EROFS_BLOCK_SIZE);
	return 0;
}

static int write_item(size_t index, void *userdata, struct error **err)
{
	return index == 0 ? hash_whole(userdata, err)
			  : write_range(userdata, (uint64_t)(index - 1) * RANGE_BLOCKS, err);
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

static int write_files(
	struct writing *writing, const char *hash_path, struct usr_image_result *ret, struct error **err)
{
	_cleanup_atomic_file_ struct atomic_file image = ATOMIC_FILE_INIT, hash = ATOMIC_FILE_INIT;
	uint64_t blocks = erofs_plan_blocks(writing->plan);
	int r;

	r = atomic_file_open(&image, writing->path, 0644, err);
	if (r < 0)
		return r;
	writing->fd = image.fd;
	writing->digest = ret->image_digest;
	ret->image_size = blocks * EROFS_BLOCK_SIZE;
	r = work_run(writing->options->threads, 1 + (size_t)div_round_up_u64(blocks, RANGE_BLOCKS),
		write_item, writing, err);
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

int usr_image_write(struct tree_inode *folder, const struct usr_image_options *options,
	const char *image_path, const char *hash_path, struct usr_image_result *ret, struct error **err)
{
	_cleanup_erofs_plan_ struct erofs_plan *plan = NULL;
	_cleanup_verity_ struct verity *verity = NULL;
	struct usr_image_result result = {};
	int r;

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
	return 0;
}
