/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Format and writer of the compressed image; `zstd` is the judge of what is written. */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/file.h"
#include "base/process.h"
#include "base/string-util.h"
#include "format/blocks.h"
#include "release/blocks-write.h"
#include "trees.h"

#define BLOCKS 100
#define SIZE ((size_t)BLOCKS * 4096)

struct scratch {
	char folder[64], *image, *file;
	uint8_t *data;
};

static int set_up(void **state)
{
	struct scratch *s = calloc(1, sizeof(*s));
	uint64_t seed = 5;

	(void)snprintf(s->folder, sizeof(s->folder), "/tmp/orlop-test-blocks-XXXXXX");
	assert_non_null(mkdtemp(s->folder));
	s->image = string_format("%s/image", s->folder);
	s->file = string_format("%s/file.zst", s->folder);
	s->data = malloc(SIZE);
	for (size_t i = 0; i < SIZE; i++)
		s->data[i] = (uint8_t)(i % 4096 < 3000 ? i / 70 : random_next(&seed));
	assert_int_equal(file_write_atomic(s->image, s->data, SIZE, 0644, NULL), 0);
	*state = s;
	return 0;
}

static int tear_down(void **state)
{
	struct scratch *s = *state;

	assert_int_equal(remove_tree(s->folder, NULL), 0);
	free(s->image);
	free(s->file);
	free(s->data);
	free(s);
	return 0;
}

static struct blocks_write_result write_file(
	const struct scratch *s, uint32_t frame, unsigned threads, uint8_t **ret)
{
	const struct blocks_write_options options = {.frame_size = frame, .level = 3, .threads = threads};
	_cleanup_fclose_ FILE *image = fopen(s->image, "re"), *file = fopen(s->file, "w+e");
	struct blocks_write_result result;
	_cleanup_error_ struct error *err = NULL;
	char *bytes;

	assert_ok(blocks_write(fileno(image), SIZE, fileno(file), &options, &result, &err), err);
	assert_int_equal(file_read(s->file, MiB(4), &bytes, NULL, NULL), 0);
	*ret = (uint8_t *)bytes;
	return result;
}

static int parse(const uint8_t *bytes, const struct blocks_write_result *result, struct blocks_index *ret,
	struct error **err)
{
	return blocks_index_parse(bytes + result->size - result->index_size, result->index_size, result->size,
		BLOCKS, ret, err);
}

static void every_frame_is_what_the_image_has(void **state)
{
	const struct scratch *s = *state;
	static const uint32_t frames[] = {0, 4096, 12288, 65536, 1048576};

	for (size_t i = 0; i < ARRAY_SIZE(frames); i++) {
		_cleanup_free_ uint8_t *bytes = NULL, *frame = malloc(MiB(1));
		struct blocks_write_result result = write_file(s, frames[i], 2, &bytes);
		ZSTD_DCtx *zstd = ZSTD_createDCtx();
		_cleanup_error_ struct error *err = NULL;
		struct blocks_index index;
		const uint8_t *at = bytes;

		assert_ok(parse(bytes, &result, &index, &err), err);
		assert_int_equal(result.index_size, blocks_index_size(index.frames));
		for (size_t j = 0; j < index.frames; j++) {
			size_t size = (size_t)blocks_frame_blocks(&index, j) * 4096;

			assert_ok(blocks_frame_decode(
					  zstd, at, blocks_frame_size(&index, j), frame, size, &err),
				err);
			assert_memory_equal(frame, s->data + j * index.frame_blocks * 4096, size);
			at += blocks_frame_size(&index, j);
		}
		ZSTD_freeDCtx(zstd);
	}
}

static void zstd_makes_the_image_of_it(void **state)
{
	const struct scratch *s = *state;
	const char *const arguments[] = {"zstd", "-dcq", s->file, NULL};
	_cleanup_process_result_ struct process_result result = {};
	_cleanup_free_ uint8_t *bytes = NULL;
	_cleanup_error_ struct error *err = NULL;

	(void)write_file(s, 16384, 1, &bytes);
	assert_ok(process_run(arguments, NULL, 0, MiB(4), &result, &err), err);
	assert_int_equal(result.status, 0);
	assert_int_equal(result.output.size, SIZE);
	assert_memory_equal(result.output.data, s->data, SIZE);
}

static void the_number_of_threads_changes_nothing(void **state)
{
	const struct scratch *s = *state;
	_cleanup_free_ uint8_t *one = NULL, *many = NULL;
	struct blocks_write_result result = write_file(s, 4096, 1, &one);

	assert_int_equal(write_file(s, 4096, 7, &many).size, result.size);
	assert_memory_equal(one, many, result.size);
}

static void sizes_that_the_format_does_not_have_are_refused(void **state)
{
	const struct scratch *s = *state;
	static const struct {
		uint64_t size;
		uint32_t frame;
	} cases[] = {{0, 0}, {4095, 0}, {SIZE, 5000}, {SIZE, 2 << 20}};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct blocks_write_options options = {.frame_size = cases[i].frame, .level = 1};
		_cleanup_fclose_ FILE *image = fopen(s->image, "re"), *file = fopen(s->file, "w+e");
		struct blocks_write_result result;
		_cleanup_error_ struct error *err = NULL;

		assert_error(
			blocks_write(fileno(image), cases[i].size, fileno(file), &options, &result, &err),
			-EINVAL, err, "whole blocks");
	}
}

/* A table as the specification draws it, for frames of 10 and 20 bytes that hold 8192 and 4096. */
static const uint8_t table[] = {0x5e, 0x2a, 0x4d, 0x18, 25, 0, 0, 0, /* header */
	10, 0, 0, 0, 0, 0x20, 0, 0, 20, 0, 0, 0, 0, 0x10, 0, 0,	     /* entries */
	2, 0, 0, 0, 0, 0xb1, 0xea, 0x92, 0x8f};
static const uint8_t table_with_checksums[] = {0x5e, 0x2a, 0x4d, 0x18, 33, 0, 0, 0, 10, 0, 0, 0, 0, 0x20, 0,
	0, 1, 2, 3, 4, 20, 0, 0, 0, 0, 0x10, 0, 0, 5, 6, 7, 8, 2, 0, 0, 0, 0x80, 0xb1, 0xea, 0x92, 0x8f};

static void reads_what_the_specification_draws(void **state)
{
	struct blocks_index index;
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_ok(blocks_index_parse(table, sizeof(table), sizeof(table) + 30, 3, &index, &err), err);
	assert_int_equal(index.frames, 2);
	assert_int_equal(index.frame_blocks, 2);
	assert_int_equal(blocks_frame_size(&index, 1), 20);
	assert_int_equal(blocks_frame_blocks(&index, 1), 1);
	assert_ok(blocks_index_parse(table_with_checksums, sizeof(table_with_checksums),
			  sizeof(table_with_checksums) + 30, 3, &index, &err),
		err);
	assert_int_equal(blocks_frame_size(&index, 1), 20);
	assert_int_equal(blocks_frame_blocks(&index, 0), 2);
}

static void tables_that_lie_are_refused(void **state)
{
	static const struct {
		size_t at;
		uint32_t value; /* 32 bits there */
		uint64_t file, blocks;
		int code;
		const char *text;
	} cases[] = {
		{0, 0x184D2A5F, 30, 3, -EBADMSG, "no seek table"},
		{4, 26, 30, 3, -EBADMSG, "no seek table"},
		{29, 0x8F92EAB2, 30, 3, -EBADMSG, "no seek table"},
		{24, 3, 30, 3, -EBADMSG, "does not hold 3 frames"},
		{24, 0, 30, 3, -EBADMSG, "does not hold 0 frames"},
		{24, UINT32_MAX, 30, 3, -EFBIG, "are more than"},
		{8, 0, 20, 3, -EBADMSG, "frame 0 has 0 bytes"},
		{8, 100000, 100020, 3, -EBADMSG, "frame 0 has 100000 bytes"},
		{8, 11, 30, 3, -EBADMSG, "the file has 30"},
		{12, 0, 30, 1, -EBADMSG, "no whole blocks"},
		{12, 8191, 30, 3, -EBADMSG, "no whole blocks"},
		{12, 0x80000000, 30, 524289, -EFBIG, "more than"},
		{12, 1 << 21, 30, 513, -EFBIG, "more than"},
		{20, 12288, 30, 5, -EBADMSG, "the first one 8192"},
		{16, 20, 30, 4, -EBADMSG, "hold 3 blocks, the image has 4"},
		{16, 20, 30, 2, -EBADMSG, "hold 3 blocks, the image has 2"},
		{16, 20, 29, 3, -EBADMSG, "the file has 29"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint8_t bytes[sizeof(table)];
		struct blocks_index index;
		_cleanup_error_ struct error *err = NULL;

		memcpy(bytes, table, sizeof(table));
		write_le32(bytes + cases[i].at, cases[i].value);
		assert_error(blocks_index_parse(bytes, sizeof(bytes), sizeof(bytes) + cases[i].file,
				     cases[i].blocks, &index, &err),
			cases[i].code, err, cases[i].text);
	}
	for (size_t size = 0; size < sizeof(table); size++) {
		_cleanup_error_ struct error *err = NULL;
		struct blocks_index index;

		assert_error(blocks_index_parse(table, size, 100, 3, &index, &err), -EBADMSG, err,
			"no seek table");
	}
}

static void reserved_bits_are_refused(void **state)
{
	uint8_t bytes[sizeof(table)];

	(void)state;
	for (unsigned bit = 0; bit < 7; bit++) {
		struct blocks_index index;
		_cleanup_error_ struct error *err = NULL;
		int r;

		memcpy(bytes, table, sizeof(table));
		bytes[28] = (uint8_t)(1u << bit);
		r = blocks_index_parse(bytes, sizeof(bytes), sizeof(bytes) + 30, 3, &index, &err);
		/* Bits 0 and 1 are unused: a reader does not look at them. */
		assert_int_equal(r, bit < 2 ? 0 : -EBADMSG);
	}
}

/* A frame that says nothing of its size, and holds more than there is room for: a bomb. */
static void frames_make_what_they_should_or_nothing(void **state)
{
	_cleanup_free_ uint8_t *zeros = calloc(1, MiB(8)), *out = malloc(MiB(1));
	uint8_t bomb[4096];
	ZSTD_DCtx *zstd = ZSTD_createDCtx();
	_cleanup_error_ struct error *err = NULL;
	size_t n = ZSTD_compress(bomb, sizeof(bomb), zeros, MiB(8), 3);

	(void)state;
	assert_false(ZSTD_isError(n));
	assert_error(blocks_frame_decode(zstd, bomb, n, out, MiB(1), &err), -EBADMSG, err, "decompressed");
	n = ZSTD_compress(bomb, sizeof(bomb), zeros, 4096, 3);
	assert_error(blocks_frame_decode(zstd, bomb, n, out, 8192, &err), -EBADMSG, err, "holds 4096 bytes");
	assert_error(blocks_frame_decode(zstd, bomb, n - 1, out, 4096, &err), -EBADMSG, err, "decompressed");
	assert_error(blocks_frame_decode(zstd, zeros, 100, out, 4096, &err), -EBADMSG, err, "decompressed");
	ZSTD_freeDCtx(zstd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
		TEST(every_frame_is_what_the_image_has),
		TEST(zstd_makes_the_image_of_it),
		TEST(the_number_of_threads_changes_nothing),
		TEST(sizes_that_the_format_does_not_have_are_refused),
#undef TEST
		cmocka_unit_test(reads_what_the_specification_draws),
		cmocka_unit_test(tables_that_lie_are_refused),
		cmocka_unit_test(reserved_bits_are_refused),
		cmocka_unit_test(frames_make_what_they_should_or_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
