/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "format/compressor.h"

#define DATA_SIZE 400000

static const enum compression_algorithm algorithms[] = {COMPRESSION_LZ4, COMPRESSION_LZ4HC, COMPRESSION_ZSTD};

/* Numbers in words, which compress to about a third. */
static uint8_t *make_data(void)
{
	char *data = calloc(1, DATA_SIZE + 64);
	size_t at = 0;

	assert_non_null(data);
	for (unsigned i = 0; at < DATA_SIZE; i++)
		at += (size_t)snprintf(data + at, 64, "number %u and its square %u\n", i, i * i);
	return (uint8_t *)data;
}

static void what_fits_comes_back(void **state)
{
	static const size_t rooms[] = {64, 200, 4096, 5000, 65536};
	_cleanup_free_ uint8_t *data = make_data(), *to = malloc(65536), *back = malloc(DATA_SIZE);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(algorithms); i++) {
		int least, most, usual;

		compression_levels(algorithms[i], &least, &most, &usual);
		for (int level = least; level <= most; level += 3) {
			const struct compression compression = {algorithms[i], level};
			_cleanup_compressor_ struct compressor *compressor = NULL;

			assert_int_equal(compressor_new(&compression, &compressor), 0);
			for (size_t j = 0; j < ARRAY_SIZE(rooms); j++) {
				size_t used = 0;
				int n = compressor_fit(compressor, data, DATA_SIZE, to, rooms[j], &used);

				assert_in_range(n, 0, rooms[j]);
				if (n == 0) {
					assert_true(rooms[j] <= 200);
					continue;
				}
				assert_in_range(used, n + 1, DATA_SIZE);
				assert_int_equal(
					compression_decode(algorithms[i], to, (size_t)n, back, used), 0);
				assert_memory_equal(back, data, used);
			}
		}
	}
}

/* Room is filled but for a little, or the whole data is in. */
static void little_room_is_left(void **state)
{
	_cleanup_free_ uint8_t *data = make_data(), *to = malloc(65536);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(algorithms); i++) {
		const struct compression compression = {algorithms[i], 0};
		_cleanup_compressor_ struct compressor *compressor = NULL;
		size_t used = 0;
		int n;

		assert_int_equal(compressor_new(&compression, &compressor), 0);
		n = compressor_fit(compressor, data, DATA_SIZE, to, 32768, &used);
		assert_true(used < DATA_SIZE && n > 32768 - 2048);
		n = compressor_fit(compressor, data, 20000, to, 65536, &used);
		assert_int_equal(used, 20000);
		assert_in_range(n, 1, 10000);
	}
}

static void make_noise(uint8_t *data, size_t size)
{
	uint64_t number = 88172645463325252u;

	for (size_t i = 0; i < size; i++) {
		number ^= number << 13;
		number ^= number >> 7;
		number ^= number << 17;
		data[i] = (uint8_t)(number >> 32);
	}
}

/* Where text turns into noise, a piece does not fit: what is left of the last 4 KiB takes data all the same.
 */
static void what_is_stored_in_blocks_fills_them(void **state)
{
	_cleanup_free_ uint8_t *data = make_data(), *to = malloc(65536), *back = malloc(DATA_SIZE);

	(void)state;
	make_noise(data + 150000, DATA_SIZE - 150000);
	for (int level = 1; level <= 19; level += 6) {
		const struct compression compression = {COMPRESSION_ZSTD, level};
		_cleanup_compressor_ struct compressor *compressor = NULL;
		size_t used = 0;
		int n;

		assert_int_equal(compressor_new(&compression, &compressor), 0);
		n = compressor_fit(compressor, data, DATA_SIZE, to, 65536, &used);
		assert_true(n > 0 && n <= 65536);
		assert_int_equal(n % COMPRESSION_GRAIN, 0);
		assert_in_range(used, n + 1, DATA_SIZE);
		assert_int_equal(compression_decode(COMPRESSION_ZSTD, to, (size_t)n, back, used), 0);
		assert_memory_equal(back, data, used);
		n = compressor_fit(compressor, data, DATA_SIZE, to, 50000, &used);
		assert_true(n > 0 && (n == 50000 || n % COMPRESSION_GRAIN == 0));
		assert_int_equal(compression_decode(COMPRESSION_ZSTD, to, (size_t)n, back, used), 0);
		assert_memory_equal(back, data, used);
	}
}

static void noise_does_not_become_smaller(void **state)
{
	_cleanup_free_ uint8_t *data = malloc(DATA_SIZE), *to = malloc(65536);

	(void)state;
	make_noise(data, DATA_SIZE);
	for (size_t i = 0; i < ARRAY_SIZE(algorithms); i++) {
		const struct compression compression = {algorithms[i], 0};
		_cleanup_compressor_ struct compressor *compressor = NULL;
		size_t used = 0;

		assert_int_equal(compressor_new(&compression, &compressor), 0);
		assert_int_equal(compressor_fit(compressor, data, DATA_SIZE, to, 65536, &used), 0);
		assert_int_equal(compressor_fit(compressor, data, 1000, to, 65536, &used), 0);
	}
}

/* After data that compresses well, and after noise: the guess that was learnt from it is given up. */
static void what_came_before_does_not_matter_after_a_reset(void **state)
{
	const struct compression compression = {COMPRESSION_ZSTD, 3};
	_cleanup_free_ uint8_t *data = make_data(), *zeros = calloc(1, DATA_SIZE), *one = malloc(65536);
	_cleanup_free_ uint8_t *other = malloc(65536);
	uint8_t *to[2] = {one, other};
	_cleanup_compressor_ struct compressor *compressor = NULL;
	size_t used[2];
	int n[2];

	(void)state;
	assert_int_equal(compressor_new(&compression, &compressor), 0);
	n[0] = compressor_fit(compressor, data, DATA_SIZE, to[0], 65536, &used[0]);
	assert_true(compressor_fit(compressor, zeros, DATA_SIZE, to[1], 65536, &used[1]) > 0);
	compressor_reset(compressor);
	n[1] = compressor_fit(compressor, data, DATA_SIZE, to[1], 65536, &used[1]);
	assert_int_equal(n[0], n[1]);
	assert_int_equal(used[0], used[1]);
	assert_memory_equal(to[0], to[1], (size_t)n[0]);
}

static void damage_is_an_error(void **state)
{
	_cleanup_free_ uint8_t *data = make_data(), *to = malloc(65536), *back = malloc(DATA_SIZE);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(algorithms); i++) {
		const struct compression compression = {algorithms[i], 0};
		_cleanup_compressor_ struct compressor *compressor = NULL;
		size_t used = 0;
		int n;

		assert_int_equal(compressor_new(&compression, &compressor), 0);
		n = compressor_fit(compressor, data, DATA_SIZE, to, 4096, &used);
		assert_true(n > 0);
		assert_int_equal(compression_decode(algorithms[i], to, (size_t)n - 1, back, used), -EBADMSG);
		assert_int_equal(compression_decode(algorithms[i], to, (size_t)n, back, used - 1), -EBADMSG);
		assert_int_equal(compression_decode(algorithms[i], to, (size_t)n, back, used + 1), -EBADMSG);
		assert_int_equal(compression_decode(algorithms[i], to, 0, back, used), -EBADMSG);
	}
}

static void names_and_levels_are_known(void **state)
{
	static const struct {
		const char *text;
		struct compression compression;
		const char *error; /* NULL: there is none */
	} cases[] = {
		{"none", {COMPRESSION_NONE, 0}, NULL},
		{"lz4", {COMPRESSION_LZ4, 0}, NULL},
		{"lz4hc", {COMPRESSION_LZ4HC, 0}, NULL},
		{"lz4hc:12", {COMPRESSION_LZ4HC, 12}, NULL},
		{"zstd:1", {COMPRESSION_ZSTD, 1}, NULL},
		{"zstd:22", {COMPRESSION_ZSTD, 22}, NULL},
		{"zstd:23", {}, "no level of zstd, which are 1 to 22"},
		{"zstd:0", {}, "no level"},
		{"zstd:", {}, "no level"},
		{"zstd:-1", {}, "no level"},
		{"lz4:1", {}, "lz4 has no levels"},
		{"none:1", {}, "none has no levels"},
		{"lzma", {}, "none of none, lz4, lz4hc and zstd"},
		{"zst", {}, "none of none"},
		{"", {}, "none of none"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct compression found = {COMPRESSION_LZ4, -1};
		_cleanup_error_ struct error *err = NULL;
		int r = compression_parse(cases[i].text, &found, &err);

		if (cases[i].error) {
			assert_error(r, -EINVAL, err, cases[i].error);
			assert_int_equal(found.level, -1);
			continue;
		}
		assert_ok(r, err);
		assert_int_equal(found.algorithm, cases[i].compression.algorithm);
		assert_int_equal(found.level, cases[i].compression.level);
		assert_int_equal(compression_library(found.algorithm).version[0] == 0,
			found.algorithm == COMPRESSION_NONE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_fits_comes_back),
		cmocka_unit_test(little_room_is_left),
		cmocka_unit_test(what_is_stored_in_blocks_fills_them),
		cmocka_unit_test(noise_does_not_become_smaller),
		cmocka_unit_test(what_came_before_does_not_matter_after_a_reset),
		cmocka_unit_test(damage_is_an_error),
		cmocka_unit_test(names_and_levels_are_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
