/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * orlop publish: from the outputs of a build to a repository that nodes follow.
 */
#include "cmd/publish.h"

#include <errno.h>
#include <time.h>

#include "base/encoding.h"
#include "base/file.h"
#include "base/string-util.h"
#include "cmd/command-json.h"
#include "cmd/paths.h"
#include "cmd/repository.h"
#include "format/canonical-json.h"
#include "format/json-text.h"
#include "release/blocks-write.h"
#include "release/publish.h"

#define NOTES_MAX MiB(1)
#define LEVEL_MAX 22
#define THREADS_MAX 1024

struct values {
	struct repository_values repository; /* first: OPTION_TO */
	const char *rollout, *version, *notes, *cache;
	struct strv channels;
	uint64_t patch_from, level, threads;
	bool json, quiet;
};

static const struct command_option options[] = {
	OPTION_TO,
	{"channel", 'c', "CHANNEL", "\"weekly\" or \"security\"; may be given for both. Default: weekly.",
		OPTION_LIST, offsetof(struct values, channels)},
	OPTION_KEYS,
	{"rollout", 'r', "PLAN",
		"How many nodes may have it from when on, such as 10%@0h,50%@24h,100%@72h: percentages of "
		"all "
		"nodes, and hours after now. Default: all at once.",
		OPTION_STRING, offsetof(struct values, rollout)},
	{"patch-from", 'p', "N", "Make patches from the last N releases. Default: 3.", OPTION_NUMBER,
		offsetof(struct values, patch_from)},
	OPTION_EXPIRES,
	{"version", 'V', "VERSION", "The version to publish, where the folder has several.", OPTION_STRING,
		offsetof(struct values, version)},
	{"notes", 'n', "FILE",
		"The release's notes.md. Default: what changed since the version before, as `orlop diff` "
		"says "
		"it.",
		OPTION_STRING, offsetof(struct values, notes)},
	{"cache", 0, "DIR",
		"Where builds keep packages, whose changelogs the notes are made of. Default: "
		"$XDG_CACHE_HOME/orlop.",
		OPTION_STRING, offsetof(struct values, cache)},
	{"level", 'l', "N", "Compress the image with this level of Zstandard, 1 to 22. Default: 19.",
		OPTION_NUMBER, offsetof(struct values, level)},
	{"threads", 'j', "N", "How many threads work at once. Default: one for each processor.",
		OPTION_NUMBER, offsetof(struct values, threads)},
	{"json", 0, NULL, "Print what was published as JSON.", OPTION_TRUE, offsetof(struct values, json)},
	{"quiet", 'q', NULL, "Show no progress.", OPTION_TRUE, offsetof(struct values, quiet)},
	{},
};

static const struct command_usage usage = {
	.name = "orlop publish",
	.arguments = "BUILD-DIR",
	.summary =
		"Publishes the outputs of `orlop build`: checks them, makes the files that nodes fetch of "
		"them, and signs. The repository is a folder of files for any web server. It serves what it "
		"served before until the new release is whole.",
	.notes = "BUILD-DIR is a folder of outputs of `orlop build`; one release for each architecture in it "
		 "is published.",
	.options = options,
	.commands = publish_commands,
	.least = 1,
	.most = 1,
};

/* ---- What was published ---- */

static uint64_t patch_bytes(const struct image_files *files)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < files->delta_count; i++)
		bytes += files->deltas[i].patch.size + files->deltas[i].tree.size;
	return bytes;
}

static void print_release(const struct published *published, const char *to)
{
	const struct release_info *info = &published->info;
	const struct image_files *usr = &info->usr;
	char size[SIZE_TEXT_MAX], compressed[SIZE_TEXT_MAX], patches[SIZE_TEXT_MAX], uki[SIZE_TEXT_MAX];

	if (published->already) {
		printf("%s %s for %s is already published in %s\n", info->edition, info->version,
			info->architecture, to);
		return;
	}
	printf("Published %s %s for %s in %s: /usr %s (%s compressed), kernel image %s, patches from %zu "
	       "releases (%s)\n",
		info->edition, info->version, info->architecture, to,
		format_size(usr->blocks * VERITY_BLOCK_SIZE, size),
		format_size(usr->image.size + usr->tree.size, compressed), format_size(info->uki_size, uki),
		usr->delta_count, format_size(patch_bytes(usr), patches));
}

static json_t *release_json(const struct published *published)
{
	const struct release_info *info = &published->info;
	char root[SHA256_HEX_SIZE];

	hex_encode(info->usr.root, SHA256_SIZE, root);
	return json_pack("{s:s, s:s, s:s, s:s, s:b, s:I, s:I, s:I, s:I, s:I, s:I}", "edition", info->edition,
		"version", info->version, "architecture", info->architecture, "root_hash", root, "already",
		published->already, "usr_size", (json_int_t)(info->usr.blocks * VERITY_BLOCK_SIZE),
		"compressed_size", (json_int_t)info->usr.image.size, "tree_size",
		(json_int_t)info->usr.tree.size, "uki_size", (json_int_t)info->uki_size, "patches",
		(json_int_t)info->usr.delta_count, "patches_size", (json_int_t)patch_bytes(&info->usr));
}

static int print_json(const struct publish_result *result, const struct repository *repository,
	const char *to, struct error **err)
{
	_cleanup_json_ json_t *list = json_array();
	char expires[TUF_TIME_SIZE] = "";
	int r = 0;

	(void)tuf_time_format(repository_metadata(repository, TUF_TIMESTAMP)->expires, expires);
	for (size_t i = 0; i < result->count && r == 0; i++)
		r = json_array_append_new(list, release_json(&result->items[i]));
	return command_print_json(r == 0 ? json_pack("{s:o, s:O, s:s}", "repository", json_text(to),
						   "releases", list, "expires", expires)
					 : NULL,
		err);
}

static int print_result(const struct values *values, const struct publish_result *result,
	const struct repository *repository, struct error **err)
{
	if (values->json)
		return print_json(result, repository, values->repository.to, err);
	for (size_t i = 0; i < result->count; i++)
		print_release(&result->items[i], values->repository.to);
	print_validity(repository, values->repository.to);
	return 0;
}

/* ---- Arguments ---- */

static int read_channels(
	const struct command_usage *of, const struct strv *names, unsigned *ret, struct error **err)
{
	*ret = 0;
	for (size_t i = 0; i < names->count; i++) {
		if (streq(names->items[i], "weekly"))
			*ret |= RELEASE_WEEKLY;
		else if (streq(names->items[i], "security"))
			*ret |= RELEASE_SECURITY;
		else
			return command_usage_error(
				of, err, "--channel %s: not weekly or security", names->items[i]);
	}
	return 0;
}

int publish_read_audience(const struct command_usage *of, const char *rollout, const struct strv *channels,
	struct release_step **ret_steps, struct publish_audience *ret, struct error **err)
{
	_cleanup_error_ struct error *fault = NULL;
	int r = read_channels(of, channels, &ret->channels, err);

	if (r != 0)
		return r;
	if (rollout && publish_parse_rollout(rollout, ret_steps, &ret->step_count, &fault) < 0)
		return command_usage_error(of, err, "--rollout %s: %s", rollout, error_message(fault));
	ret->steps = *ret_steps;
	return 0;
}

/* db, where the keys have it; the disk image has a signature otherwise. */
static int load_db(const char *keys, const struct key_secret *secret, struct signer **ret, struct error **err)
{
	_cleanup_free_ char *key = string_format("%s/db.key", keys);
	_cleanup_free_ char *certificate = string_format("%s/db.crt", keys);

	if (!key || !certificate)
		return error_set_errno(err, -ENOMEM, "%s", keys);
	if (access(key, F_OK) < 0 && errno == ENOENT)
		return 0;
	return signer_load(certificate, key, secret, ret, err);
}

static int publish(struct values *values, struct publish_options *how, struct error **err)
{
	_cleanup_repository_ struct repository *repository = NULL;
	_cleanup_publish_result_ struct publish_result result = {};
	_cleanup_progress_ struct progress *progress = NULL;
	/* Without a cache, the notes say so. */
	_cleanup_free_ char *keys = NULL, *notes = NULL,
			    *cache = values->cache ? path_given(values->cache, NULL) : path_cache(NULL);
	_cleanup_signer_ struct signer *db = NULL;
	int r = open_repository(&usage, &values->repository, true, how->now, &keys, &repository, err);

	if (r != 0)
		return r;
	r = load_db(keys, &values->repository.secrets.secret, &db, err);
	if (r >= 0 && values->notes)
		r = file_read(values->notes, NOTES_MAX, &notes, NULL, err);
	if (r < 0)
		return r;
	if (!values->quiet)
		progress = progress_new(STDERR_FILENO, progress_style_of(STDERR_FILENO));
	how->signer = db;
	how->notes = notes;
	how->cache = cache;
	how->progress = progress;
	r = publish_run(repository, how, &result, err);
	return r < 0 ? r : print_result(values, &result, repository, err);
}

static int run(struct values *values, const char *build, struct error **err)
{
	struct publish_options publish_options = {
		.build = build,
		.version = values->version,
		.patch_from = values->patch_from,
		.level = (int)values->level,
		.threads = (unsigned)values->threads,
		.now = time(NULL),
	};
	_cleanup_free_ struct release_step *steps = NULL;
	int r;

	if (values->level < 1 || values->level > LEVEL_MAX)
		return command_usage_error(&usage, err, "--level: from 1 to %d", LEVEL_MAX);
	if (values->threads > THREADS_MAX)
		return command_usage_error(&usage, err, "--threads: at most %d", THREADS_MAX);
	if (values->patch_from > IMAGE_DELTAS_MAX)
		return command_usage_error(&usage, err, "--patch-from: at most %d", IMAGE_DELTAS_MAX);
	r = publish_read_audience(
		&usage, values->rollout, &values->channels, &steps, &publish_options.audience, err);
	return r == 0 ? publish(values, &publish_options, err) : r;
}

int cmd_publish(int argc, char **argv, struct error **err)
{
	const struct command *command = command_find(publish_commands, argc, argv);
	struct values values = {.patch_from = PUBLISH_PATCHES, .level = BLOCKS_WRITE_LEVEL};
	struct command_call call;
	int r;

	if (command)
		return command->run(argc - 1, argv + 1, err);
	r = command_parse(&usage, argc, argv, &values, &call, err) ? run(&values, call.arguments[0], err)
								   : call.status;
	strv_release(&values.channels);
	return r;
}
