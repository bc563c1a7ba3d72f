/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>

#include "update/policy-part.h"

#define WINDOWS_SHOWN 5
#define STEPS_MAX 32 /* of what may happen in one window */

static const char *const meanings[] = {
	[NODE_CHANNEL_NONE] = "nothing is taken by itself",
	[NODE_CHANNEL_UNMANAGED] = "the newest release is staged; restarts are yours",
	[NODE_CHANNEL_SECURITY_PATCH] = "security releases are staged, and start in maintenance windows",
	[NODE_CHANNEL_NODE_IMAGE] = "weekly releases are staged, and start in maintenance windows",
};

static const char *const other_states[] = {
	[POLICY_OTHER_KEPT] = "kept to go back to",
	[POLICY_OTHER_STAGED] = "staged",
	[POLICY_OTHER_NEXT] = "starts when the machine is restarted",
	[POLICY_OTHER_BAD] = "does not start: its tries are used up, or the node was rolled back from it",
};

static int add_head(const struct policy_input *input, struct strv *ret)
{
	const struct node_config *config = input->config;
	int r;

	r = strv_addf(ret, "Running:    %s (%s, %s)", input->running, input->edition, input->architecture);
	if (r >= 0 && input->other)
		r = strv_addf(ret, "Other slot: %s (%s)", input->other, other_states[input->other_state]);
	if (r >= 0)
		r = strv_addf(ret, "Repository: %s", config->repository ? config->repository : "none");
	if (r >= 0)
		r = strv_addf(ret, "Channel:    %s (%s)", node_channel_name(config->channel),
			meanings[config->channel]);
	if (r >= 0 && config->pin)
		r = strv_addf(ret, "Pin:        %s", config->pin);
	if (r >= 0 && config->maximum)
		r = strv_addf(ret, "Maximum:    %s", config->maximum);
	return r;
}

static int add_now(const struct policy_input *input, struct strv *ret, struct error **err)
{
	_cleanup_policy_decision_ struct policy_decision decision = {};
	char when[POLICY_TIME_TEXT];
	int r;

	r = policy_decide(input, &decision, err);
	if (r < 0)
		return r;
	r = strv_addf(ret, "Now:        %s", decision.sentence);
	if (r >= 0 && decision.when)
		r = strv_addf(ret, "Next:       looked at again at %s",
			policy_time_text(input->config, decision.when, when));
	return r;
}

/* ---- Maintenance windows ---- */

/* The version as the index has it, which lives longer than a decision does. */
static const char *lasting(const struct policy_input *input, const char *version)
{
	const struct release_entry *entry =
		release_index_find(input->index, input->edition, input->architecture, version);

	return entry ? entry->version : NULL;
}

/*
 * Plays what happens in a window, with what would have been staged before it. *state* goes on to how the node
 * is at its end; *text* says what was started, or why nothing.
 */
static int play(struct policy_input *state, const struct window_span *span, char **text, struct error **err)
{
	_cleanup_free_ char *started = NULL;

	state->now = MAX(state->now, span->begin);
	for (unsigned i = 0; i < STEPS_MAX; i++) {
		_cleanup_policy_decision_ struct policy_decision decision = {};
		int r = policy_decide(state, &decision, err);

		if (r < 0)
			return r;
		if (decision.action == POLICY_RESTART || decision.action == POLICY_STAGE_AND_RESTART) {
			free(started);
			started = string_format("%s starts", decision.version);
			if (!started)
				return -ENOMEM;
			state->other = state->running;
			state->other_state = POLICY_OTHER_KEPT;
			state->running = lasting(state, decision.version);
			continue;
		}
		if (decision.when > state->now && decision.when <= span->end - POLICY_WINDOW_LEAST) {
			state->now = decision.when;
			continue;
		}
		*text = started ? TAKE_PTR(started) : string_format("nothing: %s", decision.sentence);
		return *text ? 0 : -ENOMEM;
	}
	*text = TAKE_PTR(started);
	return 0;
}

static int add_window(
	struct policy_input *state, const struct window_span *span, struct strv *ret, struct error **err)
{
	char begin[POLICY_TIME_TEXT], end[POLICY_TIME_TEXT];
	_cleanup_free_ char *text = NULL;
	int r;

	r = play(state, span, &text, err);
	if (r < 0)
		return r;
	return strv_addf(ret, "  %s to %s: %s", policy_time_text(state->config, span->begin, begin),
		policy_time_text(state->config, span->end, end), text ? text : "");
}

static int add_windows(const struct policy_input *input, struct strv *ret, struct error **err)
{
	const struct node_config *config = input->config;
	struct policy_input state = *input;
	int64_t instant = input->now;
	int r;

	if (config->channel == NODE_CHANNEL_NONE || config->channel == NODE_CHANNEL_UNMANAGED ||
		!config->reboot)
		return strv_add(ret, "Windows:    not used: the agent does not restart this machine");
	if (config->window_count == 0)
		return strv_add(ret, "Windows:    none are set: a restart may come at any time");
	r = strv_add(ret, "Windows:");
	for (unsigned i = 0; r >= 0 && i < WINDOWS_SHOWN; i++) {
		struct window_span span;

		if (policy_next_span(config, instant, &span) < 0)
			return i > 0 ? 0 : strv_add(ret, "  none comes in the next ten years");
		r = add_window(&state, &span, ret, err);
		instant = span.end;
	}
	return r;
}

/* ---- Releases ---- */

static int add_release(const struct policy_view *view, const struct release_entry *entry, struct strv *ret,
	struct error **err)
{
	static const char *const channels[] = {
		[RELEASE_WEEKLY] = "weekly",
		[RELEASE_SECURITY] = "security",
		[RELEASE_WEEKLY | RELEASE_SECURITY] = "weekly, security",
	};
	_cleanup_free_ char *why = NULL;
	struct policy_verdict verdict;
	int r;

	r = policy_judge(view, entry, &verdict, err);
	if (r < 0)
		return r;
	why = policy_verdict_text(view, entry, &verdict);
	if (!why)
		return -ENOMEM;
	return strv_addf(ret, "  %s (%s): %s: %s", entry->version, channels[entry->channels],
		verdict.reason == POLICY_NEWER ? "yes" : "no", why);
}

static int compare_entries(const void *a, const void *b)
{
	const struct release_entry *const *left = a, *const *right = b;

	return release_version_compare((*right)->version, (*left)->version);
}

static int add_releases(const struct policy_input *input, struct strv *ret, struct error **err)
{
	_cleanup_free_ const struct release_entry **newer = calloc(input->index->count + 1, sizeof(*newer));
	struct policy_view view = policy_view_of(input);
	size_t count = 0;
	int r;

	if (!newer)
		return -ENOMEM;
	for (size_t i = 0; i < input->index->count; i++)
		if (policy_is_newer(input, &input->index->entries[i]))
			newer[count++] = &input->index->entries[i];
	qsort(newer, count, sizeof(*newer), compare_entries);
	r = strv_add(ret, count > 0 ? "Newer:" : "Newer:      nothing is published");
	for (size_t i = 0; r >= 0 && i < count; i++)
		r = add_release(&view, newer[i], ret, err);
	return r;
}

int policy_explain(const struct policy_input *input, struct strv *ret, struct error **err)
{
	_cleanup_error_ struct error *why = NULL;
	struct policy_input state = *input;
	int r;

	state.order = POLICY_ORDER_NONE;
	r = add_head(&state, ret);
	if (r >= 0)
		r = add_now(&state, ret, &why);
	if (r >= 0 && state.config->repository && state.index) {
		r = add_windows(&state, ret, &why);
		if (r >= 0)
			r = add_releases(&state, ret, &why);
	}
	return r < 0 ? error_set_errno(err, r, "explain") : 0;
}
