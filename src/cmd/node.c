/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * orlop-node, the program on the node: the table of its verbs.
 */
#include "cmd/node.h"
#include "base/string-util.h"
#include "cmd/node-context.h"
#include "update/worker-main.h"

static const struct command commands[] = {
	{"status", "Say what runs, what starts next, and what is going to happen", node_status},
	{"check", "Ask the repository, and say what this node would do", node_check},
	{"update", "Bring a release into the other slot, and have it start next", node_update},
	{"rollback", "Go back to the release in the other slot, or to another one", node_rollback},
	{"channel", "Say or set which releases the node takes by itself", node_channel},
	{"pin", "Say or set the version that the node stays at", node_pin},
	{"history", "Say what happened to this node's releases", node_history},
	{"health", "Say whether this node is well", node_health},
	{"agent", "Keep the node up to date: what its service runs", node_agent},
	{"bless", "Keep the running release: what a service does after the health checks", node_bless},
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
	/* This program started itself again, to become the process that may use the network. */
	if (argc == 2 && streq(argv[1], node_worker_arguments[1]))
		worker_main();
	return command_main(&orlop_node, ORLOP_VERSION, argc, argv);
}
