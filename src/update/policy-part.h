/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What policy.c, policy-judge.c and policy-explain.c share; nobody else's affair. */
#pragma once

#include "update/policy.h"

/* An input, and what is looked up in its index once for all releases. */
struct policy_view {
	const struct policy_input *input;
	const struct release_entry *withdrawn; /* the running release, where it is; NULL: it is not */
	const char *least;		       /* the lowest version that the repository allows; NULL: any */
};

struct policy_view policy_view_of(const struct policy_input *input);

/* What holds of one release for this node, whatever else is published. */
struct policy_verdict {
	enum policy_reason reason; /* POLICY_NEWER: it may be taken */
	int64_t when;		   /* WAITS_FOR_TURN: when it comes; 0: the plan does not reach this node */
	unsigned place;		   /* WAITS_FOR_TURN */
	unsigned percent;	   /* WAITS_FOR_TURN: of the step that reaches it, or of the last one */
};

int policy_judge(const struct policy_view *view, const struct release_entry *entry,
	struct policy_verdict *ret, struct error **err);

/* Why, for people: "its publisher has paused it". A malloc()ed text; NULL where memory is out. */
char *policy_verdict_text(const struct policy_view *view, const struct release_entry *entry,
	const struct policy_verdict *verdict);

/* Whether the release is one for this node's edition and architecture; and newer than what runs. */
bool policy_is_here(const struct policy_input *input, const struct release_entry *entry);
bool policy_is_newer(const struct policy_input *input, const struct release_entry *entry);

/* What is published for this node under that version; NULL: nothing is. */
const struct release_entry *policy_find(const struct policy_input *input, const char *version);

/* Whether the other slot has that version, ready to start. */
bool policy_is_ready(const struct policy_input *input, const char *version);

/* Whether a version is below, or above, a limit; false where that is NULL. */
bool policy_is_below(const char *version, const char *limit);
bool policy_is_above(const char *version, const char *limit);

/* Replaces what would move a terminal's cursor; *text* may be NULL. Returns it. */
char *policy_clean(char *text);

/* The instant in the time zone of the first window, UTC where there is none: "2026-11-24 02:00 +01:00". */
#define POLICY_TIME_TEXT 40
const char *policy_time_text(const struct node_config *config, int64_t instant, char ret[POLICY_TIME_TEXT]);
