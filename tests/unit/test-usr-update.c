/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "base/file.h"
#include "base/string-util.h"
#include "format/verity.h"
#include "release-files.h"
#include "trees.h"
#include "update/usr-update.h"

#define BLOCK VERITY_BLOCK_SIZE
#define SLOT_BLOCKS 700
#define HASH_BLOCKS 16

/* A disk in memory: counts writes, fails or "loses power" at one of them, and forgets what it is told to. */
struct disk {
	uint8_t *data;
	size_t size;
	uint64_t writes, cut_at;       /* the cut_at-th write and all later ones fail; 0: none */
	bool torn;		       /* the write at which it is cut gets half through */
	uint64_t forgets;	       /* so many writes are taken and not done */
	uint64_t bad_block;	       /* can't be read; UINT64_MAX: none */
	const struct test_image *only; /* what may be written: blocks of this image in their places */
	pthread_mutex_t lock;	       /* writes come from several threads */
};

static int disk_read(void *userdata, uint64_t offset, void *data, size_t size)
{
	const struct disk *disk = userdata;

	if (disk->bad_block >= offset / BLOCK && disk->bad_block < (offset + size + BLOCK - 1) / BLOCK)
		return -EIO;
	memcpy(data, disk->data + offset, size);
	return 0;
}

static int write_once(struct disk *disk, uint64_t offset, const void *data, size_t size)
{
	disk->writes++;
	/* Nothing that is not proved may ever be written. */
	if (disk->only) {
		assert_true(offset % BLOCK == 0 && size % BLOCK == 0);
		assert_true(offset + size <= disk->only->blocks * BLOCK);
		assert_memory_equal(data, disk->only->data + offset, size);
	}
	if (disk->cut_at > 0 && disk->writes >= disk->cut_at) {
		if (disk->torn && disk->writes == disk->cut_at)
			memcpy(disk->data + offset, data, size / 2);
		return -EIO;
	}
	if (disk->forgets > 0) {
		disk->forgets--;
		return 0;
	}
	memcpy(disk->data + offset, data, size);
	return 0;
}

static int disk_write(void *userdata, uint64_t offset, const void *data, size_t size)
{
	struct disk *disk = userdata;
	int r;

	pthread_mutex_lock(&disk->lock);
	r = write_once(disk, offset, data, size);
	pthread_mutex_unlock(&disk->lock);
	return r;
}

static int disk_flush(void *userdata)
{
	const struct disk *disk = userdata;

	return disk->cut_at > 0 && disk->writes >= disk->cut_at ? -EIO : 0;
}

static const struct block_ops disk_ops = {.read = disk_read, .write = disk_write, .flush = disk_flush};

static struct block_io disk_io(struct disk *disk)
{
	return (struct block_io){.ops = &disk_ops, .userdata = disk, .size = disk->size};
}

static void disk_init(struct disk *disk, size_t blocks, const void *data, size_t size)
{
	*disk = (struct disk){.data = calloc(blocks, BLOCK),
		.size = blocks * BLOCK,
		.bad_block = UINT64_MAX,
		.lock = PTHREAD_MUTEX_INITIALIZER};
	assert_non_null(disk->data);
	memcpy(disk->data, data, size);
}

/* Three releases, the last of which is published, and a node with two slots. */
struct fixture {
	struct test_image images[3]; /* in the order of time */
	struct image_files files;
	struct test_remote remote;
	struct disk active, active_hash, target, target_hash;
	struct usr_update_result result;
	uint64_t window;
	bool no_patch, no_active, no_tree_delta;
};

/* What is published, once for all tests: it takes its time. */
static struct {
	char folder[64];
	struct test_image images[3];
	struct image_files files;
} published;

static int publish(void **state)
{
	(void)state;
	(void)snprintf(published.folder, sizeof(published.folder), "/tmp/orlop-test-update-XXXXXX");
	assert_non_null(mkdtemp(published.folder));
	test_image_make(&published.images[0], 500, 1);
	test_image_change(&published.images[0], &published.images[1], 2);
	test_image_change(&published.images[1], &published.images[2], 3);
	test_publish(published.folder, &published.images[2], published.images, 2, &published.files);
	return 0;
}

static int unpublish(void **state)
{
	(void)state;
	assert_int_equal(remove_tree(published.folder, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(published.images); i++)
		test_image_release(&published.images[i]);
	image_files_release(&published.files);
	return 0;
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	memcpy(f->images, published.images, sizeof(f->images));
	f->files = published.files;
	f->remote.folder = published.folder;
	disk_init(&f->active, SLOT_BLOCKS, f->images[1].data, f->images[1].blocks * BLOCK);
	disk_init(&f->active_hash, HASH_BLOCKS, f->images[1].hash, f->images[1].hash_size);
	disk_init(&f->target, SLOT_BLOCKS, f->images[0].data, f->images[0].blocks * BLOCK);
	disk_init(&f->target_hash, HASH_BLOCKS, f->images[0].hash, f->images[0].hash_size);
	f->target.only = &f->images[2];
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	free(f->active.data);
	free(f->active_hash.data);
	free(f->target.data);
	free(f->target_hash.data);
	free(f);
	return 0;
}

/* The slot to be written as it was before. */
static void reset_target(struct fixture *f)
{
	memset(f->target.data, 0, f->target.size);
	memset(f->target_hash.data, 0, f->target_hash.size);
	memcpy(f->target.data, f->images[0].data, f->images[0].blocks * BLOCK);
	memcpy(f->target_hash.data, f->images[0].hash, f->images[0].hash_size);
	f->target.writes = f->target_hash.writes = 0;
}

static int run(struct fixture *f, struct error **err)
{
	struct usr_slot active = {.data = disk_io(&f->active), .hash = disk_io(&f->active_hash)};
	struct usr_slot target = {.data = disk_io(&f->target), .hash = disk_io(&f->target_hash)};
	struct remote remote = test_remote(&f->remote);
	const struct usr_update update = {.image = &f->files,
		.remote = &remote,
		.target = &target,
		.active = f->no_active ? NULL : &active,
		.active_root = f->no_active ? NULL : f->images[1].root,
		.threads = 2,
		.window = f->window,
		.no_patch = f->no_patch,
		.no_tree_delta = f->no_tree_delta};

	return usr_update_run(&update, &f->result, err);
}

static void assert_updated(const struct fixture *f)
{
	const struct test_image *image = &f->images[2];
	const struct usr_update_result *result = &f->result;

	assert_memory_equal(f->target.data, image->data, image->blocks * BLOCK);
	assert_memory_equal(f->target_hash.data, image->hash, image->hash_size);
	assert_int_equal(result->kept + result->zero + result->from_active + result->from_target +
				 result->patched + result->fetched,
		image->blocks);
}

static void run_well(struct fixture *f)
{
	_cleanup_error_ struct error *err = NULL;

	assert_ok(run(f, &err), err);
	assert_updated(f);
}

static void takes_own_blocks_and_a_patch(void **state)
{
	struct fixture *f = *state;

	run_well(f);
	assert_true(f->result.from_active > 300);
	assert_true(f->result.patched > 50);
	assert_int_equal(f->result.fetched, 0);
	assert_true(f->result.tree_delta);
	assert_int_equal(f->remote.fetched_of_image, 0);
	assert_int_equal(f->result.rounds, 1);
	/* The bytes that are told are those that came. */
	assert_int_equal(
		f->remote.counts.bytes, f->result.tree_bytes + f->result.index_bytes + f->result.patch_bytes);
}

static void needs_no_patch_and_no_tree_delta(void **state)
{
	struct fixture *f = *state;

	f->no_patch = f->no_tree_delta = true;
	run_well(f);
	assert_int_equal(f->result.patched, 0);
	assert_true(f->result.fetched > 50);
	assert_false(f->result.tree_delta);
	assert_int_equal(f->remote.fetched_of_patch, 0);
}

static void needs_no_running_slot(void **state)
{
	struct fixture *f = *state;

	f->no_active = true;
	run_well(f);
	assert_int_equal(f->result.from_active, 0);
	/* What the slot to be written has is of use all the same. */
	assert_true(f->result.from_target > 200);
}

static void plans_window_by_window(void **state)
{
	struct fixture *f = *state;
	static const uint64_t windows[] = {1, 7, 128, 499};

	for (size_t i = 0; i < ARRAY_SIZE(windows); i++) {
		f->window = windows[i];
		f->no_active = i % 2 == 0;
		reset_target(f);
		run_well(f);
	}
}

static void second_run_fetches_nothing(void **state)
{
	struct fixture *f = *state;

	run_well(f);
	f->remote.counts = (struct remote_counts){};
	run_well(f);
	assert_int_equal(f->result.kept, f->images[2].blocks);
	assert_true(f->result.tree_kept);
	assert_int_equal(f->remote.counts.requests, 0);
}

/* Cuts the power at every single write of the image, and of the tree, and goes on from there. */
static void goes_on_where_it_was_cut(void **state)
{
	struct fixture *f = *state;
	uint64_t data_writes, hash_writes;

	run_well(f);
	data_writes = f->target.writes;
	hash_writes = f->target_hash.writes;
	for (uint64_t i = 1; i <= data_writes + hash_writes; i++) {
		_cleanup_error_ struct error *err = NULL;
		bool in_data = i <= data_writes;

		reset_target(f);
		f->target.torn = f->target_hash.torn = i % 2 == 0;
		f->target.cut_at = in_data ? i : 0;
		f->target_hash.cut_at = in_data ? 0 : i - data_writes;
		assert_error(run(f, &err), -EIO, err, "writing");
		f->target.cut_at = f->target_hash.cut_at = 0;
		run_well(f);
	}
}

static void brings_it_into_any_slot(void **state)
{
	struct fixture *f = *state;
	uint64_t seed = 77;

	for (unsigned i = 0; i < 40; i++) {
		/* Any mixture of the three releases, zeros and rubbish, at any place. */
		for (size_t j = 0; j < SLOT_BLOCKS; j++) {
			const struct test_image *image = &f->images[random_below(&seed, 3)];
			uint8_t *block = f->target.data + j * BLOCK;
			uint64_t kind = random_below(&seed, 8);
			size_t from = kind < 3 ? j : random_below(&seed, image->blocks);

			memset(block, 0, BLOCK);
			if (kind < 6 && from < image->blocks)
				memcpy(block, image->data + from * BLOCK, BLOCK);
			if (kind == 6)
				memset(block, (int)j, BLOCK);
		}
		f->no_active = i % 4 == 0;
		f->no_patch = i % 3 == 0;
		f->window = i % 5 == 0 ? 100 : 0;
		run_well(f);
	}
}

/* A slot whose blocks are those of the image in another order: circles must be broken, chains need not. */
static void moves_blocks_within_the_slot(void **state)
{
	struct fixture *f = *state;
	const struct test_image *image = &f->images[2];

	f->no_active = true;
	for (size_t shift = 1; shift < 60; shift += 29) {
		memset(f->target.data, 0xaa, f->target.size);
		for (size_t i = 0; i < image->blocks; i++)
			memcpy(f->target.data + (i + shift) % image->blocks * BLOCK, image->data + i * BLOCK,
				BLOCK);
		run_well(f);
		assert_true(f->result.fetched <= 2 * shift);
	}
	/* Pairs that change places. */
	for (size_t i = 0; i + 1 < image->blocks; i += 2) {
		memcpy(f->target.data + i * BLOCK, image->data + (i + 1) * BLOCK, BLOCK);
		memcpy(f->target.data + (i + 1) * BLOCK, image->data + i * BLOCK, BLOCK);
	}
	run_well(f);
	assert_true(f->result.fetched <= image->blocks / 2);
}

static void damaged_own_blocks_are_fetched(void **state)
{
	struct fixture *f = *state;
	uint64_t damaged = 0;

	/* The tree of the running slot says what was there once. */
	for (size_t i = 0; i < f->images[1].blocks; i += 10)
		f->active.data[i * BLOCK + 5] ^= 1;
	run_well(f);
	damaged = f->result.damaged;
	assert_true(damaged > 20);
	assert_true(f->result.fetched > 0);
}

static void unreadable_own_blocks_are_fetched(void **state)
{
	struct fixture *f = *state;

	f->active.bad_block = 100;
	run_well(f);
	assert_true(f->result.damaged >= 1 || f->result.fetched >= 1);
	reset_target(f);
	f->active.bad_block = UINT64_MAX;
	/* The running slot's tree: what it says is wrong, or can't be read. */
	f->active_hash.bad_block = f->images[1].hash_size / BLOCK - 2;
	f->no_tree_delta = true;
	run_well(f);
}

static void damaged_tree_of_the_running_slot_costs_the_delta(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 2 * BLOCK; i < f->images[1].hash_size; i += SHA256_SIZE)
		f->active_hash.data[i] ^= 1;
	run_well(f);
	assert_false(f->result.tree_delta);
}

/* Every byte that can be wrong of what is on the server: an update that ends well all the same, or an error
 * that names the file. That nothing wrong is written, the disk sees to. */
static void wrong_bytes_on_the_server(void **state)
{
	struct fixture *f = *state;
	const struct image_file *files[] = {
		&f->files.tree, &f->files.image, &f->files.deltas[1].tree, &f->files.deltas[1].patch};
	unsigned failed = 0, well = 0;

	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		for (uint64_t at = 0; at < files[i]->size; at += 1 + files[i]->size / 60) {
			_cleanup_error_ struct error *err = NULL;
			bool fallback = i >= 2;
			int r;

			reset_target(f);
			f->remote.damaged = files[i]->name;
			f->remote.damage_at = at;
			f->no_patch = f->no_tree_delta = i < 2;
			r = run(f, &err);
			if (r >= 0) {
				assert_updated(f);
				well++;
				continue;
			}
			assert_false(fallback);
			assert_error(r, -EBADMSG, err, files[i]->name);
			failed++;
			/* A cache on the way may be to blame. */
			f->remote.damaged_in_cache = true;
			run_well(f);
			f->remote.damaged_in_cache = false;
		}
	assert_true(failed > 20 && well > 60);
}

static void absent_accelerators_are_done_without(void **state)
{
	struct fixture *f = *state;

	f->remote.absent = f->files.deltas[1].patch.name;
	run_well(f);
	assert_true(f->result.tree_delta && f->result.fetched > 0);
	reset_target(f);
	f->remote.absent = f->files.deltas[1].tree.name;
	run_well(f);
	assert_true(!f->result.tree_delta && f->result.patched > 0);
}

static void absent_files_are_errors(void **state)
{
	struct fixture *f = *state;
	_cleanup_error_ struct error *err = NULL;

	f->no_patch = true;
	f->remote.absent = f->files.image.name;
	assert_error(run(f, &err), -ENOENT, err, "usr.blocks.zst");
	f->no_tree_delta = true;
	f->remote.absent = f->files.tree.name;
	memset(f->target_hash.data, 0, f->target_hash.size);
	assert_error(run(f, &err), -ENOENT, err, "usr.verity.zst");
}

static void wrong_root_hash_is_refused(void **state)
{
	struct fixture *f = *state;
	_cleanup_error_ struct error *err = NULL;

	f->files.root[31] ^= 1;
	assert_error(run(f, &err), -EBADMSG, err, "usr.verity.zst");
	assert_int_equal(f->target.writes, 0);
}

static void slots_that_are_too_small_are_refused(void **state)
{
	struct fixture *f = *state;
	_cleanup_error_ struct error *err = NULL;
	size_t size = f->target.size;

	f->target.size = (f->images[2].blocks - 1) * BLOCK;
	assert_error(run(f, &err), -ENOSPC, err, "too few for an image");
	f->target.size = size;
	f->target_hash.size = f->images[2].hash_size - 1;
	assert_error(run(f, &err), -ENOSPC, err, "hash tree");
	f->target_hash.size = (size_t)HASH_BLOCKS * BLOCK;
	f->files.blocks = IMAGE_BLOCKS_MAX + 1;
	assert_error(run(f, &err), -EFBIG, err, "larger than");
	assert_int_equal(f->target.writes, 0);
}

static void disk_that_forgets_is_given_another_try_and_then_found_out(void **state)
{
	struct fixture *f = *state;
	_cleanup_error_ struct error *err = NULL;

	f->target.forgets = 3;
	assert_ok(run(f, &err), err);
	assert_true(f->result.rounds == 2);
	memset(f->target.data, 0x55, f->target.size);
	f->target.forgets = UINT64_MAX;
	assert_error(run(f, &err), -EIO, err, "does not keep");
}

static int stop_late(enum usr_update_step step, uint64_t done, uint64_t total, void *userdata)
{
	unsigned *calls = userdata;

	assert_true(total == 0 || done <= total);
	(void)step;
	return --*calls == 0 ? -ECANCELED : 0;
}

static void stops_when_told_to(void **state)
{
	struct fixture *f = *state;
	struct usr_slot active = {.data = disk_io(&f->active), .hash = disk_io(&f->active_hash)};
	struct usr_slot target = {.data = disk_io(&f->target), .hash = disk_io(&f->target_hash)};
	struct remote remote = test_remote(&f->remote);
	unsigned calls, stopped = 0;
	struct usr_update update = {.image = &f->files,
		.remote = &remote,
		.target = &target,
		.active = &active,
		.active_root = f->images[1].root,
		.window = 100,
		.progress = stop_late,
		.userdata = &calls};

	for (unsigned i = 1; i < 100; i++) {
		_cleanup_error_ struct error *err = NULL;
		int r;

		calls = i;
		r = usr_update_run(&update, &f->result, &err);
		if (r >= 0)
			break;
		assert_error(r, -ECANCELED, err, "stopped");
		stopped++;
	}
	assert_true(stopped > 5);
	assert_updated(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
		TEST(takes_own_blocks_and_a_patch),
		TEST(needs_no_patch_and_no_tree_delta),
		TEST(needs_no_running_slot),
		TEST(plans_window_by_window),
		TEST(second_run_fetches_nothing),
		TEST(goes_on_where_it_was_cut),
		TEST(brings_it_into_any_slot),
		TEST(moves_blocks_within_the_slot),
		TEST(damaged_own_blocks_are_fetched),
		TEST(unreadable_own_blocks_are_fetched),
		TEST(damaged_tree_of_the_running_slot_costs_the_delta),
		TEST(wrong_bytes_on_the_server),
		TEST(absent_accelerators_are_done_without),
		TEST(absent_files_are_errors),
		TEST(wrong_root_hash_is_refused),
		TEST(slots_that_are_too_small_are_refused),
		TEST(disk_that_forgets_is_given_another_try_and_then_found_out),
		TEST(stops_when_told_to),
#undef TEST
	};

	return cmocka_run_group_tests(tests, publish, unpublish);
}
