/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * orlop keys: the keys that builds and releases are signed with.
 */
#include <stddef.h>
#include <time.h>

#include "base/string-util.h"
#include "build/keys.h"
#include "cmd/command.h"
#include "cmd/paths.h"

static const struct command_usage init_usage = {
	.name = "orlop keys init",
	.arguments = "[DIR]",
	.summary = "Makes the keys that builds and releases are signed with: PK and KEK, which change what a "
		   "machine's firmware trusts, and db, which signs what starts (RSA-2048); root, targets, "
		   "snapshot and timestamp, which sign repositories of releases (ed25519), and root.json, "
		   "which says so to nodes. PEM files, readable by you alone. Nothing is ever overwritten.",
	.notes = "DIR is $XDG_DATA_HOME/orlop/keys (~/.local/share/orlop/keys) where it is not given.\n\n"
		 "Whoever has these files can make images that your machines start: keep them as you keep "
		 "other "
		 "private keys, and keep a copy.",
	.most = 1,
};

static int run_init(int argc, char **argv, struct error **err)
{
	_cleanup_free_ char *folder = NULL;
	struct command_call call;
	int r;

	if (!command_parse(&init_usage, argc, argv, NULL, &call, err))
		return call.status;
	folder = call.count > 0 ? strdup(call.arguments[0]) : path_keys(err);
	if (!folder)
		return -1;
	r = keys_init(folder, time(NULL), err);
	if (r < 0)
		return r;
	printf("Made PK, KEK, db and the release keys in %s\n", folder);
	return 0;
}

static const struct command commands[] = {
	{"init", "Make the keys of builds and releases", run_init},
	{},
};

static const struct command_group keys = {
	.name = "orlop keys",
	.summary = "Makes and changes the keys that builds and releases are signed with.",
	.commands = commands,
};

int cmd_keys(int argc, char **argv, struct error **err)
{
	return command_dispatch(&keys, argc, argv, err);
}
