/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "format/tree-delta.h"
#include "trees.h"

/* Digests of a number each, of which few differ, so that runs are found. */
static uint8_t *digests_of(const uint32_t *numbers, size_t count)
{
	uint8_t *digests = calloc(count + 1, SHA256_SIZE);

	for (size_t i = 0; i < count; i++)
		assert_int_equal(sha256_bytes(&numbers[i], sizeof(numbers[i]), digests + i * SHA256_SIZE), 0);
	return digests;
}

/* What a file makes of the old digests. */
static void apply(const struct tree_delta *delta, const uint8_t *old, struct buffer *ret)
{
	struct tree_delta_cursor cursor = {};
	struct tree_delta_step step;

	while (tree_delta_next(delta, &cursor, &step)) {
		buffer_append(ret, step.digests, step.fresh * SHA256_SIZE);
		buffer_append(ret, old + step.from * SHA256_SIZE, step.copied * SHA256_SIZE);
	}
}

static void what_is_written_is_what_is_read(void **state)
{
	uint64_t seed = 3;

	(void)state;
	for (unsigned i = 0; i < 300; i++) {
		uint32_t old[200], new[200];
		size_t old_count = random_below(&seed, 200) + 1, new_count = random_below(&seed, 200) + 1;
		_cleanup_free_ uint8_t *old_digests = NULL, *new_digests = NULL;
		_cleanup_buffer_ struct buffer file = {}, made = {};
		_cleanup_error_ struct error *err = NULL;
		struct tree_delta delta;

		for (size_t j = 0; j < old_count; j++)
			old[j] = (uint32_t)random_below(&seed, 400);
		for (size_t j = 0, from = 0; j < new_count; j++, from++) {
			if (random_below(&seed, 10) == 0)
				from = random_below(&seed, old_count);
			new[j] = random_below(&seed, 8) == 0 ? 1000 + (uint32_t)j : old[from % old_count];
		}
		old_digests = digests_of(old, old_count);
		new_digests = digests_of(new, new_count);
		assert_ok(tree_delta_write(old_digests, old_count, new_digests, new_count, &file, &err), err);
		assert_ok(tree_delta_parse(file.data, file.size, old_count, new_count, &delta, &err), err);
		apply(&delta, old_digests, &made);
		assert_int_equal(made.size, new_count * SHA256_SIZE);
		assert_memory_equal(made.data, new_digests, made.size);
		/* No digest that the old one has is sent. */
		for (uint64_t j = 0; j < delta.digest_count; j++)
			for (size_t k = 0; k < old_count; k++)
				assert_memory_not_equal(delta.digests + j * SHA256_SIZE,
					old_digests + k * SHA256_SIZE, SHA256_SIZE);
	}
}

static void trees_with_nothing_in_common_are_not_worth_it(void **state)
{
	size_t count = TREE_DELTA_MAX / SHA256_SIZE + 10;
	_cleanup_free_ uint8_t *old = calloc(count, SHA256_SIZE), *new = calloc(count, SHA256_SIZE);
	_cleanup_buffer_ struct buffer file = {};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	for (size_t i = 0; i < count; i++)
		write_le64(new + i *SHA256_SIZE, i + 1);
	assert_error(tree_delta_write(old, count, new, count, &file, &err), -EFBIG, err, "in common");
}

/* A file of two steps between images of 10 and 6 blocks: one new, blocks 3 to 5; one new, block 9. */
static const uint8_t header[] = {'o', 'r', 'l', 'o', 'p', '-', 't', 'd', 1, 0, 0, 0, 6, 0, 0, 0, 10, 0, 0, 0,
	0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0};
static const uint8_t good_steps[] = {1, 3, 6, 1, 1, 6};

static int parse_steps(const uint8_t *steps, size_t size, size_t digests, struct error **err)
{
	_cleanup_buffer_ struct buffer file = {};
	struct tree_delta delta;

	buffer_append(&file, header, sizeof(header));
	write_le32(file.data + 12, (uint32_t)size);
	buffer_append(&file, steps, size);
	buffer_append_zeros(&file, digests * SHA256_SIZE);
	return tree_delta_parse(file.data, file.size, 10, 6, &delta, err);
}

static void files_that_lie_are_refused(void **state)
{
	static const struct {
		uint8_t steps[24];
		size_t size, digests;
		const char *text;
	} cases[] = {
		{{1, 3, 6, 1, 1, 6}, 6, 1, "more digests than there are"},
		{{1, 3, 6, 1, 1, 6}, 6, 3, "2 of them new"},
		{{1, 3, 6, 1}, 4, 2, "damaged"},
		{{1, 3, 6, 1, 1}, 5, 2, "damaged"},
		{{1, 3, 6, 0, 0}, 5, 1, "damaged"},
		{{1, 3, 6, 1, 0}, 5, 2, "2 of them new"},
		{{1, 3, 6, 1, 2, 6}, 6, 2, "outside it"},
		{{1, 3, 5, 1, 1, 6}, 6, 2, "outside it"},
		{{1, 3, 16, 1, 1, 6}, 6, 2, "outside it"},
		{{1, 3, 6, 1, 2, 5}, 6, 2, "more digests than there are"},
		{{1, 3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 1, 1, 6}, 15, 2,
			"outside it"},
		{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 3, 6}, 12, 2, "more digests"},
		{{1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0}, 12, 1, "outside it"},
		{{0x81, 0, 3, 6, 1, 1, 6}, 7, 2, "damaged"},
		{{0}, 0, 0, "0 digests"},
	};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_ok(parse_steps(good_steps, sizeof(good_steps), 2, &err), err);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_error_ struct error *fault = NULL;

		assert_error(parse_steps(cases[i].steps, cases[i].size, cases[i].digests, &fault), -EBADMSG,
			fault, cases[i].text);
	}
}

static void headers_that_lie_are_refused(void **state)
{
	_cleanup_buffer_ struct buffer file = {};
	struct tree_delta delta;
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	buffer_append(&file, header, sizeof(header));
	buffer_append(&file, good_steps, sizeof(good_steps));
	buffer_append_zeros(&file, 2 * SHA256_SIZE);
	assert_error(
		tree_delta_parse(file.data, file.size, 11, 6, &delta, &err), -EBADMSG, err, "leads from 10");
	assert_error(
		tree_delta_parse(file.data, file.size, 10, 7, &delta, &err), -EBADMSG, err, "leads from 10");
	for (size_t i = 0; i < 32; i++) {
		file.data[i] ^= 0x40;
		assert_int_equal(tree_delta_parse(file.data, file.size, 10, 6, &delta, NULL), -EBADMSG);
		file.data[i] ^= 0x40;
	}
	for (size_t size = 0; size < file.size; size++)
		assert_int_equal(tree_delta_parse(file.data, size, 10, 6, &delta, NULL), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_what_is_read),
		cmocka_unit_test(trees_with_nothing_in_common_are_not_worth_it),
		cmocka_unit_test(files_that_lie_are_refused),
		cmocka_unit_test(headers_that_lie_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
