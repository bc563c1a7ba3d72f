/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What holds of a time and of one release, for this node: what policy.c decides by.
 */
#include <errno.h>

#include "base/bytes.h"
#include "base/sha256.h"
#include "update/policy-part.h"

#define SECONDS_PER_HOUR 3600
#define JOINED_MAX (7 * SECONDS_PER_DAY) /* of windows that touch, no more is looked at */
#define SPANS_MAX 4096

/* ---- Places and times ---- */

int policy_place(const uint8_t *machine, const char *edition, const char *version, unsigned *ret)
{
	_cleanup_sha256_ struct sha256 *context = sha256_new();
	uint8_t digest[SHA256_SIZE];

	if (!context)
		return -ENOMEM;
	sha256_update(context, machine, MACHINE_ID_SIZE);
	sha256_update(context, edition, strlen(edition));
	sha256_update(context, version, strlen(version));
	sha256_final(context, digest);
	*ret = (unsigned)(read_be64(digest) % POLICY_PLACES);
	return 0;
}

int policy_next_check(const struct node_config *config, const uint8_t *machine, int64_t instant, int64_t *ret)
{
	int64_t interval = (int64_t)config->check_interval * 60, place;
	uint8_t digest[SHA256_SIZE];

	if (sha256_bytes(machine, MACHINE_ID_SIZE, digest) < 0)
		return -ENOMEM;
	place = (int64_t)(read_be64(digest) % (uint64_t)interval);
	*ret = (div_floor(instant - place, interval) + 1) * interval + place;
	return 0;
}

/* The span, of any window, that begins first of those that end after *instant*. */
static int first_span(const struct node_config *config, int64_t instant, struct window_span *ret)
{
	bool found = false;

	for (size_t i = 0; i < config->window_count; i++) {
		struct window_span span;

		if (window_next(&config->windows[i], instant, &span) < 0)
			continue;
		if (!found || span.begin < ret->begin)
			*ret = span;
		found = true;
	}
	return found ? 0 : -ENOENT;
}

static int joined_span(const struct node_config *config, int64_t instant, struct window_span *ret)
{
	struct window_span next;
	int r;

	r = first_span(config, instant, ret);
	while (r == 0 && ret->end - instant < JOINED_MAX && first_span(config, ret->end, &next) == 0 &&
		next.begin <= ret->end)
		ret->end = next.end;
	return r;
}

int policy_next_span(const struct node_config *config, int64_t instant, struct window_span *ret)
{
	struct window_span span = {.end = instant};

	if (config->window_count == 0) {
		*ret = (struct window_span){instant, INT64_MAX};
		return 0;
	}
	for (unsigned i = 0; i < SPANS_MAX; i++) {
		if (joined_span(config, span.end, &span) < 0)
			return -ENOENT;
		if (span.end - MAX(span.begin, instant) >= POLICY_WINDOW_LEAST) {
			*ret = span;
			return 0;
		}
	}
	return -ENOENT;
}

const char *policy_time_text(const struct node_config *config, int64_t instant, char ret[POLICY_TIME_TEXT])
{
	const struct time_zone *zone = config->window_count > 0 ? config->windows[0].zone : NULL;
	int32_t offset = zone ? time_zone_offset(zone, instant) : 0, distance = offset < 0 ? -offset : offset;
	int64_t local = instant + offset, days = div_floor(local, SECONDS_PER_DAY);
	int minute = (int)((local - days * SECONDS_PER_DAY) / 60);
	struct date date = date_from_days(days);
	int length = snprintf(ret, POLICY_TIME_TEXT, "%04d-%02u-%02u %02d:%02d ", date.year, date.month,
		date.day, minute / 60, minute % 60);

	if (!zone)
		(void)snprintf(ret + length, (size_t)(POLICY_TIME_TEXT - length), "UTC");
	else
		(void)snprintf(ret + length, (size_t)(POLICY_TIME_TEXT - length), "%c%02d:%02d",
			offset < 0 ? '-' : '+', distance / 3600, distance / 60 % 60);
	return ret;
}

/* ---- One release ---- */

static bool same(const char *a, const char *b)
{
	return a && b && streq(a, b);
}

bool policy_is_here(const struct policy_input *input, const struct release_entry *entry)
{
	return streq(entry->edition, input->edition) && streq(entry->architecture, input->architecture);
}

bool policy_is_newer(const struct policy_input *input, const struct release_entry *entry)
{
	return policy_is_here(input, entry) && release_version_compare(entry->version, input->running) > 0;
}

/* Whether the other slot has that version, ready to start. */
bool policy_is_ready(const struct policy_input *input, const char *version)
{
	return same(input->other, version) && input->other_state != POLICY_OTHER_BAD;
}

static bool is_rejected(const struct policy_input *input, const char *version)
{
	return (input->rejected && strv_contains(input->rejected, version)) ||
	       (input->other_state == POLICY_OTHER_BAD && same(input->other, version));
}

const struct release_entry *policy_find(const struct policy_input *input, const char *version)
{
	return input->index ? release_index_find(input->index, input->edition, input->architecture, version)
			    : NULL;
}

struct policy_view policy_view_of(const struct policy_input *input)
{
	const struct release_entry *running = policy_find(input, input->running);
	const struct release_floor *least =
		input->index ? release_index_floor(input->index, input->edition, input->architecture) : NULL;

	return (struct policy_view){
		.input = input,
		.withdrawn = running && running->withdrawn ? running : NULL,
		.least = least ? least->version : NULL,
	};
}

bool policy_is_below(const char *version, const char *limit)
{
	return limit && release_version_compare(version, limit) < 0;
}

bool policy_is_above(const char *version, const char *limit)
{
	return limit && release_version_compare(version, limit) > 0;
}

static unsigned channels_of(const struct node_config *config)
{
	switch (config->channel) {
	case NODE_CHANNEL_SECURITY_PATCH:
		return RELEASE_SECURITY;
	case NODE_CHANNEL_NODE_IMAGE:
		return RELEASE_WEEKLY;
	case NODE_CHANNEL_NONE: /* what an operator asks for */
	case NODE_CHANNEL_UNMANAGED:
		break;
	}
	return RELEASE_WEEKLY | RELEASE_SECURITY;
}

/* Whether the rollout has reached this node. A clock that is before its beginning counts as being at it. */
static int judge_turn(const struct policy_input *input, const struct release_entry *entry,
	struct policy_verdict *verdict, struct error **err)
{
	int64_t begins = release_entry_begins(entry), now = MAX(input->now, begins);

	if (entry->step_count == 0)
		return 0;
	if (policy_place(input->machine, entry->edition, entry->version, &verdict->place) < 0)
		return error_set_errno(err, -ENOMEM, "%s", entry->version);
	for (size_t i = 0; i < entry->step_count; i++) {
		int64_t when = begins + (int64_t)entry->steps[i].hours * SECONDS_PER_HOUR;

		verdict->percent = entry->steps[i].percent;
		if (entry->steps[i].percent * 100 <= verdict->place)
			continue;
		if (when > now) {
			verdict->when = when;
			break;
		}
		return 0;
	}
	verdict->reason = POLICY_WAITS_FOR_TURN;
	return 0;
}

int policy_judge(const struct policy_view *view, const struct release_entry *entry,
	struct policy_verdict *ret, struct error **err)
{
	const struct policy_input *input = view->input;
	const struct node_config *config = input->config;
	bool ordered = input->order != POLICY_ORDER_NONE;

	*ret = (struct policy_verdict){.reason = POLICY_NEWER};
	if (entry->withdrawn)
		ret->reason = POLICY_WITHDRAWN;
	else if (!config->pin && !(entry->channels & channels_of(config)))
		ret->reason = POLICY_OTHER_CHANNEL; /* A pin names its release, whatever the channel. */
	else if (policy_is_below(entry->version, view->least))
		ret->reason = POLICY_BELOW_FLOOR;
	else if (config->pin && !streq(config->pin, entry->version))
		ret->reason = POLICY_PINNED;
	else if (policy_is_above(entry->version, config->maximum))
		ret->reason = POLICY_ABOVE_MAXIMUM;
	else if (is_rejected(input, entry->version))
		ret->reason = POLICY_REJECTED;
	else if (policy_is_ready(input, entry->version) || ordered)
		; /* What is staged had its turn; an order does not wait for one. */
	else if (entry->paused)
		ret->reason = POLICY_PAUSED;
	else if (!view->withdrawn)
		return judge_turn(input, entry, ret, err);
	return 0;
}

static char *turn_text(const struct policy_input *input, const struct policy_verdict *verdict)
{
	char when[POLICY_TIME_TEXT];

	if (verdict->when == 0)
		return string_format("its rollout is planned up to %u %%, and this node has place %u of %d",
			verdict->percent, verdict->place, POLICY_PLACES);
	return string_format("its rollout reaches this node (place %u of %d) with %u %%, at %s",
		verdict->place, POLICY_PLACES, verdict->percent,
		policy_time_text(input->config, verdict->when, when));
}

/* What a repository's text holds must not move a terminal's cursor. */
char *policy_clean(char *text)
{
	for (char *at = text; at && *at; at++)
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			*at = ' ';
		else if ((unsigned char)at[0] == 0xc2 && at[1] && (unsigned char)at[1] < 0xa0)
			memset(at, ' ', 2); /* U+0080 to U+009F, which are such characters too */
	return text;
}

static char *verdict_text(const struct policy_view *view, const struct release_entry *entry,
	const struct policy_verdict *verdict)
{
	const struct policy_input *input = view->input;

	switch (verdict->reason) {
	case POLICY_WITHDRAWN:
		return string_format("it was withdrawn: %s", entry->withdrawn);
	case POLICY_BELOW_FLOOR:
		return string_format("the repository allows no version below %s", view->least);
	case POLICY_PINNED:
		return string_format("pin in node.yaml says %s", input->config->pin);
	case POLICY_ABOVE_MAXIMUM:
		return string_format("maximum in node.yaml says %s", input->config->maximum);
	case POLICY_OTHER_CHANNEL:
		return string_format("channel in node.yaml says %s, and it is published in %s alone",
			node_channel_name(input->config->channel),
			entry->channels & RELEASE_WEEKLY ? "weekly" : "security");
	case POLICY_PAUSED:
		return strdup("its rollout is paused");
	case POLICY_REJECTED:
		return string_format("it failed on this node, or the node was rolled back from it; "
				     "\"orlop-node update --to %s\" takes it all the same",
			entry->version);
	case POLICY_WAITS_FOR_TURN:
		return turn_text(input, verdict);
	default:
		return strdup("it is for this node");
	}
}

char *policy_verdict_text(const struct policy_view *view, const struct release_entry *entry,
	const struct policy_verdict *verdict)
{
	return policy_clean(verdict_text(view, entry, verdict));
}
