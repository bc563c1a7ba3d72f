/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Real workers on slots that are files, and hostile ones: this program, started again, that says on the
 * socket what a worker which was taken over might say.
 */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/bytes.h"
#include "base/file.h"
#include "base/http.h"
#include "base/string-util.h"
#include "http-server.h"
#include "release-files.h"
#include "scratch.h"
#include "trees.h"
#include "update/worker-job.h"
#include "update/worker-main.h"
#include "update/worker.h"

#define BLOCK VERITY_BLOCK_SIZE
#define SLOT_BLOCKS 700
#define HASH_BLOCKS 16
#define USER 64991	  /* nobody's */
#define PATIENCE_MS 60000 /* for what comes sooner or later */

/* ---- Hostile workers ---- */

/* What a hostile worker works with. */
struct enemy {
	char *data, *hash; /* the release's */
	size_t blocks, hash_size;
	uint64_t serial;
};

static void say(enum wire_type type, uint64_t offset, uint64_t serial, const void *payload, size_t size)
{
	const struct wire_header header = {
		.type = type, .size = (uint32_t)size, .offset = offset, .serial = serial};

	if (wire_send(WORKER_FD_SOCKET, &header, payload, NULL) < 0)
		_exit(1);
}

static void say_raw(uint32_t type, uint32_t size, size_t length)
{
	uint8_t raw[WIRE_HEADER_SIZE] = {};

	write_le32(raw, type);
	write_le32(raw + 4, size);
	(void)!write(WORKER_FD_SOCKET, raw, length);
}

static void say_ready(void)
{
	say(WIRE_READY, SANDBOX_ALL, WIRE_VERSION, NULL, 0);
}

static void put(struct enemy *enemy, enum wire_type type, uint64_t offset, const char *bytes, size_t size)
{
	say(type, offset, ++enemy->serial, bytes, size);
}

static void put_tree(struct enemy *enemy)
{
	put(enemy, WIRE_TREE, 0, enemy->hash, enemy->hash_size);
}

static void put_blocks(struct enemy *enemy, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		put(enemy, WIRE_DATA, i * BLOCK, enemy->data + i * BLOCK, BLOCK);
}

static void say_finished(uint64_t number)
{
	uint8_t outcome[15 * 8 + 16] = {};

	write_le64(outcome, number);
	say(WIRE_FINISHED, 0, 0, outcome, sizeof(outcome));
}

_Noreturn static void stay(void)
{
	for (;;)
		(void)pause();
}

static void say_nothing(struct enemy *enemy)
{
	(void)enemy;
	stay();
}

static void be_silent(struct enemy *enemy)
{
	say_ready();
	put_tree(enemy);
	stay();
}

static void drip(struct enemy *enemy)
{
	(void)enemy;
	say_ready();
	say_raw(WIRE_ALIVE, 0, 5);
	stay();
}

static void leave(struct enemy *enemy)
{
	(void)enemy;
	say_ready();
	_exit(3);
}

static void die_midway(struct enemy *enemy)
{
	say_ready();
	put_tree(enemy);
	put_blocks(enemy, 0, 100);
	(void)raise(SIGKILL);
}

static void close_and_stay(struct enemy *enemy)
{
	(void)enemy;
	say_ready();
	(void)close(WORKER_FD_SOCKET);
	stay();
}

static void send_wrong_block(struct enemy *enemy)
{
	say_ready();
	put_tree(enemy);
	put_blocks(enemy, 0, 5);
	enemy->data[5 * BLOCK + 77] ^= 1;
	put_blocks(enemy, 5, 6);
	stay();
}

static void send_wrong_block_among_right_ones(struct enemy *enemy)
{
	say_ready();
	put_tree(enemy);
	enemy->data[9 * BLOCK] ^= 1;
	put(enemy, WIRE_DATA, 0, enemy->data, (size_t)10 * BLOCK);
	stay();
}

static void send_block_to_another_place(struct enemy *enemy)
{
	say_ready();
	put_tree(enemy);
	put(enemy, WIRE_DATA, (uint64_t)5 * BLOCK, enemy->data + (size_t)6 * BLOCK, BLOCK);
	stay();
}

static void send_blocks_without_tree(struct enemy *enemy)
{
	say_ready();
	put_blocks(enemy, 0, 1);
	stay();
}

/* The digest of what it wants to have written, at the place in the tree where it belongs. */
static void send_tree_of_its_own(struct enemy *enemy)
{
	static const char own[BLOCK] = "own";

	say_ready();
	for (size_t at = 2 * (size_t)BLOCK; at < enemy->hash_size; at += SHA256_SIZE)
		memset(enemy->hash + at, 0x11, SHA256_SIZE);
	put_tree(enemy);
	put(enemy, WIRE_DATA, 0, own, BLOCK);
	stay();
}

static void spoil_tree_in_the_end(struct enemy *enemy)
{
	say_ready();
	put_tree(enemy);
	put_blocks(enemy, 0, enemy->blocks);
	enemy->hash[enemy->hash_size - BLOCK + 3] ^= 1;
	put_tree(enemy);
	say_finished(0);
	stay();
}

static void lie(struct enemy *enemy)
{
	(void)enemy;
	say_ready();
	say_finished(0);
	stay();
}

static void lie_about_one_block(struct enemy *enemy)
{
	say_ready();
	put_tree(enemy);
	put_blocks(enemy, 0, enemy->blocks - 1);
	say_finished(0);
	stay();
}

static void write_beyond_image(struct enemy *enemy)
{
	say_ready();
	put_tree(enemy);
	put(enemy, WIRE_DATA, enemy->blocks * BLOCK, enemy->data, BLOCK);
	stay();
}

static void write_across_end(struct enemy *enemy)
{
	say_ready();
	put_tree(enemy);
	put(enemy, WIRE_DATA, (enemy->blocks - 1) * BLOCK, enemy->data, (size_t)2 * BLOCK);
	stay();
}

static void overflow_offset(struct enemy *enemy)
{
	say_ready();
	put(enemy, WIRE_DATA, UINT64_MAX - BLOCK + 1, enemy->data, BLOCK);
	stay();
}

static void write_unaligned(struct enemy *enemy)
{
	say_ready();
	put(enemy, WIRE_DATA, 512, enemy->data, BLOCK);
	stay();
}

static void write_beyond_tree(struct enemy *enemy)
{
	say_ready();
	put(enemy, WIRE_TREE, enemy->hash_size, enemy->hash, BLOCK);
	stay();
}

static void send_superblock(struct enemy *enemy)
{
	say_ready();
	enemy->hash[100] ^= 1;
	put_tree(enemy);
	stay();
}

static void copy(struct enemy *enemy, uint32_t place, uint32_t from, uint32_t to, uint32_t count)
{
	uint8_t run[WIRE_RUN_SIZE];

	write_le32(run, place);
	write_le32(run + 4, from);
	write_le32(run + 8, to);
	write_le32(run + 12, count);
	say(WIRE_COPY, 0, ++enemy->serial, run, sizeof(run));
}

/* Everything to where it does not belong; that it is not told of what came of it does not matter. */
static void copy_to_wrong_places(struct enemy *enemy)
{
	say_ready();
	put_tree(enemy);
	for (uint32_t i = 0; i + 10 < enemy->blocks; i++) {
		copy(enemy, SLOT_ACTIVE, i + 3, i, 1);
		copy(enemy, SLOT_TARGET, i + 5, i, 1);
		copy(enemy, SLOT_ZERO, 0, i, 1);
		if (i == 100)
			break;
	}
	say_finished(0);
	stay();
}

static void copy_without_tree(struct enemy *enemy)
{
	say_ready();
	copy(enemy, SLOT_ACTIVE, 0, 0, 1);
	stay();
}

static void copy_from_beyond_slot(struct enemy *enemy)
{
	say_ready();
	put_tree(enemy);
	copy(enemy, SLOT_ACTIVE, SLOT_BLOCKS - 1, 0, 2);
	stay();
}

static void copy_from_beyond_everything(struct enemy *enemy)
{
	say_ready();
	put_tree(enemy);
	copy(enemy, SLOT_TARGET, UINT32_MAX, 0, 1);
	stay();
}

static void copy_beyond_image(struct enemy *enemy)
{
	say_ready();
	put_tree(enemy);
	copy(enemy, SLOT_ACTIVE, 0, (uint32_t)enemy->blocks - 1, 2);
	stay();
}

static void copy_nothing(struct enemy *enemy)
{
	say_ready();
	put_tree(enemy);
	copy(enemy, SLOT_ACTIVE, 0, 0, 0);
	stay();
}

static void copy_too_much_at_once(struct enemy *enemy)
{
	say_ready();
	put_tree(enemy);
	copy(enemy, SLOT_ACTIVE, 0, 0, SLOT_RUN_BLOCKS + 1);
	stay();
}

static void copy_too_many_runs(struct enemy *enemy)
{
	static uint8_t runs[17 * WIRE_RUN_SIZE];

	say_ready();
	put_tree(enemy);
	for (size_t i = 0; i < 17; i++) {
		write_le32(runs + i * WIRE_RUN_SIZE, SLOT_ACTIVE);
		write_le32(runs + i * WIRE_RUN_SIZE + 12, SLOT_RUN_BLOCKS);
	}
	say(WIRE_COPY, 0, ++enemy->serial, runs, sizeof(runs));
	stay();
}

static void copy_from_unknown_place(struct enemy *enemy)
{
	say_ready();
	put_tree(enemy);
	copy(enemy, SLOT_PLACES, 0, 0, 1);
	stay();
}

static void flood_with_copies(struct enemy *enemy)
{
	say_ready();
	put_tree(enemy);
	for (;;)
		copy(enemy, SLOT_ACTIVE, 0, 0, SLOT_RUN_BLOCKS);
}

static void announce_too_much(struct enemy *enemy)
{
	(void)enemy;
	say_ready();
	say_raw(WIRE_DATA, UINT32_MAX & ~(uint32_t)(BLOCK - 1), WIRE_HEADER_SIZE);
	stay();
}

static void say_what_only_parents_say(struct enemy *enemy)
{
	(void)enemy;
	say_ready();
	say_raw(WIRE_TAKEN, 0, WIRE_HEADER_SIZE);
	stay();
}

static void say_unknown_type(struct enemy *enemy)
{
	(void)enemy;
	say_raw(0xdeadbeef, 0, WIRE_HEADER_SIZE);
	stay();
}

static void send_bytes_of_a_file(struct enemy *enemy)
{
	say_ready();
	say(WIRE_BYTES, 0, 0, enemy->data, 10);
	stay();
}

static void miscount(struct enemy *enemy)
{
	say_ready();
	enemy->serial = 7;
	put_tree(enemy);
	stay();
}

static void begin_without_sandbox(struct enemy *enemy)
{
	put_tree(enemy);
	stay();
}

static void be_ready_twice(struct enemy *enemy)
{
	(void)enemy;
	say_ready();
	say_ready();
	stay();
}

static void have_weak_sandbox(struct enemy *enemy)
{
	(void)enemy;
	say(WIRE_READY, SANDBOX_ALL & ~SANDBOX_SECCOMP, WIRE_VERSION, NULL, 0);
	stay();
}

static void have_another_version(struct enemy *enemy)
{
	(void)enemy;
	say(WIRE_READY, SANDBOX_ALL, WIRE_VERSION + 1, NULL, 0);
	stay();
}

static void flood_with_life(struct enemy *enemy)
{
	(void)enemy;
	say_ready();
	for (;;)
		say(WIRE_ALIVE, 0, 0, NULL, 0);
}

static void flood_with_flushes(struct enemy *enemy)
{
	say_ready();
	for (;;)
		say(WIRE_FLUSH, 0, ++enemy->serial, NULL, 0);
}

static void flood_with_right_blocks(struct enemy *enemy)
{
	say_ready();
	put_tree(enemy);
	for (;;)
		put(enemy, WIRE_DATA, 0, enemy->data, (size_t)64 * BLOCK);
}

static void flood_with_trees(struct enemy *enemy)
{
	say_ready();
	for (;;)
		put_tree(enemy);
}

static void say_impossible_progress(struct enemy *enemy)
{
	(void)enemy;
	say_ready();
	say(WIRE_PROGRESS, 11, 10, (const uint8_t[4]){USR_UPDATE_COPY}, 4);
	stay();
}

static void say_unknown_step(struct enemy *enemy)
{
	(void)enemy;
	say_ready();
	say(WIRE_PROGRESS, 1, 10, (const uint8_t[4]){USR_UPDATE_CHECK + 1}, 4);
	stay();
}

static void say_impossible_outcome(struct enemy *enemy)
{
	say_ready();
	put_tree(enemy);
	put_blocks(enemy, 0, enemy->blocks);
	say_finished(UINT64_MAX);
	stay();
}

static void say_rude_failure(struct enemy *enemy)
{
	static const char text[] = "\033[2Jbad\nnews \xc3\xa4 \xff\xe2\x80\xae";

	(void)enemy;
	say(WIRE_FAILED, UINT64_MAX, 0, text, sizeof(text) - 1);
	stay();
}

static void fail_with_right_code(struct enemy *enemy)
{
	(void)enemy;
	say_ready();
	say(WIRE_FAILED, ENOENT, 0, "gone", 4);
	stay();
}

static const struct hostile {
	const char *name;
	void (*run)(struct enemy *enemy);
	int code;
	const char *text;
} hostiles[] = {
#define HOSTILE(function, code, text)           \
	{                                       \
#function, function, code, text \
	}
	HOSTILE(say_nothing, -ETIMEDOUT, "silent"),
	HOSTILE(be_silent, -ETIMEDOUT, "silent"),
	HOSTILE(drip, -ETIMEDOUT, "silent"),
	HOSTILE(leave, -ECHILD, "ended (status 3)"),
	HOSTILE(die_midway, -ECHILD, "signal 9"),
	HOSTILE(close_and_stay, -ECHILD, "signal 9"),
	HOSTILE(send_wrong_block, -EBADMSG, "a block 5 that is not the release's"),
	HOSTILE(send_wrong_block_among_right_ones, -EBADMSG, "a block 9 that is not"),
	HOSTILE(send_block_to_another_place, -EBADMSG, "a block 5 that is not"),
	HOSTILE(send_blocks_without_tree, -EBADMSG, "before a tree that proves it"),
	HOSTILE(send_tree_of_its_own, -EBADMSG, "before a tree that proves it"),
	HOSTILE(spoil_tree_in_the_end, -EBADMSG, "said that it was done"),
	HOSTILE(lie, -EBADMSG, "said that it was done"),
	HOSTILE(lie_about_one_block, -EBADMSG, "said that it was done"),
	HOSTILE(write_beyond_image, -EPROTO, "of a image"),
	HOSTILE(write_across_end, -EPROTO, "of a image"),
	HOSTILE(overflow_offset, -EPROTO, "of a image"),
	HOSTILE(write_unaligned, -EPROTO, "of a image"),
	HOSTILE(write_beyond_tree, -EPROTO, "of a hash tree"),
	HOSTILE(send_superblock, -EBADMSG, "superblock"),
	HOSTILE(copy_to_wrong_places, -EBADMSG, "said that it was done"),
	HOSTILE(copy_without_tree, -EBADMSG, "before a tree that proves them"),
	HOSTILE(copy_from_beyond_slot, -EPROTO, "can't be copied"),
	HOSTILE(copy_from_beyond_everything, -EPROTO, "can't be copied"),
	HOSTILE(copy_beyond_image, -EPROTO, "can't be copied"),
	HOSTILE(copy_nothing, -EPROTO, "can't be copied"),
	HOSTILE(copy_too_much_at_once, -EPROTO, "can't be copied"),
	HOSTILE(copy_too_many_runs, -EPROTO, "can't be copied"),
	HOSTILE(copy_from_unknown_place, -EPROTO, "can't be copied"),
	HOSTILE(flood_with_copies, -EPROTO, "copied again and again"),
	HOSTILE(announce_too_much, -EPROTO, "bytes, which none can have"),
	HOSTILE(say_what_only_parents_say, -EPROTO, "which it can't send"),
	HOSTILE(say_unknown_type, -EPROTO, "which it can't send"),
	HOSTILE(send_bytes_of_a_file, -EPROTO, "does not belong here"),
	HOSTILE(miscount, -EPROTO, "does not count"),
	HOSTILE(begin_without_sandbox, -EPROTO, "did not begin"),
	HOSTILE(be_ready_twice, -EPROTO, "does not belong here"),
	HOSTILE(have_weak_sandbox, -ENOTSUP, "lacks: seccomp"),
	HOSTILE(have_another_version, -EPROTO, "another version"),
	HOSTILE(flood_with_life, -EPROTO, "floods"),
	HOSTILE(flood_with_flushes, -EPROTO, "flush what it must not"),
	HOSTILE(flood_with_right_blocks, -EPROTO, "image again and again"),
	HOSTILE(flood_with_trees, -EPROTO, "hash tree again and again"),
	HOSTILE(say_impossible_progress, -EPROTO, "progress that can't be"),
	HOSTILE(say_unknown_step, -EPROTO, "progress that can't be"),
	HOSTILE(say_impossible_outcome, -EPROTO, "malformed outcome"),
	HOSTILE(say_rude_failure, -EPROTO, "?[2Jbad?news \xc3\xa4 ????"),
	HOSTILE(fail_with_right_code, -ENOENT, "gone"),
#undef HOSTILE
};

_Noreturn static void be_hostile(const char *name, const char *data, const char *hash)
{
	struct wire_reader reader = {.from = WIRE_PARENT};
	struct wire_message message;
	struct enemy enemy = {};
	size_t size;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (file_read(data, MiB(64), &enemy.data, &size, NULL) < 0 ||
		file_read(hash, MiB(64), &enemy.hash, &enemy.hash_size, NULL) < 0 ||
		wire_receive(WORKER_FD_SOCKET, &reader, true, &message, NULL) < 0)
		_exit(99);
	enemy.blocks = size / BLOCK;
	for (size_t i = 0; i < ARRAY_SIZE(hostiles); i++)
		if (streq(hostiles[i].name, name))
			hostiles[i].run(&enemy);
	_exit(98);
}

/* ---- What is published, once for all tests ---- */

static struct {
	char folder[64];
	struct test_image images[3];
	struct image_files files;
	struct http_server *server;
	char *data, *hash; /* paths of the last image */
} published;

static int publish(void **state)
{
	(void)state;
	(void)snprintf(published.folder, sizeof(published.folder), "/tmp/orlop-test-worker-XXXXXX");
	assert_non_null(mkdtemp(published.folder));
	/* The worker is another user, and may be sent to a file: URL. */
	assert_int_equal(chmod(published.folder, 0755), 0);
	test_image_make(&published.images[0], 500, 1);
	test_image_change(&published.images[0], &published.images[1], 2);
	test_image_change(&published.images[1], &published.images[2], 3);
	test_publish(published.folder, &published.images[2], published.images, 2, &published.files);
	published.data = string_format("%s/new", published.folder);
	published.hash = string_format("%s/new.hash", published.folder);
	assert_int_equal(file_write_atomic(published.data, published.images[2].data,
				 published.images[2].blocks * BLOCK, 0644, NULL),
		0);
	assert_int_equal(file_write_atomic(published.hash, published.images[2].hash,
				 published.images[2].hash_size, 0644, NULL),
		0);
	published.server = http_server_start(published.folder);
	return 0;
}

static int unpublish(void **state)
{
	(void)state;
	http_server_stop(published.server);
	assert_int_equal(remove_tree(published.folder, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(published.images); i++)
		test_image_release(&published.images[i]);
	image_files_release(&published.files);
	free(published.data);
	free(published.hash);
	return 0;
}

/* ---- A node ---- */

/* A place of a slot: a file without a name, for this process, and for the worker to read. */
struct place {
	struct block_file file;
	size_t size;
	struct worker_place read;
};

struct fixture {
	struct place target, target_hash, active, active_hash;
	const char *arguments[6];
	struct worker_options options;
	struct remote_http_options source;
	struct worker_bring bring;
	struct usr_slot slot;
	struct worker *worker;
	struct usr_update_result result;
	uint64_t rate;
	bool stop;
	unsigned requests; /* for tree deltas, before */
	unsigned steps;	   /* bits of what was told */
};

static void place_init(struct place *place, size_t blocks, const void *data, size_t size)
{
	FILE *file = tmpfile();
	char path[64];

	assert_non_null(file);
	*place = (struct place){.file.fd = dup(fileno(file)), .size = blocks * BLOCK};
	(void)fclose(file);
	assert_int_equal(ftruncate(place->file.fd, (off_t)place->size), 0);
	assert_int_equal(pwrite_full(place->file.fd, data, size, 0), 0);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", place->file.fd);
	place->read = (struct worker_place){.fd = open(path, O_RDONLY | O_CLOEXEC), .size = place->size};
	assert_true(place->read.fd >= 0);
}

static void place_release(struct place *place)
{
	(void)close(place->file.fd);
	(void)close(place->read.fd);
}

static void place_read(const struct place *place, uint8_t **ret)
{
	*ret = malloc(place->size);
	assert_non_null(*ret);
	assert_int_equal(pread_full(place->file.fd, *ret, place->size, 0), 0);
}

static int told(enum usr_update_step step, uint64_t done, uint64_t total, void *userdata)
{
	struct fixture *f = userdata;

	assert_true(total == 0 || done <= total);
	f->steps |= 1u << step;
	return 0;
}

static bool is_stopped(void *userdata)
{
	const struct fixture *f = userdata;

	/* Not before the worker is in the midst of it. */
	return f->stop && http_server_requests(published.server, ".tree") > f->requests;
}

static uint64_t rate_of(void *userdata)
{
	return ((struct fixture *)userdata)->rate;
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	const struct test_image *images = published.images;

	assert_non_null(f);
	place_init(&f->active, SLOT_BLOCKS, images[1].data, images[1].blocks * BLOCK);
	place_init(&f->active_hash, HASH_BLOCKS, images[1].hash, images[1].hash_size);
	place_init(&f->target, SLOT_BLOCKS, images[0].data, images[0].blocks * BLOCK);
	place_init(&f->target_hash, HASH_BLOCKS, images[0].hash, images[0].hash_size);
	f->arguments[0] = "test-worker";
	f->arguments[1] = "worker";
	f->options = (struct worker_options){
		.arguments = f->arguments, .uid = USER, .gid = USER, .silence_seconds = 60};
	f->source = (struct remote_http_options){
		.url = http_server_url(published.server), .pause_ms = 1, .stop = is_stopped, .userdata = f};
	f->slot = (struct usr_slot){.data = block_io_file(&f->target.file, f->target.size),
		.hash = block_io_file(&f->target_hash.file, f->target_hash.size)};
	f->bring = (struct worker_bring){.image = &published.files,
		.source = &f->source,
		.target = &f->slot,
		.target_data = f->target.read,
		.target_hash = f->target_hash.read,
		.active_data = f->active.read,
		.active_hash = f->active_hash.read,
		.active_root = images[1].root,
		.threads = 2,
		.progress = told,
		.userdata = f};
	assert_int_equal(worker_new(&f->options, &f->worker, NULL), 0);
	*state = f;
	return 0;
}

/* The slot to be written as it was before. */
static void reset_target(const struct fixture *f)
{
	const struct test_image *old = &published.images[0];

	assert_int_equal(ftruncate(f->target.file.fd, 0), 0);
	assert_int_equal(ftruncate(f->target.file.fd, (off_t)f->target.size), 0);
	assert_int_equal(pwrite_full(f->target.file.fd, old->data, old->blocks * BLOCK, 0), 0);
	assert_int_equal(ftruncate(f->target_hash.file.fd, 0), 0);
	assert_int_equal(ftruncate(f->target_hash.file.fd, (off_t)f->target_hash.size), 0);
	assert_int_equal(pwrite_full(f->target_hash.file.fd, old->hash, old->hash_size, 0), 0);
}

/* No process that was started is there any more, not even as a zombie. */
static void assert_no_child(void)
{
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	assert_no_child();
	worker_free(f->worker);
	place_release(&f->target);
	place_release(&f->target_hash);
	place_release(&f->active);
	place_release(&f->active_hash);
	free(f);
	return 0;
}

static void assert_updated(const struct fixture *f)
{
	const struct test_image *image = &published.images[2];
	const struct usr_update_result *result = &f->result;
	_cleanup_free_ uint8_t *data = NULL, *hash = NULL;

	place_read(&f->target, &data);
	place_read(&f->target_hash, &hash);
	assert_memory_equal(data, image->data, image->blocks * BLOCK);
	assert_memory_equal(hash, image->hash, image->hash_size);
	assert_int_equal(result->kept + result->zero + result->from_active + result->from_target +
				 result->patched + result->fetched,
		image->blocks);
}

static void run_well(struct fixture *f)
{
	_cleanup_error_ struct error *err = NULL;

	assert_ok(worker_bring(f->worker, &f->bring, &f->result, &err), err);
	assert_updated(f);
}

/* Of the slot, each block is what it was, or what it is to be. */
static void assert_nothing_unproved(const struct fixture *f)
{
	const struct test_image *old = &published.images[0], *new = &published.images[2];
	_cleanup_free_ uint8_t *data = NULL;
	static const uint8_t zero[BLOCK];

	place_read(&f->target, &data);
	for (size_t i = 0; i < SLOT_BLOCKS; i++) {
		const uint8_t *block = data + i * BLOCK;
		const uint8_t *before = i < old->blocks ? old->data + i * BLOCK : zero;

		assert_true(memcmp(block, before, BLOCK) == 0 ||
			    (i < new->blocks &&memcmp(block, new->data + i *BLOCK, BLOCK) == 0));
	}
}

/* ---- Tests ---- */

static void brings_an_image(void **state)
{
	struct fixture *f = *state;
	struct remote_counts counts;

	run_well(f);
	assert_true(f->result.from_active > 300 && f->result.patched > 50 && f->result.tree_delta);
	assert_true(f->steps & 1u << USR_UPDATE_CHECK);
	worker_counts(f->worker, &counts);
	assert_int_equal(counts.bytes, f->result.tree_bytes + f->result.index_bytes + f->result.patch_bytes);
	assert_int_equal(worker_measures(f->worker) & SANDBOX_REQUIRED, SANDBOX_REQUIRED);
}

/* The worker has own blocks copied without a look at them: one that is another one by now shows when it is
 * proved. */
static void damaged_own_blocks_are_fetched(void **state)
{
	struct fixture *f = *state;
	uint8_t byte;

	for (size_t block = 0; block < published.images[1].blocks; block += 50) {
		assert_int_equal(pread_full(f->active.file.fd, &byte, 1, (off_t)(block * BLOCK)), 0);
		byte ^= 1;
		assert_int_equal(pwrite_full(f->active.file.fd, &byte, 1, (off_t)(block * BLOCK)), 0);
	}
	run_well(f);
	assert_true(f->result.damaged > 0 && f->result.from_active > 100);
	assert_int_equal(f->result.rounds, 1);
}

/* A disk that loses a bit of so many writes. */
struct forgetful {
	struct block_io disk;
	atomic_uint left;
};

static int forgetful_read(void *userdata, uint64_t offset, void *data, size_t size)
{
	return block_read(&((struct forgetful *)userdata)->disk, offset, data, size);
}

static int forgetful_write(void *userdata, uint64_t offset, const void *data, size_t size)
{
	struct forgetful *forgetful = userdata;
	unsigned left = atomic_load(&forgetful->left);
	uint8_t wrong;
	int r = block_write(&forgetful->disk, offset, data, size);

	while (left > 0 && !atomic_compare_exchange_weak(&forgetful->left, &left, left - 1))
		;
	if (r < 0 || left == 0)
		return r;
	wrong = *(const uint8_t *)data ^ 1;
	return block_write(&forgetful->disk, offset, &wrong, 1);
}

static int forgetful_flush(void *userdata)
{
	return block_flush(&((struct forgetful *)userdata)->disk);
}

static struct block_io forgetful_io(struct forgetful *forgetful)
{
	static const struct block_ops ops = {
		.read = forgetful_read, .write = forgetful_write, .flush = forgetful_flush};

	return (struct block_io){.ops = &ops, .userdata = forgetful, .size = forgetful->disk.size};
}

static void what_a_disk_did_not_keep_is_brought_again(void **state)
{
	struct fixture *f = *state;
	struct forgetful forgetful = {.disk = f->slot.data, .left = 1};
	_cleanup_error_ struct error *err = NULL;

	f->slot.data = forgetful_io(&forgetful);
	run_well(f);
	assert_int_equal(forgetful.left, 0);
	assert_int_equal(f->result.rounds, 2);
	/* That has an end. */
	assert_int_equal(ftruncate(f->target.file.fd, 0), 0);
	assert_int_equal(ftruncate(f->target.file.fd, (off_t)f->target.size), 0);
	forgetful.left = UINT_MAX;
	assert_error(worker_bring(f->worker, &f->bring, &f->result, &err), -EBADMSG, err, "replace it");
	assert_int_equal(f->result.rounds, USR_UPDATE_ROUNDS);
}

static void a_write_that_fails_ends_it(void **state)
{
	struct fixture *f = *state;
	_cleanup_error_ struct error *err = NULL;
	int fd = f->target.file.fd, read_only = dup(f->target.read.fd);

	f->target.file.fd = read_only;
	assert_error(worker_bring(f->worker, &f->bring, &f->result, &err), -EBADF, err, "writing block ");
	assert_no_child();
	f->target.file.fd = fd;
	(void)close(read_only);
	run_well(f);
}

static void brings_it_whatever_is_there(void **state)
{
	struct fixture *f = *state;
	static const uint64_t windows[] = {0, 50, 128};

	for (unsigned i = 0; i < 6; i++) {
		f->bring.no_patch = f->bring.no_tree_delta = i % 2;
		f->bring.window = windows[i / 2];
		if (i >= 3)
			f->bring.active_data.size = f->bring.active_hash.size = 0;
		assert_int_equal(pwrite_full(f->target.file.fd, published.images[i % 2].data,
					 published.images[i % 2].blocks * BLOCK, (i % 4) * BLOCK),
			0);
		assert_int_equal(ftruncate(f->target_hash.file.fd, 0), 0);
		assert_int_equal(ftruncate(f->target_hash.file.fd, (off_t)f->target_hash.size), 0);
		run_well(f);
	}
}

static void brings_it_into_part_of_a_file(void **state)
{
	struct fixture *f = *state;
	struct place disk;
	_cleanup_free_ uint8_t *data = NULL;

	/* Both places in one file, one behind the other, and bytes around them that stay. */
	place_init(&disk, SLOT_BLOCKS + HASH_BLOCKS + 3, "", 0);
	f->slot.data = block_io_file(&disk.file, disk.size);
	assert_int_equal(block_io_part(&f->slot.data, (uint64_t)(SLOT_BLOCKS + 2) * BLOCK,
				 (uint64_t)HASH_BLOCKS * BLOCK, &f->slot.hash),
		0);
	assert_int_equal(
		block_io_part(&f->slot.data, BLOCK, (uint64_t)SLOT_BLOCKS * BLOCK, &f->slot.data), 0);
	f->bring.target_data = (struct worker_place){
		.fd = disk.read.fd, .begin = BLOCK, .size = (uint64_t)SLOT_BLOCKS * BLOCK};
	f->bring.target_hash = (struct worker_place){.fd = disk.read.fd,
		.begin = (uint64_t)(SLOT_BLOCKS + 2) * BLOCK,
		.size = (uint64_t)HASH_BLOCKS * BLOCK};
	assert_ok(worker_bring(f->worker, &f->bring, &f->result, NULL), NULL);
	place_read(&disk, &data);
	assert_memory_equal(data + BLOCK, published.images[2].data, published.images[2].blocks * BLOCK);
	for (size_t i = 0; i < BLOCK; i++)
		assert_true(data[i] == 0 && data[(size_t)(SLOT_BLOCKS + 1) * BLOCK + i] == 0);
	place_release(&disk);
}

static void second_run_fetches_nothing(void **state)
{
	struct fixture *f = *state;
	struct remote_counts counts;

	run_well(f);
	run_well(f);
	assert_int_equal(f->result.kept, published.images[2].blocks);
	worker_counts(f->worker, &counts);
	assert_int_equal(counts.requests, 0);
}

static void hostile_workers_are_found_out(void **state)
{
	struct fixture *f = *state;

	f->arguments[1] = "hostile";
	f->arguments[3] = published.data;
	f->arguments[4] = published.hash;
	for (size_t i = 0; i < ARRAY_SIZE(hostiles); i++) {
		const struct hostile *hostile = &hostiles[i];
		_cleanup_error_ struct error *err = NULL;
		int r;

		reset_target(f);
		f->arguments[2] = hostile->name;
		f->options.silence_seconds = hostile->code == -ETIMEDOUT ? 1 : 60;
		r = worker_bring(f->worker, &f->bring, &f->result, &err);
		if (r != hostile->code || !strstr(error_message(err), hostile->text))
			fail_msg("%s: %d: %s", hostile->name, r, error_message(err));
		assert_nothing_unproved(f);
		assert_no_child();
	}
	/* And what they left is no harm to an honest one. */
	f->arguments[1] = "worker";
	f->arguments[2] = NULL;
	f->options.silence_seconds = 60;
	run_well(f);
}

static void alive_forever_is_not_forever(void **state)
{
	struct fixture *f = *state;
	_cleanup_error_ struct error *err = NULL;

	http_server_fault(published.server, ".tree", HTTP_STALL, 10, 1);
	f->options.total_seconds = 2;
	assert_error(
		worker_bring(f->worker, &f->bring, &f->result, &err), -ETIMEDOUT, err, "not done after 2");
	f->options.total_seconds = 0;
	run_well(f);
}

static void stops_when_told_to(void **state)
{
	struct fixture *f = *state;
	_cleanup_error_ struct error *err = NULL;

	http_server_fault(published.server, ".tree", HTTP_STALL, 10, 1);
	f->stop = true;
	f->requests = http_server_requests(published.server, ".tree");
	assert_error(worker_bring(f->worker, &f->bring, &f->result, &err), -ECANCELED, err, "stopped");
	f->stop = false;
	run_well(f);
}

static int stop_at_once(enum usr_update_step step, uint64_t done, uint64_t total, void *userdata)
{
	(void)step;
	(void)done;
	(void)total;
	(void)userdata;
	return -EINTR;
}

static void stops_when_its_progress_is_not_wanted(void **state)
{
	struct fixture *f = *state;
	_cleanup_error_ struct error *err = NULL;

	f->bring.progress = stop_at_once;
	assert_error(worker_bring(f->worker, &f->bring, &f->result, &err), -EINTR, err, "stopped");
}

static void errors_come_from_the_worker(void **state)
{
	struct fixture *f = *state;
	_cleanup_error_ struct error *err = NULL;

	f->source.url = string_format("%s/nowhere", http_server_url(published.server));
	f->bring.no_patch = f->bring.no_tree_delta = true;
	assert_error(worker_bring(f->worker, &f->bring, &f->result, &err), -ENOENT, err,
		"nowhere/usr.verity.zst: the server does not have it");
	free((char *)f->source.url);
	assert_nothing_unproved(f);
}

static void wrong_files_on_the_server_are_refused(void **state)
{
	struct fixture *f = *state;
	_cleanup_error_ struct error *err = NULL;

	/* The index, which is asked for twice. */
	f->bring.no_patch = true;
	http_server_fault(published.server, ".blocks.zst", HTTP_OTHER_BYTE, 1, 2);
	assert_error(worker_bring(f->worker, &f->bring, &f->result, &err), -EBADMSG, err, "usr.blocks.zst");
	assert_nothing_unproved(f);
	run_well(f);
}

/* A release that is whole on the server is brought, whatever has become of what would have made it cheaper.
 */
static void what_can_be_done_without_is_done_without(void **state)
{
	struct fixture *f = *state;
	static const struct {
		enum http_fault fault;
		uint64_t argument;
	} faults[] = {{HTTP_STATUS, 404}, {HTTP_STATUS, 403}, {HTTP_STATUS, 416}, {HTTP_STATUS, 500},
		{HTTP_STATUS, 503}, {HTTP_STATUS, 501}, {HTTP_RETRY_AFTER, 4000}, {HTTP_PORTAL, 0},
		{HTTP_REDIRECT, 0}, {HTTP_OTHER_BYTE, 40}, {HTTP_SHORTER, 20}, {HTTP_LONGER, 7},
		{HTTP_CUT, 3}, {HTTP_RESET, 3}};
	static const char *const files[] = {".tree", ".patch"};

	for (size_t i = 0; i < ARRAY_SIZE(files) * ARRAY_SIZE(faults); i++) {
		const char *file = files[i % 2];
		_cleanup_error_ struct error *err = NULL;
		int r;

		reset_target(f);
		http_server_fault(published.server, file, faults[i / 2].fault, faults[i / 2].argument, 1000);
		r = worker_bring(f->worker, &f->bring, &f->result, &err);
		http_server_forgive(published.server);
		if (r < 0)
			fail_msg("%s, fault %zu: %s", file, i / 2, error_message(err));
		assert_updated(f);
		if (file == files[0])
			assert_false(f->result.tree_delta);
		else
			assert_true(f->result.fetched > 0);
	}
}

/* Files that have another size on the server than was signed, as a copy that is not finished has, or of
 * another release. */
static void what_has_another_size_is_done_without(void **state)
{
	struct fixture *f = *state;
	static const char *const changes[] = {"truncate -s -5", "truncate -s +5", "truncate -s 0"};

	for (size_t i = 0; i < 2 * ARRAY_SIZE(changes); i++) {
		_cleanup_free_ char *change =
			string_format("for f in from-*.%s; do cp $f kept-$f; %s $f; done",
				i % 2 ? "patch" : "tree", changes[i / 2]);
		_cleanup_error_ struct error *err = NULL;
		int r;

		reset_target(f);
		shell(published.folder, change);
		r = worker_bring(f->worker, &f->bring, &f->result, &err);
		shell(published.folder, "for f in kept-*; do mv $f ${f#kept-}; done");
		if (r < 0)
			fail_msg("%s: %s", change, error_message(err));
		assert_updated(f);
	}
}

static void bad_arguments_are_refused(void **state)
{
	struct fixture *f = *state;
	_cleanup_error_ struct error *err = NULL;

	f->bring.target_data.fd = f->target.file.fd;
	assert_error(worker_bring(f->worker, &f->bring, &f->result, &err), -EINVAL, err, "can be written");
	f->bring.target_data.fd = f->target.read.fd;
	f->options.program = "/nonexistent";
	assert_error(
		worker_bring(f->worker, &f->bring, &f->result, &err), -ENOENT, err, "starting the worker");
	f->options.program = NULL;
	f->slot.data.size = BLOCK;
	assert_error(worker_bring(f->worker, &f->bring, &f->result, &err), -ENOSPC, err, "too few");
	if (geteuid() == 0) {
		f->slot.data.size = f->target.size;
		f->options.uid = 0;
		assert_error(worker_bring(f->worker, &f->bring, &f->result, &err), -EINVAL, err,
			"a user and a group other than root");
	}
}

/* ---- Processes that end ---- */

/* Waits until somebody has asked the server for what it stalls at. */
static void await_requests(const char *suffix, unsigned before)
{
	uint64_t begun = http_now_ms();

	while (http_server_requests(published.server, suffix) == before) {
		assert_true(http_now_ms() - begun < PATIENCE_MS);
		(void)usleep(10000);
	}
}

static void worker_ends_with_its_parent(void **state)
{
	struct fixture *f = *state;
	unsigned before = http_server_requests(published.server, ".tree");
	int status;
	pid_t parent, orphan;

	/* The worker becomes this process's child when its parent is gone. */
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	http_server_fault(published.server, ".tree", HTTP_STALL, 10, 1);
	parent = fork();
	assert_true(parent >= 0);
	if (parent == 0) {
		(void)worker_bring(f->worker, &f->bring, &f->result, NULL);
		_exit(77);
	}
	await_requests(".tree", before);
	assert_int_equal(kill(parent, SIGKILL), 0);
	assert_int_equal(waitpid(parent, &status, 0), parent);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	orphan = waitpid(-1, &status, 0);
	assert_true(orphan > 0 && orphan != parent);
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 0), 0);
	run_well(f);
}

/* Kills the whole thing at random places: what is there is always right, and the next try goes on. */
static void goes_on_where_it_was_killed(void **state)
{
	struct fixture *f = *state;
	uint64_t seed = 5;

	f->bring.no_patch = true;
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	for (unsigned i = 0; i < 10; i++) {
		pid_t parent = fork();

		assert_true(parent >= 0);
		if (parent == 0) {
			(void)worker_bring(f->worker, &f->bring, &f->result, NULL);
			_exit(0);
		}
		(void)usleep((useconds_t)random_below(&seed, 60000));
		(void)kill(parent, SIGKILL);
		while (waitpid(-1, NULL, 0) > 0)
			;
		assert_nothing_unproved(f);
	}
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 0), 0);
	run_well(f);
}

/* ---- Files ---- */

static int keep(const uint8_t *data, size_t size, void *userdata, struct error **err)
{
	(void)err;
	buffer_append(userdata, data, size);
	return 0;
}

static void gets_a_file(void **state)
{
	struct fixture *f = *state;
	_cleanup_buffer_ struct buffer got = {};
	_cleanup_error_ struct error *err = NULL;
	const struct test_image *image = &published.images[2];
	uint8_t digest[SHA256_SIZE];
	struct worker_get get = {.source = &f->source,
		.name = "new",
		.size = image->blocks * BLOCK,
		.sha256 = digest,
		.fn = keep,
		.userdata = &got};

	assert_int_equal(sha256_bytes(image->data, image->blocks * BLOCK, digest), 0);
	assert_ok(worker_get(f->worker, &get, &err), err);
	assert_int_equal(got.size, get.size);
	assert_memory_equal(got.data, image->data, got.size);
	http_server_fault(published.server, "/new", HTTP_OTHER_BYTE, 5, 1);
	assert_error(worker_get(f->worker, &get, &err), -EBADMSG, err, "new: what the server has");
	get.name = "old";
	assert_error(worker_get(f->worker, &get, &err), -ENOENT, err, "old");
}

static int count_bytes(const uint8_t *data, size_t size, void *userdata, struct error **err)
{
	(void)data;
	(void)err;
	*(uint64_t *)userdata += size;
	return 0;
}

/* Some of it comes at once, as much as fits the buffers on the way. */
static void slows_down_as_told(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *path = string_format("%s/large", published.folder);
	_cleanup_free_ uint8_t *large = calloc(24, MiB(1));
	_cleanup_error_ struct error *err = NULL;
	uint64_t begun = http_now_ms(), have = 0;
	uint8_t digest[SHA256_SIZE];
	struct worker_get get = {.source = &f->source,
		.name = "large",
		.size = MiB(24),
		.sha256 = digest,
		.fn = count_bytes,
		.userdata = &have};

	assert_int_equal(file_write_atomic(path, large, get.size, 0644, NULL), 0);
	assert_int_equal(sha256_bytes(large, get.size, digest), 0);
	f->source.rate = rate_of;
	f->rate = MiB(12);
	assert_ok(worker_get(f->worker, &get, &err), err);
	assert_int_equal(have, get.size);
	assert_true(http_now_ms() - begun > 900);
}

static void gets_a_file_from_a_folder(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *url = string_format("file://%s", published.folder);
	_cleanup_error_ struct error *err = NULL;
	uint64_t have = 0;
	uint8_t digest[SHA256_SIZE];
	struct worker_get get = {.source = &f->source,
		.name = "new.hash",
		.size = published.images[2].hash_size,
		.sha256 = digest,
		.fn = count_bytes,
		.userdata = &have};

	f->source.url = url;
	assert_int_equal(sha256_bytes(published.images[2].hash, get.size, digest), 0);
	assert_ok(worker_get(f->worker, &get, &err), err);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
		TEST(brings_an_image),
		TEST(damaged_own_blocks_are_fetched),
		TEST(what_a_disk_did_not_keep_is_brought_again),
		TEST(a_write_that_fails_ends_it),
		TEST(brings_it_whatever_is_there),
		TEST(brings_it_into_part_of_a_file),
		TEST(second_run_fetches_nothing),
		TEST(hostile_workers_are_found_out),
		TEST(alive_forever_is_not_forever),
		TEST(stops_when_told_to),
		TEST(stops_when_its_progress_is_not_wanted),
		TEST(errors_come_from_the_worker),
		TEST(wrong_files_on_the_server_are_refused),
		TEST(what_can_be_done_without_is_done_without),
		TEST(what_has_another_size_is_done_without),
		TEST(bad_arguments_are_refused),
		TEST(worker_ends_with_its_parent),
		TEST(goes_on_where_it_was_killed),
		TEST(gets_a_file),
		TEST(gets_a_file_from_a_folder),
		TEST(slows_down_as_told),
#undef TEST
	};

	if (argc == 2 && streq(argv[1], "worker"))
		worker_main();
	if (argc == 5 && streq(argv[1], "hostile"))
		be_hostile(argv[2], argv[3], argv[4]);
	return cmocka_run_group_tests(tests, publish, unpublish);
}
