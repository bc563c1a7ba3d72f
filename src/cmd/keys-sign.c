/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * orlop keys sign: signs what a build has left to be signed, and shows it before.
 */
#include <errno.h>
#include <stddef.h>
#include <unistd.h>

#include "base/encoding.h"
#include "base/string-util.h"
#include "build/sign-later.h"
#include "cmd/keys.h"
#include "cmd/paths.h"

struct values {
	const char *keys;
	struct secrets secrets;
	bool show, yes;
};

static const struct command_option options[] = {
	{"keys", 'k', "DIR", "The keys, made by `orlop keys init`. Default: $XDG_DATA_HOME/orlop/keys.",
		OPTION_STRING, offsetof(struct values, keys)},
	OPTION_PASSPHRASE_FILE(struct values),
	OPTION_PIN_FILE(struct values),
	{"show", 0, NULL, "Check the folder, show what is to be signed, and sign nothing.", OPTION_TRUE,
		offsetof(struct values, show)},
	{"yes", 'y', NULL, "Sign without asking.", OPTION_TRUE, offsetof(struct values, yes)},
	{},
};

static const struct command_usage usage = {
	.name = "orlop keys sign",
	.arguments = "DIR",
	.summary = "Signs what `orlop build --sign-later` has left in DIR, with those keys that are here: "
		   "checks the "
		   "images, works out from them what is to be signed, shows it, asks, and puts the "
		   "signatures beside "
		   "it. Several machines may do so one after another, each with a part of the keys.",
	.options = options,
	.least = 1,
	.most = 1,
};

static void show(const struct sign_later_about *about)
{
	printf("%s %s for %s, root hash %s\ncommand line: %s\nsigning.json: SHA-256 %s\n\n", about->edition,
		about->version, about->architecture, about->root_hash, about->command_line, about->sha256);
	for (size_t i = 0; i < about->signing->count; i++) {
		const struct signing_item *item = about->signing->items[i];

		printf("%-12s  %s\n%12s  by %s\n", item->name, item->about, "", signer_subject(item->by));
	}
	printf("\n");
}

/* Whether somebody at the terminal says yes. */
static bool ask(size_t count)
{
	char answer[16] = "";

	if (!isatty(STDIN_FILENO))
		return false;
	(void)fflush(stdout);
	fprintf(stderr, "Sign these %zu? [y/N] ", count);
	return fgets(answer, sizeof(answer), stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

static int sign(struct values *values, const char *dir, const struct sign_later *folder, struct error **err)
{
	_cleanup_free_ char *keys = values->keys ? path_given(values->keys, err) : path_keys(err);
	const struct key_secret *secret;
	_cleanup_free_ char *missing = NULL;
	size_t made;
	int r;

	if (!keys)
		return -ENOENT;
	r = secrets_open(&values->secrets, &secret, err);
	if (r >= 0)
		r = sign_later_sign(folder, keys, secret, &made, &missing, err);
	secrets_close(&values->secrets);
	if (r < 0)
		return r;
	if (*missing)
		printf("Made %zu signature%s in %s; still missing: %s\n", made, made == 1 ? "" : "s", dir,
			missing);
	else
		printf("Made %zu signature%s in %s, which now has all of them: end the build with `orlop "
		       "build --finish %s`\n",
			made, made == 1 ? "" : "s", dir, dir);
	return 0;
}

int keys_sign_verb(int argc, char **argv, struct error **err)
{
	_cleanup_sign_later_ struct sign_later *folder = NULL;
	struct sign_later_about about;
	struct values values = {};
	struct command_call call;
	int r;

	if (!command_parse(&usage, argc, argv, &values, &call, err))
		return call.status;
	r = sign_later_read(call.arguments[0], 0, &folder, err);
	if (r < 0)
		return r;
	about = sign_later_about(folder);
	show(&about);
	if (values.show)
		return 0;
	if (!values.yes && !ask(about.signing->count))
		return error_set(
			err, -ECANCELED, "nothing was signed: nobody said yes (--yes signs without asking)");
	return sign(&values, call.arguments[0], folder, err);
}
