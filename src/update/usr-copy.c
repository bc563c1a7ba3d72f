/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copies what own blocks there are to where they belong. Blocks that lie elsewhere in the slot that is
 * written come first, and in an order in which none is overwritten before it was copied: a block is written
 * when nothing is to be read from its place any more. What is left then are circles; one block of each is
 * given up and fetched.
 */
#include <errno.h>
#include <string.h>

#include "update/usr-work.h"

#define RUN_BLOCKS 64	/* copied at a time */
#define MOVES_MAX 65536 /* within the slot: the others are fetched */

/* ---- From the running slot, and zeros ---- */

static void give_up(struct usr_work *work, uint64_t block)
{
	*work_source(work, block) = source_make(SOURCE_NONE, 0);
	work->missing++;
}

/* How many blocks from *block* on come, one behind the other, from the same place. */
static size_t run_length(const struct usr_work *work, uint64_t block)
{
	uint32_t source = *work_source(work, block);
	uint32_t step = source_kind(source) == SOURCE_ZERO ? 0 : 1;
	size_t length = 1;

	while (length < RUN_BLOCKS && block + length < work->begin + work->count &&
		*work_source(work, block + length) == source + step * length)
		length++;
	return length;
}

/* Puts blocks in their place, or notes that they must be fetched: *blocks* is NULL where they can't be read.
 */
static int put_run(struct usr_work *work, uint64_t block, const uint8_t *blocks, size_t count,
	uint64_t *counter, struct error **err)
{
	uint64_t wrong;
	int r = blocks ? work_write(work, block, blocks, count, &wrong, err) : 0;

	if (r < 0)
		return r;
	for (size_t i = 0; i < count; i++) {
		if (source_kind(*work_source(work, block + i)) == SOURCE_HERE) {
			(*counter)++;
			continue;
		}
		give_up(work, block + i);
		work->result->damaged++;
	}
	return 0;
}

static int copy_run(struct usr_work *work, uint64_t block, size_t count, uint8_t *buffer, struct error **err)
{
	uint32_t source = *work_source(work, block);
	bool is_zero = source_kind(source) == SOURCE_ZERO;
	bool is_read = true;

	if (is_zero)
		memset(buffer, 0, count * USR_BLOCK_SIZE);
	else
		is_read = block_read(&work->update->active->data, source_block(source) * USR_BLOCK_SIZE,
				  buffer, count * USR_BLOCK_SIZE) >= 0;
	/* Of several blocks, one that can't be read must not cost the others. */
	if (!is_read && count > 1) {
		int r = 0;

		for (size_t i = 0; i < count && r >= 0; i++)
			r = copy_run(work, block + i, 1, buffer, err);
		return r;
	}
	return put_run(work, block, is_read ? buffer : NULL, count,
		is_zero ? &work->result->zero : &work->result->from_active, err);
}

static uint64_t count_copies(const struct usr_work *work)
{
	uint64_t copies = 0;

	for (uint64_t i = 0; i < work->count; i++)
		copies += source_kind(work->sources[i]) != SOURCE_HERE &&
			  source_kind(work->sources[i]) != SOURCE_NONE;
	return copies;
}

static int copy_active(struct usr_work *work, uint64_t done, uint64_t total, struct error **err)
{
	_cleanup_free_ uint8_t *buffer = work_blocks_new(RUN_BLOCKS);

	if (!buffer)
		return error_set_errno(err, -ENOMEM, "copying");
	for (uint64_t block = work->begin; block < work->begin + work->count;) {
		enum source_kind kind = source_kind(*work_source(work, block));
		size_t count = 1;
		int r = 0;

		if (kind == SOURCE_ACTIVE || kind == SOURCE_ZERO) {
			count = run_length(work, block);
			done += count;
			r = copy_run(work, block, count, buffer, err);
			if (r >= 0)
				r = work_progress(work, USR_UPDATE_COPY, done, total, err);
		}
		if (r < 0)
			return r;
		block += count;
	}
	return 0;
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

static int move_ready(struct moves *moves, struct usr_work *work, uint8_t *buffer, struct error **err)
{
	while (moves->ready_count > 0) {
		struct move *move = &moves->items[moves->ready[--moves->ready_count]];
		bool is_read = block_read(&work->update->target->data, (uint64_t)move->from * USR_BLOCK_SIZE,
				       buffer, USR_BLOCK_SIZE) >= 0;
		int r = put_run(work, move->to, is_read ? buffer : NULL, 1, &work->result->from_target, err);

		if (r < 0)
			return r;
		move_done(moves, move);
	}
	return 0;
}

static int copy_within(struct usr_work *work, struct error **err)
{
	_cleanup_(moves_release) struct moves moves = {};
	_cleanup_free_ uint8_t *buffer = work_blocks_new(1);
	int r = buffer ? moves_init(&moves, work, err) : error_set_errno(err, -ENOMEM, "copying");

	if (r >= 0)
		r = move_ready(&moves, work, buffer, err);
	for (size_t i = 0; i < moves.count && r >= 0; i++) {
		if (moves.items[i].done)
			continue;
		/* Each of a circle waits for another one: this one is fetched, and the others may go. */
		give_up(work, moves.items[i].to);
		move_done(&moves, &moves.items[i]);
		r = move_ready(&moves, work, buffer, err);
	}
	return r;
}

int usr_copy(struct usr_work *work, struct error **err)
{
	uint64_t total = count_copies(work);
	int r = total > 0 ? copy_within(work, err) : 0;

	return r < 0 || total == 0 ? r : copy_active(work, total - count_copies(work), total, err);
}
