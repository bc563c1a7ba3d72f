/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * orlop keys rotate db: the key that signs what starts.
 */
#include <time.h>

#include "base/string-util.h"
#include "cmd/keys.h"
#include "cmd/paths.h"
#include "release/rotate-db.h"

static int rotate(struct rotate_values *values, struct db_rotation *how, struct error **err)
{
	unsigned kept;
	int r = 0;

	if (values->passphrase)
		r = secrets_new_passphrase(&values->repository.secrets, &how->passphrase, err);
	if (r >= 0)
		r = rotate_db(how, &kept, err);
	if (r < 0)
		return r;
	if (how->enrol)
		printf("Made %s/db.key.new: builds enrol its certificate from now on, and sign with db.key\n",
			how->keys);
	else
		printf("Changed db.key in %s: the key before it is db.key.%u, and builds enrol db.crt.%u as "
		       "well\n",
			how->keys, kept, kept);
	return 0;
}

int keys_rotate_db(const struct command_usage *usage, struct rotate_values *values, struct error **err)
{
	_cleanup_free_ char *keys = NULL;
	struct db_rotation how = {.enrol = values->enrol, .new_key = values->new_key, .now = time(NULL)};
	int r;

	if (values->repository.to || values->repository.expires)
		return command_usage_error(
			usage, err, "db is of no repository: leave --to and --expires out");
	keys = values->repository.keys ? path_given(values->repository.keys, err) : path_keys(err);
	if (!keys)
		return -1;
	how.keys = keys;
	r = secrets_open(&values->repository.secrets, &how.secret, err);
	if (r >= 0)
		r = rotate(values, &how, err);
	secrets_close(&values->repository.secrets);
	return r;
}
