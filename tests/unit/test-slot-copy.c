/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "format/verity.h"
#include "release-files.h"
#include "trees.h"
#include "update/slot-copy.h"

#define BLOCK VERITY_BLOCK_SIZE
#define BLOCKS 500

/* A slot in memory, some of whose blocks can't be read or written. */
struct slot {
	uint8_t *data;
	uint64_t unreadable, unwritable; /* UINT64_MAX: none */
	uint64_t slow;			 /* to be read; UINT64_MAX: none */
	pthread_mutex_t lock;
	uint64_t written; /* blocks */
};

static bool has(uint64_t offset, size_t size, uint64_t block)
{
	return block >= offset / BLOCK && block < (offset + size) / BLOCK;
}

static int slot_read(void *userdata, uint64_t offset, void *data, size_t size)
{
	const struct slot *slot = userdata;

	if (has(offset, size, slot->unreadable))
		return -EIO;
	if (has(offset, size, slot->slow))
		(void)usleep(200000);
	memcpy(data, slot->data + offset, size);
	return 0;
}

static int slot_write(void *userdata, uint64_t offset, const void *data, size_t size)
{
	struct slot *slot = userdata;

	if (has(offset, size, slot->unwritable))
		return -EROFS;
	memcpy(slot->data + offset, data, size);
	pthread_mutex_lock(&slot->lock);
	slot->written += size / BLOCK;
	pthread_mutex_unlock(&slot->lock);
	return 0;
}

static struct block_io slot_io(struct slot *slot)
{
	static const struct block_ops ops = {.read = slot_read, .write = slot_write};

	return (struct block_io){.ops = &ops, .userdata = slot, .size = (uint64_t)BLOCKS * BLOCK};
}

/* An image, and a running slot that has it backwards: block *i* is where BLOCKS - 1 - i is. */
struct fixture {
	struct test_image image;
	struct image_files files;
	struct block_io hash, active_io, target_io;
	struct slot active, target;
	struct verity_reader *reader;
	struct slot_copier *copier;
};

static void slot_init(struct slot *slot)
{
	*slot = (struct slot){.data = calloc(BLOCKS, BLOCK),
		.unreadable = UINT64_MAX,
		.unwritable = UINT64_MAX,
		.slow = UINT64_MAX,
		.lock = PTHREAD_MUTEX_INITIALIZER};
	assert_non_null(slot->data);
}

static uint8_t *block_of(uint8_t *data, size_t block)
{
	return data + block * BLOCK;
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	test_image_make(&f->image, BLOCKS, 7);
	memset(block_of(f->image.data, 100), 0, (size_t)10 * BLOCK);
	test_image_hash(&f->image);
	f->files = (struct image_files){.blocks = BLOCKS, .verity = test_verity};
	memcpy(f->files.root, f->image.root, SHA256_SIZE);
	slot_init(&f->active);
	slot_init(&f->target);
	for (size_t i = 0; i < BLOCKS; i++)
		memcpy(block_of(f->active.data, BLOCKS - 1 - i), block_of(f->image.data, i), BLOCK);
	memset(f->target.data, 0xee, (size_t)BLOCKS * BLOCK);
	f->hash = block_io_bytes(f->image.hash, f->image.hash_size);
	f->active_io = slot_io(&f->active);
	f->target_io = slot_io(&f->target);
	assert_int_equal(
		verity_reader_new(&f->hash, &f->files.verity, BLOCKS, f->files.root, &f->reader, NULL), 0);
	assert_int_equal(slot_copier_new(&(struct slot_copier_options){.target = &f->target_io,
						 .active = &f->active_io,
						 .image = &f->files,
						 .reader = f->reader},
				 &f->copier, NULL),
		0);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	slot_copier_free(f->copier);
	verity_reader_free(f->reader);
	test_image_release(&f->image);
	free(f->active.data);
	free(f->target.data);
	free(f);
	return 0;
}

static uint64_t copy(struct fixture *f, const struct slot_run *runs, size_t count)
{
	_cleanup_error_ struct error *err = NULL;
	uint64_t failed;

	assert_ok(slot_runs_check(f->copier, runs, count, &err), err);
	assert_ok(slot_copy(f->copier, runs, count, &failed, &err), err);
	return failed;
}

/* Whether the slot has the image's block there; otherwise it must be as it was. */
static bool is_there(const struct fixture *f, size_t block)
{
	uint8_t *there = block_of(f->target.data, block);

	if (memcmp(there, block_of(f->image.data, block), BLOCK) == 0)
		return true;
	for (size_t i = 0; i < BLOCK; i++)
		assert_int_equal(there[i], 0xee);
	return false;
}

static void single_blocks_come_from_anywhere(void **state)
{
	struct fixture *f = *state;
	struct slot_run runs[BLOCKS];

	for (uint32_t i = 0; i < BLOCKS; i++)
		runs[i] =
			(struct slot_run){.place = SLOT_ACTIVE, .from = BLOCKS - 1 - i, .to = i, .count = 1};
	assert_int_equal(copy(f, runs, BLOCKS), 0);
	assert_memory_equal(f->target.data, f->image.data, (size_t)BLOCKS * BLOCK);
	assert_int_equal(f->target.written, BLOCKS);
}

/* Of a run that lies backwards, the block in its middle is right, and what is the same by chance. */
static void what_is_wrong_is_left_out_of_a_run(void **state)
{
	struct fixture *f = *state;
	const struct slot_run run = {SLOT_ACTIVE, 435, 52, 25};
	bool right[BLOCKS] = {};
	size_t wrong = 0;

	for (size_t i = 0; i < run.count; i++) {
		right[run.to + i] = memcmp(block_of(f->active.data, run.from + i),
					    block_of(f->image.data, run.to + i), BLOCK) == 0;
		wrong += !right[run.to + i];
	}
	assert_true(right[58] && wrong > 10);
	assert_int_equal(copy(f, &run, 1), wrong);
	for (size_t i = 0; i < BLOCKS; i++)
		assert_int_equal(is_there(f, i), right[i]);
}

static void zeros_are_written_where_zeros_belong(void **state)
{
	struct fixture *f = *state;
	const struct slot_run run = {SLOT_ZERO, 0, 98, 14};
	static const uint8_t zeros[BLOCK];
	size_t wrong = 0;

	for (size_t i = 0; i < run.count; i++)
		wrong += memcmp(block_of(f->image.data, run.to + i), zeros, BLOCK) != 0;
	assert_true(wrong <= 4);
	assert_int_equal(copy(f, &run, 1), wrong);
	for (size_t i = 100; i < 110; i++)
		assert_true(is_there(f, i));
}

/* What one run writes, the next one of the same call reads, as long as both are the slot's own. */
static void within_the_slot_one_follows_the_other(void **state)
{
	struct fixture *f = *state;
	struct slot_run runs[60];

	/* Blocks 10 to 69 lie one further on: each is read before the one behind it overwrites it. */
	memcpy(block_of(f->target.data, 11), block_of(f->image.data, 10), (size_t)60 * BLOCK);
	/* Time enough for the next ones, if they did not wait: what this reads they would have overwritten.
	 */
	f->target.slow = 12;
	for (uint32_t i = 0; i < 60; i++)
		runs[i] = (struct slot_run){.place = SLOT_TARGET, .from = 11 + i, .to = 10 + i, .count = 1};
	assert_int_equal(copy(f, runs, 60), 0);
	assert_memory_equal(block_of(f->target.data, 10), block_of(f->image.data, 10), (size_t)60 * BLOCK);
}

static void a_block_that_cannot_be_read_costs_itself(void **state)
{
	struct fixture *f = *state;
	struct slot_run runs[] = {{SLOT_TARGET, 200, 300, 50}};

	memcpy(block_of(f->target.data, 200), block_of(f->image.data, 300), (size_t)50 * BLOCK);
	f->target.unreadable = 222;
	assert_int_equal(copy(f, runs, 1), 1);
	for (size_t i = 300; i < 350; i++)
		assert_int_equal(is_there(f, i), i != 322);
}

static void a_slot_that_cannot_be_written_is_an_error(void **state)
{
	struct fixture *f = *state;
	_cleanup_error_ struct error *err = NULL;
	const struct slot_run runs[] = {{SLOT_ACTIVE, BLOCKS - 1 - 30, 30, 1}};
	uint64_t failed;

	f->target.unwritable = 30;
	assert_error(
		slot_copy(f->copier, runs, 1, &failed, &err), -EROFS, err, "writing block 30 of the slot");
}

static void nothing_is_copied_without_a_tree(void **state)
{
	struct fixture *f = *state;
	_cleanup_error_ struct error *err = NULL;
	const struct slot_run runs[] = {{SLOT_ACTIVE, BLOCKS - 1, 0, 1}};
	uint64_t failed;

	f->image.hash[f->image.hash_size - BLOCK] ^= 1;
	f->image.hash[2 * BLOCK] ^= 1;
	assert_error(slot_copy(f->copier, runs, 1, &failed, &err), -EBADMSG, err, "");
	assert_int_equal(f->target.written, 0);
}

static void runs_that_cannot_be_are_refused(void **state)
{
	struct fixture *f = *state;
	static const struct slot_run wrong[] = {{SLOT_ACTIVE, 0, 0, 0},
		{SLOT_ACTIVE, 0, 0, SLOT_RUN_BLOCKS + 1}, {SLOT_ACTIVE, BLOCKS, 0, 1},
		{SLOT_ACTIVE, BLOCKS - 1, 0, 2}, {SLOT_TARGET, UINT32_MAX, 0, 2}, {SLOT_ACTIVE, 0, BLOCKS, 1},
		{SLOT_ACTIVE, 0, BLOCKS - 1, 2}, {SLOT_ACTIVE, 0, UINT32_MAX, 1},
		{SLOT_ZERO, 1, 0, SLOT_RUN_BLOCKS}, {SLOT_PLACES, 0, 0, 1},
		{(enum slot_place)UINT32_MAX, 0, 0, 1}};
	struct slot_run many[SLOT_BATCH_BLOCKS / SLOT_RUN_BLOCKS + 1];

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_int_equal(slot_runs_check(f->copier, &wrong[i], 1, NULL), -ERANGE);
	for (size_t i = 0; i < ARRAY_SIZE(many); i++)
		many[i] = (struct slot_run){SLOT_ACTIVE, 0, 0, SLOT_RUN_BLOCKS};
	assert_int_equal(slot_runs_check(f->copier, many, ARRAY_SIZE(many), NULL), -ERANGE);
	assert_int_equal(slot_runs_check(f->copier, many, ARRAY_SIZE(many) - 1, NULL), 0);
	assert_int_equal(slot_runs_check(f->copier, many, 0, NULL), -ERANGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(single_blocks_come_from_anywhere, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_wrong_is_left_out_of_a_run, set_up, tear_down),
		cmocka_unit_test_setup_teardown(zeros_are_written_where_zeros_belong, set_up, tear_down),
		cmocka_unit_test_setup_teardown(within_the_slot_one_follows_the_other, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_block_that_cannot_be_read_costs_itself, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_slot_that_cannot_be_written_is_an_error, set_up, tear_down),
		cmocka_unit_test_setup_teardown(nothing_is_copied_without_a_tree, set_up, tear_down),
		cmocka_unit_test_setup_teardown(runs_that_cannot_be_are_refused, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
