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
#include "cmd/repository.h"
#include "release/rotate.h"

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

/* ---- rotate ---- */

struct rotate_values {
	struct repository_values repository; /* first: OPTION_TO */
	const char *new_key;
};

static const struct command_option rotate_options[] = {OPTION_TO, OPTION_KEYS,
	{"new-key", 'n', "FILE",
		"Take this key, a file in PEM or a URI pkcs11:…, in place of making one. A file is copied.",
		OPTION_STRING, offsetof(struct rotate_values, new_key)},
	OPTION_EXPIRES, {}};

static const struct command_usage rotate_usage = {
	.name = "orlop keys rotate",
	.arguments = "ROLE",
	.summary =
		"Puts a new key in the place of a role's: root, targets, snapshot or timestamp. Publishes a "
		"new root that says so, valid for ten years, and signs again what the role had signed. The "
		"old key stays as ROLE.key.N. One that was interrupted is taken up again.",
	.options = rotate_options,
	.least = 1,
	.most = 1,
};

static int run_rotate(int argc, char **argv, struct error **err)
{
	_cleanup_repository_ struct repository *repository = NULL;
	_cleanup_free_ char *keys = NULL;
	struct rotate_values values = {};
	struct command_call call;
	enum tuf_type role;
	bool ended = false;
	int r;

	if (!command_parse(&rotate_usage, argc, argv, &values, &call, err))
		return call.status;
	role = tuf_type_of_name(call.arguments[0]);
	if (role == TUF_TYPES)
		return command_usage_error(&rotate_usage, err,
			"%s is not root, targets, snapshot or timestamp", call.arguments[0]);
	r = open_repository(&rotate_usage, &values.repository, false, time(NULL), &keys, &repository, err);
	if (r != 0)
		return r;
	r = rotate_key(repository,
		&(struct rotation){
			.role = role, .keys = keys, .secret = &terminal_secret, .new_key = values.new_key},
		&ended, err);
	if (r < 0)
		return r;
	printf("%s %s.key in %s: %s has version %ju of the root\n",
		ended ? "Finished the change of" : "Changed", call.arguments[0], keys, values.repository.to,
		(uintmax_t)repository_root(repository)->version);
	return 0;
}

static const struct command commands[] = {
	{"init", "Make the keys of builds and releases", run_init},
	{"rotate", "Put a new key in the place of one that signs releases", run_rotate},
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
