/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * orlop-node, the program on the node: the table of its verbs.
 */
#include "cmd/node.h"

static const struct command commands[] = {
	{"health", "Say whether this node is well", node_health},
	{"tuf", "Follow a repository of The Update Framework", node_tuf},
	{},
};

static const struct command_group orlop_node = {
	.name = "orlop-node",
	.summary = "Keeps a node of Orlop up to date.",
	.commands = commands,
	.notes = "orlop-node --version prints the version.\n\n"
		 "Exit status: 0 for success, 1 where something failed, 2 where the command line is wrong.",
};

int main(int argc, char **argv)
{
	return command_main(&orlop_node, ORLOP_VERSION, argc, argv);
}
