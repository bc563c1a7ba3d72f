/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "update-sequence.h"

#include "scratch.h"
#include "trees.h"

#define BEGIN 1767600000 /* 2026-01-05T08:00:00Z */
#define STARTS_MAX 20

void sequence_tell(struct sequence *s, const char *format, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list arguments;

	va_start(arguments, format);
	assert_true(vasprintf(&text, format, arguments) >= 0);
	va_end(arguments);
	buffer_append_string(&s->log, text);
	if (s->is_told_at_once)
		fprintf(stderr, "%s", text);
}

uint64_t sequence_below(struct sequence *s, uint64_t limit)
{
	return random_below(&s->seed, limit);
}

const char *sequence_version(const struct sequence *s, size_t release)
{
	return release < POOL_RELEASES ? s->pool->items[release].version : "";
}

size_t sequence_pick_listed(struct sequence *s)
{
	unsigned listed = publisher_now(&s->model.publisher)->listed;
	size_t release;

	do
		release = sequence_below(s, POOL_RELEASES);
	while (!(listed & 1u << release));
	return release;
}

void sequence_begin(struct sequence *s, const struct release_pool *pool, const char *folder, const char *keys,
	uint64_t seed, struct sequence_totals *totals)
{
	_cleanup_free_ char *url = NULL;

	*s = (struct sequence){.pool = pool,
		.totals = totals,
		.first_seed = seed,
		.seed = seed * 2 + 1,
		.folder = string_format("%s/%ju", folder, (uintmax_t)seed),
		.is_told_at_once = getenv("ORLOP_MODEL_VERBOSE") != NULL};
	assert_int_equal(mkdir(s->folder, 0755), 0);
	http_process_start(&s->server, s->folder);
	url = string_format("%s/served", s->server.url);
	publisher_init(&s->model.publisher, pool, s->folder, keys, BEGIN);
	node_machine_init(&s->model.machine, &s->model.publisher, s->folder, url, BEGIN);
	s->model.slot = 'a';
	model_check(&s->model);
}

/* Line by line: cmocka has a limit for a message. */
static void tell_sequence(struct sequence *s)
{
	char *rest, *line;

	print_message("# The sequence that failed, again: ORLOP_MODEL_SEED=%ju ORLOP_MODEL_SEQUENCES=1\n",
		(uintmax_t)s->first_seed);
	buffer_append_u8(&s->log, 0);
	rest = (char *)s->log.data;
	while ((line = strsep(&rest, "\n")))
		print_message("#   %.900s\n", line);
}

void sequence_end(struct sequence *s)
{
	http_process_stop(&s->server);
	if (!s->done)
		tell_sequence(s);
	node_machine_release(&s->model.machine);
	publisher_release(&s->model.publisher);
	buffer_release(&s->log);
	(void)remove_tree(s->folder, NULL);
	free(s->folder);
	s->folder = NULL;
}

/* ---- The machine starts ---- */

static size_t slot_of(const struct sequence *s, const struct loader_view *view, size_t release)
{
	size_t i = 0;

	while (i < LOADER_SLOTS &&
		memcmp(view->slots[i].root, s->pool->items[release].image.root, SHA256_SIZE) != 0)
		i++;
	return i;
}

/* One start by the boot loader. Returns whether what it chose does start. */
static bool start_once(struct sequence *s)
{
	_cleanup_loader_view_ struct loader_view view = {};
	const char *why = loader_look(crash_disk_data(), crash_disk_size(), &view);
	struct loader_entry *entry = why ? NULL : loader_choose(&view);
	bool is_first;
	size_t release, slot;

	if (!entry)
		fail_msg("nothing starts: %s", why ? why : "there is no boot entry");
	is_first = entry->counted && entry->begun && entry->done == 0 && entry->left > 0;
	release = release_pool_find(s->pool, entry->version);
	slot = slot_of(s, &view, release);
	loader_count(crash_disk_data(), entry);
	sequence_tell(s, " %s", entry->name);
	if (slot == LOADER_SLOTS || !model_slot_is_whole(&s->model, &view.slots[slot], release, NULL))
		return false;
	if (is_first && model_is_forbidden(&s->model.known, release))
		fail_msg("%s starts, which the node knows to be forbidden", entry->name);
	s->model.slot = (char)('a' + slot);
	node_machine_boot(&s->model.machine, release, s->model.slot);
	return true;
}

void sequence_bless(struct sequence *s)
{
	struct loader_entry running;

	if (node_machine_run(&s->model.machine, VERB_BLESS, NULL) < 0)
		fail_msg("bless: %s", s->model.machine.said);
	if (!model_find_running(&s->model, &running) || running.counted)
		fail_msg("what was blessed is still on trial");
}

void sequence_restart(struct sequence *s)
{
	struct node_machine *machine = &s->model.machine;
	unsigned starts = 1;
	bool is_well = sequence_below(s, 3) > 0;

	sequence_tell(s, "restart:");
	while (!start_once(s))
		if (starts++ == STARTS_MAX)
			fail_msg("nothing that starts is whole");
	s->totals->falls_back += starts > 1;
	sequence_tell(s, "; %s\n", is_well ? "it is well" : "it is not found well");
	if (sequence_below(s, 2))
		assert_int_equal(node_machine_run(machine, VERB_SETTLE, NULL), 0);
	if (is_well)
		sequence_bless(s);
	if (node_machine_run(machine, VERB_SETTLE, NULL) < 0)
		fail_msg("settle: %s", machine->said);
}
