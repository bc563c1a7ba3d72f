/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Has own blocks copied to where they belong. Blocks that lie elsewhere in the slot that is written come
 * first, and in an order in which none is overwritten before it was copied: a block is written when nothing
 * is to be read from its place any more. What is left then are circles; one block of each is given up and
 * fetched.
 *
 * A block counts as copied when it is told to be. Only where some were not what they had to be, the slot is
 * hashed again to find out which.
 */
#include <errno.h>

#include "update/slot-copy.h"
#include "update/usr-work.h"

#define MOVES_MAX 65536 /* within the slot: the others are fetched */

/* Runs on their way to whoever copies. */
struct copying {
	struct usr_work *work;
	struct slot_copier *own; /* NULL where that is another process */
	struct slot_run *runs;	 /* that wait, … */
	size_t count, blocks;	 /* … and how much they are */
	uint64_t copied[SLOT_PLACES], done, total;
	uint64_t failed; /* of what *own* copied, since the last wait */
};

static void copying_release(struct copying *copying)
{
	slot_copier_free(copying->own);
	free(copying->runs);
}

static int copying_init(struct copying *copying, struct error **err)
{
	const struct usr_work *work = copying->work;
	const struct usr_update *update = work->update;
	const struct slot_copier_options options = {.target = &update->target->data,
		.active = update->active ? &update->active->data : NULL,
		.image = update->image,
		.reader = work->reader,
		.threads = update->threads};

	copying->runs = calloc(SLOT_BATCH_BLOCKS, sizeof(*copying->runs));
	if (!copying->runs)
		return error_set_errno(err, -ENOMEM, "copying");
	return update->copier ? 0 : slot_copier_new(&options, &copying->own, err);
}

static int send_runs(struct copying *copying, struct error **err)
{
	const struct usr_update *update = copying->work->update;
	uint64_t failed = 0;
	int r;

	if (copying->count == 0)
		return 0;
	r = update->copier ? update->copier->copy(copying->runs, copying->count, update->copier_userdata, err)
			   : slot_copy(copying->own, copying->runs, copying->count, &failed, err);
	copying->failed += failed;
	copying->done += copying->blocks;
	copying->count = copying->blocks = 0;
	return r < 0 ? r : work_progress(copying->work, USR_UPDATE_COPY, copying->done, copying->total, err);
}

static int add_run(struct copying *copying, const struct slot_run *run, struct error **err)
{
	int r = copying->blocks + run->count > SLOT_BATCH_BLOCKS ? send_runs(copying, err) : 0;

	copying->runs[copying->count++] = *run;
	copying->blocks += run->count;
	copying->copied[run->place] += run->count;
	for (uint32_t i = 0; i < run->count; i++)
		*work_source(copying->work, run->to + i) = source_make(SOURCE_HERE, 0);
	return r;
}

/* Waits for all that was told so far. What failed of it was *place*'s. */
static int settle(struct copying *copying, enum slot_place place, struct error **err)
{
	const struct usr_update *update = copying->work->update;
	int r = send_runs(copying, err);
	uint64_t failed = copying->failed;

	copying->failed = 0;
	if (r >= 0 && update->copier)
		r = update->copier->wait(&failed, update->copier_userdata, err);
	if (r < 0)
		return r;
	copying->copied[place] -= MIN(copying->copied[place], failed);
	copying->work->result->damaged += failed;
	return failed > 0;
}

static void give_up(struct usr_work *work, uint64_t block)
{
	*work_source(work, block) = source_make(SOURCE_NONE, 0);
	work->missing++;
}

/* ---- From the running slot, and zeros ---- */

/* How many blocks from *block* on come, one behind the other, from the same place. */
static uint32_t run_length(const struct usr_work *work, uint64_t block)
{
	uint32_t source = *work_source(work, block);
	uint32_t step = source_kind(source) == SOURCE_ZERO ? 0 : 1;
	uint32_t length = 1;

	while (length < SLOT_RUN_BLOCKS && block + length < work->begin + work->count &&
		*work_source(work, block + length) == source + step * length)
		length++;
	return length;
}

static uint64_t count_copies(const struct usr_work *work)
{
	uint64_t copies = 0;

	for (uint64_t i = 0; i < work->count; i++)
		copies += source_kind(work->sources[i]) != SOURCE_HERE &&
			  source_kind(work->sources[i]) != SOURCE_NONE;
	return copies;
}

static int copy_active(struct copying *copying, struct error **err)
{
	struct usr_work *work = copying->work;
	int r = 0;

	for (uint64_t block = work->begin; block < work->begin + work->count && r >= 0;) {
		uint32_t source = *work_source(work, block);
		enum source_kind kind = source_kind(source);
		struct slot_run run = {.to = (uint32_t)block, .count = 1};

		if (kind == SOURCE_ACTIVE || kind == SOURCE_ZERO) {
			run.place = kind == SOURCE_ZERO ? SLOT_ZERO : SLOT_ACTIVE;
			run.from = (uint32_t)source_block(source);
			run.count = run_length(work, block);
			r = add_run(copying, &run, err);
		}
		block += run.count;
	}
	return r;
}

/* ---- Within the slot ---- */

/* One block that is copied within the slot. */
struct move {
	uint32_t to, from;
	uint32_t readers; /* of moves to come that read from where this one writes */
	bool done;
};

struct moves {
	struct move *items; /* by *to* */
	uint32_t *ready;    /* indexes of those that may be done now */
	size_t count, ready_count;
};

static void moves_release(struct moves *moves)
{
	free(moves->items);
	free(moves->ready);
}

/* The move that writes *block*, NULL where none does. */
static struct move *move_to(const struct moves *moves, uint32_t block)
{
	size_t low = 0, high = moves->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (moves->items[middle].to == block)
			return &moves->items[middle];
		if (moves->items[middle].to < block)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static int moves_init(struct moves *moves, struct usr_work *work, struct error **err)
{
	size_t most = 0;

	for (uint64_t i = 0; i < work->count; i++)
		most += source_kind(work->sources[i]) == SOURCE_TARGET;
	most = MIN(most, (size_t)MOVES_MAX);
	moves->items = calloc(most + 1, sizeof(*moves->items));
	moves->ready = calloc(most + 1, sizeof(*moves->ready));
	if (!moves->items || !moves->ready)
		return error_set_errno(err, -ENOMEM, "copying");
	for (uint64_t block = work->begin; block < work->begin + work->count; block++) {
		uint32_t source = *work_source(work, block);

		if (source_kind(source) != SOURCE_TARGET)
			continue;
		if (moves->count < most)
			moves->items[moves->count++] =
				(struct move){.to = (uint32_t)block, .from = (uint32_t)source_block(source)};
		else
			give_up(work, block);
	}
	for (size_t i = 0; i < moves->count; i++) {
		struct move *writer = move_to(moves, moves->items[i].from);

		if (writer)
			writer->readers++;
	}
	for (size_t i = 0; i < moves->count; i++)
		if (moves->items[i].readers == 0)
			moves->ready[moves->ready_count++] = (uint32_t)i;
	return 0;
}

/* Nothing is read from there for *move* any more: who writes there may be ready. */
static void move_done(struct moves *moves, struct move *move)
{
	struct move *writer = move_to(moves, move->from);

	move->done = true;
	if (writer && !writer->done && --writer->readers == 0)
		moves->ready[moves->ready_count++] = (uint32_t)(writer - moves->items);
}

static int move_ready(struct copying *copying, struct moves *moves, struct error **err)
{
	int r = 0;

	while (moves->ready_count > 0 && r >= 0) {
		struct move *move = &moves->items[moves->ready[--moves->ready_count]];

		r = add_run(copying,
			&(struct slot_run){
				.place = SLOT_TARGET, .from = move->from, .to = move->to, .count = 1},
			err);
		move_done(moves, move);
	}
	return r;
}

static int copy_within(struct copying *copying, struct error **err)
{
	_cleanup_(moves_release) struct moves moves = {};
	int r = moves_init(&moves, copying->work, err);

	if (r >= 0)
		r = move_ready(copying, &moves, err);
	for (size_t i = 0; i < moves.count && r >= 0; i++) {
		if (moves.items[i].done)
			continue;
		/* Each of a circle waits for another one: this one is fetched, and the others may go. */
		give_up(copying->work, moves.items[i].to);
		move_done(&moves, &moves.items[i]);
		r = move_ready(copying, &moves, err);
	}
	return r;
}

int usr_copy(struct usr_work *work, struct error **err)
{
	_cleanup_(copying_release) struct copying copying = {.work = work, .total = count_copies(work)};
	struct usr_update_result *result = work->result;
	int r, moved = 0;

	if (copying.total == 0)
		return 0;
	r = copying_init(&copying, err);
	if (r >= 0)
		r = copy_within(&copying, err);
	if (r >= 0)
		r = moved = settle(&copying, SLOT_TARGET, err);
	if (r >= 0)
		r = copy_active(&copying, err);
	if (r >= 0)
		r = settle(&copying, SLOT_ACTIVE, err);
	result->zero += copying.copied[SLOT_ZERO];
	result->from_active += copying.copied[SLOT_ACTIVE];
	result->from_target += copying.copied[SLOT_TARGET];
	return r > 0 || (r == 0 && moved > 0) ? source_map_make(work, true, err) : r;
}
