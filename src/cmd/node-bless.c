/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * orlop-node bless: the running release has proved itself. Called by a unit behind boot-complete.target.
 */
#include <time.h>

#include "cmd/node-context.h"
#include "cmd/node.h"
#include "update/node-cycle.h"
#include "update/node-lock.h"

static const struct command_usage usage = {
	.name = "orlop-node bless",
	.arguments = "",
	.summary = "Takes the counter off the running release's boot entry, so that it is what starts from "
		   "now on. A unit "
		   "does this at each start, once the node's health checks have passed.",
};

int node_bless(int argc, char **argv, struct error **err)
{
	_cleanup_node_ struct node *node = NULL;
	_cleanup_error_ struct error *why = NULL;
	_cleanup_node_lock_ struct node_lock lock = NODE_LOCK_INIT;
	struct command_call call;
	struct install install;
	int64_t now = (int64_t)time(NULL);
	bool changed = false;
	int r;

	if (!command_parse(&usage, argc, argv, NULL, &call, err))
		return call.status;
	r = node_open_without_settings(&node, NULL, err);
	if (r >= 0 && node->netboot) {
		printf("started from the network: there is no boot entry, and so nothing to be done\n");
		return 0;
	}
	if (r >= 0)
		r = node_lock_take(node,
			&(struct node_lock_request){.rank = NODE_LOCK_URGENT, .command = "bless", .now = now},
			&lock, err);
	if (r >= 0)
		r = node_open_disk(node, true, err);
	if (r < 0)
		return r;
	install = node_install(node, now);
	r = install_bless(&install, &changed, err);
	if (r < 0 || !changed)
		return r;
	printf("%s is what starts from now on\n", node->version);
	/* The node is as good as it was without the notes. The agent, who notes a start otherwise, has not
	 * begun yet. */
	if (node_settle(node, now, &why) < 0 ||
		node_remember(node, now, HISTORY_HEALTHY, node->version, NULL, &why) < 0)
		fprintf(stderr, "orlop-node: history: %s\n", error_message(why));
	return 0;
}
