/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Orders that a node is given, and the agent's rounds: what has to come of them, and cuts and faults on the
 * way.
 */
#include "update-sequence.h"

#include "unit.h"

#include <errno.h>
#include <string.h>

#include "base/string-util.h"

#define MIXTURES 3 /* of what was written between two flushes, that are looked at */
#define WRITES 130 /* and flushes that an update makes, about: where it can be cut */

static const char *const verbs[] = {[VERB_UPDATE] = "update",
	[VERB_ROLLBACK] = "rollback",
	[VERB_CHECK] = "check",
	[VERB_BLESS] = "bless",
	[VERB_SETTLE] = "settle",
	[VERB_AGENT] = "agent"};

/* Its last try runs: what starts next is what was left for it. */
static bool is_exhausted(const struct model *model)
{
	struct loader_entry running;

	return model_find_running(model, &running) && loader_is_last(&running) && running.done > 0;
}

/* What was decided upon with what is known now can't be to start what that forbids. */
static void check_decided(struct sequence *s)
{
	struct model *model = &s->model;
	size_t next = model_next(model);

	const struct publication *kept = model_kept(model);

	if (kept)
		model->known = *kept;
	if (next != model->machine.running && !is_exhausted(model) && model_is_forbidden(&model->known, next))
		fail_msg("%s starts next, which the node knows to be forbidden", sequence_version(s, next));
}

/* That an order went well has to be so. */
static void check_reached(struct sequence *s, const struct expected *expected, size_t before)
{
	struct model *model = &s->model;
	size_t next = model_next(model), running = model->machine.running;

	if (expected->outcome != OUTCOME_STARTS) {
		if (next != before && next != running)
			fail_msg("%s starts next, and nobody wanted it", sequence_version(s, next));
		return;
	}
	if (next != expected->release)
		fail_msg("%s should start next, and %s does", sequence_version(s, expected->release),
			sequence_version(s, next));
	if (expected->staged) {
		s->totals->mended += model->damaged['b' - model->slot];
		model->damaged['b' - model->slot] = false;
	}
	if (next < running && !model_is_rejected(model, running))
		fail_msg("the node has forgotten that it went back from %s", sequence_version(s, running));
}

/* Where nobody means harm, an order ends as it should. */
static void judge(
	struct sequence *s, enum node_verb verb, const struct expected *expected, int r, size_t before)
{
	static const int codes[] = {[OUTCOME_NOTHING] = 0,
		[OUTCOME_STARTS] = 0,
		[OUTCOME_REFUSED] = -EPERM,
		[OUTCOME_UNTRUSTED] = -ENOKEY,
		[OUTCOME_TOO_EARLY] = -EAGAIN,
		[OUTCOME_EXPIRED] = -EKEYEXPIRED};
	const struct node_machine *machine = &s->model.machine;

	s->totals->outcomes[expected->outcome]++;
	/* The agent tells nobody but the journal; a way back needs no repository. */
	if (verb == VERB_AGENT) {
		if (machine->restart != (expected->outcome == OUTCOME_STARTS))
			fail_msg("the agent %s, with %s to be had",
				machine->restart ? "restarts" : "does not restart",
				sequence_version(s, expected->release));
	} else if (expected->outcome == OUTCOME_EXPIRED && verb == VERB_ROLLBACK) {
		return;
	} else if (r != codes[expected->outcome]) {
		fail_msg("%s to %s: %d (%s), expected %d", verbs[verb],
			sequence_version(s, expected->release), r, r < 0 ? machine->said : "done",
			codes[expected->outcome]);
	}
	check_reached(s, expected, before);
}

/* Nothing of it can be believed at any time. */
static bool is_forgery(enum attack attack)
{
	return attack == ATTACK_STRANGER || attack == ATTACK_OLD_ROOT_KEY ||
	       attack == ATTACK_OLD_TIMESTAMP_KEY || attack == ATTACK_UNSIGNED;
}

/* What the node would start from if the power had gone at some moment of the order. */
struct cut {
	const struct model *model;
	size_t before, after; /* what started next then */
};

static void look_after_cut(_unused_ struct replay_disk *disk, void *userdata)
{
	const struct cut *cut = userdata;
	size_t next = model_next(cut->model);

	model_check_disk(cut->model);
	if (next != cut->before && next != cut->after && next != cut->model->machine.running)
		fail_msg("after a cut the boot loader would start another release than before and after it");
}

/* Looks at what cuts of the order could have left. The disk is in the end as it was. */
static void look_at_cuts(struct sequence *s, size_t before)
{
	struct replay_disk disk = {.data = crash_disk_data(), .size = crash_disk_size()};
	struct cut cut = {.model = &s->model, .before = before, .after = model_next(&s->model)};
	struct replay_write *writes;
	size_t count = crash_disk_rewind(&writes);

	if (count > 0)
		s->totals->states += replay_states(&disk, writes, count, MIXTURES,
			1 + sequence_below(s, UINT32_MAX), look_after_cut, &cut);
	replay_writes_free(writes, count);
	free(disk.undo);
}

void sequence_order(struct sequence *s, enum node_verb verb, size_t to)
{
	struct model *model = &s->model;
	struct expected expected = model_expect(model, verb, to);
	size_t before = model_next(model);
	int r;

	crash_disk_record();
	sequence_tell(s, "%s %s", verbs[verb], sequence_version(s, to));
	r = node_machine_run(&model->machine, verb, to < POOL_RELEASES ? sequence_version(s, to) : NULL);
	sequence_tell(
		s, ": %s; %ju writes\n", r < 0 ? model->machine.said : "done", (uintmax_t)crash_disk_calls());
	look_at_cuts(s, before);
	if (is_forgery(model->attack) && verb != VERB_AGENT && verb != VERB_ROLLBACK && r != -EKEYREJECTED)
		fail_msg("%s with forged metadata: %d (%s)", verbs[verb], r,
			r < 0 ? model->machine.said : "done");
	if (model->attack == ATTACK_NONE)
		judge(s, verb, &expected, r, before);
	if (r >= 0 && (verb == VERB_UPDATE || verb == VERB_CHECK))
		model_check_freshness(model);
	if (verb != VERB_CHECK)
		check_decided(s);
}

static enum node_verb pick_verb(struct sequence *s)
{
	static const enum node_verb from[] = {
		VERB_UPDATE, VERB_UPDATE, VERB_UPDATE, VERB_AGENT, VERB_AGENT, VERB_ROLLBACK, VERB_ROLLBACK};

	return from[sequence_below(s, ARRAY_SIZE(from))];
}

static size_t pick_to(struct sequence *s, enum node_verb verb)
{
	return verb != VERB_AGENT && sequence_below(s, 3) == 0 ? sequence_pick_listed(s) : POOL_RELEASES;
}

bool sequence_random_order(struct sequence *s)
{
	enum node_verb verb = pick_verb(s);

	sequence_order(s, verb, pick_to(s, verb));
	if (s->model.machine.restart)
		sequence_restart(s);
	return true;
}

/* One that has something to do, where one is found soon. */
static void pick_busy(struct sequence *s, enum node_verb *ret_verb, size_t *ret_to)
{
	for (unsigned i = 0; i < 8; i++) {
		*ret_verb = pick_verb(s);
		*ret_to = pick_to(s, *ret_verb);
		if (model_expect(&s->model, *ret_verb, *ret_to).outcome == OUTCOME_STARTS)
			return;
	}
}

/* Going to the other slot takes a dozen; an update takes some more to prepare, and then as many as it has
 * blocks. */
static uint64_t pick_write(struct sequence *s)
{
	static const uint64_t ranges[] = {12, 12, 60, WRITES};

	return 1 + sequence_below(s, ranges[sequence_below(s, ARRAY_SIZE(ranges))]);
}

/* The power goes at some write or flush of an order, and comes back; or the process alone ends. */
bool sequence_random_cut(struct sequence *s)
{
	enum crash_kind kind = sequence_below(s, 4) > 0 ? CRASH_POWER : CRASH_KILL;
	uint64_t at = pick_write(s), loss = 1 + sequence_below(s, UINT32_MAX);
	enum node_verb verb;
	bool was_cut;
	size_t to;

	pick_busy(s, &verb, &to);
	was_cut = node_machine_run_cut(
		&s->model.machine, verb, to < POOL_RELEASES ? sequence_version(s, to) : NULL, kind, at, loss);
	sequence_tell(s, "%s %s, %s at write %ju: %s\n", verbs[verb], sequence_version(s, to),
		kind == CRASH_POWER ? "cut" : "killed", (uintmax_t)at,
		was_cut ? "so it was" : "it did not get there");
	if (kind == CRASH_POWER)
		s->totals->cuts += was_cut;
	else
		s->totals->kills += was_cut;
	model_check(&s->model);
	if (kind == CRASH_POWER)
		sequence_restart(s);
	return true;
}

/* A write or flush fails, and the next ones don't. */
bool sequence_random_fault(struct sequence *s)
{
	uint64_t at = pick_write(s);
	enum node_verb verb;
	size_t to;
	int r;

	pick_busy(s, &verb, &to);
	crash_disk_arm(CRASH_ERROR, at, 0);
	r = node_machine_run(&s->model.machine, verb, to < POOL_RELEASES ? sequence_version(s, to) : NULL);
	s->totals->faults += crash_disk_calls() >= at;
	crash_disk_arm(CRASH_NONE, 0, 0);
	sequence_tell(s, "%s %s, with write %ju failing: %s\n", verbs[verb], sequence_version(s, to),
		(uintmax_t)at, r < 0 ? s->model.machine.said : "done");
	if (s->model.machine.restart)
		sequence_restart(s);
	return true;
}
