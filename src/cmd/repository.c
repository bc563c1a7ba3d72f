/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cmd/repository.h"

#include <errno.h>

#include "base/string-util.h"
#include "build/keys.h"
#include "cmd/paths.h"

#define DAYS_MAX 3650

/* Defaults of what is signed less often than the timestamp: it has to be valid at least as long. */
#define SNAPSHOT_DAYS 30
#define TARGETS_DAYS 90

static void warn_of_exposed_keys(const char *keys)
{
	_cleanup_free_ char *exposed = keys_exposed(keys);

	if (exposed)
		fprintf(stderr,
			"orlop: warning: private keys may be read by their group; run: chmod 600 %s\n",
			exposed);
}

int open_repository(const struct command_usage *usage, struct repository_values *values, bool create,
	int64_t now, char **ret_keys, struct repository **ret, struct error **err)
{
	_cleanup_free_ char *keys = NULL;
	const struct key_secret *secret;
	uint64_t days = 0;
	int r;

	if (!values->to || !*values->to)
		return command_usage_error(usage, err, "--to is missing: the repository's folder");
	if (values->expires && (parse_u64(values->expires, &days) < 0 || days == 0 || days > DAYS_MAX))
		return command_usage_error(usage, err, "--expires %s: not a number of days from 1 to %d",
			values->expires, DAYS_MAX);
	keys = values->keys ? path_given(values->keys, err) : path_keys(err);
	if (!keys)
		return -ENOENT;
	warn_of_exposed_keys(keys);
	r = secrets_open(&values->secrets, &secret, err);
	if (r < 0)
		return r;
	r = repository_open(
		&(struct repository_options){
			.path = values->to,
			.keys = keys,
			.secret = secret,
			.now = now,
			.create = create,
			.days = {[TUF_TIMESTAMP] = (uint32_t)days,
				[TUF_SNAPSHOT] = (uint32_t)MAX(days, SNAPSHOT_DAYS),
				[TUF_TARGETS] = (uint32_t)MAX(days, TARGETS_DAYS)},
		},
		ret, err);
	if (r < 0)
		return r;
	*ret_keys = TAKE_PTR(keys);
	return 0;
}

void print_validity(const struct repository *repository, const char *path)
{
	char text[TUF_TIME_SIZE] = "?";

	(void)tuf_time_format(repository_metadata(repository, TUF_TIMESTAMP)->expires, text);
	printf("%s is valid until %s\n", path, text);
}
