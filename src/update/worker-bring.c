/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The jobs of a worker as the process sees them that may write: what it takes, and how it proves it.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/bytes.h"
#include "base/write-behind.h"
#include "format/verity.h"
#include "update/slot-check.h"
#include "update/usr-work.h"
#include "update/worker-main.h"
#include "update/worker-work.h"

/*
 * How often the hash tree may be written: a damaged copy of it is asked for once more, and that is all that
 * can make it come anew. One more for the superblock.
 */
#define TREE_TIMES 4
#define FLUSHES 16 /* beside one for each window */

struct bringing {
	const struct worker_bring *in;
	struct verity_reader *reader;
	struct sha256 *context;
	struct block_file active_file; /* the running slot's data, … */
	struct block_io active;	       /* … for *copier* */
	struct slot_copier *copier;
	struct write_behind *writer;   /* of the data */
	uint8_t *header;	       /* the superblock's block, as it must be */
	uint64_t data_size, tree_size; /* bytes that may be written to */
	uint64_t data_left, copies_left, tree_left, flushes_left;
	uint64_t serial, puts; /* of all that was taken, and of it what *writer* was given */
	struct worker_outcome outcome;
};

static void bringing_release(struct bringing *bringing)
{
	slot_copier_free(bringing->copier);
	write_behind_free(bringing->writer);
	verity_reader_free(bringing->reader);
	sha256_free(bringing->context);
	free(bringing->header);
}

static int open_copier(struct bringing *bringing, struct error **err)
{
	const struct worker_place *place = &bringing->in->active_data;
	struct slot_copier_options options = {.target = &bringing->in->target->data,
		.image = bringing->in->image,
		.reader = bringing->reader,
		.threads = bringing->in->threads};
	struct block_io file = block_io_file(&bringing->active_file, UINT64_MAX);
	int r;

	if (place->size > 0) {
		bringing->active_file = (struct block_file){.fd = place->fd, .align = place->align};
		options.active = &bringing->active;
		r = block_io_part(&file, place->begin, place->size, &bringing->active);
		if (r < 0)
			return error_set_errno(err, r, "running slot");
	}
	return slot_copier_new(&options, &bringing->copier, err);
}

static int bringing_init(struct bringing *bringing, struct error **err)
{
	const struct worker_bring *in = bringing->in;
	const struct image_files *image = in->image;
	uint64_t window = in->window ? in->window : USR_UPDATE_WINDOW;
	int r;

	if (image->blocks == 0 || image->blocks > IMAGE_BLOCKS_MAX)
		return error_set(err, -EFBIG, "an image of %llu blocks is larger than %llu",
			(unsigned long long)image->blocks, (unsigned long long)IMAGE_BLOCKS_MAX);
	if (image->blocks > in->target->data.size / USR_BLOCK_SIZE)
		return error_set(err, -ENOSPC,
			"the slot has %llu bytes, too few for an image of %llu blocks of %d",
			(unsigned long long)in->target->data.size, (unsigned long long)image->blocks,
			USR_BLOCK_SIZE);
	bringing->context = sha256_new();
	bringing->header = work_blocks_new(1);
	if (!bringing->context || !bringing->header)
		return error_set_errno(err, -ENOMEM, "update");
	memset(bringing->header, 0, USR_BLOCK_SIZE);
	verity_header_write(&image->verity, image->blocks, bringing->header);
	bringing->data_size = image->blocks * USR_BLOCK_SIZE;
	bringing->tree_size = verity_shape(image->blocks).blocks * USR_BLOCK_SIZE;
	bringing->data_left = bringing->data_size; /* a block is written once, or is there already; … */
	bringing->copies_left = image->blocks;	   /* … it may be one that could not be copied */
	bringing->tree_left = TREE_TIMES * bringing->tree_size;
	bringing->flushes_left = FLUSHES + div_round_up_u64(image->blocks, window);
	r = write_behind_new(&in->target->data, &bringing->writer, err);
	if (r >= 0)
		r = verity_reader_new(&in->target->hash, &image->verity, image->blocks, image->root,
			&bringing->reader, err);
	return r < 0 ? r : open_copier(bringing, err);
}

/* ---- What it sends ---- */

static int check_serial(struct bringing *bringing, const struct wire_header *header, struct error **err)
{
	if (header->serial != bringing->serial + 1)
		return error_set(err, -EPROTO, "the worker does not count what it writes");
	bringing->serial++;
	return 0;
}

static int check_range(
	const struct wire_header *header, uint64_t size, uint64_t *left, const char *what, struct error **err)
{
	if (header->offset % USR_BLOCK_SIZE != 0 || header->offset > size ||
		header->size > size - header->offset)
		return error_set(err, -EPROTO, "the worker sent %u bytes for offset %llu of a %s of %llu",
			header->size, (unsigned long long)header->offset, what, (unsigned long long)size);
	if (header->size > *left)
		return error_set(err, -EPROTO, "the worker sent the %s again and again", what);
	*left -= header->size;
	return 0;
}

static int prove(struct bringing *bringing, uint64_t block, const uint8_t *data, struct error **err)
{
	uint8_t digest[SHA256_SIZE];
	const uint8_t *expected;
	int r = verity_reader_digest(bringing->reader, block, &expected, err);

	if (r < 0) {
		(void)error_wrap(err, "the worker sent block %llu before a tree that proves it",
			(unsigned long long)block);
		return r;
	}
	verity_digest(&bringing->in->image->verity, bringing->context, data, digest);
	if (memcmp(digest, expected, SHA256_SIZE) != 0)
		return error_set(err, -EBADMSG, "the worker sent a block %llu that is not the release's",
			(unsigned long long)block);
	return 0;
}

/* Waits until all data that was taken is written. */
static int drain(struct bringing *bringing, struct error **err)
{
	uint64_t offset;
	int r = write_behind_drain(bringing->writer, &offset);

	return r < 0 ? error_set_errno(err, r, "writing block %llu of the slot",
			       (unsigned long long)offset / USR_BLOCK_SIZE)
		     : 0;
}

/*
 * All of its blocks, or none. The payload is this process's own memory: nobody changes it before it is
 * written, which goes on while the next ones come.
 */
static int take_data(struct bringing *bringing, struct wire_reader *reader,
	const struct wire_message *message, struct error **err)
{
	const struct wire_header *header = &message->header;
	uint64_t block = header->offset / USR_BLOCK_SIZE;
	uint8_t *spare, *payload;
	int r = check_range(header, bringing->data_size, &bringing->data_left, "image", err);

	for (uint32_t at = 0; at < header->size && r >= 0; at += USR_BLOCK_SIZE)
		r = prove(bringing, block++, message->payload + at, err);
	if (r < 0)
		return r;
	payload = wire_reader_take(reader, NULL);
	r = write_behind_put(bringing->writer, header->offset, payload, header->size, &spare);
	(void)wire_reader_take(reader, spare);
	bringing->puts++;
	return r < 0 ? drain(bringing, err) : 0;
}

/* Of what was taken all but the last pieces is done, which are data. */
static void note_written(struct exchange *exchange)
{
	struct bringing *bringing = exchange->userdata;

	exchange->taken = bringing->serial - (bringing->puts - write_behind_count(bringing->writer));
}

/* The tree is proved each time it is used, but nothing else proves its superblock. */
static int take_tree(struct bringing *bringing, const struct wire_message *message, struct error **err)
{
	const struct wire_header *header = &message->header;
	int r = check_range(header, bringing->tree_size, &bringing->tree_left, "hash tree", err);

	if (r >= 0 && header->offset == 0 && memcmp(message->payload, bringing->header, USR_BLOCK_SIZE) != 0)
		r = error_set(err, -EBADMSG, "the worker sent a superblock that is not the release's");
	if (r >= 0)
		r = drain(bringing, err);
	if (r < 0)
		return r;
	r = block_write(&bringing->in->target->hash, header->offset, message->payload, header->size);
	return r < 0 ? error_set_errno(err, r, "writing block %llu of the hash tree",
			       (unsigned long long)header->offset / USR_BLOCK_SIZE)
		     : 0;
}

/*
 * Copies own blocks. The worker only says from where to where: that a block is what it must be is seen here,
 * and where it isn't, the worker hears of it and fetches it.
 */
static int take_copy(struct bringing *bringing, struct exchange *exchange, const struct wire_message *message,
	struct error **err)
{
	struct slot_run runs[WIRE_RUNS_MAX];
	size_t count = message->header.size / WIRE_RUN_SIZE;
	uint64_t blocks = 0, failed;
	int r;

	worker_runs_parse(message->payload, message->header.size, runs);
	r = slot_runs_check(bringing->copier, runs, count, err);
	if (r < 0) {
		(void)error_wrap(err, "the worker sent");
		return -EPROTO;
	}
	for (size_t i = 0; i < count; i++)
		blocks += runs[i].count;
	if (blocks > bringing->copies_left)
		return error_set(err, -EPROTO, "the worker wants blocks copied again and again");
	bringing->copies_left -= blocks;
	r = drain(bringing, err);
	if (r < 0)
		return r;
	r = slot_copy(bringing->copier, runs, count, &failed, err);
	if (r == -EBADMSG)
		(void)error_wrap(err, "the worker had blocks copied before a tree that proves them");
	exchange->failed += failed;
	return r;
}

static int take_flush(struct bringing *bringing, const struct wire_header *header, struct error **err)
{
	const struct usr_slot *target = bringing->in->target;
	int r;

	if (header->offset > 1 || bringing->flushes_left == 0)
		return error_set(err, -EPROTO, "the worker wants to flush what it must not");
	bringing->flushes_left--;
	r = drain(bringing, err);
	if (r < 0)
		return r;
	r = block_flush(header->offset ? &target->hash : &target->data);
	return r < 0 ? error_set_errno(err, r, "flushing the slot") : 0;
}

static int take_progress(struct bringing *bringing, const struct wire_message *message, struct error **err)
{
	const struct worker_bring *in = bringing->in;
	uint32_t step = read_le32(message->payload);
	uint64_t done = message->header.offset, total = message->header.serial;
	int r;

	if (step > USR_UPDATE_CHECK || (total > 0 && done > total))
		return error_set(err, -EPROTO, "the worker tells of progress that can't be");
	r = in->progress ? in->progress((enum usr_update_step)step, done, total, in->userdata) : 0;
	return r < 0 ? error_set(err, r, "stopped") : 0;
}

static int take_bring(struct exchange *exchange, const struct wire_message *message, struct error **err)
{
	struct bringing *bringing = exchange->userdata;
	const struct wire_header *header = &message->header;
	int r;

	if (header->type == WIRE_PROGRESS)
		return take_progress(bringing, message, err);
	if (header->type == WIRE_FINISHED)
		return exchange_outcome(
			exchange, message, bringing->in->image->blocks, &bringing->outcome, err);
	if (header->type != WIRE_DATA && header->type != WIRE_TREE && header->type != WIRE_FLUSH &&
		header->type != WIRE_COPY)
		return error_set(err, -EPROTO, "the worker sent a message that does not belong here");
	r = check_serial(bringing, header, err);
	if (r < 0)
		return r;
	if (header->type == WIRE_DATA)
		return take_data(bringing, &exchange->reader, message, err);
	if (header->type == WIRE_TREE)
		return take_tree(bringing, message, err);
	return header->type == WIRE_COPY ? take_copy(bringing, exchange, message, err)
					 : take_flush(bringing, header, err);
}

/* ---- The job ---- */

static bool is_read_only(const struct worker_place *place)
{
	int flags = place->size > 0 ? fcntl(place->fd, F_GETFL) : 0;

	return flags >= 0 && (flags & O_ACCMODE) == O_RDONLY;
}

static int write_job(const struct worker_bring *in, const struct exchange *exchange,
	const struct worker_place *const *places, struct buffer *ret, struct error **err)
{
	struct worker_bring_job job = {.threads = in->threads,
		.window = in->window ? in->window : USR_UPDATE_WINDOW,
		.no_patch = in->no_patch,
		.no_tree_delta = in->no_tree_delta,
		.has_active_root = in->active_root != NULL,
		.image = *in->image};
	int r;

	exchange_source(exchange, &job.source);
	for (size_t i = 0; i < WORKER_PLACES; i++) {
		job.places[i] = (struct worker_place_job){
			.begin = places[i]->begin, .size = places[i]->size, .align = places[i]->align};
		if (!is_read_only(places[i]))
			return error_set(err, -EINVAL, "a descriptor for the worker can be written to");
	}
	if (in->active_root)
		memcpy(job.active_root, in->active_root, SHA256_SIZE);
	r = worker_bring_job_write(&job, ret);
	return r < 0 ? error_set_errno(err, r, "the worker's job") : 0;
}

/* One worker's job. */
static int bring_once(struct worker *worker, const struct worker_bring *in, struct usr_update_result *ret,
	struct error **err)
{
	const struct worker_place *const places[WORKER_PLACES] = {
		&in->target_data, &in->target_hash, &in->active_data, &in->active_hash};
	_cleanup_(bringing_release) struct bringing bringing = {.in = in};
	_cleanup_buffer_ struct buffer job = {};
	int fds[WORKER_PLACES];
	struct exchange exchange = {.worker = worker,
		.source = in->source,
		.take = take_bring,
		.userdata = &bringing,
		.fds = fds,
		.fd_count = WORKER_PLACES,
		.wake = note_written,
		.rate = in->source->rate ? in->source->rate(in->source->userdata) : 0};
	int r;

	for (size_t i = 0; i < WORKER_PLACES; i++)
		fds[i] = places[i]->size > 0 ? places[i]->fd : -1;
	r = bringing_init(&bringing, err);
	if (r < 0)
		return r;
	exchange.wake_fd = write_behind_fd(bringing.writer);
	r = write_job(in, &exchange, places, &job, err);
	if (r >= 0)
		r = exchange_run(&exchange, WIRE_BRING, &job, err);
	if (r >= 0)
		r = drain(&bringing, err);
	if (r >= 0)
		*ret = bringing.outcome.update;
	return r;
}

static int flush_slot(const struct usr_slot *slot, struct error **err)
{
	int r = block_flush(&slot->data);

	if (r >= 0)
		r = block_flush(&slot->hash);
	return r < 0 ? error_set_errno(err, r, "flushing the slot") : 0;
}

int worker_bring(struct worker *worker, const struct worker_bring *in, struct usr_update_result *ret,
	struct error **err)
{
	*ret = (struct usr_update_result){.blocks = in->image->blocks};
	for (unsigned round = 1;; round++) {
		_cleanup_error_ struct error *fault = NULL;
		int r = bring_once(worker, in, ret, &fault);

		/* The worker is gone, so nothing changes any more. What it said of its work proves nothing.
		 */
		if (r >= 0)
			r = flush_slot(in->target, &fault);
		if (r >= 0) {
			ret->rounds = round;
			r = slot_check(
				in->target, in->image, in->threads, in->progress, in->userdata, &fault);
			if (r == -EBADMSG && round < USR_UPDATE_ROUNDS)
				continue;
			if (r == -EBADMSG)
				(void)error_wrap(&fault,
					"the worker said that it was done, %u times (or the disk does not "
					"keep what is written: replace it)",
					round);
		}
		error_move(err, TAKE_PTR(fault));
		return r;
	}
}

/* ---- A file ---- */

struct getting {
	const struct worker_get *in;
	struct sha256 *context;
	uint64_t offset;
	struct worker_outcome outcome;
};

static int take_bytes(struct getting *getting, const struct wire_message *message, struct error **err)
{
	const struct worker_get *in = getting->in;
	const struct wire_header *header = &message->header;

	if (header->offset != getting->offset || header->size > in->size - getting->offset)
		return error_set(err, -EPROTO, "the worker sent bytes that do not follow the last ones");
	getting->offset += header->size;
	sha256_update(getting->context, message->payload, header->size);
	return in->fn(message->payload, header->size, in->userdata, err);
}

static int take_get(struct exchange *exchange, const struct wire_message *message, struct error **err)
{
	struct getting *getting = exchange->userdata;

	if (message->header.type == WIRE_BYTES)
		return take_bytes(getting, message, err);
	if (message->header.type == WIRE_FINISHED)
		return exchange_outcome(exchange, message, 0, &getting->outcome, err);
	return error_set(err, -EPROTO, "the worker sent a message that does not belong here");
}

int worker_get(struct worker *worker, const struct worker_get *in, struct error **err)
{
	_cleanup_sha256_ struct sha256 *context = sha256_new();
	struct getting getting = {.in = in, .context = context};
	_cleanup_buffer_ struct buffer payload = {};
	struct worker_get_job job = {.name = (char *)in->name, .size = in->size};
	struct exchange exchange = {.worker = worker,
		.source = in->source,
		.take = take_get,
		.userdata = &getting,
		.rate = in->source->rate ? in->source->rate(in->source->userdata) : 0};
	uint8_t digest[SHA256_SIZE];
	int r;

	if (!context)
		return error_set_errno(err, -ENOMEM, "%s", in->name);
	exchange_source(&exchange, &job.source);
	r = worker_get_job_write(&job, &payload);
	if (r < 0)
		return error_set_errno(err, r, "the worker's job");
	r = exchange_run(&exchange, WIRE_GET, &payload, err);
	if (r < 0)
		return r;
	sha256_final(context, digest);
	if (getting.offset != in->size || memcmp(digest, in->sha256, SHA256_SIZE) != 0)
		return error_set(err, -EBADMSG, "%s: what the server has is not the release's", in->name);
	return 0;
}
