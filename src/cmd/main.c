/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * orlop, the toolkit: the table of its verbs.
 */
#include "cmd/command.h"

static const struct command commands[] = {
	{"build", "Build an edition's disk image from packages", cmd_build},
	{"diff", "Say what changed between two releases or builds", cmd_diff},
	{"inspect", "Say what is in an image", cmd_inspect},
	{"keys", "Make and change the keys that builds and releases are signed with", cmd_keys},
	{"publish", "Put what was built into a repository that nodes follow", cmd_publish},
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

int main(int argc, char **argv)
{
	return command_main(&orlop, ORLOP_VERSION, argc, argv);
}
