/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * orlop, the toolkit: the table of its verbs. Prints the error that a verb hands up, once.
 */
#include <errno.h>
#include <locale.h>

#include "base/string-util.h"
#include "cmd/command.h"

static const struct command commands[] = {
	{"build", "Build an edition's disk image from packages", cmd_build},
	{"inspect", "Say what is in an image", cmd_inspect},
	{"keys", "Make the keys that builds are signed with", cmd_keys},
	{"vm", "Start an image in a virtual machine, with Secure Boot and a TPM", cmd_vm},
	{},
};

static const struct command_group orlop = {
	.name = "orlop",
	.summary =
		"Builds Orlop, an operating system for container hosts, and ships, starts and examines it.",
	.commands = commands,
	.notes = "orlop --version prints the version.\n\n"
		 "Exit status: 0 for success, 1 where something failed, 2 where the command line is wrong.",
};

/* What was written to standard output must have arrived there. */
static int flush_output(struct error **err)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return 0;
	return error_set_errno(err, errno ? -errno : -EIO, "cannot write to standard output");
}

int main(int argc, char **argv)
{
	_cleanup_error_ struct error *err = NULL, *output_err = NULL;
	int status = 0;

	(void)setlocale(LC_CTYPE, "");
	if (argc == 2 && streq(argv[1], "--version"))
		printf("orlop %s\n", ORLOP_VERSION);
	else
		status = command_dispatch(&orlop, argc, argv, &err);
	if (status < 0)
		status = EXIT_FAILURE;
	if (err) {
		fprintf(stderr, "orlop: %s\n", error_message(err));
	} else if (status == 0 && flush_output(&output_err) < 0) {
		fprintf(stderr, "orlop: %s\n", error_message(output_err));
		status = EXIT_FAILURE;
	}
	return status;
}
