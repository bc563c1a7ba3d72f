/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "base/varint.h"

static void writes_and_reads_the_shortest_form(void **state)
{
	/* DWARF 5, figure 22, has the first ones. */
	static const struct {
		uint64_t value;
		const char *bytes;
		size_t size;
	} cases[] = {
		{0, "\0", 1},
		{2, "\x02", 1},
		{127, "\x7f", 1},
		{128, "\x80\x01", 2},
		{129, "\x81\x01", 2},
		{12857, "\xb9\x64", 2},
		{UINT64_C(1) << 63, "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 10},
		{UINT64_MAX, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_buffer_ struct buffer buffer = {};
		struct varint_reader reader;
		uint64_t value;

		buffer_append_varint(&buffer, cases[i].value);
		assert_int_equal(buffer.size, cases[i].size);
		assert_memory_equal(buffer.data, cases[i].bytes, buffer.size);
		reader = (struct varint_reader){.at = buffer.data, .end = buffer.data + buffer.size};
		assert_int_equal(varint_read(&reader, &value), 0);
		assert_true(value == cases[i].value && reader.at == reader.end);
		/* One byte less, and it is none; the reader stays where it is. */
		reader = (struct varint_reader){.at = buffer.data, .end = buffer.data + buffer.size - 1};
		assert_int_equal(varint_read(&reader, &value), -EBADMSG);
		assert_ptr_equal(reader.at, buffer.data);
	}
}

static void refuses_other_forms(void **state)
{
	static const char *const cases[] = {"\x80", "\x81\x80", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02",
		"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x81\x01"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		/* With the NUL behind it: a last byte of 0 is a longer form of a shorter number. */
		struct varint_reader reader = {.at = (const uint8_t *)cases[i],
			.end = (const uint8_t *)cases[i] + strlen(cases[i]) + 1};
		uint64_t value;

		assert_int_equal(varint_read(&reader, &value), -EBADMSG);
	}
}

static void folds_signed_numbers(void **state)
{
	static const struct {
		int64_t value;
		uint64_t folded;
	} cases[] = {{0, 0}, {-1, 1}, {1, 2}, {-2, 3}, {INT64_MAX, UINT64_MAX - 1}, {INT64_MIN, UINT64_MAX}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_buffer_ struct buffer buffer = {};
		struct varint_reader reader;
		uint64_t folded;
		int64_t value;

		buffer_append_signed_varint(&buffer, cases[i].value);
		reader = (struct varint_reader){.at = buffer.data, .end = buffer.data + buffer.size};
		assert_int_equal(varint_read(&reader, &folded), 0);
		assert_true(folded == cases[i].folded);
		reader.at = buffer.data;
		assert_int_equal(varint_read_signed(&reader, &value), 0);
		assert_true(value == cases[i].value);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_and_reads_the_shortest_form),
		cmocka_unit_test(refuses_other_forms),
		cmocka_unit_test(folds_signed_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
