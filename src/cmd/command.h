/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The command line's frame: tables of verbs and of options, from which both the reading of arguments and the
 * text of --help are made, so that they can't differ.
 *
 * A verb is a function that gets its own name as argv[0] and returns the program's exit status. Where it
 * leaves an error in *err*, command_main() prints it, once. Exit statuses: 0 for success, 1 where something
 * failed (a negative errno that is handed up becomes 1), 2 where the command line is wrong; `orlop vm run`
 * and `orlop vm exec` pass on that of a command in the guest.
 */
#pragma once

#include "base/error.h"

#define EXIT_USAGE 2

struct command {
	const char *name;
	const char *summary; /* one line, a sentence without its full stop */
	int (*run)(int argc, char **argv, struct error **err);
};

/* What an option's value is, and what stands for it in the structure that command_parse() fills. */
enum option_kind {
	OPTION_TRUE,   /* no value: sets a bool */
	OPTION_FALSE,  /* no value: clears a bool */
	OPTION_STRING, /* const char *, which belongs to argv; the last one given counts */
	OPTION_LIST,   /* struct strv, one item for each time it is given */
	OPTION_SIZE,   /* uint64_t in bytes, as parse_size() reads it */
	OPTION_NUMBER, /* uint64_t */
};

struct command_option {
	const char *name;     /* without its dashes */
	char letter;	      /* the short form, 0 for none */
	const char *argument; /* what --help calls the value; NULL exactly where the kind has none */
	const char *help;     /* a sentence or more, wrapped when printed */
	enum option_kind kind;
	size_t offset; /* of the value in the structure */
};

/* What can't be given beside one option, since it would have no effect. */
struct command_conflict {
	const char *option, *others; /* names without their dashes, of *others* with spaces between them */
	bool all_but;		     /* *others* are all that go with it; else those that don't */
	const char *why;	     /* "nothing is built" */
};

struct command_usage {
	const char *name;      /* "orlop vm run" */
	const char *arguments; /* "IMAGE", "NAME COMMAND…", or "" */
	const char *summary;   /* what it does, a paragraph or more */
	const char *notes;     /* printed behind the options: files, exit statuses …; may be NULL */
	const struct command_option *options;	  /* ended by an entry without a name; may be NULL */
	const struct command_conflict *conflicts; /* ended by an entry without an option; may be NULL */
	size_t least, most;			  /* how many arguments there must be beside the options */
	bool options_first; /* the first argument ends the options: what follows is somebody else's */
	const struct command
		*commands; /* that can stand in the arguments' place: command_find(); may be NULL */
};

struct command_call {
	char **arguments; /* point into argv */
	size_t count;
	int status; /* what to return where command_parse() returned false */
};

/*
 * Reads the command line into *values*, the structure that the table's offsets point into; what is not given
 * keeps its value, so defaults are set before. --help prints the usage.
 *
 * Returns true where the verb goes on; false where it returns ret->status: 0 after --help, EXIT_USAGE with
 * *err* set where the command line is wrong.
 */
bool command_parse(const struct command_usage *usage, int argc, char **argv, void *values,
	struct command_call *ret, struct error **err);

/* An error about the command line, which names the verb's --help; returns EXIT_USAGE. */
int command_usage_error(const struct command_usage *usage, struct error **err, const char *format, ...)
	_printf_(3, 4);

/* Writes the text of --help. */
void command_print_help(const struct command_usage *usage, FILE *out);

/* The command that argv[1] names, NULL where it names none. The list is ended by an entry without a name. */
const struct command *command_find(const struct command *commands, int argc, char **argv);

/* A verb made of verbs: prints their list for --help, runs the one that argv[1] names. */
struct command_group {
	const char *name; /* "orlop vm" */
	const char *summary;
	const struct command *commands; /* ended by an entry without a name */
	const char *notes;
};

int command_dispatch(const struct command_group *group, int argc, char **argv, struct error **err);

/*
 * All of main(): runs the program's verb, or prints the version for --version; prints the error that the verb
 * hands up, once. Returns the exit status.
 */
int command_main(const struct command_group *program, const char *version, int argc, char **argv);

/* The verbs of `orlop`. */
int cmd_build(int argc, char **argv, struct error **err);
int cmd_diff(int argc, char **argv, struct error **err);
int cmd_inspect(int argc, char **argv, struct error **err);
int cmd_keys(int argc, char **argv, struct error **err);
int cmd_publish(int argc, char **argv, struct error **err);
int cmd_vm(int argc, char **argv, struct error **err);
