/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "update/policy.h"

#include <errno.h>
#include <stdarg.h>

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

static bool is_here(const struct policy_input *input, const struct release_entry *entry)
{
	return streq(entry->edition, input->edition) && streq(entry->architecture, input->architecture);
}

bool policy_is_newer(const struct policy_input *input, const struct release_entry *entry)
{
	return is_here(input, entry) && release_version_compare(entry->version, input->running) > 0;
}

/* Whether the other slot has that version, ready to start. */
static bool is_ready(const struct policy_input *input, const char *version)
{
	return same(input->other, version) && input->other_state != POLICY_OTHER_BAD;
}

static bool is_rejected(const struct policy_input *input, const char *version)
{
	return (input->rejected && strv_contains(input->rejected, version)) ||
	       (input->other_state == POLICY_OTHER_BAD && same(input->other, version));
}

static const struct release_entry *find(const struct policy_input *input, const char *version)
{
	return input->index ? release_index_find(input->index, input->edition, input->architecture, version)
			    : NULL;
}

struct policy_view policy_view_of(const struct policy_input *input)
{
	const struct release_entry *running = find(input, input->running);
	const struct release_floor *least =
		input->index ? release_index_floor(input->index, input->edition, input->architecture) : NULL;

	return (struct policy_view){
		.input = input,
		.withdrawn = running && running->withdrawn ? running : NULL,
		.least = least ? least->version : NULL,
	};
}

static bool is_below(const char *version, const char *limit)
{
	return limit && release_version_compare(version, limit) < 0;
}

static bool is_above(const char *version, const char *limit)
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

/* Whether the rollout has reached this node. A clock that is before publication counts as being at it. */
static int judge_turn(const struct policy_input *input, const struct release_entry *entry,
	struct policy_verdict *verdict, struct error **err)
{
	int64_t now = MAX(input->now, entry->published);

	if (entry->step_count == 0)
		return 0;
	if (policy_place(input->machine, entry->edition, entry->version, &verdict->place) < 0)
		return error_set_errno(err, -ENOMEM, "%s", entry->version);
	for (size_t i = 0; i < entry->step_count; i++) {
		int64_t when = entry->published + (int64_t)entry->steps[i].hours * SECONDS_PER_HOUR;

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
	else if (is_below(entry->version, view->least))
		ret->reason = POLICY_BELOW_FLOOR;
	else if (config->pin && !streq(config->pin, entry->version))
		ret->reason = POLICY_PINNED;
	else if (is_above(entry->version, config->maximum))
		ret->reason = POLICY_ABOVE_MAXIMUM;
	else if (is_rejected(input, entry->version))
		ret->reason = POLICY_REJECTED;
	else if (is_ready(input, entry->version) || ordered)
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
static char *clean(char *text)
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
	return clean(verdict_text(view, entry, verdict));
}

/* ---- Decisions ---- */

void policy_decision_release(struct policy_decision *decision)
{
	free(decision->version);
	free(decision->sentence);
	*decision = (struct policy_decision){};
}

/* A decision's text and version. */
_printf_(4, 5) static int say(
	struct policy_decision *ret, const char *version, struct error **err, const char *format, ...)
{
	va_list arguments;
	int r;

	va_start(arguments, format);
	r = vasprintf(&ret->sentence, format, arguments);
	va_end(arguments);
	if (r < 0)
		ret->sentence = NULL;
	ret->version = version ? strdup(version) : NULL;
	if (!ret->sentence || (version && !ret->version))
		return error_set_errno(err, -ENOMEM, "decision");
	(void)clean(ret->sentence);
	return 0;
}

static int64_t sooner(int64_t a, int64_t b)
{
	return a == 0 || (b != 0 && b < a) ? b : a;
}

/* What there is to choose from. */
struct choice {
	const struct release_entry *best;   /* the newest that may be taken; NULL: none */
	const struct release_entry *newest; /* the newest that channel or pin mean, and that may not */
	struct policy_verdict why;	    /* it may not */
};

static bool is_newer_entry(const struct release_entry *a, const struct release_entry *b)
{
	return !b || release_version_compare(a->version, b->version) > 0;
}

/* What is withdrawn is left for any other version; everything else for newer ones alone. */
static bool is_candidate(const struct policy_view *view, const struct release_entry *entry)
{
	if (!view->withdrawn)
		return policy_is_newer(view->input, entry);
	return is_here(view->input, entry) && entry != view->withdrawn;
}

static int choose(const struct policy_view *view, struct choice *ret, struct error **err)
{
	*ret = (struct choice){};
	for (size_t i = 0; i < view->input->index->count; i++) {
		const struct release_entry *entry = &view->input->index->entries[i];
		struct policy_verdict verdict;
		int r;

		if (!is_candidate(view, entry))
			continue;
		r = policy_judge(view, entry, &verdict, err);
		if (r < 0)
			return r;
		if (verdict.reason == POLICY_NEWER) {
			if (is_newer_entry(entry, ret->best))
				ret->best = entry;
		} else if (verdict.reason != POLICY_OTHER_CHANNEL && verdict.reason != POLICY_PINNED &&
			   is_newer_entry(entry, ret->newest)) {
			ret->newest = entry;
			ret->why = verdict;
		}
	}
	return 0;
}

/* When a release newer than *best* (NULL: any) has its turn; 0: none has one to come. */
static int next_turn(
	const struct policy_view *view, const struct release_entry *best, int64_t *ret, struct error **err)
{
	*ret = 0;
	for (size_t i = 0; i < view->input->index->count; i++) {
		const struct release_entry *entry = &view->input->index->entries[i];
		struct policy_verdict verdict;
		int r;

		if (!is_candidate(view, entry) || !is_newer_entry(entry, best))
			continue;
		r = policy_judge(view, entry, &verdict, err);
		if (r < 0)
			return r;
		if (verdict.reason == POLICY_WAITS_FOR_TURN)
			*ret = sooner(*ret, verdict.when);
	}
	return 0;
}

/* "; the running 1 was withdrawn: …", or nothing. A malloc()ed text; NULL where memory is out. */
static char *withdrawn_text(const struct policy_view *view)
{
	if (!view->withdrawn)
		return strdup("");
	return string_format(
		"; %s, which runs, was withdrawn: %s", view->withdrawn->version, view->withdrawn->withdrawn);
}

/* Nothing is taken, and the pin is why. */
static int decide_pinned(const struct policy_input *input, const char *withdrawn, struct policy_decision *ret,
	struct error **err)
{
	const char *pin = input->config->pin;

	ret->reason = POLICY_PINNED;
	if (streq(pin, input->running))
		return say(ret, NULL, err, "%s runs, and pin in node.yaml says so%s", pin, withdrawn);
	if (is_below(pin, input->running))
		return say(ret, NULL, err,
			"%s runs; pin in node.yaml says %s, and \"orlop-node rollback --to %s\" goes back to "
			"it%s",
			input->running, pin, pin, withdrawn);
	return say(ret, NULL, err,
		"%s runs; pin in node.yaml says %s, which is not published for this node%s", input->running,
		pin, withdrawn);
}

/* There is nothing to take. */
static int decide_none(const struct policy_view *view, const struct choice *choice, const char *withdrawn,
	struct policy_decision *ret, struct error **err)
{
	const struct policy_input *input = view->input;
	_cleanup_free_ char *why = NULL;

	if (input->config->pin && !choice->newest)
		return decide_pinned(input, withdrawn, ret, err);
	if (!choice->newest) {
		ret->reason = POLICY_UP_TO_DATE;
		return say(ret, NULL, err, "%s runs, and nothing newer is published for this node%s",
			input->running, withdrawn);
	}
	why = policy_verdict_text(view, choice->newest, &choice->why);
	if (!why)
		return error_set_errno(err, -ENOMEM, "decision");
	ret->reason = choice->why.reason;
	return say(ret, choice->newest->version, err, "%s is not taken: %s%s", choice->newest->version, why,
		withdrawn);
}

/* What is brought into the slot starts when somebody restarts the machine. */
static enum policy_action for_next_restart(const struct policy_input *input, const char *version)
{
	if (!is_ready(input, version))
		return POLICY_STAGE;
	return input->other_state == POLICY_OTHER_NEXT ? POLICY_NOTHING : POLICY_SELECT;
}

/* The agent may not restart the machine. */
static int decide_for_person(const struct policy_input *input, const char *version, const char *withdrawn,
	struct policy_decision *ret, struct error **err)
{
	const char *key =
		input->config->channel == NODE_CHANNEL_UNMANAGED ? "channel Unmanaged" : "reboot: false";

	ret->reason = POLICY_WAITS_FOR_PERSON;
	ret->action = for_next_restart(input, version);
	return say(ret, version, err, "%s is %s; it starts when the machine is restarted (%s in node.yaml)%s",
		version, ret->action == POLICY_STAGE ? "to be staged" : "staged", key, withdrawn);
}

static int decide_for_window(const struct policy_input *input, const char *version, const char *withdrawn,
	struct policy_decision *ret, struct error **err)
{
	bool ready = is_ready(input, version);
	char when[POLICY_TIME_TEXT];
	struct window_span span;
	int r = policy_next_span(input->config, input->now, &span);

	if (r == 0 && span.begin <= input->now) {
		ret->action = ready ? POLICY_RESTART : POLICY_STAGE_AND_RESTART;
		ret->reason = *withdrawn ? POLICY_RUNNING_WITHDRAWN : POLICY_NEWER;
		return say(ret, version, err, "%s is %s%s", version,
			ready ? "staged, and starts now" : "to be staged and started now", withdrawn);
	}
	ret->action = ready ? POLICY_NOTHING : POLICY_STAGE;
	ret->reason = POLICY_WAITS_FOR_WINDOW;
	if (r < 0)
		return say(ret, version, err,
			"%s is %s; no maintenance window comes in which it could start%s", version,
			ready ? "staged" : "to be staged", withdrawn);
	ret->when = span.begin;
	return say(ret, version, err, "%s is %s; it starts in the maintenance window of %s%s", version,
		ready ? "staged" : "to be staged", policy_time_text(input->config, span.begin, when),
		withdrawn);
}

static int decide_by_itself(const struct policy_input *input, struct policy_decision *ret, struct error **err)
{
	const struct node_config *config = input->config;
	struct policy_view view = policy_view_of(input);
	_cleanup_free_ char *withdrawn = withdrawn_text(&view);
	struct choice choice;
	int64_t turn;
	int r;

	if (!withdrawn)
		return error_set_errno(err, -ENOMEM, "decision");
	if (config->channel == NODE_CHANNEL_NONE) {
		ret->reason = POLICY_CHANNEL_OFF;
		return say(ret, NULL, err, "nothing is taken by itself: channel in node.yaml says None%s",
			withdrawn);
	}
	r = choose(&view, &choice, err);
	if (r >= 0)
		r = next_turn(&view, choice.best, &turn, err);
	if (r < 0)
		return r;
	if (!choice.best)
		r = decide_none(&view, &choice, withdrawn, ret, err);
	else if (config->channel == NODE_CHANNEL_UNMANAGED || !config->reboot)
		r = decide_for_person(input, choice.best->version, withdrawn, ret, err);
	else
		r = decide_for_window(input, choice.best->version, withdrawn, ret, err);
	ret->when = sooner(ret->when, turn);
	return r;
}

/* ---- Orders ---- */

_printf_(5, 6) static int refuse(struct policy_decision *ret, enum policy_reason reason, const char *version,
	struct error **err, const char *format, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list arguments;
	int r;

	va_start(arguments, format);
	r = vasprintf(&text, format, arguments);
	va_end(arguments);
	if (r < 0) {
		text = NULL;
		return error_set_errno(err, -ENOMEM, "decision");
	}
	ret->reason = reason;
	ret->refused = true;
	return say(ret, version, err, "%s", text);
}

static int obey(const struct policy_input *input, const char *version, struct policy_decision *ret,
	struct error **err)
{
	bool ready = is_ready(input, version);

	ret->reason = POLICY_ORDERED;
	if (input->order_restart)
		ret->action = ready ? POLICY_RESTART : POLICY_STAGE_AND_RESTART;
	else
		ret->action = for_next_restart(input, version);
	return say(ret, version, err, "%s is %s, and starts %s", version, ready ? "staged" : "to be staged",
		!input->order_restart ? "when the machine is restarted"
		: ready		      ? "now"
				      : "then");
}

/* The release is not published for this node: for whom is it? */
static int refuse_unknown(const struct policy_input *input, const char *version, struct policy_decision *ret,
	struct error **err)
{
	for (size_t i = 0; i < input->index->count; i++) {
		const struct release_entry *entry = &input->index->entries[i];

		if (streq(entry->version, version))
			return refuse(ret, POLICY_NOT_PUBLISHED, version, err,
				"%s is published for %s on %s; this is %s on %s", version, entry->edition,
				entry->architecture, input->edition, input->architecture);
	}
	return refuse(ret, POLICY_NOT_PUBLISHED, version, err,
		"the repository has no release %s of %s for %s", version, input->edition,
		input->architecture);
}

static int order_to(const struct policy_input *input, const char *version, struct policy_decision *ret,
	struct error **err)
{
	const struct release_entry *entry = find(input, version);
	const struct policy_view view = policy_view_of(input);
	const struct node_config *config = input->config;

	if (entry && entry->withdrawn)
		return refuse(ret, POLICY_WITHDRAWN, version, err, "%s was withdrawn: %s", version,
			entry->withdrawn);
	if (is_below(version, view.least))
		return refuse(ret, POLICY_BELOW_FLOOR, version, err,
			"%s: the repository allows no version below %s", version, view.least);
	if (is_above(version, config->pin))
		return refuse(ret, POLICY_PINNED, version, err,
			"%s is above the %s that pin in node.yaml says; \"orlop-node pin --none\" removes it",
			version, config->pin);
	if (is_above(version, config->maximum))
		return refuse(ret, POLICY_ABOVE_MAXIMUM, version, err,
			"%s is above the %s that maximum in node.yaml says", version, config->maximum);
	if (streq(version, input->running)) {
		ret->reason = POLICY_RUNNING_ALREADY;
		return say(ret, version, err, "%s runs already", version);
	}
	if (entry || is_ready(input, version))
		return obey(input, version, ret, err);
	if (!input->index)
		return refuse(ret, POLICY_NO_REPOSITORY, version, err,
			"%s is not in the other slot, and there is no metadata of a repository that has it",
			version);
	return refuse_unknown(input, version, ret, err);
}

static int order_update(const struct policy_input *input, struct policy_decision *ret, struct error **err)
{
	struct policy_view view = policy_view_of(input);
	_cleanup_free_ char *withdrawn = withdrawn_text(&view);
	struct choice choice;
	int r;

	if (!withdrawn)
		return error_set_errno(err, -ENOMEM, "decision");
	if (!input->index)
		return refuse(ret, POLICY_NO_REPOSITORY, NULL, err,
			"there is no metadata of a repository; repository in node.yaml names one");
	r = choose(&view, &choice, err);
	if (r < 0)
		return r;
	return choice.best ? obey(input, choice.best->version, ret, err)
			   : decide_none(&view, &choice, withdrawn, ret, err);
}

static int order_rollback(const struct policy_input *input, struct policy_decision *ret, struct error **err)
{
	bool is_new = input->other_state == POLICY_OTHER_STAGED || input->other_state == POLICY_OTHER_NEXT;

	if (!input->other)
		return refuse(ret, POLICY_NO_OTHER, NULL, err,
			"the other slot has no release; \"orlop-node rollback --to VERSION\" fetches one");
	if (is_new && is_above(input->other, input->running))
		return refuse(ret, POLICY_NO_OTHER, input->other, err,
			"the other slot has %s, which is newer and has not run yet; \"orlop-node rollback "
			"--to VERSION\" fetches an older release",
			input->other);
	return order_to(input, input->other, ret, err);
}

int policy_decide(const struct policy_input *input, struct policy_decision *ret, struct error **err)
{
	*ret = (struct policy_decision){};
	switch (input->order) {
	case POLICY_ORDER_UPDATE:
		return order_update(input, ret, err);
	case POLICY_ORDER_TO:
		return order_to(input, input->order_version, ret, err);
	case POLICY_ORDER_ROLLBACK:
		return order_rollback(input, ret, err);
	case POLICY_ORDER_NONE:
		break;
	}
	if (!input->config->repository || !input->index) {
		ret->reason = POLICY_NO_REPOSITORY;
		return say(ret, NULL, err, "%s",
			input->config->repository ? "there is no metadata of the repository yet"
						  : "updates are off: node.yaml names no repository");
	}
	return decide_by_itself(input, ret, err);
}
