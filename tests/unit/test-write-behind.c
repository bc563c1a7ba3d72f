/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>

#include "base/write-behind.h"

#define BLOCK 4096
#define BLOCKS 64

/* A disk that can be made to wait, and to fail. */
struct slow_disk {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool held;
	unsigned writes; /* begun */
	uint64_t fail_at;
	uint8_t data[BLOCKS * BLOCK];
};

static int disk_write(void *userdata, uint64_t offset, const void *data, size_t size)
{
	struct slow_disk *disk = userdata;

	pthread_mutex_lock(&disk->lock);
	disk->writes++;
	pthread_cond_broadcast(&disk->changed);
	while (disk->held)
		pthread_cond_wait(&disk->changed, &disk->lock);
	pthread_mutex_unlock(&disk->lock);
	if (offset == disk->fail_at)
		return -EIO;
	memcpy(disk->data + offset, data, size);
	return 0;
}

static void hold(struct slow_disk *disk, bool held)
{
	pthread_mutex_lock(&disk->lock);
	disk->held = held;
	pthread_cond_broadcast(&disk->changed);
	pthread_mutex_unlock(&disk->lock);
}

static void wait_for_write(struct slow_disk *disk, unsigned number)
{
	pthread_mutex_lock(&disk->lock);
	while (disk->writes < number)
		pthread_cond_wait(&disk->changed, &disk->lock);
	pthread_mutex_unlock(&disk->lock);
}

struct fixture {
	struct slow_disk disk;
	struct write_behind *writer;
};

static int set_up(void **state)
{
	static const struct block_ops ops = {.write = disk_write};
	struct fixture *f = calloc(1, sizeof(*f));
	struct block_io io;

	assert_non_null(f);
	pthread_mutex_init(&f->disk.lock, NULL);
	pthread_cond_init(&f->disk.changed, NULL);
	f->disk.fail_at = UINT64_MAX;
	io = (struct block_io){.ops = &ops, .userdata = &f->disk, .size = sizeof(f->disk.data)};
	assert_int_equal(write_behind_new(&io, &f->writer, NULL), 0);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	write_behind_free(f->writer);
	free(f);
	return 0;
}

static uint8_t *buffer_of(size_t block, uint8_t *spare)
{
	uint8_t *buffer = spare ? spare : malloc(BLOCK);

	assert_non_null(buffer);
	memset(buffer, (int)block + 1, BLOCK);
	return buffer;
}

static void put(struct fixture *f, size_t block, uint8_t **spare)
{
	assert_int_equal(
		write_behind_put(f->writer, block * BLOCK, buffer_of(block, *spare), BLOCK, spare), 0);
}

static void assert_written(const struct fixture *f, size_t begin, size_t end)
{
	for (size_t i = begin * BLOCK; i < end * BLOCK; i++)
		assert_int_equal(f->disk.data[i], i / BLOCK + 1);
}

static bool can_be_read(const struct write_behind *writer)
{
	struct pollfd wait = {.fd = write_behind_fd(writer), .events = POLLIN};

	return poll(&wait, 1, 0) == 1;
}

static void all_that_is_put_is_written_and_buffers_come_back(void **state)
{
	struct fixture *f = *state;
	uint8_t *spare = NULL;
	unsigned made = 0;

	for (size_t block = 0; block < BLOCKS; block++) {
		made += !spare;
		put(f, block, &spare);
	}
	free(spare);
	assert_int_equal(write_behind_drain(f->writer, NULL), 0);
	assert_written(f, 0, BLOCKS);
	assert_int_equal(write_behind_count(f->writer), BLOCKS);
	assert_int_equal(made, WRITE_BEHIND_DEPTH + 1);
}

static void nothing_is_waited_for_until_it_is_full(void **state)
{
	struct fixture *f = *state;
	uint8_t *spare = NULL;

	assert_false(can_be_read(f->writer));
	hold(&f->disk, true);
	for (size_t block = 0; block < WRITE_BEHIND_DEPTH; block++) {
		put(f, block, &spare);
		assert_null(spare);
	}
	wait_for_write(&f->disk, 1);
	assert_int_equal(write_behind_count(f->writer), 0);
	assert_false(can_be_read(f->writer));
	hold(&f->disk, false);
	assert_int_equal(write_behind_drain(f->writer, NULL), 0);
	assert_int_equal(write_behind_count(f->writer), WRITE_BEHIND_DEPTH);
}

static void tells_when_something_was_written(void **state)
{
	struct fixture *f = *state;
	struct pollfd wait = {.fd = write_behind_fd(f->writer), .events = POLLIN};
	uint8_t *spare = NULL;

	put(f, 0, &spare);
	assert_int_equal(poll(&wait, 1, 60000), 1);
	assert_int_equal(write_behind_count(f->writer), 1);
	assert_false(can_be_read(f->writer));
}

static void after_a_failure_nothing_is_written(void **state)
{
	struct fixture *f = *state;
	uint8_t *spare = NULL;
	uint64_t offset = 0;

	hold(&f->disk, true);
	f->disk.fail_at = BLOCK;
	for (size_t block = 0; block < WRITE_BEHIND_DEPTH; block++)
		put(f, block, &spare);
	hold(&f->disk, false);
	assert_int_equal(write_behind_drain(f->writer, &offset), -EIO);
	assert_int_equal(offset, BLOCK);
	assert_written(f, 0, 1);
	for (size_t i = BLOCK; i < sizeof(f->disk.data); i++)
		assert_int_equal(f->disk.data[i], 0);
	assert_int_equal(write_behind_put(f->writer, 0, buffer_of(7, spare), BLOCK, &spare), -EIO);
	free(spare);
	assert_int_equal(write_behind_drain(f->writer, NULL), -EIO);
	assert_written(f, 0, 1);
}

static void ending_it_waits_for_what_was_put(void **state)
{
	struct fixture *f = *state;
	uint8_t *spare = NULL;

	for (size_t block = 0; block < WRITE_BEHIND_DEPTH; block++)
		put(f, block, &spare);
	f->writer = write_behind_free(f->writer);
	assert_null(f->writer);
	assert_written(f, 0, WRITE_BEHIND_DEPTH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
		TEST(all_that_is_put_is_written_and_buffers_come_back),
		TEST(nothing_is_waited_for_until_it_is_full),
		TEST(tells_when_something_was_written),
		TEST(after_a_failure_nothing_is_written),
		TEST(ending_it_waits_for_what_was_put),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
