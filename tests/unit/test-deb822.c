/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "base/buffer.h"
#include "source/deb822.h"

/* Writes what is read as "name=value@line;", with "|" where a stanza ends. */
static int read_all(const char *text, struct buffer *ret, struct error **err)
{
	struct deb822 reader = deb822_of(text, strlen(text));
	struct deb822_field field;
	int event;

	while ((event = deb822_next(&reader, &field, err)) > DEB822_END) {
		if (event == DEB822_STANZA)
			buffer_append_string(ret, "|");
		else
			buffer_printf(ret, "%.*s=%.*s@%u;", (int)field.name_size, field.name,
				(int)field.value_size, field.value, field.line);
	}
	buffer_append_u8(ret, 0);
	return event;
}

static void reads_stanzas_fields_and_comments(void **state)
{
	static const struct {
		const char *text, *expected;
	} table[] = {
		{"", ""},
		{"\n \n# a\n", ""},
		{"A: b\n", "A=b@1;|"},
		{"A: b", "A=b@1;|"},
		{"A:b \t\r\nB:\n", "A=b@1;B=@2;|"},
		{"A: b\n\n\n\nB: c\n\n", "A=b@1;|B=c@5;|"},
		{"A: b\n c\n\td\nB: e\n", "A=b\n c\n\td@1;B=e@4;|"},
		{"A:\n b\n .\n c\n", "A=b\n .\n c@1;|"},
		{"A: b\n# x\n c\n", "A=b\n# x\n c@1;|"},
		{"#x\nA: b: c\n", "A=b: c@2;|"},
		{"A: b\n \t\nB: c", "A=b@1;|B=c@3;|"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		_cleanup_buffer_ struct buffer seen = {};
		_cleanup_error_ struct error *err = NULL;

		assert_ok(read_all(table[i].text, &seen, &err), err);
		assert_string_equal((char *)seen.data, table[i].expected);
	}
}

static void refuses_what_is_no_field(void **state)
{
	static const char *const table[] = {"A\n", ": b\n", "-A: b\n", " A: b\n", "A b: c\n", "\001: c\n"};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		_cleanup_buffer_ struct buffer seen = {};
		struct error *err = NULL;

		assert_error(read_all(table[i], &seen, &err), -EBADMSG, err, "line 1");
	}
}

static void refuses_zero_bytes_in_values(void **state)
{
	static const char text[] = "A: b\nB: c\0d\n";
	struct deb822 reader = deb822_of(text, sizeof(text) - 1);
	struct deb822_field field;
	struct error *err = NULL;

	(void)state;
	assert_int_equal(deb822_next(&reader, &field, &err), DEB822_FIELD);
	assert_error(deb822_next(&reader, &field, &err), -EBADMSG, err, "line 2");
}

static void compares_names_without_case(void **state)
{
	struct deb822_field field = {.name = "Signed-bY: x", .name_size = 9};

	(void)state;
	assert_true(deb822_is(&field, "Signed-By"));
	assert_false(deb822_is(&field, "Signed-B"));
	assert_false(deb822_is(&field, "Signed-By:"));
}

static void splits_words(void **state)
{
	static const char text[] = "  one\n\ttwo three\n";
	const char *at = text, *end = text + sizeof(text) - 1, *word;
	size_t size;

	(void)state;
	assert_true(deb822_word(&at, end, &word, &size));
	assert_memory_equal(word, "one", size);
	assert_true(deb822_word(&at, end, &word, &size));
	assert_memory_equal(word, "two", size);
	assert_true(deb822_word(&at, end, &word, &size));
	assert_memory_equal(word, "three", size);
	assert_int_equal(size, 5);
	assert_false(deb822_word(&at, end, &word, &size));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_stanzas_fields_and_comments),
		cmocka_unit_test(refuses_what_is_no_field),
		cmocka_unit_test(refuses_zero_bytes_in_values),
		cmocka_unit_test(compares_names_without_case),
		cmocka_unit_test(splits_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
