/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/release-index.h"

#include <errno.h>
#include <string.h>

#include "base/string-util.h"
#include "format/release-name.h"
#include "format/tuf.h"

#define RELEASES_MAX 65536
#define HOURS_MAX 87600 /* ten years */
#define REASON_MAX 1024 /* bytes */

static const struct {
	enum release_channel channel;
	const char *name;
} channels[] = {{RELEASE_WEEKLY, "weekly"}, {RELEASE_SECURITY, "security"}};

static void release_entry_release(struct release_entry *entry)
{
	free(entry->edition);
	free(entry->architecture);
	free(entry->version);
	free(entry->steps);
	free(entry->withdrawn);
}

static void release_floor_release(struct release_floor *floor)
{
	free(floor->edition);
	free(floor->architecture);
	free(floor->version);
}

int64_t release_entry_begins(const struct release_entry *entry)
{
	return entry->begins ? entry->begins : entry->published;
}

void release_index_release(struct release_index *index)
{
	for (size_t i = 0; i < index->count; i++)
		release_entry_release(&index->entries[i]);
	for (size_t i = 0; i < index->floor_count; i++)
		release_floor_release(&index->floors[i]);
	free(index->entries);
	free(index->floors);
	*index = (struct release_index){};
}

/* ---- Order ---- */

static int compare_names(const char *edition, const char *architecture, const char *version,
	const char *other_edition, const char *other_architecture, const char *other_version)
{
	int r = strcmp(edition, other_edition);

	if (r == 0)
		r = strcmp(architecture, other_architecture);
	if (r == 0)
		r = release_version_compare(version, other_version);
	/* "1.0" and "1.00" are the same to the order, but not the same release. */
	return r != 0 ? r : strcmp(version, other_version);
}

static int compare_entries(const void *a, const void *b)
{
	const struct release_entry *x = a, *y = b;

	return compare_names(
		x->edition, x->architecture, x->version, y->edition, y->architecture, y->version);
}

static int compare_floors(const void *a, const void *b)
{
	const struct release_floor *x = a, *y = b;

	return compare_names(
		x->edition, x->architecture, x->version, y->edition, y->architecture, y->version);
}

/* Sorts both lists; -EBADMSG where one has something twice. */
static int sort_lists(struct release_index *index, struct error **err)
{
	if (index->count > 0)
		qsort(index->entries, index->count, sizeof(*index->entries), compare_entries);
	for (size_t i = 1; i < index->count; i++)
		if (compare_entries(&index->entries[i - 1], &index->entries[i]) == 0)
			return error_set(err, -EBADMSG, "releases: %s %s for %s is listed twice",
				index->entries[i].edition, index->entries[i].version,
				index->entries[i].architecture);
	if (index->floor_count > 0)
		qsort(index->floors, index->floor_count, sizeof(*index->floors), compare_floors);
	for (size_t i = 1; i < index->floor_count; i++)
		if (streq(index->floors[i - 1].edition, index->floors[i].edition) &&
			streq(index->floors[i - 1].architecture, index->floors[i].architecture))
			return error_set(err, -EBADMSG, "floors: %s for %s is listed twice",
				index->floors[i].edition, index->floors[i].architecture);
	return 0;
}

/* ---- Reading ---- */

static int read_channels(const struct json_place *place, unsigned *ret, struct error **err)
{
	const json_t *list;
	int r = json_read_array(place, "channels", ARRAY_SIZE(channels), &list, err);

	for (size_t i = 0; r == 0 && i < json_array_size(list); i++) {
		const char *name = json_string_value(json_array_get(list, i));
		unsigned channel = 0;

		for (size_t j = 0; name && j < ARRAY_SIZE(channels); j++)
			if (streq(name, channels[j].name))
				channel = channels[j].channel;
		if (channel == 0 || (*ret & channel))
			return json_fault(
				place, "channels", "not \"weekly\" and \"security\", each once at most", err);
		*ret |= channel;
	}
	if (r == 0 && *ret == 0)
		r = json_fault(place, "channels", "empty", err);
	return r;
}

static int read_time(const struct json_place *place, const char *member, int64_t *ret, struct error **err)
{
	const char *text = NULL;
	int r = json_read_string(place, member, TUF_TIME_SIZE - 1, &text, err);

	if (r == 0 && tuf_time_parse(text, ret) < 0)
		r = json_fault(place, member, "not a time like \"2030-01-01T00:00:00Z\"", err);
	return r;
}

/* One that may be missing, which is 0. */
static int read_later_time(
	const struct json_place *place, const char *member, int64_t *ret, struct error **err)
{
	int r = json_object_get(place->json, member) ? read_time(place, member, ret, err) : 0;

	if (r == 0 && json_object_get(place->json, member) && *ret == 0)
		r = json_fault(place, member, "not a time after 1970-01-01T00:00:00Z", err);
	return r;
}

static int read_step(const struct json_place *place, const struct release_step *before,
	struct release_step *ret, struct error **err)
{
	uint64_t hours = 0, percent = 0;
	int r = json_read_object(place, err);

	if (r == 0)
		r = json_read_number(place, "hours", 0, HOURS_MAX, &hours, err);
	if (r == 0)
		r = json_read_number(place, "percent", 0, 100, &percent, err);
	if (r == 0 && before && hours <= before->hours)
		r = json_fault(place, "hours", "not more than in the step before", err);
	if (r == 0 && before && percent < before->percent)
		r = json_fault(place, "percent", "less than in the step before", err);
	ret->hours = (uint32_t)hours;
	ret->percent = (uint32_t)percent;
	return r;
}

static int read_steps(const struct json_place *place, struct release_entry *ret, struct error **err)
{
	const json_t *list = NULL;
	int r;

	if (!json_object_get(place->json, "rollout"))
		return 0;
	r = json_read_array(place, "rollout", RELEASE_STEPS_MAX, &list, err);
	if (r < 0 || json_array_size(list) == 0)
		return r;
	ret->steps = calloc(json_array_size(list), sizeof(*ret->steps));
	if (!ret->steps)
		return error_set_errno(err, -ENOMEM, "rollout");
	for (size_t i = 0; r == 0 && i < json_array_size(list); i++) {
		_cleanup_free_ char *path = string_format("%srollout[%zu].", place->path, i);
		const struct json_place step = {json_array_get(list, i), path};

		if (!path)
			return error_set_errno(err, -ENOMEM, "rollout");
		r = read_step(&step, i > 0 ? &ret->steps[i - 1] : NULL, &ret->steps[i], err);
		ret->step_count++;
	}
	return r;
}

static int read_withdrawn(const struct json_place *place, char **ret, struct error **err)
{
	const char *reason = NULL;
	int r;

	if (!json_object_get(place->json, "withdrawn"))
		return 0;
	r = json_read_string(place, "withdrawn", REASON_MAX, &reason, err);
	if (r < 0)
		return r;
	/* Empty could be meant as "it is not". */
	if (*reason == 0)
		return json_fault(place, "withdrawn", "doesn't say why", err);
	*ret = strdup(reason);
	return *ret ? 0 : error_set_errno(err, -ENOMEM, "withdrawn");
}

static int read_entry(const struct json_place *place, struct release_entry *ret, struct error **err)
{
	int r = release_names_read(place, &ret->edition, &ret->architecture, &ret->version, err);

	if (r == 0)
		r = read_channels(place, &ret->channels, err);
	if (r == 0)
		r = read_time(place, "published", &ret->published, err);
	if (r == 0)
		r = read_steps(place, ret, err);
	if (r == 0)
		r = read_later_time(place, "begins", &ret->begins, err);
	if (r == 0)
		r = read_later_time(place, "paused", &ret->paused, err);
	return r < 0 ? r : read_withdrawn(place, &ret->withdrawn, err);
}

static int read_entries(const struct json_place *document, struct release_index *ret, struct error **err)
{
	const json_t *list = NULL;
	int r = json_read_array(document, "releases", RELEASES_MAX, &list, err);

	if (r < 0)
		return r;
	ret->entries = calloc(json_array_size(list) + 1, sizeof(*ret->entries));
	if (!ret->entries)
		return error_set_errno(err, -ENOMEM, "releases");
	for (size_t i = 0; r == 0 && i < json_array_size(list); i++) {
		_cleanup_free_ char *path = string_format("releases[%zu].", i);
		const struct json_place place = {json_array_get(list, i), path};

		if (!path)
			return error_set_errno(err, -ENOMEM, "releases");
		r = read_entry(&place, &ret->entries[ret->count++], err);
	}
	return r;
}

static int read_floors(const struct json_place *document, struct release_index *ret, struct error **err)
{
	const json_t *list = NULL;
	int r;

	if (!json_object_get(document->json, "floors"))
		return 0;
	r = json_read_array(document, "floors", RELEASES_MAX, &list, err);
	if (r < 0)
		return r;
	ret->floors = calloc(json_array_size(list) + 1, sizeof(*ret->floors));
	if (!ret->floors)
		return error_set_errno(err, -ENOMEM, "floors");
	for (size_t i = 0; r == 0 && i < json_array_size(list); i++) {
		_cleanup_free_ char *path = string_format("floors[%zu].", i);
		const struct json_place place = {json_array_get(list, i), path};
		struct release_floor *floor = &ret->floors[ret->floor_count++];

		if (!path)
			return error_set_errno(err, -ENOMEM, "floors");
		r = release_names_read(&place, &floor->edition, &floor->architecture, &floor->version, err);
	}
	return r;
}

int release_index_parse(const void *data, size_t size, struct release_index *ret, struct error **err)
{
	_cleanup_release_index_ struct release_index index = {};
	_cleanup_json_ json_t *json = NULL;
	struct json_place document = {.path = ""};
	int r = json_read_document(data, size, RELEASE_INDEX_MAX, &json, err);

	document.json = json;
	if (r == 0)
		r = json_read_format(&document, RELEASE_READER, err);
	if (r == 0)
		r = read_entries(&document, &index, err);
	if (r == 0)
		r = read_floors(&document, &index, err);
	if (r == 0)
		r = sort_lists(&index, err);
	if (r < 0)
		return r;
	*ret = index;
	index = (struct release_index){};
	return 0;
}

/* ---- Writing ---- */

static json_t *channels_json(unsigned bits)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < ARRAY_SIZE(channels); i++)
		if ((bits & channels[i].channel) &&
			json_array_append_new(list, json_string(channels[i].name)) < 0) {
			json_decref(list);
			return NULL;
		}
	return list;
}

static json_t *steps_json(const struct release_entry *entry)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < entry->step_count; i++)
		if (json_array_append_new(
			    list, json_pack("{s:I, s:I}", "hours", (json_int_t)entry->steps[i].hours,
					  "percent", (json_int_t)entry->steps[i].percent)) < 0) {
			json_decref(list);
			return NULL;
		}
	return list;
}

/* One that is 0 is left out. */
static int set_time(json_t *json, const char *member, int64_t time)
{
	char text[TUF_TIME_SIZE];

	if (time == 0)
		return 0;
	return tuf_time_format(time, text) < 0 ? -1 : json_object_set_new(json, member, json_string(text));
}

static json_t *entry_json(const struct release_entry *entry)
{
	char time[TUF_TIME_SIZE];
	json_t *json;
	int r = 0;

	if (tuf_time_format(entry->published, time) < 0)
		return NULL;
	json = json_pack("{s:s, s:s, s:s, s:o, s:s}", "edition", entry->edition, "architecture",
		entry->architecture, "version", entry->version, "channels", channels_json(entry->channels),
		"published", time);
	if (json && entry->step_count > 0)
		r = json_object_set_new(json, "rollout", steps_json(entry));
	if (json && r == 0)
		r = set_time(json, "begins", entry->begins);
	if (json && r == 0)
		r = set_time(json, "paused", entry->paused);
	if (json && r == 0 && entry->withdrawn)
		r = json_object_set_new(json, "withdrawn", json_string(entry->withdrawn));
	if (r == 0)
		return json;
	json_decref(json);
	return NULL;
}

static json_t *entries_json(const struct release_entry *entries, size_t count)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < count; i++)
		if (json_array_append_new(list, entry_json(&entries[i])) < 0) {
			json_decref(list);
			return NULL;
		}
	return list;
}

static json_t *floors_json(const struct release_floor *floors, size_t count)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < count; i++)
		if (json_array_append_new(
			    list, json_pack("{s:s, s:s, s:s}", "edition", floors[i].edition, "architecture",
					  floors[i].architecture, "version", floors[i].version)) < 0) {
			json_decref(list);
			return NULL;
		}
	return list;
}

/* A copy of *count* items in order, NULL where memory is out; what they point to stays the original's. */
static void *sorted_copy(
	const void *items, size_t count, size_t size, int (*compare)(const void *, const void *))
{
	void *copy = calloc(count + 1, size);

	if (!copy || count == 0)
		return copy;
	memcpy(copy, items, count * size);
	qsort(copy, count, size, compare);
	return copy;
}

static json_t *index_json(const struct release_index *index)
{
	_cleanup_free_ struct release_entry *entries =
		sorted_copy(index->entries, index->count, sizeof(*entries), compare_entries);
	_cleanup_free_ struct release_floor *floors =
		sorted_copy(index->floors, index->floor_count, sizeof(*floors), compare_floors);
	json_t *json;

	if (!entries || !floors)
		return NULL;
	json = json_pack("{s:i, s:o}", "format", 1, "releases", entries_json(entries, index->count));
	if (!json || index->floor_count == 0)
		return json;
	if (json_object_set_new(json, "floors", floors_json(floors, index->floor_count)) == 0)
		return json;
	json_decref(json);
	return NULL;
}

int release_index_write(const struct release_index *index, struct buffer *ret, struct error **err)
{
	_cleanup_release_index_ struct release_index again = {};
	_cleanup_json_ json_t *json = NULL;
	_cleanup_free_ char *text = NULL;
	int r;

	for (size_t i = 0; i < index->count; i++)
		if (tuf_time_format(index->entries[i].published, (char[TUF_TIME_SIZE]){}) < 0)
			return error_set(err, -EINVAL, RELEASE_INDEX_TARGET ": %s: no time of publication",
				index->entries[i].version);
	json = index_json(index);
	text = json ? json_dumps(json, JSON_INDENT(2)) : NULL;
	if (!text)
		return error_set_errno(err, -ENOMEM, RELEASE_INDEX_TARGET);
	/* What no node could read must not be signed. */
	r = release_index_parse(text, strlen(text), &again, err);
	if (r == -EBADMSG)
		return error_wrap(err, RELEASE_INDEX_TARGET), -EINVAL;
	if (r < 0)
		return r;
	buffer_append_string(ret, text);
	buffer_append_u8(ret, '\n');
	return buffer_failed(ret) ? error_set_errno(err, -ENOMEM, RELEASE_INDEX_TARGET) : 0;
}

/* ---- Looking up ---- */

struct release_entry *release_index_find(
	const struct release_index *index, const char *edition, const char *architecture, const char *version)
{
	for (size_t i = 0; i < index->count; i++) {
		struct release_entry *entry = &index->entries[i];

		if (streq(entry->edition, edition) && streq(entry->architecture, architecture) &&
			streq(entry->version, version))
			return entry;
	}
	return NULL;
}

const struct release_floor *release_index_floor(
	const struct release_index *index, const char *edition, const char *architecture)
{
	for (size_t i = 0; i < index->floor_count; i++) {
		const struct release_floor *floor = &index->floors[i];

		if (streq(floor->edition, edition) && streq(floor->architecture, architecture))
			return floor;
	}
	return NULL;
}
