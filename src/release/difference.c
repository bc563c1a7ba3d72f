/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "release/difference.h"

#include <assert.h>
#include <errno.h>

#include "release/suffix.h"

/*
 * A place where source and target have more in common, byte for byte, than where the last run goes on, by at
 * least so much: only then a new run begins.
 */
#define BETTER 8

struct making {
	const uint8_t *source, *target;
	size_t source_size, target_size;
	struct suffixes suffixes;
	struct difference *ret;

	/* The last run begins here in both; where it ends is found out when the next one is known. */
	size_t source_last, target_last;
};

/* Where target and source are alike: *length* bytes. */
struct match {
	size_t source, target, length;
};

/* Whether the byte *at* of the target is what the last run, gone on, has there. */
static bool goes_on(const struct making *making, size_t at)
{
	size_t source = at - making->target_last + making->source_last;

	return at < making->target_size && source < making->source_size &&
	       making->source[source] == making->target[at];
}

/*
 * Finds the next match from *at* on that is worth a new run: one that has BETTER bytes more in common than
 * the last run gone on. At the target's end there is none, and the length is 0.
 */
static struct match find_match(const struct making *making, size_t at)
{
	struct match match = {.target = at};
	size_t alike = 0, counted = at; /* bytes of the match that the last run has as well */

	for (; match.target < making->target_size; match.target++) {
		match.length = suffixes_find(&making->suffixes, making->target + match.target,
			making->target_size - match.target, &match.source);
		for (; counted < match.target + match.length; counted++)
			alike += goes_on(making, counted);
		if (match.length > alike + BETTER)
			return match;
		/* The last run goes on through all of it: look behind it. */
		if (match.length > 0 && match.length == alike) {
			match.target += match.length - 1;
			alike = 0;
			counted = match.target + 1;
			continue;
		}
		/* Where it goes on, the source has that byte, so there was a match, and it was counted. */
		alike -= goes_on(making, match.target);
	}
	match.length = 0;
	return match;
}

/* How far the last run is worth going on: to where more than half of its bytes are alike. */
static size_t extend_forward(const struct making *making, size_t end)
{
	size_t most = MIN(end - making->target_last, making->source_size - making->source_last);
	int64_t score = 0, best = 0;
	size_t length = 0;

	for (size_t i = 0; i < most; i++) {
		score += making->source[making->source_last + i] == making->target[making->target_last + i]
				 ? 1
				 : -1;
		if (score > best) {
			best = score;
			length = i + 1;
		}
	}
	return length;
}

/* The same backwards from a match. */
static size_t extend_backward(const struct making *making, const struct match *match)
{
	size_t most = MIN(match->target - making->target_last, match->source);
	int64_t score = 0, best = 0;
	size_t length = 0;

	for (size_t i = 1; i <= most; i++) {
		score += making->source[match->source - i] == making->target[match->target - i] ? 1 : -1;
		if (score > best) {
			best = score;
			length = i;
		}
	}
	return length;
}

/* Where the last run and the extended match overlap, gives each byte to the one that has more of it. */
static void divide(const struct making *making, const struct match *match, size_t *forward, size_t *backward)
{
	size_t end = making->target_last + *forward, begin = match->target - *backward, split = 0;
	size_t overlap = end - begin;
	int64_t score = 0, best = 0;

	for (size_t i = 0; i < overlap; i++) {
		size_t in_last = making->source_last + *forward - overlap + i;
		size_t in_match = match->source - *backward + i;

		score += making->source[in_last] == making->target[begin + i];
		score -= making->source[in_match] == making->target[begin + i];
		if (score > best) {
			best = score;
			split = i + 1;
		}
	}
	*forward -= overlap - split;
	*backward -= split;
}

static int add_step(struct making *making, size_t added, size_t literal, int64_t seek)
{
	struct difference *ret = making->ret;
	uint8_t *to = buffer_extend(&ret->added, added);

	if (ret->step_count == ret->step_capacity) {
		size_t capacity = ret->step_capacity > 0 ? 2 * ret->step_capacity : 64;
		struct patch_step *steps = reallocarray(ret->steps, capacity, sizeof(*steps));

		if (!steps)
			return -ENOMEM;
		ret->steps = steps;
		ret->step_capacity = capacity;
	}
	if (!to && added > 0)
		return -ENOMEM;
	for (size_t i = 0; i < added; i++)
		to[i] = (uint8_t)(making->target[making->target_last + i] -
				  making->source[making->source_last + i]);
	buffer_append(&ret->literals, making->target + making->target_last + added, literal);
	ret->steps[ret->step_count++] =
		(struct patch_step){.added = (uint32_t)added, .literal = (uint32_t)literal, .seek = seek};
	return buffer_failed(&ret->literals) ? -ENOMEM : 0;
}

/* Ends the last run where *match* begins, and begins a new one there. */
static int close_run(struct making *making, const struct match *match)
{
	size_t forward = extend_forward(making, match->target);
	size_t backward = match->length > 0 ? extend_backward(making, match) : 0;
	size_t target, source;
	int r;

	if (making->target_last + forward > match->target - backward)
		divide(making, match, &forward, &backward);
	target = match->target - backward;
	source = match->length > 0 ? match->source - backward : making->source_last + forward;
	r = add_step(making, forward, target - making->target_last - forward,
		(int64_t)source - (int64_t)(making->source_last + forward));
	making->target_last = target;
	making->source_last = source;
	return r;
}

int difference_make(const uint8_t *source, size_t source_size, const uint8_t *target, size_t target_size,
	struct difference *ret)
{
	struct making making = {.source = source,
		.target = target,
		.source_size = source_size,
		.target_size = target_size,
		.ret = ret};
	struct match match = {};
	int r;

	*ret = (struct difference){};
	r = suffixes_init(source, source_size, &making.suffixes);
	while (r >= 0 && match.target < target_size) {
		match = find_match(&making, match.target + match.length);
		r = close_run(&making, &match);
	}
	suffixes_release(&making.suffixes);
	if (r < 0)
		difference_release(ret);
	return r;
}

void difference_release(struct difference *difference)
{
	free(difference->steps);
	buffer_release(&difference->added);
	buffer_release(&difference->literals);
	*difference = (struct difference){};
}
