/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fetches what is missing as frames of a patch that makes it from blocks of the running slot: format/patch.h.
 * Where that does not do, for whatever reason, usr-fetch.c does: so nothing that is wrong with a patch, or
 * with the server when it is asked for one, is an error.
 */
#include <errno.h>
#include <string.h>

#include "format/patch.h"
#include "update/pieces.h"
#include "update/usr-work.h"

/* The least that the compressed image costs in place of a patch's frame, in blocks: half a frame of it. */
#define FRAME_BLOCKS_LEAST 8

struct patching {
	struct usr_work *work;
	const struct image_delta *delta;
	struct patch_index index;
	struct patch_decoder decoder;
	struct patch_frame *frames; /* those that are fetched: piece->number is the index */
	struct piece *pieces;
	size_t count;
	uint8_t *source, *target;
	uint64_t before; /* missing at the beginning */
	bool is_own;	 /* what went wrong is no affair of the patch's */
};

static void patching_release(struct patching *patching)
{
	patch_decoder_release(&patching->decoder);
	free(patching->frames);
	free(patching->pieces);
	free(patching->source);
	free(patching->target);
}

/* What so many missing blocks cost, about, as frames of the compressed image. */
static uint64_t cost_without(const struct usr_work *work, uint64_t missing)
{
	const struct image_files *image = work->update->image;

	return missing * image->image.size / image->blocks;
}

/* The patch that leads here from what runs; NULL where there is none, or it is of no use. */
static const struct image_delta *usable_patch(const struct usr_work *work)
{
	const struct usr_update *update = work->update;
	const struct image_delta *delta;

	if (work->no_patch || update->no_patch || !update->active || !update->active_root)
		return NULL;
	delta = image_files_delta(update->image, update->active_root);
	if (!delta || !delta->patch.name[0] || delta->patch.index > PATCH_INDEX_MAX ||
		delta->from_blocks > update->active->data.size / USR_BLOCK_SIZE)
		return NULL;
	if (!work->patch_index && delta->patch.index >= cost_without(work, work->missing))
		return NULL;
	return delta;
}

/* Fetches and reads the index, once for all windows. */
static int get_index(struct patching *patching, struct error **err)
{
	struct usr_work *work = patching->work;
	const struct image_file *file = &patching->delta->patch;
	const struct remote_range range = {.size = file->index};
	int r = 0;

	if (!work->patch_index) {
		r = remote_fetch_bytes(work->update->remote,
			&(struct remote_request){.name = file->name,
				.file_size = file->size,
				.ranges = &range,
				.count = 1,
				.is_optional = true},
			&work->patch_index, err);
		if (r < 0)
			return r;
		work->result->index_bytes += file->index;
	}
	return patch_index_parse(work->patch_index, file->index, file->size, patching->delta->from_blocks,
		work->update->image->blocks, &patching->index, err);
}

static uint64_t count_missing(const struct usr_work *work, struct patch_runs runs)
{
	uint64_t missing = 0, first, count;

	while (patch_run_next(&runs, &first, &count)) {
		uint64_t end = MIN(first + count, work->begin + work->count);

		for (first = MAX(first, work->begin); first < end; first++)
			missing += source_kind(*work_source(work, first)) == SOURCE_NONE;
	}
	return missing;
}

/* Chooses the frames that cost less than what they make costs without them. */
static int choose_frames(struct patching *patching)
{
	struct patch_cursor cursor = {};
	struct patch_frame frame;
	uint32_t sources = 0, targets = 0;

	patching->frames = calloc(patching->index.frames + 1, sizeof(*patching->frames));
	patching->pieces = calloc(patching->index.frames + 1, sizeof(*patching->pieces));
	if (!patching->frames || !patching->pieces)
		return -ENOMEM;
	while (patch_index_next(&patching->index, &cursor, &frame)) {
		uint64_t missing = count_missing(patching->work, frame.targets);

		if (missing == 0 || frame.size >= cost_without(patching->work,
							  MAX(missing, (uint64_t)FRAME_BLOCKS_LEAST)))
			continue;
		sources = MAX(sources, frame.source_blocks);
		targets = MAX(targets, frame.target_blocks);
		patching->frames[patching->count] = frame;
		patching->pieces[patching->count] = (struct piece){
			.offset = frame.offset, .size = frame.size, .number = (uint32_t)patching->count};
		patching->count++;
	}
	patching->source = work_blocks_new(sources);
	patching->target = work_blocks_new(targets);
	return patching->source && patching->target ? 0 : -ENOMEM;
}

/* Puts the runs of old blocks together. What can't be read is zeros: then what is made of it is not right. */
static void read_source(const struct patching *patching, struct patch_runs runs)
{
	uint8_t *to = patching->source;
	uint64_t first, count;

	while (patch_run_next(&runs, &first, &count)) {
		size_t size = (size_t)count * USR_BLOCK_SIZE;

		if (block_read(&patching->work->update->active->data, first * USR_BLOCK_SIZE, to, size) < 0)
			memset(to, 0, size);
		to += size;
	}
}

static int write_target(struct patching *patching, struct patch_runs runs, struct error **err)
{
	const uint8_t *from = patching->target;
	uint64_t first, count, wrong;
	int r = 0;

	while (r >= 0 && patch_run_next(&runs, &first, &count)) {
		r = work_write(patching->work, first, from, (size_t)count, &wrong, err);
		from += count * USR_BLOCK_SIZE;
	}
	return r;
}

static int take_frame(const struct piece *piece, const uint8_t *data, void *userdata, struct error **err)
{
	struct patching *patching = userdata;
	struct usr_work *work = patching->work;
	const struct patch_frame *frame = &patching->frames[piece->number];
	_cleanup_error_ struct error *fault = NULL;
	uint64_t before = work->missing;
	int r;

	work->result->patch_bytes += piece->size;
	read_source(patching, frame->sources);
	r = patch_frame_decode(&patching->decoder, frame->method, data, piece->size, patching->source,
		(size_t)frame->source_blocks * USR_BLOCK_SIZE, patching->target,
		(size_t)frame->target_blocks * USR_BLOCK_SIZE, &fault);
	if (r >= 0)
		r = write_target(patching, frame->targets, err);
	else if (r == -ENOMEM)
		error_move(err, TAKE_PTR(fault));
	else
		r = 0;
	if (r >= 0) {
		work->result->patched += before - work->missing;
		r = work_progress(
			work, USR_UPDATE_FETCH, patching->before - work->missing, patching->before, err);
	}
	patching->is_own = r < 0;
	return r;
}

static int apply(struct patching *patching, struct error **err)
{
	const struct image_file *file = &patching->delta->patch;
	struct pieces_request request = {.name = file->name,
		.file_size = file->size,
		.is_optional = true,
		.fn = take_frame,
		.userdata = patching};
	int r = get_index(patching, err);

	if (r < 0)
		return r;
	if (choose_frames(patching) < 0)
		return error_set_errno(err, -ENOMEM, "%s", file->name);
	request.pieces = patching->pieces;
	request.count = patching->count;
	return pieces_fetch(patching->work->update->remote, &request, err);
}

int usr_patch(struct usr_work *work, struct error **err)
{
	_cleanup_(patching_release) struct patching patching = {
		.work = work, .delta = usable_patch(work), .before = work->missing};
	_cleanup_error_ struct error *fault = NULL;
	int r;

	if (!patching.delta)
		return 0;
	r = apply(&patching, &fault);
	if (r < 0 && (patching.is_own || remote_fault_is_final(r))) {
		error_move(err, TAKE_PTR(fault));
		return r;
	}
	work->no_patch = r < 0;
	return 0;
}
