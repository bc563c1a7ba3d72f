/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "update/policy.h"

#include <errno.h>
#include <stdarg.h>

#include "update/policy-part.h"

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
	(void)policy_clean(ret->sentence);
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
	return policy_is_here(view->input, entry) && entry != view->withdrawn;
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
	if (policy_is_below(pin, input->running))
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
	if (!policy_is_ready(input, version))
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
	bool ready = policy_is_ready(input, version);
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
	bool ready = policy_is_ready(input, version);

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
	const struct release_entry *entry = policy_find(input, version);
	const struct policy_view view = policy_view_of(input);
	const struct node_config *config = input->config;

	if (entry && entry->withdrawn)
		return refuse(ret, POLICY_WITHDRAWN, version, err, "%s was withdrawn: %s", version,
			entry->withdrawn);
	if (policy_is_below(version, view.least))
		return refuse(ret, POLICY_BELOW_FLOOR, version, err,
			"%s: the repository allows no version below %s", version, view.least);
	if (policy_is_above(version, config->pin))
		return refuse(ret, POLICY_PINNED, version, err,
			"%s is above the %s that pin in node.yaml says; \"orlop-node pin --none\" removes it",
			version, config->pin);
	if (policy_is_above(version, config->maximum))
		return refuse(ret, POLICY_ABOVE_MAXIMUM, version, err,
			"%s is above the %s that maximum in node.yaml says", version, config->maximum);
	if (streq(version, input->running)) {
		ret->reason = POLICY_RUNNING_ALREADY;
		return say(ret, version, err, "%s runs already", version);
	}
	if (entry || policy_is_ready(input, version))
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
	if (is_new && policy_is_above(input->other, input->running))
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
