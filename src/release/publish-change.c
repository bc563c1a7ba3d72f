/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "base/string-util.h"
#include "release/publish.h"

/* ---- Rollout plans ---- */

/* "10%@24h" */
static int parse_step(char *text, struct release_step *ret)
{
	char *hours = strstr(text, "%@");
	uint64_t percent, hour;
	size_t length = strlen(text);

	if (!hours || text[length - 1] != 'h')
		return -EINVAL;
	text[length - 1] = 0;
	*hours = 0;
	if (parse_u64(text, &percent) < 0 || parse_u64(hours + 2, &hour) < 0 || percent > 100 ||
		hour > UINT32_MAX)
		return -EINVAL;
	*ret = (struct release_step){.hours = (uint32_t)hour, .percent = (uint32_t)percent};
	return 0;
}

int publish_parse_rollout(const char *text, struct release_step **ret, size_t *ret_count, struct error **err)
{
	_cleanup_free_ struct release_step *steps = calloc(RELEASE_STEPS_MAX, sizeof(*steps));
	_cleanup_free_ char *copy = strdup(text);
	char *rest = copy, *part;
	size_t count = 0;

	if (!steps || !copy)
		return error_set_errno(err, -ENOMEM, "rollout");
	while ((part = strsep(&rest, ","))) {
		_cleanup_free_ char *shown = strdup(part);

		if (count == RELEASE_STEPS_MAX)
			return error_set(err, -EINVAL, "more than %d steps", RELEASE_STEPS_MAX);
		if (parse_step(part, &steps[count]) < 0)
			return error_set(
				err, -EINVAL, "\"%s\" is not a step such as 10%%@24h", shown ? shown : "?");
		if (count > 0 && (steps[count].hours <= steps[count - 1].hours ||
					 steps[count].percent <= steps[count - 1].percent))
			return error_set(err, -EINVAL, "hours and percentages must both rise at \"%s\"",
				shown ? shown : "?");
		count++;
	}
	*ret = TAKE_PTR(steps);
	*ret_count = count;
	return 0;
}

/* ---- Changes ---- */

static bool is_selected(const struct publish_selection *selection, const struct release_entry *entry)
{
	return streq(entry->version, selection->version) &&
	       (!selection->edition || streq(entry->edition, selection->edition)) &&
	       (!selection->architecture || streq(entry->architecture, selection->architecture));
}

static int set_text(char **text, const char *value)
{
	char *copy = strdup(value);

	if (!copy)
		return -ENOMEM;
	free(*text);
	*text = copy;
	return 0;
}

/* Floors only rise: a release that was too old once is too old for good. */
static int set_floor(struct release_index *index, const struct release_entry *entry, struct error **err)
{
	struct release_floor *floors, *floor = NULL;

	for (size_t i = 0; i < index->floor_count; i++)
		if (streq(index->floors[i].edition, entry->edition) &&
			streq(index->floors[i].architecture, entry->architecture))
			floor = &index->floors[i];
	if (floor && release_version_compare(floor->version, entry->version) > 0)
		return error_set(err, -EINVAL,
			"the floor of %s for %s is %s, and it never goes down: nodes that follow it would "
			"not "
			"go back",
			entry->edition, entry->architecture, floor->version);
	if (floor)
		return set_text(&floor->version, entry->version);
	floors = reallocarray(index->floors, index->floor_count + 1, sizeof(*floors));
	if (!floors)
		return -ENOMEM;
	index->floors = floors;
	floor = &floors[index->floor_count++];
	*floor = (struct release_floor){.edition = strdup(entry->edition),
		.architecture = strdup(entry->architecture),
		.version = strdup(entry->version)};
	return floor->edition && floor->architecture && floor->version ? 0 : -ENOMEM;
}

static int set_steps(struct release_entry *entry, const struct publish_audience *audience)
{
	struct release_step *steps = calloc(MAX(audience->step_count, (size_t)1), sizeof(*steps));

	if (!steps)
		return -ENOMEM;
	if (audience->step_count > 0)
		memcpy(steps, audience->steps, audience->step_count * sizeof(*steps));
	free(entry->steps);
	entry->steps = steps;
	entry->step_count = audience->step_count;
	return 0;
}

int publish_set_audience(struct release_entry *entry, const struct publish_audience *audience)
{
	if (audience->channels)
		entry->channels = audience->channels;
	return audience->steps ? set_steps(entry, audience) : 0;
}

bool publish_is_for(const struct release_entry *entry, const struct publish_audience *audience)
{
	if (audience->channels && audience->channels != entry->channels)
		return false;
	return !audience->steps ||
	       (audience->step_count == entry->step_count &&
		       (entry->step_count == 0 || memcmp(audience->steps, entry->steps,
							  entry->step_count * sizeof(*entry->steps)) == 0));
}

/* Nobody has a turn while it is paused, so that time doesn't count. */
static void resume(struct release_entry *entry, int64_t now)
{
	entry->begins = release_entry_begins(entry) + MAX(now - entry->paused, (int64_t)0);
	entry->paused = 0;
}

/* Returns whether that changed the entry. */
static int change_entry(struct release_index *index, struct release_entry *entry,
	const struct publish_change *change, struct error **err)
{
	int r = 0;

	if (entry->withdrawn && change->kind != PUBLISH_WITHDRAW)
		return error_set(err, -EINVAL,
			"%s for %s is withdrawn, and that is for good: publish another version instead",
			entry->version, entry->architecture);
	switch (change->kind) {
	case PUBLISH_PAUSE:
		r = entry->paused == 0;
		entry->paused = r ? change->now : entry->paused;
		return r;
	case PUBLISH_RESUME:
		r = entry->paused != 0;
		if (r)
			resume(entry, change->now);
		return r;
	case PUBLISH_PLAN:
		if (publish_is_for(entry, &change->audience))
			return 0;
		r = publish_set_audience(entry, &change->audience);
		break;
	case PUBLISH_WITHDRAW:
		if (entry->withdrawn && streq(entry->withdrawn, change->reason))
			return 0;
		r = set_text(&entry->withdrawn, change->reason);
		break;
	case PUBLISH_FLOOR:
		r = set_floor(index, entry, err);
		break;
	}
	return r < 0 ? r : 1;
}

int publish_change(struct release_index *index, const struct publish_change *change,
	const struct publish_selection *selection, struct error **err)
{
	int count = 0, changed = 0, r = 0;

	for (size_t i = 0; i < index->count && r >= 0; i++) {
		if (!is_selected(selection, &index->entries[i]))
			continue;
		count++;
		r = change_entry(index, &index->entries[i], change, err);
		changed += r > 0;
	}
	if (r == -ENOMEM)
		return error_set_errno(err, r, RELEASE_INDEX_TARGET);
	if (r < 0)
		return r;
	if (count == 0)
		return error_set(err, -ENOENT, "there is no release %s%s%s%s%s; see `orlop publish list`",
			selection->version, selection->edition ? " of " : "",
			selection->edition ? selection->edition : "", selection->architecture ? " for " : "",
			selection->architecture ? selection->architecture : "");
	return changed;
}
