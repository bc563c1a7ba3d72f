/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * orlop keys: the keys that builds and releases are signed with.
 */
#include <stddef.h>
#include <time.h>

#include "base/string-util.h"
#include "build/keys.h"
#include "cmd/keys.h"
#include "cmd/paths.h"
#include "cmd/repository.h"
#include "release/role-keys.h"
#include "release/rotate.h"

/* ---- rotate ---- */

static const struct command_option rotate_options[] = {OPTION_TO, OPTION_KEYS,
	{"new-key", 'n', "FILE",
		"Take this key, a file in PEM or a URI pkcs11:…, in place of making one. A file is copied.",
		OPTION_STRING, offsetof(struct rotate_values, new_key)},
	OPTION_EXPIRES,
	{"enrol", 0, NULL,
		"Of db: only make the new key, as db.key.new, and have builds enrol its certificate beside "
		"the "
		"one that signs.",
		OPTION_TRUE, offsetof(struct rotate_values, enrol)},
	{"passphrase", 0, NULL,
		"Of db: encrypt a new key with a passphrase, that of --passphrase-file or one that is asked "
		"for.",
		OPTION_TRUE, offsetof(struct rotate_values, passphrase)},
	{}};

static const struct command_usage rotate_usage = {
	.name = "orlop keys rotate",
	.arguments = "ROLE",
	.summary =
		"Puts a new key in the place of a role's: root, targets, snapshot or timestamp. Publishes a "
		"new root that says so, valid for ten years, and signs again what the role had signed. The "
		"old key stays as ROLE.key.N. One that was interrupted is taken up again.\n"
		"With db, which signs what starts, needs no repository: the old key stays as db.key.N, and "
		"builds enrol its certificate, db.crt.N, beside the new one until that file is removed.",
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
	if (streq(call.arguments[0], "db"))
		return keys_rotate_db(&rotate_usage, &values, err);
	role = tuf_type_of_name(call.arguments[0]);
	if (role == TUF_TYPES)
		return command_usage_error(&rotate_usage, err,
			"%s is not db, root, targets, snapshot or timestamp", call.arguments[0]);
	if (values.enrol || values.passphrase)
		return command_usage_error(&rotate_usage, err, "--enrol and --passphrase are of db");
	r = open_repository(&rotate_usage, &values.repository, false, time(NULL), &keys, &repository, err);
	if (r != 0)
		return r;
	r = rotate_key(repository,
		&(struct rotation){.role = role,
			.keys = keys,
			.secret = &values.repository.secrets.secret,
			.new_key = values.new_key},
		&ended, err);
	if (r < 0)
		return r;
	printf("%s %s.key in %s: %s has version %ju of the root\n",
		ended ? "Finished the change of" : "Changed", call.arguments[0], keys, values.repository.to,
		(uintmax_t)repository_root(repository)->version);
	return 0;
}

/* ---- add, remove, threshold ---- */

struct role_values {
	struct repository_values repository; /* first: OPTION_TO */
	const char *new_key;
	uint64_t threshold;
};

#define OPTION_THRESHOLD                                                                                  \
	{                                                                                                 \
		"threshold", 'T', "N", "How many of the role's keys must sign then. Default: as before.", \
			OPTION_NUMBER, offsetof(struct role_values, threshold)                            \
	}

static const struct command_option add_options[] = {OPTION_TO, OPTION_KEYS,
	{"new-key", 'n', "FILE",
		"Take this key, a file in PEM or a URI pkcs11:…, in place of making one. A file is copied.",
		OPTION_STRING, offsetof(struct role_values, new_key)},
	OPTION_THRESHOLD, OPTION_EXPIRES, {}};

static const struct command_option remove_options[] = {
	OPTION_TO, OPTION_KEYS, OPTION_THRESHOLD, OPTION_EXPIRES, {}};

static const struct command_option threshold_options[] = {OPTION_TO, OPTION_KEYS, OPTION_EXPIRES, {}};

static const struct command_usage add_usage = {
	.name = "orlop keys add",
	.arguments = "ROLE NAME",
	.summary = "Gives a role one more key, ROLE-NAME.key: root, targets, snapshot or timestamp. "
		   "Publishes a new "
		   "root that says so. With --threshold, several of the role's keys must sign from then on.",
	.options = add_options,
	.least = 2,
	.most = 2,
};

static const struct command_usage remove_usage = {
	.name = "orlop keys remove",
	.arguments = "ROLE NAME",
	.summary = "Takes the key ROLE-NAME.key from a role. Publishes a new root that says so. The key "
		   "stays as "
		   "ROLE-NAME.key.N.",
	.options = remove_options,
	.least = 2,
	.most = 2,
};

static const struct command_usage threshold_usage = {
	.name = "orlop keys threshold",
	.arguments = "ROLE N",
	.summary = "Sets how many of a role's keys must sign. Publishes a new root that says so, and signs "
		   "again what "
		   "the role had signed.",
	.options = threshold_options,
	.least = 2,
	.most = 2,
};

/* Reads the role, opens the repository, changes and tells. */
static int change_role(const struct command_usage *usage, const char *role, struct role_values *values,
	struct role_keys *change, struct error **err)
{
	_cleanup_repository_ struct repository *repository = NULL;
	_cleanup_free_ char *keys = NULL;
	const struct tuf_role *now;
	bool changed = false;
	int r;

	change->role = tuf_type_of_name(role);
	if (change->role == TUF_TYPES)
		return command_usage_error(
			usage, err, "%s is not root, targets, snapshot or timestamp", role);
	if (values->threshold > UINT32_MAX)
		return command_usage_error(
			usage, err, "the threshold is larger than %ju", (uintmax_t)UINT32_MAX);
	change->threshold = (uint32_t)values->threshold;
	change->new_key = values->new_key;
	change->secret = &values->repository.secrets.secret;
	r = open_repository(usage, &values->repository, false, time(NULL), &keys, &repository, err);
	if (r != 0)
		return r;
	change->keys = keys;
	r = role_keys_change(repository, change, &changed, err);
	if (r < 0)
		return r;
	now = &repository_root(repository)->roles[change->role];
	printf("%s: %ju of %zu keys must sign for %s; %s has version %ju of the root\n",
		changed ? "Changed" : "Nothing to do", (uintmax_t)now->threshold, now->count, role,
		values->repository.to, (uintmax_t)repository_root(repository)->version);
	return 0;
}

static int run_name(
	int argc, char **argv, const struct command_usage *usage, bool is_remove, struct error **err)
{
	struct role_values values = {};
	struct command_call call;
	const char *name;

	if (!command_parse(usage, argc, argv, &values, &call, err))
		return call.status;
	name = call.arguments[1];
	if (!role_key_name_is_valid(name))
		return command_usage_error(usage, err, "%s is not a name of letters, digits and \"-\"", name);
	return change_role(usage, call.arguments[0], &values,
		&(struct role_keys){.add = is_remove ? NULL : name, .remove = is_remove ? name : NULL}, err);
}

static int run_add(int argc, char **argv, struct error **err)
{
	return run_name(argc, argv, &add_usage, false, err);
}

static int run_remove(int argc, char **argv, struct error **err)
{
	return run_name(argc, argv, &remove_usage, true, err);
}

static int run_threshold(int argc, char **argv, struct error **err)
{
	struct role_values values = {};
	struct command_call call;

	if (!command_parse(&threshold_usage, argc, argv, &values, &call, err))
		return call.status;
	if (parse_u64(call.arguments[1], &values.threshold) < 0 || values.threshold == 0)
		return command_usage_error(
			&threshold_usage, err, "%s is not a number from 1 on", call.arguments[1]);
	return change_role(&threshold_usage, call.arguments[0], &values, &(struct role_keys){}, err);
}

static const struct command commands[] = {
	{"init", "Make the keys of builds and releases", keys_init_verb},
	{"sign", "Sign what a build has left to be signed", keys_sign_verb},
	{"rotate", "Put a new key in the place of one that signs releases", run_rotate},
	{"add", "Give a role one more key", run_add},
	{"remove", "Take a key from a role", run_remove},
	{"threshold", "Set how many of a role's keys must sign", run_threshold},
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
