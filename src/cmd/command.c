/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cmd/command.h"

#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <locale.h>
#include <stdarg.h>

#include "base/buffer.h"
#include "base/string-util.h"

/* Columns of --help: where a line ends, and where the text about an option begins. */
enum {
	HELP_WIDTH = 100,
	HELP_INDENT = 28,
};

/* getopt_long() gives back an option's index above this, so that no letter is mistaken for one. */
enum {
	OPTION_BASE = 256,
	OPTION_HELP = 255,
};

/* Prints *text* from *column* on, broken between words; a newline in it begins a new line. */
static void print_wrapped(FILE *out, const char *text, int column, int indent)
{
	while (*text) {
		int length = (int)strcspn(text, " \n");

		if (column > indent && column + 1 + length > HELP_WIDTH)
			column = (fprintf(out, "\n%*s", indent, ""), indent);
		else if (column > indent)
			column += fprintf(out, " ");
		column += fprintf(out, "%.*s", length, text);
		text += length;
		for (; *text == '\n'; text++)
			column = (fprintf(out, "\n%*s", text[1] == '\n' ? 0 : indent, ""), indent);
		text += strspn(text, " ");
	}
	fprintf(out, "\n");
}

static void print_entry(FILE *out, const char *left, const char *text)
{
	int column = fprintf(out, "  %s", left);

	if (column + 2 > HELP_INDENT)
		column = (fprintf(out, "\n"), 0);
	fprintf(out, "%*s", HELP_INDENT - column, "");
	print_wrapped(out, text, HELP_INDENT, HELP_INDENT);
}

static void print_option(FILE *out, const struct command_option *option)
{
	char left[128], letter[8] = "    ";

	if (option->letter)
		(void)snprintf(letter, sizeof(letter), "-%c, ", option->letter);
	(void)snprintf(left, sizeof(left), "%s--%s%s%s", letter, option->name, option->argument ? " " : "",
		option->argument ? option->argument : "");
	print_entry(out, left, option->help);
}

static void print_command_list(FILE *out, const struct command *commands)
{
	fprintf(out, "\nCommands:\n");
	for (const struct command *command = commands; command->name; command++)
		print_entry(out, command->name, command->summary);
}

void command_print_help(const struct command_usage *usage, FILE *out)
{
	fprintf(out, "Usage: %s [OPTION]…%s%s\n", usage->name, *usage->arguments ? " " : "",
		usage->arguments);
	if (usage->commands)
		fprintf(out, "       %s COMMAND [OPTION]…\n", usage->name);
	fprintf(out, "\n");
	print_wrapped(out, usage->summary, 0, 0);
	fprintf(out, "\nOptions:\n");
	for (const struct command_option *option = usage->options; option && option->name; option++)
		print_option(out, option);
	print_entry(out, "    --help", "Print this text and exit.");
	if (usage->commands)
		print_command_list(out, usage->commands);
	if (usage->notes) {
		fprintf(out, "\n");
		print_wrapped(out, usage->notes, 0, 0);
	}
}

int command_usage_error(const struct command_usage *usage, struct error **err, const char *format, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	(void)error_set(err, -EINVAL, "%s (see %s --help)", text ? text : "wrong arguments", usage->name);
	return EXIT_USAGE;
}

static int store_number(const struct command_usage *usage, const struct command_option *option,
	const char *argument, uint64_t *ret, struct error **err)
{
	bool size = option->kind == OPTION_SIZE;
	int r = size ? parse_size(argument, ret) : parse_u64(argument, ret);

	if (r < 0)
		return command_usage_error(usage, err, "--%s %s: %s", option->name, argument,
			r == -ERANGE ? "too large"
			: size	     ? "not a size (such as 512M or 4G)"
				     : "not a number");
	return 0;
}

/* Puts one option's value where it belongs; returns 0 or EXIT_USAGE, or -ENOMEM. */
static int store(const struct command_usage *usage, const struct command_option *option, const char *argument,
	void *values, struct error **err)
{
	void *value;

	assert(option);
	value = (uint8_t *)values + option->offset;
	switch (option->kind) {
	case OPTION_TRUE:
	case OPTION_FALSE:
		*(bool *)value = option->kind == OPTION_TRUE;
		return 0;
	case OPTION_STRING:
		*(const char **)value = argument;
		return 0;
	case OPTION_LIST:
		return strv_add(value, argument);
	case OPTION_SIZE:
	case OPTION_NUMBER:
		return store_number(usage, option, argument, value, err);
	}
	return -EINVAL;
}

/* getopt_long()'s tables, made from ours. */
struct getopt_tables {
	struct buffer letters;
	struct option *options;
};

static void getopt_tables_release(struct getopt_tables *tables)
{
	buffer_release(&tables->letters);
	free(tables->options);
}

static int getopt_tables_make(const struct command_usage *usage, struct getopt_tables *ret)
{
	size_t count = 0;

	while (usage->options && usage->options[count].name)
		count++;
	ret->options = calloc(count + 2, sizeof(*ret->options));
	if (!ret->options)
		return -ENOMEM;
	buffer_append_string(&ret->letters, usage->options_first ? "+:" : ":");
	for (size_t i = 0; i < count; i++) {
		const struct command_option *option = &usage->options[i];
		bool valued = option->kind != OPTION_TRUE && option->kind != OPTION_FALSE;

		assert(valued == (option->argument != NULL));
		ret->options[i] = (struct option){option->name, valued, NULL, (int)i + OPTION_BASE};
		if (option->letter)
			buffer_printf(&ret->letters, "%c%s", option->letter, valued ? ":" : "");
	}
	ret->options[count] = (struct option){"help", no_argument, NULL, OPTION_HELP};
	buffer_append_u8(&ret->letters, 0);
	return buffer_failed(&ret->letters) ? -ENOMEM : 0;
}

static const struct command_option *option_of(const struct command_usage *usage, int value)
{
	if (value >= OPTION_BASE)
		return &usage->options[value - OPTION_BASE];
	for (const struct command_option *option = usage->options; option && option->name; option++)
		if (option->letter && option->letter == value)
			return option;
	return NULL;
}

/* What getopt_long() did not like. */
static int complain(const struct command_usage *usage, int value, char **argv, struct error **err)
{
	const struct command_option *option = option_of(usage, optopt);

	if (value == ':' && option)
		return command_usage_error(
			usage, err, "--%s wants a value: %s", option->name, option->argument);
	if (option || optopt == OPTION_HELP)
		return command_usage_error(usage, err, "%s takes no value", argv[optind - 1]);
	if (optopt > 0 && optopt < OPTION_HELP)
		return command_usage_error(usage, err, "unknown option -%c", optopt);
	return command_usage_error(usage, err, "unknown option %s", argv[optind - 1]);
}

/* The options that were given, by their place in the table. */
typedef uint64_t option_set;

static option_set set_of(const struct command_usage *usage, const struct command_option *option)
{
	assert(option - usage->options < 64);
	return UINT64_C(1) << (option - usage->options);
}

/* Reads all options; returns 0, EXIT_USAGE, a negative errno, or OPTION_HELP. */
static int read_options(const struct command_usage *usage, int argc, char **argv, void *values,
	option_set *ret_given, struct error **err)
{
	_cleanup_(getopt_tables_release) struct getopt_tables tables = {};
	const struct command_option *option;
	int value, r = getopt_tables_make(usage, &tables);

	optind = 0; /* begins anew, with permutation as the letters say */
	opterr = 0;
	while (r == 0) {
		value = getopt_long(argc, argv, (char *)tables.letters.data, tables.options, NULL);
		if (value < 0)
			return 0;
		if (value == OPTION_HELP)
			return OPTION_HELP;
		if (value == '?' || value == ':')
			return complain(usage, value, argv, err);
		option = option_of(usage, value);
		assert(option);
		*ret_given |= set_of(usage, option);
		r = store(usage, option, optarg, values, err);
	}
	return r;
}

/* Whether the name is a word of the list. */
static bool is_listed(const char *list, const char *name)
{
	size_t length = strlen(name);

	for (const char *at = strstr(list, name); at; at = strstr(at + 1, name))
		if ((at == list || at[-1] == ' ') && (at[length] == 0 || at[length] == ' '))
			return true;
	return false;
}

static int check_conflict(const struct command_usage *usage, const struct command_conflict *conflict,
	option_set given, struct error **err)
{
	const struct command_option *of = NULL, *without = NULL;

	for (const struct command_option *option = usage->options; option->name; option++) {
		if (!(given & set_of(usage, option)))
			continue;
		if (streq(option->name, conflict->option))
			of = option;
		else if (is_listed(conflict->others, option->name) != conflict->all_but && !without)
			without = option;
	}
	return of && without ? command_usage_error(usage, err, "--%s: %s, so that --%s has no effect",
				       of->name, conflict->why, without->name)
			     : 0;
}

static int check_conflicts(const struct command_usage *usage, option_set given, struct error **err)
{
	int r = 0;

	for (const struct command_conflict *conflict = usage->conflicts;
		r == 0 && conflict && conflict->option; conflict++)
		r = check_conflict(usage, conflict, given, err);
	return r;
}

bool command_parse(const struct command_usage *usage, int argc, char **argv, void *values,
	struct command_call *ret, struct error **err)
{
	option_set given = 0;
	int r = read_options(usage, argc, argv, values, &given, err);

	if (r == 0)
		r = check_conflicts(usage, given, err);

	*ret = (struct command_call){.status = r};
	if (r == OPTION_HELP) {
		command_print_help(usage, stdout);
		ret->status = 0;
	}
	if (r == -ENOMEM)
		(void)error_set_errno(err, r, "%s", usage->name);
	if (r != 0)
		return false;
	ret->arguments = argv + optind;
	ret->count = (size_t)(argc - optind);
	if (ret->count < usage->least)
		ret->status = command_usage_error(usage, err, "arguments are missing: %s", usage->arguments);
	else if (ret->count > usage->most)
		ret->status = command_usage_error(
			usage, err, "too many arguments: %s", ret->arguments[usage->most]);
	return ret->status == 0;
}

static void print_commands(const struct command_group *group)
{
	printf("Usage: %s COMMAND [OPTION]…\n\n", group->name);
	print_wrapped(stdout, group->summary, 0, 0);
	print_command_list(stdout, group->commands);
	printf("\n%s COMMAND --help says more about a command.\n", group->name);
	if (group->notes) {
		printf("\n");
		print_wrapped(stdout, group->notes, 0, 0);
	}
}

const struct command *command_find(const struct command *commands, int argc, char **argv)
{
	for (const struct command *command = commands; argc >= 2 && command->name; command++)
		if (streq(command->name, argv[1]))
			return command;
	return NULL;
}

int command_dispatch(const struct command_group *group, int argc, char **argv, struct error **err)
{
	const struct command *command = command_find(group->commands, argc, argv);

	if (argc >= 2 && (streq(argv[1], "--help") || streq(argv[1], "help"))) {
		print_commands(group);
		return 0;
	}
	if (argc < 2) {
		(void)error_set(err, -EINVAL, "a command is missing (see %s --help)", group->name);
		return EXIT_USAGE;
	}
	if (command)
		return command->run(argc - 1, argv + 1, err);
	(void)error_set(err, -EINVAL, "unknown command %s (see %s --help)", argv[1], group->name);
	return EXIT_USAGE;
}

/* What was written to standard output must have arrived there. */
static int flush_output(struct error **err)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return 0;
	return error_set_errno(err, errno ? -errno : -EIO, "cannot write to standard output");
}

int command_main(const struct command_group *program, const char *version, int argc, char **argv)
{
	_cleanup_error_ struct error *err = NULL, *output_err = NULL;
	int status = 0;

	(void)setlocale(LC_CTYPE, "");
	if (argc == 2 && streq(argv[1], "--version"))
		printf("%s %s\n", program->name, version);
	else
		status = command_dispatch(program, argc, argv, &err);
	/* Where memory is out there may be no message, but there is its code. */
	if (err || status < 0) {
		fprintf(stderr, "%s: %s\n", program->name, err ? error_message(err) : strerror(-status));
	} else if (status == 0 && flush_output(&output_err) < 0) {
		fprintf(stderr, "%s: %s\n", program->name, error_message(output_err));
		status = EXIT_FAILURE;
	}
	return status < 0 ? EXIT_FAILURE : status;
}
