/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scratch.h"

#include "format/release-index.h"

struct pair {
	const char *a;
	char relation;
	const char *b;
};

/* The examples of the Version Format Specification. */
static const struct pair specified[] = {
	{"11", '=', "11"},
	{"systemd-123", '=', "systemd-123"},
	{"bar-123", '<', "foo-123"},
	{"123a", '>', "123"},
	{"123.a", '>', "123"},
	{"123.a", '<', "123.b"},
	{"123a", '>', "123.a"},
	{"11α", '=', "11β"},
	{"A", '<', "a"},
	{"B", '<', "a"},
	{"", '<', "0"},
	{"0.", '>', "0"},
	{"0.0", '>', "0"},
	{"0", '>', "~"},
	{"", '>', "~"},
	{"1_", '=', "1"},
	{"_1", '=', "1"},
	{"1_", '<', "1.2"},
	{"1_2_3", '>', "1.3.3"},
	{"1+", '=', "1"},
	{"+1", '=', "1"},
	{"1+", '<', "1.2"},
	{"1+2+3", '>', "1.3.3"},
	/* Its ordered list. */
	{"122.1", '<', "123~rc1-1"},
	{"123~rc1-1", '<', "123"},
	{"123", '<', "123-a"},
	{"123-a", '<', "123-a.1"},
	{"123-a.1", '<', "123-1"},
	{"123-1", '<', "123-1.1"},
	{"123-1.1", '<', "123^post1"},
	{"123^post1", '<', "123.a-1"},
	{"123.a-1", '<', "123.1-1"},
	{"123.1-1", '<', "123a-1"},
	{"123a-1", '<', "124-1"},
};

static const struct pair others[] = {
	{"202611.23.0", '<', "202611.23.1"}, {"202611.23.9", '<', "202611.23.10"},
	{"202611.23.0", '<', "202612.1.0"}, {"202611.7.0", '<', "202611.23.0"}, {"1.00", '=', "1.0"},
	{"007", '=', "7"}, {"1~~", '>', "1~"}, /* the end is looked for behind one "~" */ {"1^", '>', "1"},
	{"99999999999999999999999999999999999999999", '<', "100000000000000000000000000000000000000000"},
	{"ab", '<', "abc"},
	{"0a", '>', "a"}, /* as systemd has it; the text of the specification takes none for zero */
};

static char relation(const char *a, const char *b)
{
	int r = release_version_compare(a, b);

	return r < 0 ? '<' : r > 0 ? '>' : '=';
}

static void check_pairs(const struct pair *pairs, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		char back = pairs[i].relation == '<' ? '>' : pairs[i].relation == '>' ? '<' : '=';

		if (relation(pairs[i].a, pairs[i].b) != pairs[i].relation ||
			relation(pairs[i].b, pairs[i].a) != back)
			fail_msg("%s %c %s does not hold", pairs[i].a, pairs[i].relation, pairs[i].b);
	}
}

static void orders_as_the_specification_does(void **state)
{
	(void)state;
	check_pairs(specified, ARRAY_SIZE(specified));
	check_pairs(others, ARRAY_SIZE(others));
}

/* A text of a few characters that matter, always the same for one seed. */
static void random_version(uint32_t *seed, char *ret)
{
	static const char letters[] = "00129aAbB..-~^_+";
	size_t length;

	*seed = *seed * 1664525 + 1013904223;
	length = *seed >> 24 & 7;
	for (size_t i = 0; i < length; i++) {
		*seed = *seed * 1664525 + 1013904223;
		ret[i] = letters[(*seed >> 24) % (sizeof(letters) - 1)];
	}
	ret[length] = 0;
}

/* What systemd says of each line "A B" of *input*, as "A < B" in a line. */
static char *ask_systemd(const char *input)
{
	_cleanup_process_result_ struct process_result result = {};
	_cleanup_error_ struct error *err = NULL;
	const char *const arguments[] = {"sh", "-c",
		"while IFS=, read -r a b; do systemd-analyze compare-versions -- \"$a\" \"$b\"; done; exit 0",
		NULL};

	assert_ok(process_run(arguments, input, strlen(input), MiB(1), &result, &err), err);
	assert_int_equal(result.status, 0);
	buffer_append_u8(&result.output, 0);
	return buffer_take(&result.output, NULL);
}

static void orders_as_systemd_does(void **state)
{
	_cleanup_buffer_ struct buffer input = {};
	_cleanup_free_ char *output = NULL;
	uint32_t seed = 3;
	char a[16], b[16], *at;

	(void)state;
	if (!have_program("systemd-analyze")) {
		print_message("skipped, because there is no systemd-analyze here\n");
		skip();
	}
	for (size_t i = 0; i < ARRAY_SIZE(specified); i++)
		buffer_printf(&input, "%s,%s\n", specified[i].a, specified[i].b);
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		buffer_printf(&input, "%s,%s\n", others[i].a, others[i].b);
	for (size_t i = 0; i < 150; i++) {
		random_version(&seed, a);
		random_version(&seed, b);
		buffer_printf(&input, "%s,%s\n", a, b);
	}
	buffer_append_u8(&input, 0);
	assert_false(buffer_failed(&input));
	output = ask_systemd((const char *)input.data);
	at = output;
	for (char *line = (char *)input.data, *end; *line; line = end + 1) {
		char *comma = strchr(line, ','), *answer = at, *sign;

		end = strchr(line, '\n');
		*comma = *end = 0;
		at = strchr(at, '\n');
		assert_non_null(at);
		*at++ = 0;
		/* "A < B", "A == B"; an empty one is written ''. */
		sign = answer + (*line ? strlen(line) : 2) + 1;
		if (relation(line, comma + 1) != *sign)
			fail_msg("'%s' '%s': systemd says %s", line, comma + 1, answer);
	}
	assert_int_equal(*at, 0);
}

static void knows_what_can_be_a_version(void **state)
{
	static const struct {
		const char *text;
		bool valid;
	} cases[] = {
		{"202611.23.0", true},
		{"1", true},
		{"v1_2~rc3^x-4.5", true},
		{"0123456789012345678901234567890123456789012345678901234567890123", true},
		{"01234567890123456789012345678901234567890123456789012345678901234", false},
		{"", false},
		{".", false},
		{"..", false},
		{"~1", false},
		{"-1", false},
		{"1/2", false},
		{"1 2", false},
		{"1+2", false},
		{"1%2f", false},
		{"1\n", false},
		{"ä", false},
		{"1é", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (release_version_is_valid(cases[i].text) != cases[i].valid)
			fail_msg("'%s'", cases[i].text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(orders_as_the_specification_does),
		cmocka_unit_test(orders_as_systemd_does),
		cmocka_unit_test(knows_what_can_be_a_version),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
