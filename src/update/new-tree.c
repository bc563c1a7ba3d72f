/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "format/tree-delta.h"
#include "format/verity-builder.h"
#include "update/usr-work.h"

#define DIGESTS_PER_BLOCK (VERITY_BLOCK_SIZE / SHA256_SIZE)
#define WINDOW_LOG_MAX 20 /* of the compressed tree: 1 MiB to look back in */

/* ---- What is there already ---- */

/* Whether the slot holds the whole tree, every block of it proved. */
static bool tree_is_there(const struct usr_update *update)
{
	const struct image_files *image = update->image;
	_cleanup_verity_reader_ struct verity_reader *reader = NULL;
	_cleanup_error_ struct error *ignored = NULL;
	const uint8_t *digest;

	if (verity_reader_new(
		    &update->target->hash, &image->verity, image->blocks, image->root, &reader, &ignored) < 0)
		return false;
	for (uint64_t block = 0; block < image->blocks; block += DIGESTS_PER_BLOCK)
		if (verity_reader_digest(reader, block, &digest, &ignored) < 0)
			return false;
	return true;
}

/* The superblock is no part of the tree. It is made of what is signed, and not fetched. */
static int write_header(const struct usr_update *update, struct error **err)
{
	_cleanup_free_ uint8_t *block = work_blocks_new(1);
	int r;

	if (!block)
		return error_set_errno(err, -ENOMEM, "hash tree");
	memset(block, 0, VERITY_BLOCK_SIZE);
	verity_header_write(&update->image->verity, update->image->blocks, block);
	r = block_write(&update->target->hash, 0, block, VERITY_BLOCK_SIZE);
	if (r >= 0)
		r = block_flush(&update->target->hash);
	return r < 0 ? error_set_errno(err, r, "writing the superblock of the hash tree") : 0;
}

static int report(const struct usr_update *update, uint64_t done, uint64_t total, struct error **err)
{
	const struct usr_work work = {.update = update};

	return work_progress(&work, USR_UPDATE_TREE, done, total, err);
}

/* ---- From the running release's tree ---- */

/* The digests of a run of old blocks, added to the tree that is being built, one hash block at a time. */
static int add_old(const struct usr_update *update, uint64_t old_blocks, uint64_t from, uint64_t count,
	uint8_t *buffer, struct verity_builder *builder, struct error **err)
{
	struct verity_shape shape = verity_shape(old_blocks);

	while (count > 0) {
		uint64_t at = from % DIGESTS_PER_BLOCK, n = MIN(count, DIGESTS_PER_BLOCK - at);
		uint64_t block = shape.start[0] + from / DIGESTS_PER_BLOCK;
		int r = block_read(
			&update->active->hash, block * VERITY_BLOCK_SIZE, buffer, VERITY_BLOCK_SIZE);

		if (r < 0)
			return error_set_errno(err, r, "reading the running slot's hash tree");
		r = verity_builder_add(builder, buffer + at * SHA256_SIZE, (size_t)n, err);
		if (r < 0)
			return r;
		from += n;
		count -= n;
	}
	return 0;
}

static int write_block(uint64_t block, const uint8_t *data, void *userdata, struct error **err)
{
	const struct usr_update *update = userdata;
	int r = block_write(&update->target->hash, block * VERITY_BLOCK_SIZE, data, VERITY_BLOCK_SIZE);

	return r < 0 ? error_set_errno(
			       err, r, "writing block %llu of the hash tree", (unsigned long long)block)
		     : 0;
}

/* Builds the tree that *delta* tells of. Where *fn* is NULL, nothing is written. -EBADMSG: it is another. */
static int build_tree(const struct usr_update *update, const struct tree_delta *delta, verity_block_fn fn,
	struct error **err)
{
	const struct image_files *image = update->image;
	_cleanup_verity_builder_ struct verity_builder *builder = NULL;
	_cleanup_free_ uint8_t *buffer = work_blocks_new(1);
	struct tree_delta_cursor cursor = {};
	struct tree_delta_step step;
	uint8_t root[SHA256_SIZE];
	int r;

	if (!buffer)
		return error_set_errno(err, -ENOMEM, "hash tree");
	r = verity_builder_new(&image->verity, image->blocks, fn, (void *)update, &builder, err);
	while (r >= 0 && tree_delta_next(delta, &cursor, &step)) {
		r = verity_builder_add(builder, step.digests, (size_t)step.fresh, err);
		if (r >= 0)
			r = add_old(update, delta->old_blocks, step.from, step.copied, buffer, builder, err);
	}
	if (r >= 0)
		r = verity_builder_finish(builder, root, err);
	if (r >= 0 && memcmp(root, image->root, SHA256_SIZE) != 0)
		r = error_set(err, -EBADMSG,
			"makes a tree with another root hash: the running slot's tree is damaged, or the "
			"file is");
	return r;
}

/* The delta that leads here from what runs; NULL where there is none, or it is of no use. */
static const struct image_delta *usable_delta(const struct usr_update *update)
{
	const struct image_delta *delta;

	if (!update->active || !update->active_root || update->no_tree_delta)
		return NULL;
	delta = image_files_delta(update->image, update->active_root);
	if (!delta || !delta->tree.name[0] || delta->tree.size > TREE_DELTA_MAX ||
		delta->tree.size >= update->image->tree.size)
		return NULL;
	if (verity_shape(delta->from_blocks).levels == 0 ||
		verity_shape(delta->from_blocks).blocks > update->active->hash.size / VERITY_BLOCK_SIZE)
		return NULL;
	return delta;
}

/*
 * Builds the tree twice: once to see that it has the signed root hash, and once to write it. So nothing is
 * written that is not proved, and no more of it is held than one block of each level.
 */
static int bring_delta(const struct usr_update *update, const struct image_delta *file,
	struct usr_update_result *result, bool *ret_own, struct error **err)
{
	const struct remote_range range = {.size = file->tree.size};
	_cleanup_free_ uint8_t *data = NULL;
	struct tree_delta delta;
	int r;

	r = remote_fetch_bytes(update->remote,
		&(struct remote_request){.name = file->tree.name,
			.file_size = file->tree.size,
			.ranges = &range,
			.count = 1,
			.is_optional = true},
		&data, err);
	*ret_own = false;
	if (r >= 0)
		r = tree_delta_parse(
			data, file->tree.size, file->from_blocks, update->image->blocks, &delta, err);
	if (r >= 0)
		r = build_tree(update, &delta, NULL, err);
	if (r < 0)
		return error_wrap(err, "%s", file->tree.name), r;
	*ret_own = true;
	r = report(update, file->tree.size, file->tree.size, err);
	if (r >= 0)
		r = build_tree(update, &delta, write_block, err);
	if (r < 0)
		return error_wrap(err, "%s", file->tree.name), r;
	result->tree_bytes = file->tree.size;
	result->tree_delta = true;
	return 0;
}

/* ---- Whole ---- */

/* A compressed hash file on its way. */
struct stream {
	const struct usr_update *update;
	struct verity_reader *reader;
	ZSTD_DStream *zstd;
	uint8_t *block;	       /* being filled */
	size_t size;	       /* bytes of it */
	uint64_t next, blocks; /* its number in the hash file; all blocks of that */
	uint64_t received;
	bool ended;
};

static void stream_release(struct stream *stream)
{
	verity_reader_free(stream->reader);
	(void)ZSTD_freeDStream(stream->zstd);
	free(stream->block);
}

/* Proves and writes a block of the tree: the level above it has been written before. */
static int take_block(struct stream *stream, struct error **err)
{
	int r = 0;

	if (stream->next > 0)
		r = verity_reader_accept(stream->reader, stream->next, stream->block, err);
	if (r >= 0 && stream->next > 0)
		r = write_block(stream->next, stream->block, (void *)stream->update, err);
	stream->next++;
	stream->size = 0;
	return r;
}

/* Decompresses until all of *in* is used up, or a block is full. *ret_more* says that there may be more of
 * it. */
static int decompress(struct stream *stream, ZSTD_inBuffer *in, bool *ret_more, struct error **err)
{
	bool is_all = stream->next == stream->blocks;
	uint8_t excess;
	ZSTD_outBuffer out = {.dst = is_all ? &excess : stream->block,
		.size = is_all ? 1 : VERITY_BLOCK_SIZE,
		.pos = is_all ? 0 : stream->size};
	size_t n = ZSTD_decompressStream(stream->zstd, &out, in);

	if (ZSTD_isError(n))
		return error_set(err, -EBADMSG, "can't be decompressed: %s", ZSTD_getErrorName(n));
	if (is_all && out.pos > 0)
		return error_set(err, -EBADMSG, "holds more than the %llu blocks of the hash tree",
			(unsigned long long)stream->blocks);
	stream->ended = n == 0;
	stream->size = is_all ? 0 : out.pos;
	*ret_more = in->pos < in->size || (n > 0 && out.pos == out.size);
	return 0;
}

static int take_compressed(size_t range, const uint8_t *data, size_t size, void *userdata, struct error **err)
{
	struct stream *stream = userdata;
	ZSTD_inBuffer in = {.src = data, .size = size};
	bool more = true;

	(void)range;
	while (more) {
		int r = decompress(stream, &in, &more, err);

		if (r >= 0 && stream->size == VERITY_BLOCK_SIZE)
			r = take_block(stream, err);
		if (r < 0)
			return r;
	}
	stream->received += size;
	return report(stream->update, stream->received, stream->update->image->tree.size, err);
}

static int stream_init(struct stream *stream, struct error **err)
{
	const struct image_files *image = stream->update->image;

	stream->blocks = verity_shape(image->blocks).blocks;
	stream->block = work_blocks_new(1);
	stream->zstd = ZSTD_createDStream();
	if (!stream->block || !stream->zstd ||
		ZSTD_isError(ZSTD_DCtx_setParameter(stream->zstd, ZSTD_d_windowLogMax, WINDOW_LOG_MAX)))
		return error_set_errno(err, -ENOMEM, "hash tree");
	return verity_reader_new(&stream->update->target->hash, &image->verity, image->blocks, image->root,
		&stream->reader, err);
}

static int stream_whole(const struct usr_update *update, bool again, struct error **err)
{
	_cleanup_(stream_release) struct stream stream = {.update = update};
	const struct image_file *file = &update->image->tree;
	const struct remote_range range = {.size = file->size};
	const struct remote_request request = {.name = file->name,
		.file_size = file->size,
		.ranges = &range,
		.count = 1,
		.again = again,
		.sink = take_compressed,
		.userdata = &stream};
	int r = stream_init(&stream, err);

	if (r >= 0)
		r = remote_fetch(update->remote, &request, err);
	if (r >= 0 && (!stream.ended || stream.next != stream.blocks || stream.size > 0))
		r = error_set(err, -EBADMSG, "ends after %llu of the %llu blocks of the hash tree",
			(unsigned long long)stream.next, (unsigned long long)stream.blocks);
	return r == -EBADMSG ? error_wrap(err, "%s", file->name) : r;
}

static int bring_whole(const struct usr_update *update, struct usr_update_result *result, struct error **err)
{
	_cleanup_error_ struct error *first = NULL;
	int r = stream_whole(update, false, &first);

	/* A damaged copy in a cache on the way may be to blame. */
	if (r == -EBADMSG)
		r = stream_whole(update, true, err);
	else if (r < 0)
		error_move(err, TAKE_PTR(first));
	if (r >= 0)
		result->tree_bytes += update->image->tree.size;
	return r;
}

int new_tree_bring(const struct usr_update *update, struct usr_update_result *result, struct error **err)
{
	const struct image_delta *delta = usable_delta(update);
	int r = -ENOENT;

	result->tree_kept = tree_is_there(update);
	if (result->tree_kept)
		return write_header(update, err);
	if (delta) {
		_cleanup_error_ struct error *fault = NULL;
		bool is_own;

		r = bring_delta(update, delta, result, &is_own, &fault);
		/* What the delta can't do, the whole tree can. */
		if (r < 0 && (is_own || remote_fault_is_final(r))) {
			error_move(err, TAKE_PTR(fault));
			return r;
		}
	}
	if (r < 0)
		r = bring_whole(update, result, err);
	return r < 0 ? r : write_header(update, err);
}
