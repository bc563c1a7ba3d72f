/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * orlop keys init.
 */
#include <errno.h>
#include <stddef.h>
#include <time.h>

#include "base/string-util.h"
#include "build/keys.h"
#include "cmd/keys.h"
#include "cmd/paths.h"

struct values {
	struct strv given;
	struct secrets secrets;
	bool passphrase;
};

static const struct command_option options[] = {
	{"key", 0, "NAME=FILE",
		"Take this key in place of making one, and make what belongs to it: NAME is PK, KEK, db, "
		"root, "
		"targets, snapshot or timestamp; FILE is a file in PEM, which is copied, or a URI pkcs11:… "
		"of a "
		"key in a token. May be given several times.",
		OPTION_LIST, offsetof(struct values, given)},
	{"passphrase", 0, NULL,
		"Encrypt the new keys with a passphrase: that of --passphrase-file, or one that is asked "
		"for.",
		OPTION_TRUE, offsetof(struct values, passphrase)},
	OPTION_PASSPHRASE_FILE(struct values),
	OPTION_PIN_FILE(struct values),
	{},
};

static const struct command_usage usage = {
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
	.options = options,
	.most = 1,
};

/* Reads NAME=FILE; the texts stay *argument*'s, which is cut. */
static int read_given(char *argument, struct keys_given *ret, struct error **err)
{
	char *equals = strchr(argument, '=');

	if (equals)
		*equals = 0;
	if (!equals || !equals[1] || !keys_has_name(argument))
		return command_usage_error(&usage, err,
			"--key %s: not NAME=FILE with a NAME of PK, KEK, db, root, targets, snapshot or "
			"timestamp",
			argument);
	*ret = (struct keys_given){.name = argument, .where = equals + 1};
	return 0;
}

static int init(struct values *values, const char *folder, struct keys_given *given, struct error **err)
{
	struct keys_options how = {.now = time(NULL), .given = given, .given_count = values->given.count};
	int r = 0;

	for (size_t i = 0; i < values->given.count && r == 0; i++)
		r = read_given(values->given.items[i], &given[i], err);
	if (r != 0)
		return r;
	r = secrets_open(&values->secrets, &how.secret, err);
	if (r >= 0 && (values->passphrase || values->secrets.passphrase_file))
		r = secrets_new_passphrase(&values->secrets, &how.passphrase, err);
	if (r >= 0)
		r = keys_init(folder, &how, err);
	if (r >= 0)
		printf("Made PK, KEK, db and the release keys in %s\n", folder);
	return r;
}

int keys_init_verb(int argc, char **argv, struct error **err)
{
	_cleanup_free_ struct keys_given *given = NULL;
	_cleanup_free_ char *folder = NULL;
	struct values values = {};
	struct command_call call;
	int r;

	if (!command_parse(&usage, argc, argv, &values, &call, err))
		return call.status;
	folder = call.count > 0 ? path_given(call.arguments[0], err) : path_keys(err);
	if (!folder)
		return -1;
	given = calloc(values.given.count + 1, sizeof(*given));
	r = given ? init(&values, folder, given, err) : error_set_errno(err, -ENOMEM, "keys");
	secrets_close(&values.secrets);
	strv_release(&values.given);
	return r;
}
