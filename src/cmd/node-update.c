/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * orlop-node check, update and rollback: a round of updates that an operator asks for.
 */
#include <errno.h>
#include <stddef.h>

#include "base/string-util.h"
#include "cmd/node-context.h"
#include "cmd/node.h"

struct values {
	const char *to;
	bool reboot, quiet, json;
};

#define OPTION_QUIET                                                                                 \
	{                                                                                            \
		"quiet", 'q', NULL, "Show no progress.", OPTION_TRUE, offsetof(struct values, quiet) \
	}

/* ---- check ---- */

static const struct command_option check_options[] = {
	{"json", 0, NULL, "Print it as JSON.", OPTION_TRUE, offsetof(struct values, json)}, OPTION_QUIET, {}};

static const struct command_usage check_usage = {
	.name = "orlop-node check",
	.arguments = "",
	.summary = "Asks the repository, and says what this node would do now. Changes nothing but what is "
		   "known "
		   "of the repository.",
	.options = check_options,
};

int node_check(int argc, char **argv, struct error **err)
{
	struct values values = {};
	struct command_call call;

	if (!command_parse(&check_usage, argc, argv, &values, &call, err))
		return call.status;
	return node_round_run(
		&(struct node_round){
			.command = "check", .dry = true, .json = values.json, .quiet = values.quiet},
		err);
}

/* ---- update ---- */

static const struct command_option update_options[] = {
	{"to", 0, "VERSION", "Go to this release, newer or older, and to no other.", OPTION_STRING,
		offsetof(struct values, to)},
	{"reboot", 0, NULL, "Restart the machine when the release is in place.", OPTION_TRUE,
		offsetof(struct values, reboot)},
	OPTION_QUIET,
	{},
};

static const struct command_usage update_usage = {
	.name = "orlop-node update",
	.arguments = "",
	.summary =
		"Brings a release into the slot that does not run, and has it start next: the newest one "
		"that "
		"the node's channel has, or the one that --to names. Waits for no window and no rollout; a "
		"release that was withdrawn, or is below the repository's floor, is refused.",
	.notes = "What was interrupted goes on from there when it is called again.",
	.options = update_options,
};

int node_update(int argc, char **argv, struct error **err)
{
	struct values values = {};
	struct command_call call;

	if (!command_parse(&update_usage, argc, argv, &values, &call, err))
		return call.status;
	return node_round_run(&(struct node_round){.command = "update",
				      .order = {.order = values.to ? POLICY_ORDER_TO : POLICY_ORDER_UPDATE,
					      .version = values.to,
					      .restart = true},
				      .reboot = values.reboot,
				      .quiet = values.quiet},
		err);
}

/* ---- rollback ---- */

static const struct command_option rollback_options[] = {
	{"to", 0, "VERSION", "Go back to this release, fetching it where neither slot has it.", OPTION_STRING,
		offsetof(struct values, to)},
	{"reboot", 0, NULL, "Restart the machine at once.", OPTION_TRUE, offsetof(struct values, reboot)},
	OPTION_QUIET,
	{},
};

static const struct command_usage rollback_usage = {
	.name = "orlop-node rollback",
	.arguments = "",
	.summary = "Has the release in the other slot start next, or the one that --to names. The running "
		   "one is kept "
		   "as the last resort, and not taken again by itself.",
	.options = rollback_options,
};

int node_rollback(int argc, char **argv, struct error **err)
{
	struct values values = {};
	struct command_call call;

	if (!command_parse(&rollback_usage, argc, argv, &values, &call, err))
		return call.status;
	return node_round_run(&(struct node_round){.command = "rollback",
				      .order = {.order = values.to ? POLICY_ORDER_TO : POLICY_ORDER_ROLLBACK,
					      .version = values.to,
					      .restart = true},
				      .reboot = values.reboot,
				      .quiet = values.quiet},
		err);
}
