/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * orlop publish refresh and list: what a repository says of its releases.
 */
#include <errno.h>
#include <time.h>

#include "base/string-util.h"
#include "cmd/command-json.h"
#include "cmd/publish.h"
#include "cmd/repository.h"
#include "format/canonical-json.h"
#include "format/json-text.h"
#include "release/publish.h"

struct values {
	struct repository_values repository; /* first: OPTION_TO */
	struct publish_filter filter;
	bool json;
};

/* ---- refresh ---- */

static const struct command_option refresh_options[] = {OPTION_TO, OPTION_KEYS, OPTION_EXPIRES, {}};

static const struct command_usage refresh_usage = {
	.name = "orlop publish refresh",
	.arguments = "",
	.summary = "Signs the repository's timestamp again, so that nodes go on believing it; and the "
		   "snapshot and the list of targets where less than half of their time is left. Needs only "
		   "the keys of what it signs: a machine that does this daily needs timestamp.key and "
		   "root.json.",
	.options = refresh_options,
};

static int check_clock(const struct repository *repository, struct error **err)
{
	_cleanup_release_index_ struct release_index index = {};
	int r = publish_read_index(repository, &index, err);

	return r < 0 ? r : publish_check_clock(&index, time(NULL), err);
}

int publish_refresh(int argc, char **argv, struct error **err)
{
	_cleanup_repository_ struct repository *repository = NULL;
	_cleanup_free_ char *keys = NULL;
	struct values values = {};
	struct command_call call;
	int r;

	if (!command_parse(&refresh_usage, argc, argv, &values, &call, err))
		return call.status;
	r = open_repository(&refresh_usage, &values.repository, false, time(NULL), &keys, &repository, err);
	if (r == 0)
		r = check_clock(repository, err);
	if (r == 0)
		r = repository_commit(repository, err);
	if (r != 0)
		return r;
	for (enum tuf_type type = TUF_TIMESTAMP; type < TUF_TYPES; type++)
		if (repository_signed(repository, type))
			printf("Signed %s, version %ju\n", tuf_type_name(type),
				(uintmax_t)repository_metadata(repository, type)->version);
	print_validity(repository, values.repository.to);
	return 0;
}

/* ---- list ---- */

static const struct command_option list_options[] = {OPTION_TO,
	{"keys", 'k', "DIR",
		"Check against the root.json in this folder. Default: against the repository's own first "
		"root.",
		OPTION_STRING, offsetof(struct repository_values, keys)},
	OPTION_EDITION, OPTION_ARCH,
	{"json", 0, NULL, "Print JSON.", OPTION_TRUE, offsetof(struct values, json)}, {}};

static const struct command_usage list_usage = {
	.name = "orlop publish list",
	.arguments = "",
	.summary = "Lists the releases of a repository, after checking its signatures.",
	.options = list_options,
};

static bool is_wanted(const struct values *values, const struct release_entry *entry)
{
	return (!values->filter.edition || streq(values->filter.edition, entry->edition)) &&
	       (!values->filter.architecture || streq(values->filter.architecture, entry->architecture));
}

static const char *channels_text(unsigned channels)
{
	if (channels == (RELEASE_WEEKLY | RELEASE_SECURITY))
		return "weekly,security";
	return channels == RELEASE_SECURITY ? "security" : "weekly";
}

/* How many percent of the nodes may have it now. */
static unsigned percent_at(const struct release_entry *entry, int64_t now)
{
	unsigned percent = entry->step_count == 0 ? 100 : 0;

	now = entry->paused ? entry->paused : now;
	for (size_t i = 0; i < entry->step_count; i++)
		if (now - release_entry_begins(entry) >= (int64_t)entry->steps[i].hours * 3600)
			percent = entry->steps[i].percent;
	return percent;
}

static const char *state_of(const struct release_index *index, const struct release_entry *entry)
{
	const struct release_floor *floor = release_index_floor(index, entry->edition, entry->architecture);

	if (entry->withdrawn)
		return "withdrawn";
	if (floor && release_version_compare(entry->version, floor->version) < 0)
		return "below the floor";
	return entry->paused ? "paused" : "offered";
}

static void print_entries(const struct values *values, const struct release_index *index, int64_t now)
{
	printf("%-20s %-14s %-6s %-16s %-20s %5s  %s\n", "EDITION", "VERSION", "ARCH", "CHANNELS",
		"PUBLISHED", "NODES", "STATE");
	for (size_t i = 0; i < index->count; i++) {
		const struct release_entry *entry = &index->entries[i];
		char published[TUF_TIME_SIZE] = "?";

		if (!is_wanted(values, entry))
			continue;
		(void)tuf_time_format(entry->published, published);
		printf("%-20s %-14s %-6s %-16s %-20s %4u%%  %s%s%s\n", entry->edition, entry->version,
			entry->architecture, channels_text(entry->channels), published,
			percent_at(entry, now), state_of(index, entry), entry->withdrawn ? ": " : "",
			entry->withdrawn ? entry->withdrawn : "");
	}
}

/* What would be given as --rollout; NULL: everybody at once. */
static json_t *rollout_json(const struct release_entry *entry)
{
	_cleanup_buffer_ struct buffer text = {};

	if (entry->step_count == 0)
		return json_null();
	for (size_t i = 0; i < entry->step_count; i++)
		buffer_printf(&text, "%s%u%%@%uh", i > 0 ? "," : "", entry->steps[i].percent,
			entry->steps[i].hours);
	return buffer_failed(&text) ? NULL : json_stringn((const char *)text.data, text.size);
}

static json_t *entry_json(const struct release_index *index, const struct release_entry *entry, int64_t now)
{
	char published[TUF_TIME_SIZE] = "?";
	json_t *object;

	(void)tuf_time_format(entry->published, published);
	object = json_pack("{s:s, s:s, s:s, s:[], s:s, s:o, s:i, s:s}", "edition", entry->edition, "version",
		entry->version, "architecture", entry->architecture, "channels", "published", published,
		"rollout", rollout_json(entry), "percent", (int)percent_at(entry, now), "state",
		state_of(index, entry));
	if (object && entry->channels & RELEASE_WEEKLY)
		(void)json_array_append_new(json_object_get(object, "channels"), json_string("weekly"));
	if (object && entry->channels & RELEASE_SECURITY)
		(void)json_array_append_new(json_object_get(object, "channels"), json_string("security"));
	if (object && entry->withdrawn)
		(void)json_object_set_new(object, "withdrawn", json_string(entry->withdrawn));
	return object;
}

static json_t *metadata_json(const struct repository *repository)
{
	json_t *object = json_object();

	for (enum tuf_type type = TUF_ROOT; type < TUF_TYPES; type++) {
		const struct tuf_metadata *metadata = repository_metadata(repository, type);
		char expires[TUF_TIME_SIZE] = "?";

		(void)tuf_time_format(metadata->expires, expires);
		if (json_object_set_new(object, tuf_type_name(type),
			    json_pack("{s:I, s:s}", "version", (json_int_t)metadata->version, "expires",
				    expires)) < 0) {
			json_decref(object);
			return NULL;
		}
	}
	return object;
}

static int print_json(const struct values *values, const struct repository *repository,
	const struct release_index *index, int64_t now, struct error **err)
{
	_cleanup_json_ json_t *list = json_array();
	int r = 0;

	for (size_t i = 0; i < index->count && r == 0; i++)
		if (is_wanted(values, &index->entries[i]))
			r = json_array_append_new(list, entry_json(index, &index->entries[i], now));
	return command_print_json(
		r == 0 ? json_pack("{s:o, s:o, s:O}", "repository", json_text(values->repository.to),
				 "metadata", metadata_json(repository), "releases", list)
		       : NULL,
		err);
}

int publish_list(int argc, char **argv, struct error **err)
{
	_cleanup_repository_ struct repository *repository = NULL;
	_cleanup_release_index_ struct release_index index = {};
	int64_t now = time(NULL);
	struct values values = {};
	struct command_call call;
	int r;

	if (!command_parse(&list_usage, argc, argv, &values, &call, err))
		return call.status;
	if (!values.repository.to)
		return command_usage_error(&list_usage, err, "--to is missing: the repository's folder");
	r = repository_open(&(struct repository_options){.path = values.repository.to,
				    .keys = values.repository.keys,
				    .now = now,
				    .read = true},
		&repository, err);
	if (r >= 0)
		r = publish_read_index(repository, &index, err);
	if (r < 0)
		return r;
	if (values.json)
		return print_json(&values, repository, &index, now, err);
	print_entries(&values, &index, now);
	print_validity(repository, values.repository.to);
	return 0;
}
