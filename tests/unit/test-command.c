/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "base/string-util.h"
#include "cmd/command.h"

struct values {
	bool quiet, boot;
	const char *output;
	struct strv names;
	uint64_t memory, count;
};

static const struct command_option options[] = {
	{"quiet", 'q', NULL, "Say less.", OPTION_TRUE, offsetof(struct values, quiet)},
	{"no-boot", 0, NULL, "Do not boot.", OPTION_FALSE, offsetof(struct values, boot)},
	{"output", 'o', "FILE", "Where to write.", OPTION_STRING, offsetof(struct values, output)},
	{"name", 0, "NAME", "A name.", OPTION_LIST, offsetof(struct values, names)},
	{"memory", 'm', "SIZE", "How much.", OPTION_SIZE, offsetof(struct values, memory)},
	{"count", 0, "N", "How many.", OPTION_NUMBER, offsetof(struct values, count)},
	{},
};

static const struct command_usage usage = {
	.name = "orlop try",
	.arguments = "IMAGE [MORE]",
	.summary = "Tries.",
	.options = options,
	.least = 1,
	.most = 2,
};

static bool parse(const struct command_usage *how, const char *const *words, struct values *values,
	struct command_call *call, struct error **err)
{
	static char *argv[16]; /* the call points into it */
	int argc = 0;

	for (; words[argc]; argc++)
		argv[argc] = (char *)words[argc];
	argv[argc] = NULL;
	return command_parse(how, argc, argv, values, call, err);
}

#define WORDS(...) ((const char *const[]){"try", __VA_ARGS__, NULL})

static void reads_options_of_each_kind_among_the_arguments(void **state)
{
	_cleanup_error_ struct error *err = NULL;
	struct values values = {.boot = true};
	struct command_call call;

	(void)state;
	assert_true(parse(&usage,
		WORDS("--name=a", "image", "-qm", "2G", "--no-boot", "--output", "x", "-oy", "--name", "b",
			"--count", "7", "--", "-q"),
		&values, &call, &err));
	assert_true(values.quiet);
	assert_false(values.boot);
	assert_string_equal(values.output, "y");
	assert_int_equal(values.names.count, 2);
	assert_string_equal(values.names.items[0], "a");
	assert_string_equal(values.names.items[1], "b");
	assert_int_equal(values.memory, GiB(2));
	assert_int_equal(values.count, 7);
	assert_int_equal(call.count, 2);
	assert_string_equal(call.arguments[0], "image");
	assert_string_equal(call.arguments[1], "-q");
	strv_release(&values.names);
}

static void leaves_defaults_alone(void **state)
{
	struct values values = {.boot = true, .memory = 5, .output = "o"};
	_cleanup_error_ struct error *err = NULL;
	struct command_call call;

	(void)state;
	assert_true(parse(&usage, WORDS("image"), &values, &call, &err));
	assert_true(values.boot);
	assert_int_equal(values.memory, 5);
	assert_string_equal(values.output, "o");
}

static void options_first_leaves_the_rest_alone(void **state)
{
	struct command_usage how = usage;
	_cleanup_error_ struct error *err = NULL;
	struct values values = {};
	struct command_call call;

	(void)state;
	how.options_first = true;
	assert_true(parse(&how, WORDS("-q", "name", "--unknown"), &values, &call, &err));
	assert_true(values.quiet);
	assert_int_equal(call.count, 2);
	assert_string_equal(call.arguments[1], "--unknown");
}

static void wrong_command_lines_say_what_is_wrong_and_give_status_2(void **state)
{
	static const struct {
		const char *words[8];
		const char *message;
	} cases[] = {
		{{"try", NULL}, "arguments are missing: IMAGE [MORE]"},
		{{"try", "a", "b", "c", NULL}, "too many arguments: c"},
		{{"try", "a", "--nothing", NULL}, "unknown option --nothing"},
		{{"try", "a", "-qz", NULL}, "unknown option -z"},
		{{"try", "a", "--output", NULL}, "--output wants a value: FILE"},
		{{"try", "a", "-m", NULL}, "--memory wants a value: SIZE"},
		{{"try", "a", "--quiet=yes", NULL}, "--quiet=yes takes no value"},
		{{"try", "a", "--help=yes", NULL}, "--help=yes takes no value"},
		{{"try", "a", "--memory", "many", NULL}, "--memory many: not a size"},
		{{"try", "a", "--count", "-1", NULL}, "--count -1: not a number"},
		{{"try", "a", "--memory", "99999999999T", NULL}, "too large"},
		{{"try", "a", "--co", NULL}, "--count wants a value: N"},
		{{"try", "a", "--n", "x", NULL}, "unknown option --n"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct error *err = NULL;
		struct values values = {};
		struct command_call call;

		assert_false(parse(&usage, cases[i].words, &values, &call, &err));
		assert_int_equal(call.status, EXIT_USAGE);
		assert_error(-EINVAL, -EINVAL, err, cases[i].message);
		strv_release(&values.names);
	}
}

static void help_lists_every_option_within_the_width(void **state)
{
	_cleanup_free_ char *text = NULL;
	size_t size, line;
	FILE *out = open_memstream(&text, &size);
	struct command_option long_one[] = {
		{"a-very-long-name-of-an-option", 'x', "FILE",
			"many words that go on and on and on and on and on and on and on and on and on and "
			"on",
			OPTION_STRING, 0},
		{},
	};
	struct command_usage how = usage;

	(void)state;
	assert_non_null(out);
	command_print_help(&usage, out);
	how.options = long_one;
	command_print_help(&how, out);
	assert_int_equal(fclose(out), 0);
	assert_non_null(strstr(text, "Usage: orlop try [OPTION]… IMAGE [MORE]\n\nTries.\n"));
	assert_non_null(strstr(text, "\n  -q, --quiet               Say less.\n"));
	assert_non_null(strstr(text, "\n      --name NAME           A name.\n"));
	assert_non_null(strstr(text, "\n      --help                Print"));
	assert_non_null(strstr(
		text, "\n  -x, --a-very-long-name-of-an-option FILE\n                            many"));
	for (const char *at = text; *at; at += line + (at[line] == '\n')) {
		line = strcspn(at, "\n");
		assert_true(line <= 102);
		assert_true(line == 0 || at[line - 1] != ' ');
	}
}

/* What goes with an option, and what does not, in any order and by letters, too. */
static void an_option_without_effect_is_refused_and_named(void **state)
{
	static const struct command_conflict conflicts[] = {
		{"output", "quiet count", true, "it is written"},
		{"memory", "name no-boot", false, "it is small"},
		{},
	};
	static const struct {
		const char *words[6];
		const char *message; /* NULL: none */
	} cases[] = {
		{{"-o", "f", "image", "-q", "--count=3"}, NULL},
		{{"-o", "f", "image", "--count=3"}, NULL},
		{{"--name=a", "--no-boot", "-q", "image"}, NULL},
		{{"-m1G", "-q", "image", "--count=3"}, NULL},
		{{"-o", "f", "image", "--no-boot"},
			"--output: it is written, so that --no-boot has no effect"},
		{{"--name=a", "-of", "image"}, "--output: it is written, so that --name has no effect"},
		{{"--no-boot", "image", "-m1G"}, "--memory: it is small, so that --no-boot has no effect"},
		{{"-m1G", "image", "-of"}, "--output: it is written, so that --memory has no effect"},
	};
	struct command_usage how = usage;

	(void)state;
	how.conflicts = conflicts;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *const *words = cases[i].words;
		_cleanup_error_ struct error *err = NULL;
		struct values values = {};
		struct command_call call;

		assert_int_equal(parse(&how, WORDS(words[0], words[1], words[2], words[3], words[4]), &values,
					 &call, &err),
			!cases[i].message);
		assert_int_equal(call.status, cases[i].message ? EXIT_USAGE : 0);
		if (cases[i].message)
			assert_error(-EINVAL, -EINVAL, err, cases[i].message);
		strv_release(&values.names);
	}
}

static int dispatch(const struct command_group *group, const char *const *words, struct error **err)
{
	char *argv[16] = {};
	int argc = 0;

	for (; words[argc]; argc++)
		argv[argc] = (char *)words[argc];
	return command_dispatch(group, argc, argv, err);
}

static int answer(int argc, char **argv, struct error **err)
{
	(void)err;
	assert_string_equal(argv[0], "go");
	return argc;
}

static void a_group_runs_the_verb_that_is_named(void **state)
{
	static const struct command commands[] = {{"stay", "Stay", NULL}, {"go", "Go", answer}, {}};
	static const struct command_group group = {.name = "orlop", .summary = "", .commands = commands};
	struct error *err = NULL;

	(void)state;
	assert_int_equal(dispatch(&group, WORDS("go", "x"), &err), 2);
	assert_int_equal(dispatch(&group, WORDS("g"), &err), EXIT_USAGE);
	assert_error(-EINVAL, -EINVAL, err, "unknown command g");
	assert_int_equal(dispatch(&group, WORDS(NULL), &err), EXIT_USAGE);
	assert_error(-EINVAL, -EINVAL, err, "a command is missing");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_options_of_each_kind_among_the_arguments),
		cmocka_unit_test(leaves_defaults_alone),
		cmocka_unit_test(options_first_leaves_the_rest_alone),
		cmocka_unit_test(wrong_command_lines_say_what_is_wrong_and_give_status_2),
		cmocka_unit_test(an_option_without_effect_is_refused_and_named),
		cmocka_unit_test(help_lists_every_option_within_the_width),
		cmocka_unit_test(a_group_runs_the_verb_that_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
