/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "base/buffer.h"
#include "format/yaml.h"

struct item {
	size_t line;
	char *name;
	unsigned count;
};

struct all {
	bool flag;
	unsigned number, choice, choices;
	int digit;
	char *word;
	struct yaml_list items, table;
	char *brief;
	struct strv briefs;
	struct pairs pairs, chosen;
};

struct row {
	char *name;
	char *word;
	struct strv list;
};

static bool parse_digit(const char *text, void *value)
{
	*(int *)value = text[0] - '0';
	return text[0] >= '0' && text[0] <= '9' && !text[1];
}

static bool is_lower(const char *text, void *value)
{
	(void)value;
	return text[0] >= 'a' && text[0] <= 'z';
}

/* The same as the pattern, and in a message: of names, values and entries alike. */
static bool is_short(const char *text)
{
	return strlen(text) <= 2;
}

static const struct yaml_text short_text = {.is = is_short, .pattern = "^.{1,2}$", .wrong = "is too long"};

static const char *const colours[] = {"red", "green", "blue", NULL};

static const struct yaml_field item_fields[] = {
	{.key = "", .type = YAML_LINE, .offset = offsetof(struct item, line)},
	{.key = "name", .type = YAML_STRING, .offset = offsetof(struct item, name), .required = true},
	{.key = "count", .type = YAML_NUMBER, .offset = offsetof(struct item, count), .least = 2, .most = 9},
	{},
};

static const struct yaml_field row_fields[] = {
	{.key = "word", .type = YAML_STRING, .offset = offsetof(struct row, word), .required = true},
	{.key = "list", .type = YAML_STRINGS, .offset = offsetof(struct row, list)},
	{},
};

static const struct yaml_field fields[] = {
	{.key = "flag", .type = YAML_BOOLEAN, .offset = offsetof(struct all, flag)},
	{.key = "number", .type = YAML_NUMBER, .offset = offsetof(struct all, number), .most = 4000000000},
	{.key = "choice", .type = YAML_CHOICE, .offset = offsetof(struct all, choice), .choices = colours},
	{.key = "choices", .type = YAML_CHOICES, .offset = offsetof(struct all, choices), .choices = colours},
	{.key = "digit",
		.type = YAML_PARSED,
		.offset = offsetof(struct all, digit),
		.parse = parse_digit,
		.expected = "a digit"},
	{.key = "word",
		.type = YAML_STRING,
		.offset = offsetof(struct all, word),
		.parse = is_lower,
		.expected = "a word in lower case"},
	{.key = "items",
		.type = YAML_LIST,
		.offset = offsetof(struct all, items),
		.fields = item_fields,
		.size = sizeof(struct item),
		.most = 3},
	{.key = "table",
		.type = YAML_TABLE,
		.offset = offsetof(struct all, table),
		.fields = row_fields,
		.text = &short_text,
		.size = sizeof(struct row)},
	{.key = "brief", .type = YAML_STRING, .offset = offsetof(struct all, brief), .text = &short_text},
	{.key = "briefs",
		.type = YAML_STRINGS,
		.offset = offsetof(struct all, briefs),
		.text = &short_text,
		.least = 1},
	{.key = "pairs",
		.type = YAML_PAIRS,
		.offset = offsetof(struct all, pairs),
		.text = &short_text,
		.value = &short_text},
	{.key = "chosen", .type = YAML_PAIRS, .offset = offsetof(struct all, chosen), .choices = colours},
	{},
};

static void reads_each_type(void **state)
{
	static const char text[] = "flag: true\n"
				   "number: 4000000000\n"
				   "choice: blue\n"
				   "choices: [green, red]\n"
				   "digit: '7'\n"
				   "word: small\n"
				   "items:\n"
				   "  # one\n"
				   "  - name: a\n"
				   "    count: 2\n"
				   "  - {name: b}\n"
				   "table:\n"
				   "  1: {word: w, list: [l]}\n"
				   "  2:\n"
				   "    word: v\n"
				   "brief: 'no'\n"
				   "briefs: [1, '~', a]\n"
				   "pairs: {a: b, c: 2}\n"
				   "chosen: {'null': red, 'true': green}\n";
	_cleanup_error_ struct error *err = NULL;
	struct yaml_places places = {};
	struct all all = {};
	struct item *items;
	struct row *rows;

	(void)state;
	assert_ok(yaml_parse(text, strlen(text), "x.yaml", fields, &all, &places, &err), err);
	assert_true(all.flag);
	assert_int_equal(all.number, 4000000000);
	assert_int_equal(all.choice, 2);
	assert_int_equal(all.choices, 3);
	assert_int_equal(all.digit, 7);
	assert_string_equal(all.word, "small");
	assert_int_equal(all.items.count, 2);
	items = all.items.items;
	assert_int_equal(items[0].line, 9);
	assert_string_equal(items[0].name, "a");
	assert_int_equal(items[0].count, 2);
	assert_int_equal(items[1].line, 11);
	assert_string_equal(items[1].name, "b");
	rows = all.table.items;
	assert_int_equal(all.table.count, 2);
	assert_string_equal(rows[0].name, "1");
	assert_string_equal(rows[0].word, "w");
	assert_string_equal(rows[0].list.items[0], "l");
	assert_string_equal(rows[1].name, "2");
	assert_string_equal(rows[1].word, "v");
	assert_int_equal(yaml_places_find(&places, "table", "2")->line, 14);
	assert_int_equal(yaml_places_find(&places, "table: 2: word", NULL)->line, 15);
	assert_string_equal(all.brief, "no");
	assert_string_equal(all.briefs.items[1], "~");
	assert_string_equal(pairs_get(&all.pairs, "c"), "2");
	assert_string_equal(pairs_get(&all.chosen, "null"), "red");
	yaml_places_release(&places);
	yaml_release(fields, &all);
	assert_null(all.items.items);
	assert_null(all.table.items);
}

static void what_is_missing_keeps_its_default(void **state)
{
	static const char *const texts[] = {
		"", "# nothing\n", "---\n", "---\n# nothing\n...\n", "{}", "word: a\n"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct all all = {.flag = true, .number = 5, .choice = 1};
		_cleanup_error_ struct error *err = NULL;

		assert_ok(yaml_parse(texts[i], strlen(texts[i]), "x.yaml", fields, &all, NULL, &err), err);
		assert_true(all.flag);
		assert_int_equal(all.number, 5);
		assert_int_equal(all.choice, 1);
		yaml_release(fields, &all);
	}
}

static void faults_name_file_line_and_key(void **state)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{"\nflag: yes", "x.yaml:2: flag: must be true or false"},
		{"flag: [true]", "x.yaml:1: flag: must be true or false"},
		{"number: 4000000001", "x.yaml:1: number: must be a number from 0 to 4000000000"},
		{"number: -1", "number: must be a number"},
		{"number: 0x10", "number: must be a number"},
		{"number: 99999999999999999999999", "number: must be a number"},
		{"number: 1.5", "number: must be a number"},
		{"choice: Red", "x.yaml:1: choice: \"Red\" is not known; there are red, green, blue"},
		{"choice: [red]", "choice: must be one of red, green, blue"},
		{"choices: red", "choices: must be a list of texts"},
		{"choices: [red, pink]", "choices: \"pink\" is not known; there are red"},
		{"digit: 12", "x.yaml:1: digit: must be a digit"},
		{"digit: {}", "digit: must be a digit"},
		{"digit:", "digit: must be a digit"},
		{"word: Big", "x.yaml:1: word: must be a word in lower case"},
		{"items: {name: a}", "x.yaml:1: items: must be a list of mappings"},
		{"items: [a]", "items: must be a list of mappings"},
		{"items:\n- name: a\n- count: 3", "x.yaml:3: name: is missing"},
		{"items:\n- name: a\n  count: 1", "x.yaml:3: count: must be a number from 2 to 9"},
		{"items:\n- name: a\n  \"\": 1", "x.yaml:3: key: must be a text"},
		{"items:\n- {name: a}\n- {name: b}\n- {name: c}\n- {name: d}",
			"x.yaml:5: items: has more than 3 entries"},
		{"table: [a]", "x.yaml:1: table: must be a mapping of names to mappings"},
		{"table:\n  a: b", "x.yaml:2: table: must be a mapping of names to mappings"},
		{"table:\n  a: {}", "x.yaml:2: table: a: word: is missing"},
		{"table:\n  a: {word: b}\n  a: {word: c}", "x.yaml:3: table: \"a\" is there twice"},
		{"table:\n  a: {word: b,\n    wort: c}", "x.yaml:3: table: a: wort: is no key"},
		{"table:\n  abc: {word: c}", "x.yaml:2: table: \"abc\" is too long"},
		{"brief: abc", "x.yaml:1: brief: \"abc\" is too long"},
		{"brief: \"a\\nbc\"", "x.yaml:1: brief: \"…\" is too long"},
		{"briefs: []", "x.yaml:1: briefs: has too few entries"},
		{"briefs:\n- a\n- abc", "x.yaml:3: briefs: \"abc\" is too long"},
		{"pairs: {abc: a}", "x.yaml:1: pairs: \"abc\" is too long"},
		{"pairs: {a: abc}", "x.yaml:1: pairs: a: \"abc\" is too long"},
		{"pairs: {a: [b]}", "x.yaml:1: pairs: must be a mapping of names to texts"},
		{"chosen: {a: pink}", "x.yaml:1: chosen: \"pink\" is not known; there are red, green, blue"},
		{"brief: ~", "x.yaml:1: brief: must be a text, and ~ is none without quotes"},
		{"brief:", "x.yaml:1: brief: must be a text"},
		{"briefs: [null]", "x.yaml:1: briefs: must be a text, and null is none without quotes"},
		{"pairs: {a: FALSE}", "x.yaml:1: pairs: must be a text, and FALSE is none without quotes"},
		{"~: a", "x.yaml:1: key: must be a text"},
		{"number: ~", "x.yaml:1: number: must be a number"},
		{"word: &a x", "x.yaml:1: anchors and tags have no use here"},
		{"items: &a []", "x.yaml:1: anchors and tags"},
		{"\n&a word: x", "x.yaml:2: anchors and tags"},
		{"word: !!str x", "x.yaml:1: anchors and tags"},
		{"word: !other x", "x.yaml:1: anchors and tags"},
		{"word: *a", "x.yaml:1: aliases have no use here"},
		{"word: a\n---\nword: b", "x.yaml:2: the file must be one document"},
		{"---\n---\n", "x.yaml:2: the file must be one document"},
		{"word: 'a", "not valid YAML"},
		{"word: a\n\tflag: true", "x.yaml:2: not valid YAML"},
		{"word", "x.yaml:1: file: must be a mapping"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct error *err = NULL;
		struct all all = {};

		assert_error(
			yaml_parse(cases[i].text, strlen(cases[i].text), "x.yaml", fields, &all, NULL, &err),
			-EINVAL, err, cases[i].message);
		yaml_release(fields, &all);
	}
}

/* libyaml gives such mistakes no line, and reads a text in pieces. */
static void names_the_line_of_bytes_that_are_no_text(void **state)
{
	static const struct {
		const char *bytes, *message;
		size_t size;
	} cases[] = {
		{"caf\xe9\nb\n", "not valid YAML: invalid trailing UTF-8 octet", 7},
		{"\xff", "not valid YAML: invalid leading UTF-8 octet", 1},
		{"\xe2\x82", "not valid YAML: incomplete UTF-8 octet sequence", 2},
		{"a\0b\n", "not valid YAML: control characters are not allowed", 4},
		{"\x01\n", "not valid YAML: control characters are not allowed", 2},
	};
	static const size_t lines[] = {0, 1, 5, 5000};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases) * ARRAY_SIZE(lines); i++) {
		size_t c = i % ARRAY_SIZE(cases), count = lines[i / ARRAY_SIZE(cases)];
		_cleanup_free_ char *message = string_format("x.yaml:%zu: %s", count + 1, cases[c].message);
		_cleanup_buffer_ struct buffer text = {};
		struct error *err = NULL;
		struct all all = {};

		for (size_t line = 0; line < count; line++)
			buffer_append_string(&text, "# \u00e4\r\n");
		buffer_append(&text, cases[c].bytes, cases[c].size);
		assert_false(buffer_failed(&text));
		assert_error(yaml_parse((char *)text.data, text.size, "x.yaml", fields, &all, NULL, &err),
			-EINVAL, err, message);
		yaml_release(fields, &all);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_each_type),
		cmocka_unit_test(what_is_missing_keeps_its_default),
		cmocka_unit_test(faults_name_file_line_and_key),
		cmocka_unit_test(names_the_line_of_bytes_that_are_no_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
