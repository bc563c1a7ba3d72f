/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Takes what is missing out of the compressed image as it comes whole, from its beginning on: from a server
 * that knows no ranges. Its frames need no seek table for that, and it comes once.
 */
#include <errno.h>
#include <string.h>

#include "format/blocks.h"
#include "update/usr-work.h"

#define STREAM_BLOCKS 64  /* that are written at once */
#define WINDOW_LOG_MAX 20 /* of a frame, which has at most BLOCKS_FRAME_MAX bytes */

struct streaming {
	struct usr_work *work;
	ZSTD_DStream *zstd;
	uint8_t *blocks; /* STREAM_BLOCKS, being filled */
	size_t have;	 /* bytes of them */
	uint64_t next;	 /* number of the first of them */
	uint64_t before; /* missing at the beginning */
};

static void streaming_release(struct streaming *streaming)
{
	(void)ZSTD_freeDStream(streaming->zstd);
	free(streaming->blocks);
}

static int streaming_init(struct streaming *streaming, struct error **err)
{
	streaming->blocks = work_blocks_new(STREAM_BLOCKS);
	streaming->zstd = ZSTD_createDStream();
	if (!streaming->blocks || !streaming->zstd ||
		ZSTD_isError(ZSTD_DCtx_setParameter(streaming->zstd, ZSTD_d_windowLogMax, WINDOW_LOG_MAX)))
		return error_set_errno(err, -ENOMEM, "update");
	return 0;
}

/* Hands on the whole blocks that have come. -EALREADY where nothing is missing any more. */
static int take_blocks(struct streaming *streaming, struct error **err)
{
	struct usr_work *work = streaming->work;
	size_t count = streaming->have / USR_BLOCK_SIZE;
	uint64_t before = work->missing, wrong; /* what is wrong stays missing */
	int r;

	if (streaming->next + count > work->update->image->blocks)
		return error_set(err, -EBADMSG, "holds more than the %llu blocks of the image",
			(unsigned long long)work->update->image->blocks);
	r = work_write(work, streaming->next, streaming->blocks, count, &wrong, err);
	if (r < 0)
		return r;
	streaming->next += count;
	streaming->have -= count * USR_BLOCK_SIZE;
	memmove(streaming->blocks, streaming->blocks + count * USR_BLOCK_SIZE, streaming->have);
	work->result->fetched += before - work->missing;
	r = work_progress(work, USR_UPDATE_FETCH, streaming->before - work->missing, streaming->before, err);
	if (r >= 0 && work->missing == 0)
		return error_set(err, -EALREADY, "nothing is missing any more");
	return r;
}

static int take(size_t range, const uint8_t *data, size_t size, void *userdata, struct error **err)
{
	struct streaming *streaming = userdata;
	ZSTD_inBuffer in = {.src = data, .size = size};
	size_t left = 1;

	(void)range;
	streaming->work->result->block_bytes += size;
	while (in.pos < in.size || left == 0) {
		ZSTD_outBuffer out = {.dst = streaming->blocks,
			.size = STREAM_BLOCKS * USR_BLOCK_SIZE,
			.pos = streaming->have};
		size_t n = ZSTD_decompressStream(streaming->zstd, &out, &in);
		int r = 0;

		if (ZSTD_isError(n))
			return error_set(err, -EBADMSG, "can't be decompressed: %s", ZSTD_getErrorName(n));
		streaming->have = out.pos;
		left = out.size - out.pos; /* none: there may be more of what was taken in */
		if (left == 0)
			r = take_blocks(streaming, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Returns 0 where all that was sent was the release's, or enough; -EBADMSG where it was not. */
static int stream_once(struct usr_work *work, bool again, struct error **err)
{
	_cleanup_(streaming_release) struct streaming streaming = {.work = work, .before = work->missing};
	const struct image_file *file = &work->update->image->image;
	const struct remote_range range = {.size = file->size};
	const struct remote_request request = {.name = file->name,
		.file_size = file->size,
		.ranges = &range,
		.count = 1,
		.again = again,
		.sink = take,
		.userdata = &streaming};
	int r = streaming_init(&streaming, err);

	if (r >= 0)
		r = remote_fetch(work->update->remote, &request, err);
	if (r >= 0)
		r = take_blocks(&streaming, err);
	if (r >= 0)
		r = error_set(err, -EBADMSG, "%llu blocks are not the release's, or not there",
			(unsigned long long)work->missing);
	return r;
}

int usr_stream(struct usr_work *work, struct error **err)
{
	int r = -EBADMSG;

	/* A damaged copy in a cache on the way may be to blame for what was wrong. */
	for (unsigned i = 0; i < 2 && r == -EBADMSG; i++) {
		_cleanup_error_ struct error *why = NULL;

		r = stream_once(work, i > 0, &why);
		if (r == -EALREADY)
			return 0;
		if (r != -EBADMSG || i > 0)
			error_move(err, TAKE_PTR(why));
	}
	if (r == -EBADMSG)
		(void)error_wrap(
			err, "%s: what the server has is not the release", work->update->image->image.name);
	return r;
}
