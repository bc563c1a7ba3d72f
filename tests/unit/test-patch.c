/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <lzma.h>
#include <string.h>

#include "base/bytes.h"
#include "format/patch.h"
#include "release/difference.h"
#include "release/suffix.h"
#include "trees.h"

static void runs_are_read_as_they_were_written(void **state)
{
	static const struct patch_run targets[] = {{5, 2}, {9, 1}}, sources[] = {{90, 10}, {0, 3}, {3, 1}},
				      more[] = {{10, 4}};
	const struct patch_entry entries[] = {
		{.method = PATCH_DIFFERENCE, .size = 100, .targets = targets, .sources = sources, 2, 3},
		{.method = PATCH_PREFIX, .size = 7, .targets = more, .target_count = 1}};
	_cleanup_buffer_ struct buffer file = {};
	_cleanup_error_ struct error *err = NULL;
	struct patch_cursor cursor = {};
	struct patch_index index;
	struct patch_frame frame;

	(void)state;
	assert_ok(patch_index_write(entries, 2, 100, 14, &file, &err), err);
	assert_ok(patch_index_parse(file.data, file.size, file.size + 107, 100, 14, &index, &err), err);
	assert_int_equal(index.frames, 2);
	for (size_t i = 0; i < 2; i++) {
		uint64_t first, count;

		assert_true(patch_index_next(&index, &cursor, &frame));
		assert_int_equal(frame.method, entries[i].method);
		assert_int_equal(frame.size, entries[i].size);
		assert_int_equal(frame.offset, file.size + (i == 0 ? 0 : 100));
		assert_int_equal(frame.target_blocks, i == 0 ? 3 : 4);
		assert_int_equal(frame.source_blocks, i == 0 ? 14 : 0);
		for (size_t j = 0; j < entries[i].target_count; j++) {
			assert_true(patch_run_next(&frame.targets, &first, &count));
			assert_true(first == entries[i].targets[j].first);
			assert_true(count == entries[i].targets[j].count);
		}
		assert_false(patch_run_next(&frame.targets, &first, &count));
		for (size_t j = 0; j < entries[i].source_count; j++) {
			assert_true(patch_run_next(&frame.sources, &first, &count));
			assert_true(first == entries[i].sources[j].first);
			assert_true(count == entries[i].sources[j].count);
		}
		assert_false(patch_run_next(&frame.sources, &first, &count));
	}
	assert_false(patch_index_next(&index, &cursor, &frame));
}

static int parse(const uint8_t *entries, size_t size, uint32_t frames, uint64_t payload, struct error **err)
{
	_cleanup_buffer_ struct buffer file = {};
	struct patch_index index;

	buffer_append(&file, "orlop-pt\1\0\0\0", 12);
	buffer_append_le32(&file, frames);
	buffer_append_le64(&file, 5000);
	buffer_append_le64(&file, 300);
	buffer_append(&file, entries, size);
	return patch_index_parse(file.data, file.size, file.size + payload, 5000, 300, &index, err);
}

static void indexes_that_lie_are_refused(void **state)
{
	/* method, size, targets: number, (distance, length) …, sources: the same, with signed distances */
	static const struct {
		uint8_t entries[24];
		size_t size;
		uint32_t frames;
		uint64_t payload;
		int code;
		const char *text;
	} cases[] = {
		{{1, 10, 1, 5, 1, 1, 8, 2}, 8, 1, 10, 0, ""},
		{{1, 10, 1, 0xab, 2, 1, 0}, 7, 1, 10, 0, ""}, /* block 299, the last one */
		{{0, 10, 1, 5, 1, 0}, 6, 1, 10, -EBADMSG, "frame 0"},
		{{4, 10, 1, 5, 1, 0}, 6, 1, 10, -EBADMSG, "frame 0"},
		{{1, 0, 1, 5, 1, 0}, 6, 1, 0, -EBADMSG, "frame 0"},
		{{1, 0xff, 0xff, 3, 1, 5, 1, 0}, 8, 1, 65535, -EBADMSG, "frame 0"},  /* 64 KiB for a block */
		{{1, 10, 0, 0}, 4, 1, 10, -EBADMSG, "frame 0"},			     /* no target */
		{{1, 10, 1, 5, 0, 0}, 6, 1, 10, -EBADMSG, "frame 0"},		     /* an empty run */
		{{1, 10, 1, 0xab, 2, 2, 0}, 7, 1, 10, -EBADMSG, "frame 0"},	     /* beyond the image */
		{{1, 10, 1, 0, 0x81, 2, 0}, 7, 1, 10, -EBADMSG, "frame 0"},	     /* 257 blocks */
		{{1, 10, 1, 5, 1, 1, 1, 1}, 8, 1, 10, -EBADMSG, "frame 0"},	     /* source block -1 */
		{{1, 10, 1, 5, 1, 1, 0x90, 0x4e, 1}, 9, 1, 10, -EBADMSG, "frame 0"}, /* source block 5000 */
		{{1, 10, 1, 5, 1, 1, 0, 0x81, 8}, 9, 1, 10, -EBADMSG, "frame 0"},    /* 1025 sources */
		{{1, 10, 2, 5, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 1, 0}, 17, 1, 10,
			-EBADMSG, "frame 0"}, /* back by one */
		{{1, 10, 9, 5, 1}, 5, 1, 10, -EBADMSG, "frame 0"},
		{{1, 10, 1, 5, 1, 0}, 6, 1, 11, -EBADMSG, "end at"},
		{{1, 10, 1, 5, 1, 0}, 6, 1, 9, -EBADMSG, "end at"},
		{{1, 10, 1, 5, 1, 0, 1}, 7, 1, 10, -EBADMSG, "1 bytes of the index are left"},
		{{1, 10, 1, 5, 1, 0}, 6, 2, 10, -EBADMSG, "frame 1"},
		{{1, 10, 1, 5, 1, 0}, 6, 70000, 10, -EFBIG, "70000 frames"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_error_ struct error *err = NULL;
		int r = parse(cases[i].entries, cases[i].size, cases[i].frames, cases[i].payload, &err);

		if (r != cases[i].code || (r < 0 && !strstr(error_message(err), cases[i].text)))
			fail_msg("case %zu: %d: %s", i, r, error_message(err));
	}
}

static void headers_that_lie_are_refused(void **state)
{
	static const uint8_t entries[] = {1, 10, 1, 5, 1, 0};
	_cleanup_buffer_ struct buffer file = {};
	struct patch_index index;

	(void)state;
	buffer_append(&file, "orlop-pt\1\0\0\0\1\0\0\0", 16);
	buffer_append_le64(&file, 5000);
	buffer_append_le64(&file, 300);
	buffer_append(&file, entries, sizeof(entries));
	assert_int_equal(patch_index_parse(file.data, file.size, file.size + 10, 5000, 300, &index, NULL), 0);
	assert_int_equal(
		patch_index_parse(file.data, file.size, file.size + 10, 5001, 300, &index, NULL), -EBADMSG);
	assert_int_equal(
		patch_index_parse(file.data, file.size, file.size + 10, 5000, 301, &index, NULL), -EBADMSG);
	for (size_t i = 0; i < 32; i++) {
		file.data[i] ^= 0x20;
		assert_true(
			patch_index_parse(file.data, file.size, file.size + 10, 5000, 300, &index, NULL) < 0);
		file.data[i] ^= 0x20;
	}
	for (size_t size = 0; size < file.size; size++)
		assert_int_equal(
			patch_index_parse(file.data, size, size + 10, 5000, 300, &index, NULL), -EBADMSG);
}

/* ---- Differences ---- */

static void suffixes_are_in_order(void **state)
{
	uint64_t seed = 11;

	(void)state;
	for (unsigned i = 0; i < 200; i++) {
		uint8_t data[600];
		size_t size = random_below(&seed, sizeof(data)),
		       limit = 1 + random_below(&seed, i % 2 ? 3 : 256);
		struct suffixes suffixes;

		for (size_t j = 0; j < size; j++)
			data[j] = (uint8_t)random_below(&seed, limit);
		assert_int_equal(suffixes_init(data, size, &suffixes), 0);
		assert_int_equal(suffixes.order[0], size);
		for (size_t j = 1; j + 1 <= size; j++) {
			size_t a = (size_t)suffixes.order[j], b = (size_t)suffixes.order[j + 1];
			int order = memcmp(data + a, data + b, size - MAX(a, b));

			assert_true(order < 0 || (order == 0 && a > b));
		}
		suffixes_release(&suffixes);
	}
}

static size_t longest(const uint8_t *data, size_t size, const uint8_t *text, size_t text_size)
{
	size_t best = 0;

	for (size_t i = 0; i < size; i++) {
		size_t n = 0;

		while (n < text_size && i + n < size && data[i + n] == text[n])
			n++;
		best = MAX(best, n);
	}
	return best;
}

static void the_longest_match_is_found(void **state)
{
	uint64_t seed = 12;

	(void)state;
	for (unsigned i = 0; i < 300; i++) {
		uint8_t data[200], text[40];
		size_t size = random_below(&seed, sizeof(data)),
		       text_size = random_below(&seed, sizeof(text)), at;
		struct suffixes suffixes;
		size_t length;

		for (size_t j = 0; j < size; j++)
			data[j] = (uint8_t)random_below(&seed, 3);
		for (size_t j = 0; j < text_size; j++)
			text[j] = (uint8_t)random_below(&seed, 3);
		assert_int_equal(suffixes_init(data, size, &suffixes), 0);
		length = suffixes_find(&suffixes, text, text_size, &at);
		assert_int_equal(length, longest(data, size, text, text_size));
		assert_memory_equal(data + at, text, length);
		suffixes_release(&suffixes);
	}
}

/* Makes *target* of *source* through the format; returns the size of the payload. */
static size_t through_the_format(
	const uint8_t *source, size_t source_size, const uint8_t *target, size_t size)
{
	_cleanup_difference_ struct difference difference = {};
	_cleanup_buffer_ struct buffer content = {}, payload = {};
	_cleanup_(patch_decoder_release) struct patch_decoder decoder = {};
	_cleanup_free_ uint8_t *made = malloc(size + 1);
	_cleanup_error_ struct error *err = NULL;
	size_t bound;

	assert_int_equal(difference_make(source, source_size, target, size, &difference), 0);
	patch_difference_write(
		difference.steps, difference.step_count, &difference.added, &difference.literals, &content);
	bound = ZSTD_compressBound(content.size);
	payload.size = ZSTD_compress(buffer_extend(&payload, bound), bound, content.data, content.size, 3);
	assert_ok(patch_frame_decode(&decoder, PATCH_DIFFERENCE, payload.data, payload.size, source,
			  source_size, made, size, &err),
		err);
	assert_memory_equal(made, target, size);
	return payload.size;
}

static void differences_make_the_target(void **state)
{
	uint64_t seed = 13;

	(void)state;
	for (unsigned i = 0; i < 200; i++) {
		static uint8_t source[9000], target[8192];
		size_t source_size = random_below(&seed, sizeof(source));
		size_t size = 1 + random_below(&seed, sizeof(target));

		for (size_t j = 0; j < source_size; j++)
			source[j] = (uint8_t)random_below(&seed, i % 3 == 0 ? 2 : 256);
		for (size_t j = 0, from = 0; j < size; j++, from++) {
			if (random_below(&seed, 500) == 0)
				from = random_below(&seed, 9000);
			target[j] = from < source_size ? source[from] : (uint8_t)random_next(&seed);
			target[j] = (uint8_t)(target[j] + (random_below(&seed, 40) == 0));
		}
		(void)through_the_format(source, source_size, target, size);
	}
}

/* What differences are for: code that moved, with addresses in it that all moved by as much. */
static void moved_addresses_cost_little(void **state)
{
	static uint8_t source[65536], target[65536];
	uint64_t seed = 14;
	uint8_t zstd[70000];
	size_t plain;

	(void)state;
	for (size_t i = 0; i < sizeof(source); i += 16) {
		write_le64(source + i, random_next(&seed));
		write_le64(source + i + 8, i + random_below(&seed, 4096));
		memcpy(target + i, source + i, 8);
		write_le64(target + i + 8, read_le64(source + i + 8) + 0x40);
	}
	plain = ZSTD_compress(zstd, sizeof(zstd), target, sizeof(target), 19);
	assert_true(through_the_format(source, sizeof(source), target, sizeof(target)) < plain / 8);
}

static void damaged_differences_are_refused(void **state)
{
	_cleanup_(patch_decoder_release) struct patch_decoder decoder = {};
	static const uint8_t source[16];
	/* Steps; behind them stand 34 literals and 6 differences. */
	static const struct {
		uint32_t steps, literals; /* as the header has them */
		uint8_t content[6];
		size_t size, cut; /* bytes of steps; bytes that are missing at the end */
		bool good;
	} cases[] = {
		/* Add 4, take 2, go back by 4; add 2, take 32. */
		{6, 34, {4, 2, 7, 2, 32, 0}, 6, 0, true},
		{6, 34, {4, 2, 24, 2, 32, 0}, 6, 0, false}, /* to 16, where nothing is */
		{6, 34, {4, 2, 20, 2, 32, 0}, 6, 0, true},  /* to 14, the last two */
		{6, 34, {4, 2, 9, 2, 32, 0}, 6, 0, false},  /* before the source */
		{6, 34, {5, 2, 7, 2, 32, 0}, 6, 0, false},
		{6, 34, {4, 3, 7, 2, 32, 0}, 6, 0, false},
		{6, 34, {4, 2, 7, 1, 32, 0}, 6, 0, false},
		{6, 34, {4, 2, 7, 2, 31, 0}, 6, 0, false},
		{6, 35, {4, 2, 7, 2, 32, 0}, 6, 0, false},
		{6, 41, {4, 2, 7, 2, 32, 0}, 6, 0, false},
		{5, 34, {4, 2, 7, 2, 32, 0}, 6, 0, false},
		{7, 34, {4, 2, 7, 2, 32, 0}, 6, 0, false},
		{UINT32_MAX, 34, {4, 2, 7, 2, 32, 0}, 6, 0, false},
		{5, 34, {4, 2, 7, 2, 32}, 5, 0, false}, /* a step that is cut short */
		{3, 34, {4, 2, 7}, 3, 0, false},
		{6, 34, {4, 2, 7, 2, 32, 0}, 6, 1, false},
		{6, 34, {4, 2, 7, 2, 32, 0}, 6, 47, false},
		{6, 34, {4, 2, 7, 2, 32, 0}, 6, 53, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_buffer_ struct buffer content = {};
		uint8_t payload[200], made[40];
		_cleanup_error_ struct error *err = NULL;
		size_t n;
		int r;

		buffer_append_le32(&content, cases[i].steps);
		buffer_append_le32(&content, cases[i].literals);
		buffer_append(&content, cases[i].content, cases[i].size);
		buffer_append_zeros(&content, 34);
		buffer_append(&content, "\1\2\3\4\5\6", 6);
		content.size -= cases[i].cut;
		n = ZSTD_compress(payload, sizeof(payload), content.data, content.size, 3);
		r = patch_frame_decode(&decoder, PATCH_DIFFERENCE, payload, n, source, sizeof(source), made,
			sizeof(made), &err);
		if (r != (cases[i].good ? 0 : -EBADMSG))
			fail_msg("case %zu: %d: %s", i, r, error_message(err));
		if (cases[i].good)
			assert_memory_equal(made, "\1\2\3\4\0\0\5\6\0", 9);
	}
}

static void differences_in_lzma_make_the_target(void **state)
{
	_cleanup_(patch_decoder_release) struct patch_decoder decoder = {};
	static const uint8_t source[16] = "0123456789abcdef";
	static const uint8_t content[] = {3, 0, 0, 0, 24, 0, 0, 0, 16, 24, 0, 'x', 'y'};
	lzma_options_lzma options;
	const lzma_filter filters[] = {
		{.id = LZMA_FILTER_LZMA2, .options = &options}, {.id = LZMA_VLI_UNKNOWN}};
	uint8_t whole[8 + 3 + 40] = {}, payload[200], made[40];
	_cleanup_error_ struct error *err = NULL;
	size_t n = 0;

	(void)state;
	memcpy(whole, content, sizeof(content));
	assert_false(lzma_lzma_preset(&options, 6));
	options.dict_size = PATCH_LZMA_DICTIONARY;
	assert_int_equal(
		lzma_raw_buffer_encode(filters, NULL, whole, sizeof(whole), payload, &n, sizeof(payload)),
		LZMA_OK);
	assert_ok(patch_frame_decode(&decoder, PATCH_DIFFERENCE_LZMA, payload, n, source, sizeof(source),
			  made, sizeof(made), &err),
		err);
	assert_memory_equal(made, source, sizeof(source));
	assert_memory_equal(made + 16, "xy\0", 3);
	/* Cut short, something behind it, more than there is room for, or nothing of the kind. */
	for (size_t size = 0; size < n; size++)
		assert_int_equal(patch_frame_decode(&decoder, PATCH_DIFFERENCE_LZMA, payload, size, source,
					 sizeof(source), made, sizeof(made), NULL),
			-EBADMSG);
	assert_int_equal(patch_frame_decode(&decoder, PATCH_DIFFERENCE_LZMA, payload, n + 1, source,
				 sizeof(source), made, sizeof(made), NULL),
		-EBADMSG);
	assert_int_equal(patch_frame_decode(&decoder, PATCH_DIFFERENCE_LZMA, payload, n, source,
				 sizeof(source), made, 20, NULL),
		-EBADMSG);
	assert_int_equal(patch_frame_decode(&decoder, PATCH_DIFFERENCE, payload, n, source, sizeof(source),
				 made, sizeof(made), NULL),
		-EBADMSG);
}

static void a_prefix_counts_for_one_frame(void **state)
{
	_cleanup_(patch_decoder_release) struct patch_decoder decoder = {};
	static uint8_t source[5000], target[4096], made[4096];
	ZSTD_CCtx *zstd = ZSTD_createCCtx();
	_cleanup_error_ struct error *err = NULL;
	uint8_t payload[5000], plain[5000];
	uint64_t seed = 15;
	size_t n, plain_size;

	(void)state;
	for (size_t i = 0; i < sizeof(source); i++)
		source[i] = (uint8_t)random_next(&seed);
	memcpy(target, source + 400, sizeof(target));
	ZSTD_CCtx_refPrefix(zstd, source, sizeof(source));
	n = ZSTD_compress2(zstd, payload, sizeof(payload), target, sizeof(target));
	assert_true(n < 100);
	plain_size = ZSTD_compress(plain, sizeof(plain), target, sizeof(target), 3);
	for (unsigned i = 0; i < 2; i++) {
		assert_ok(patch_frame_decode(&decoder, PATCH_PREFIX, payload, n, source, sizeof(source), made,
				  sizeof(made), &err),
			err);
		assert_memory_equal(made, target, sizeof(target));
		/* Cut short, then without a prefix: neither has an effect on what follows. */
		assert_int_equal(patch_frame_decode(&decoder, PATCH_PREFIX, payload, n - 1, source,
					 sizeof(source), made, sizeof(made), NULL),
			-EBADMSG);
		assert_ok(patch_frame_decode(&decoder, PATCH_PREFIX, plain, plain_size, NULL, 0, made,
				  sizeof(made), &err),
			err);
		assert_memory_equal(made, target, sizeof(target));
	}
	assert_error(patch_frame_decode(
			     &decoder, PATCH_PREFIX, payload, n, source, sizeof(source), made, 4095, &err),
		-EBADMSG, err, "decompressed");
	ZSTD_freeCCtx(zstd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(runs_are_read_as_they_were_written),
		cmocka_unit_test(indexes_that_lie_are_refused),
		cmocka_unit_test(headers_that_lie_are_refused),
		cmocka_unit_test(suffixes_are_in_order),
		cmocka_unit_test(the_longest_match_is_found),
		cmocka_unit_test(differences_make_the_target),
		cmocka_unit_test(moved_addresses_cost_little),
		cmocka_unit_test(damaged_differences_are_refused),
		cmocka_unit_test(differences_in_lzma_make_the_target),
		cmocka_unit_test(a_prefix_counts_for_one_frame),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
