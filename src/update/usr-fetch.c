/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fetches what is missing as frames of the compressed image: format/blocks.h.
 */
#include <errno.h>

#include "format/blocks.h"
#include "update/pieces.h"
#include "update/usr-work.h"

struct fetching {
	struct usr_work *work;
	struct blocks_index index;
	ZSTD_DCtx *zstd;
	uint8_t *blocks;     /* of one frame */
	uint64_t before;     /* missing at the beginning */
	struct error *fault; /* of the last frame that was wrong */
};

static void fetching_release(struct fetching *fetching)
{
	(void)ZSTD_freeDCtx(fetching->zstd);
	free(fetching->blocks);
	error_free(fetching->fault);
}

/* Fetches and reads the seek table, once for all windows. */
static int get_index(struct usr_work *work, struct blocks_index *ret, struct error **err)
{
	const struct image_file *file = &work->update->image->image;
	const struct remote_range range = {.offset = file->size - file->index, .size = file->index};
	int r = 0;

	if (file->index > BLOCKS_INDEX_MAX)
		return error_set(err, -EFBIG, "%s: a seek table of %llu bytes is larger than %llu",
			file->name, (unsigned long long)file->index, (unsigned long long)BLOCKS_INDEX_MAX);
	for (unsigned i = 0; i < 2; i++) {
		_cleanup_error_ struct error *fault = NULL;

		if (!work->blocks_index) {
			r = remote_fetch_bytes(work->update->remote,
				&(struct remote_request){.name = file->name,
					.file_size = file->size,
					.ranges = &range,
					.count = 1,
					.again = i > 0,
					.ranges_only = true},
				&work->blocks_index, err);
			if (r < 0)
				return r;
			work->result->index_bytes += file->index;
		}
		r = blocks_index_parse(work->blocks_index, file->index, file->size,
			work->update->image->blocks, ret, &fault);
		if (r >= 0)
			return 0;
		free(TAKE_PTR(work->blocks_index));
		if (i > 0)
			error_move(err, TAKE_PTR(fault));
	}
	return error_wrap(err, "%s", file->name);
}

static bool is_missing(const struct usr_work *work, uint64_t first, uint64_t count)
{
	uint64_t end = MIN(first + count, work->begin + work->count);

	for (first = MAX(first, work->begin); first < end; first++)
		if (source_kind(*work_source(work, first)) == SOURCE_NONE)
			return true;
	return false;
}

/* The frames that hold what is missing. */
static int find_pieces(const struct fetching *fetching, struct piece **ret, size_t *ret_count)
{
	const struct blocks_index *index = &fetching->index;
	_cleanup_free_ struct piece *pieces = NULL;
	uint64_t offset = 0;
	size_t count = 0;

	pieces = calloc(div_round_up_u64(fetching->work->count, index->frame_blocks) + 2, sizeof(*pieces));
	if (!pieces)
		return -ENOMEM;
	for (size_t i = 0; i < index->frames; i++) {
		uint32_t size = blocks_frame_size(index, i);

		if (is_missing(fetching->work, (uint64_t)i * index->frame_blocks, index->frame_blocks))
			pieces[count++] =
				(struct piece){.offset = offset, .size = size, .number = (uint32_t)i};
		offset += size;
	}
	*ret = TAKE_PTR(pieces);
	*ret_count = count;
	return 0;
}

static int take_frame(const struct piece *piece, const uint8_t *data, void *userdata, struct error **err)
{
	struct fetching *fetching = userdata;
	struct usr_work *work = fetching->work;
	uint32_t count = blocks_frame_blocks(&fetching->index, piece->number);
	uint64_t first = (uint64_t)piece->number * fetching->index.frame_blocks, before = work->missing,
		 wrong;
	_cleanup_error_ struct error *fault = NULL;
	int r;

	work->result->block_bytes += piece->size;
	r = blocks_frame_decode(
		fetching->zstd, data, piece->size, fetching->blocks, (size_t)count * USR_BLOCK_SIZE, &fault);
	if (r >= 0) {
		r = work_write(work, first, fetching->blocks, count, &wrong, err);
		if (r < 0)
			return r;
		if (wrong > 0)
			r = error_set(&fault, -EBADMSG,
				"%llu of %u blocks from %llu on are not the release's",
				(unsigned long long)wrong, count, (unsigned long long)first);
	}
	if (r == -ENOMEM) {
		error_move(err, TAKE_PTR(fault));
		return r;
	}
	if (r < 0) {
		error_free(fetching->fault);
		fetching->fault = TAKE_PTR(fault);
	}
	work->result->fetched += before - work->missing;
	return work_progress(work, USR_UPDATE_FETCH, fetching->before - work->missing, fetching->before, err);
}

static int fetch_frames(struct fetching *fetching, bool again, struct error **err)
{
	const struct image_file *file = &fetching->work->update->image->image;
	struct pieces_request request = {.name = file->name,
		.file_size = file->size,
		.again = again,
		.fn = take_frame,
		.userdata = fetching};
	_cleanup_free_ struct piece *pieces = NULL;

	if (find_pieces(fetching, &pieces, &request.count) < 0)
		return error_set_errno(err, -ENOMEM, "%s", file->name);
	request.pieces = pieces;
	return pieces_fetch(fetching->work->update->remote, &request, err);
}

int usr_fetch(struct usr_work *work, struct error **err)
{
	_cleanup_(fetching_release) struct fetching fetching = {.work = work, .before = work->missing};
	_cleanup_error_ struct error *why = NULL;
	const char *name = work->update->image->image.name;
	int r = get_index(work, &fetching.index, &why);

	if (r == -EOPNOTSUPP)
		return usr_stream(work, err);
	error_move(err, TAKE_PTR(why));
	if (r < 0)
		return r;
	fetching.zstd = ZSTD_createDCtx();
	fetching.blocks = work_blocks_new(fetching.index.frame_blocks);
	if (!fetching.zstd || !fetching.blocks)
		return error_set_errno(err, -ENOMEM, "%s", name);
	r = fetch_frames(&fetching, false, err);
	/* A damaged copy in a cache on the way may be to blame for what was wrong. */
	if (r >= 0 && work->missing > 0)
		r = fetch_frames(&fetching, true, err);
	if (r < 0 || work->missing == 0)
		return r;
	error_move(err, TAKE_PTR(fetching.fault));
	return error_wrap(err, "%s: what the server has is not the release", name);
}
