/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Random sequences of what can happen to a node and to the repository that it follows: releases, new keys,
 * attacks, damage, cuts, restarts. After each step, what has to hold at every moment is looked at
 * (update-model.h); and where nobody means harm, an order has to lead to what it should.
 *
 *     ORLOP_MODEL_SEED=N        the first sequence's seed; the next one's is N + 1 …
 *     ORLOP_MODEL_SEQUENCES=N   how many; missing: some, as long as there is time
 *     ORLOP_MODEL_VERBOSE=1     tells each step when it is made, on standard error
 *
 * Keys and the time that processes take are new each time, so a sequence that is run again may be cut a
 * little earlier or later.
 */
#include "scratch.h"

#include <fcntl.h>
#include <time.h>

#include "build/keys.h"
#include "update-sequence.h"

#define BEGIN 1767600000 /* 2026-01-05T08:00:00Z: when the keys were made */
#define STEPS 40
#define SEQUENCES 12 /* where nobody says how many; no more are begun after … */
#define SECONDS_MAX 25
#define HOUR 3600
#define KILL_US_MAX 60000 /* about as long as publishing takes */
#define DAY 86400

static bool do_check(struct sequence *s)
{
	sequence_order(s, VERB_CHECK, POOL_RELEASES);
	return true;
}

/* Somebody, or time, changes bytes in the slot that does not run. */
static bool do_damage(struct sequence *s)
{
	_cleanup_loader_view_ struct loader_view view = {};
	size_t other = 'b' - s->model.slot;
	uint64_t count = 1 + sequence_below(s, 40);

	(void)loader_look(crash_disk_data(), crash_disk_size(), &view);
	for (uint64_t i = 0; i < count; i++) {
		const struct loader_slot *slot = &view.slots[other];
		const struct loader_place *places[] = {
			&slot->usr, &slot->usr, &slot->verity, &slot->signature};
		const struct loader_place *place = places[sequence_below(s, ARRAY_SIZE(places))];
		uint64_t at = place->offset + sequence_below(s, MIN(place->size, UINT64_C(500000)));
		uint8_t byte = (uint8_t)(crash_disk_data()[at] ^ (1 + sequence_below(s, 255)));

		crash_disk_put(at, &byte, 1);
	}
	s->model.damaged[other] = true;
	sequence_tell(s, "%ju bytes of the other slot are changed\n", (uintmax_t)count);
	return true;
}

static bool do_restart(struct sequence *s)
{
	sequence_restart(s);
	return true;
}

/* ---- The publisher ---- */

static size_t next_build(struct sequence *s)
{
	unsigned listed = publisher_now(&s->model.publisher)->listed;

	/* Not each build is published. */
	return 32 - (size_t)__builtin_clz(listed) + (sequence_below(s, 4) == 0);
}

static bool do_publish(struct sequence *s)
{
	unsigned patches = sequence_below(s, 8) == 0;
	size_t release = next_build(s);

	if (release >= POOL_RELEASES)
		return false;
	sequence_tell(s, "publish %s\n", sequence_version(s, release));
	publisher_publish(&s->model.publisher, release, patches, s->model.machine.now);
	return true;
}

/* A publisher is killed at its work. Nodes see the repository that was, or the one that is to be. */
static bool do_publish_killed(struct sequence *s)
{
	struct model *model = &s->model;
	size_t release = next_build(s);

	if (release >= POOL_RELEASES)
		return false;
	if (publisher_publish_killed(&model->publisher, release, 1, model->machine.now,
		    (unsigned)sequence_below(s, KILL_US_MAX))) {
		sequence_tell(s, "publish %s, killed\n", sequence_version(s, release));
		s->totals->unpublished++;
		sequence_order(s, VERB_CHECK, POOL_RELEASES);
		model_check(model);
	}
	sequence_tell(s, "publish %s\n", sequence_version(s, release));
	publisher_publish(&model->publisher, release, 1, model->machine.now);
	return true;
}

static bool do_withdraw(struct sequence *s)
{
	size_t release = sequence_pick_listed(s);

	if (publisher_now(&s->model.publisher)->withdrawn & 1u << release)
		return false;
	sequence_tell(s, "withdraw %s\n", sequence_version(s, release));
	publisher_change(&s->model.publisher, PUBLISH_WITHDRAW, release, s->model.machine.now);
	return true;
}

static bool do_floor(struct sequence *s)
{
	const struct publication *now = publisher_now(&s->model.publisher);
	size_t release = sequence_pick_listed(s);

	if (now->withdrawn & 1u << release || release < now->floor)
		return false;
	sequence_tell(s, "floor %s\n", sequence_version(s, release));
	publisher_change(&s->model.publisher, PUBLISH_FLOOR, release, s->model.machine.now);
	return true;
}

/* The floor rises, and somebody wants to go back to what is below it. */
static bool do_below_floor(struct sequence *s)
{
	size_t below = sequence_pick_listed(s);

	if (s->model.attack != ATTACK_NONE || !do_floor(s) ||
		below >= publisher_now(&s->model.publisher)->floor)
		return false;
	sequence_order(s, VERB_ROLLBACK, below);
	return true;
}

static bool do_refresh(struct sequence *s)
{
	sequence_tell(s, "refresh\n");
	publisher_refresh(&s->model.publisher, s->model.machine.now);
	return true;
}

static bool do_rotate(struct sequence *s)
{
	enum tuf_type role = (enum tuf_type)sequence_below(s, TUF_TYPES);

	sequence_tell(s, "rotate %s\n", tuf_type_name(role));
	publisher_rotate(&s->model.publisher, role, s->model.machine.now);
	s->totals->rotations++;
	return true;
}

static bool do_wait(struct sequence *s)
{
	int64_t span = sequence_below(s, 6) > 0 ? (int64_t)(HOUR * (1 + sequence_below(s, 20)))
						: (int64_t)(DAY * (1 + sequence_below(s, 12)));

	s->model.machine.now += span;
	sequence_tell(s, "%jd hours pass\n", (intmax_t)span / HOUR);
	return true;
}

static void serve(struct sequence *s, enum attack attack)
{
	const char *what = publisher_serve(&s->model.publisher, attack, &s->seed);

	s->model.attack = what ? attack : ATTACK_NONE;
	s->totals->attacks[s->model.attack]++;
	sequence_tell(s, "%s is served\n", what ? what : "the repository");
}

static bool do_attack(struct sequence *s)
{
	serve(s, (enum attack)(1 + sequence_below(s, ATTACK_KINDS - 1)));
	return true;
}

/* News that the node has seen is taken back. */
static bool do_replay(struct sequence *s)
{
	if (s->model.attack != ATTACK_NONE)
		return false;
	(void)do_refresh(s);
	(void)do_check(s);
	serve(s, ATTACK_OLD_TIMESTAMP);
	if (sequence_below(s, 3) == 0)
		(void)do_wait(s);
	sequence_order(s, VERB_CHECK, POOL_RELEASES);
	if (!s->model.machine.said)
		fail_msg("the node takes a timestamp that is older than what it has seen");
	return true;
}

static bool do_stop_attack(struct sequence *s)
{
	if (s->model.attack == ATTACK_NONE)
		return false;
	serve(s, ATTACK_NONE);
	return true;
}

/* ---- All of it ---- */

static const struct step {
	unsigned weight;
	bool (*fn)(struct sequence *s); /* false: it can't be done as things are */
} steps[] = {
	{8, do_publish},
	{3, do_publish_killed},
	{3, do_withdraw},
	{2, do_floor},
	{3, do_below_floor},
	{3, do_refresh},
	{4, do_rotate},
	{5, do_wait},
	{8, do_attack},
	{4, do_replay},
	{16, do_stop_attack},
	{36, sequence_random_order},
	{2, do_check},
	{16, sequence_random_cut},
	{4, sequence_random_fault},
	{4, do_damage},
	{10, do_restart},
};

static void do_step(struct sequence *s)
{
	unsigned all = 0;
	uint64_t place;
	size_t i = 0;

	for (size_t j = 0; j < ARRAY_SIZE(steps); j++)
		all += steps[j].weight;
	for (place = sequence_below(s, all); place >= steps[i].weight; i++)
		place -= steps[i].weight;
	if (steps[i].fn(s))
		model_check(&s->model);
}

/* Whatever happened: once nobody means harm, the node gets to the newest release that it may have. */
static void end_well(struct sequence *s)
{
	struct model *model = &s->model;

	serve(s, ATTACK_NONE);
	do_refresh(s);
	(void)do_publish(s);
	sequence_tell(s, "at the end: ");
	sequence_restart(s);
	sequence_bless(s);
	sequence_order(s, VERB_UPDATE, POOL_RELEASES);
	model_check(model);
	sequence_restart(s);
	model_check(model);
}

static void run_sequence(struct sequence *s)
{
	(void)do_publish(s);
	for (unsigned i = 0; i < STEPS; i++)
		do_step(s);
	end_well(s);
	s->done = true;
}

/* Made once, for all sequences. */
struct group {
	char *folder, *keys;
	struct release_pool pool;
	struct sequence sequence; /* that is run now */
};

static uint64_t setting(const char *name, uint64_t otherwise)
{
	const char *given = getenv(name);
	uint64_t value;

	if (!given || !*given)
		return otherwise;
	assert_int_equal(parse_u64(given, &value), 0);
	return value;
}

static void print_totals(const struct sequence_totals *totals, uint64_t count, int64_t seconds)
{
	unsigned attacks = 0;

	for (size_t i = ATTACK_NONE + 1; i < ATTACK_KINDS; i++)
		attacks += totals->attacks[i];
	print_message("# %ju sequences of %d steps in %jd s: %u attacks, %u new keys, %u falls back, %u "
		      "slots mended\n",
		(uintmax_t)count, STEPS, (intmax_t)seconds, attacks, totals->rotations, totals->falls_back,
		totals->mended);
	print_message("# %u cuts, %u kills, %u faults, %zu states that a cut could have left; %u publishers "
		      "killed\n",
		totals->cuts, totals->kills, totals->faults, totals->states, totals->unpublished);
	print_message("# orders: %u led to another release, %u to none, %u were refused, %u came too early, "
		      "%u were for a "
		      "release that is not trusted, %u met a repository that had expired\n",
		totals->outcomes[OUTCOME_STARTS], totals->outcomes[OUTCOME_NOTHING],
		totals->outcomes[OUTCOME_REFUSED], totals->outcomes[OUTCOME_TOO_EARLY],
		totals->outcomes[OUTCOME_UNTRUSTED], totals->outcomes[OUTCOME_EXPIRED]);
}

static void whatever_happens_what_starts_is_signed_and_whole(void **state)
{
	struct group *group = *state;
	uint64_t seed = setting("ORLOP_MODEL_SEED", 1), count = setting("ORLOP_MODEL_SEQUENCES", 0), i = 0;
	struct sequence_totals totals = {};
	time_t begun = time(NULL);

	for (; i < (count ? count : SEQUENCES) && (count || time(NULL) - begun < SECONDS_MAX); i++) {
		print_message("# seed %ju\n", (uintmax_t)(seed + i));
		sequence_begin(&group->sequence, &group->pool, group->folder, group->keys, seed + i, &totals);
		run_sequence(&group->sequence);
		sequence_end(&group->sequence);
	}
	print_totals(&totals, i, time(NULL) - begun);
	/* At the end of each, an order has led to another release, unless none was allowed. */
	assert_true(totals.outcomes[OUTCOME_STARTS] > 0 && totals.states > 0);
}

/* ---- Once for all ---- */

static int set_up(void **state)
{
	struct group *group = calloc(1, sizeof(*group));

	assert_non_null(group);
	group->folder = node_machine_folder();
	group->keys = string_format("%s/keys", group->folder);
	assert_int_equal(keys_init(group->keys, &(struct keys_options){.now = BEGIN}, NULL), 0);
	release_pool_make(&group->pool, group->folder);
	*state = group;
	return 0;
}

static int tear_down(void **state)
{
	struct group *group = *state;

	if (group->sequence.folder)
		sequence_end(&group->sequence);
	release_pool_release(&group->pool);
	assert_int_equal(remove_tree(group->folder, NULL), 0);
	free(group->folder);
	free(group->keys);
	free(group);
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whatever_happens_what_starts_is_signed_and_whole)};

	node_machine_worker(argc, argv);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
