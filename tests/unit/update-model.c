/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "update-model.h"

#include "unit.h"

#include <jansson.h>
#include <string.h>
#include <time.h>

#include "base/encoding.h"
#include "base/string-util.h"
#include "format/canonical-json.h"

#define STATE "/var/lib/orlop/update/"

static void look(struct loader_view *ret)
{
	const char *why = loader_look(crash_disk_data(), crash_disk_size(), ret);

	if (why)
		fail_msg("the boot loader finds nothing: %s", why);
}

/* ---- Slots ---- */

static bool signature_is_right(const struct model *model, const uint8_t *data, size_t release)
{
	const struct publisher_release *made = &model->publisher.releases[release];
	_cleanup_json_ json_t *document = json_loads((const char *)data, 0, NULL);
	_cleanup_free_ char *base64 = base64_encode_new(made->signature, made->signature_size),
			    *root = hex_encode_new(
				    model->machine.pool->items[release].image.root, SHA256_SIZE);
	const char *has_root = json_string_value(json_object_get(document, "rootHash"));
	const char *has_signature = json_string_value(json_object_get(document, "signature"));

	return has_root && has_signature && streq(has_root, root) && streq(has_signature, base64);
}

bool model_slot_is_whole(
	const struct model *model, const struct loader_slot *slot, size_t release, const char **ret_why)
{
	const struct test_image *image = &model->machine.pool->items[release].image;
	const uint8_t *disk = crash_disk_data();
	const char *why = NULL;

	if (memcmp(slot->root, image->root, SHA256_SIZE) != 0)
		why = "its ids are others";
	else if (memcmp(disk + slot->usr.offset, image->data, image->blocks * VERITY_BLOCK_SIZE) != 0)
		why = "a block of its image is another one";
	else if (memcmp(disk + slot->verity.offset, image->hash, image->hash_size) != 0)
		why = "its hash tree is another one";
	else if (!signature_is_right(model, disk + slot->signature.offset, release))
		why = "its signature is another one";
	if (ret_why)
		*ret_why = why;
	return !why;
}

/* The slot with the release's ids; NULL: there is none. */
static struct loader_slot *find_slot(const struct model *model, struct loader_view *view, size_t release)
{
	for (size_t i = 0; i < LOADER_SLOTS; i++)
		if (memcmp(view->slots[i].root, model->machine.pool->items[release].image.root,
			    SHA256_SIZE) == 0)
			return &view->slots[i];
	return NULL;
}

/* A slot that says to hold a release does, also where nothing starts it. */
static void check_slot(const struct model *model, const struct loader_view *view, size_t slot)
{
	const struct release_pool *pool = model->machine.pool;
	const char *why;

	for (size_t i = 0; i < POOL_RELEASES && !model->damaged[slot]; i++)
		if (memcmp(view->slots[slot].root, pool->items[i].image.root, SHA256_SIZE) == 0 &&
			!model_slot_is_whole(model, &view->slots[slot], i, &why))
			fail_msg("slot %c has the ids of %s and is not whole: %s", (int)('a' + slot),
				pool->items[i].version, why);
}

/* An entry starts bytes that were published and signed, of kernel image and slot. */
static void check_entry(const struct model *model, struct loader_view *view, const struct loader_entry *entry)
{
	const struct release_pool *pool = model->machine.pool;
	size_t release = release_pool_find(pool, entry->version);
	const struct loader_slot *slot;
	const char *why;

	if (release == POOL_RELEASES || !(publisher_now(&model->publisher)->listed & 1u << release))
		fail_msg("%s was never published", entry->name);
	if (pool->items[release].signer != pool->db)
		fail_msg("%s is signed by a stranger", entry->name);
	if (entry->size != pool->items[release].uki.size ||
		memcmp(entry->data, pool->items[release].uki.data, entry->size) != 0)
		fail_msg("%s is not the kernel image that was published", entry->name);
	slot = find_slot(model, view, release);
	if (!slot)
		fail_msg("%s starts a release that is in no slot", entry->name);
	if (!model->damaged[slot - view->slots] && !model_slot_is_whole(model, slot, release, &why))
		fail_msg("%s starts a slot that is not whole: %s", entry->name, why);
}

static struct loader_entry *entry_of(const struct model *model, struct loader_view *view, size_t release)
{
	for (size_t i = 0; i < view->count; i++)
		if (streq(view->entries[i].version, model->machine.pool->items[release].version))
			return &view->entries[i];
	return NULL;
}

void model_check_disk(const struct model *model)
{
	_cleanup_loader_view_ struct loader_view view = {};
	size_t running = model->machine.running;

	look(&view);
	for (size_t i = 0; i < LOADER_SLOTS; i++)
		check_slot(model, &view, i);
	for (size_t i = 0; i < view.count; i++)
		check_entry(model, &view, &view.entries[i]);
	if (!entry_of(model, &view, running))
		fail_msg("the running release %s has no boot entry any more",
			model->machine.pool->items[running].version);
	if (find_slot(model, &view, running) != &view.slots[model->slot - 'a'])
		fail_msg("the running release is not in its slot any more");
}

bool model_find_running(const struct model *model, struct loader_entry *ret)
{
	_cleanup_loader_view_ struct loader_view view = {};
	const struct loader_entry *entry;

	look(&view);
	entry = entry_of(model, &view, model->machine.running);
	if (entry)
		*ret = *entry;
	ret->data = NULL;
	return entry != NULL;
}

size_t model_next(const struct model *model)
{
	_cleanup_loader_view_ struct loader_view view = {};
	const struct loader_entry *entry;

	look(&view);
	entry = loader_choose(&view);
	return entry ? release_pool_find(model->machine.pool, entry->version) : POOL_RELEASES;
}

/* ---- Metadata ---- */

static json_t *load_kept(const struct model *model, enum tuf_type type)
{
	_cleanup_free_ char *path = string_format(STATE "tuf/%s.json", tuf_type_name(type)),
			    *text = node_machine_read(&model->machine, path);

	return json_loads(text, 0, NULL);
}

static const json_t *member(const json_t *document, const char *name)
{
	return json_object_get(json_object_get(document, "signed"), name);
}

/* What a node keeps was signed by the publisher, and is never older than what it kept before. */
static void check_document(struct model *model, enum tuf_type type)
{
	_cleanup_json_ json_t *kept = load_kept(model, type), *own = NULL;
	uint64_t version = (uint64_t)json_integer_value(member(kept, "version"));

	if (!kept)
		return;
	own = publisher_document(&model->publisher, type, version);
	if (!own || !json_equal(json_object_get(kept, "signed"), json_object_get(own, "signed")))
		fail_msg("the node has accepted %s of version %ju, which is not what was published",
			tuf_type_name(type), (uintmax_t)version);
	if (version < model->seen[type])
		fail_msg("the node has gone back from version %ju to %ju of %s", (uintmax_t)model->seen[type],
			(uintmax_t)version, tuf_type_name(type));
	model->seen[type] = version;
}

const struct publication *model_kept(const struct model *model)
{
	_cleanup_json_ json_t *targets = load_kept(model, TUF_TARGETS);

	return publisher_find(&model->publisher, (uint64_t)json_integer_value(member(targets, "version")));
}

void model_check_freshness(const struct model *model)
{
	for (enum tuf_type type = TUF_TIMESTAMP; type < TUF_TYPES; type++) {
		_cleanup_json_ json_t *kept = load_kept(model, type);
		struct tm when = {};

		if (!kept ||
			!strptime(json_string_value(member(kept, "expires")), "%Y-%m-%dT%H:%M:%SZ", &when))
			fail_msg("the node keeps no %s after a refresh", tuf_type_name(type));
		if (timegm(&when) <= model->machine.now)
			fail_msg("the node has accepted %s, which had expired", tuf_type_name(type));
	}
}

/* Once what was damaged is whole again it has to stay so. */
static void note_mended(struct model *model)
{
	_cleanup_loader_view_ struct loader_view view = {};

	look(&view);
	for (size_t i = 0; i < LOADER_SLOTS; i++)
		for (size_t j = 0; j < POOL_RELEASES && model->damaged[i]; j++)
			model->damaged[i] = !model_slot_is_whole(model, &view.slots[i], j, NULL);
}

void model_check(struct model *model)
{
	note_mended(model);
	model_check_disk(model);
	for (enum tuf_type type = TUF_ROOT; type < TUF_TYPES; type++)
		check_document(model, type);
}

/* ---- What is to be expected ---- */

bool model_is_forbidden(const struct publication *publication, size_t release)
{
	return publication && (publication->withdrawn & 1u << release || release < publication->floor);
}

/* docs/formats/history.md: the last event of these four counts. */
bool model_is_rejected(const struct model *model, size_t release)
{
	_cleanup_free_ char *text = node_machine_read(&model->machine, STATE "history");
	const char *version = model->machine.pool->items[release].version;
	bool rejected = false;
	char *rest = text, *line;

	while ((line = strsep(&rest, "\n"))) {
		_cleanup_json_ json_t *entry = json_loads(line, 0, NULL);
		const char *event = json_string_value(json_object_get(entry, "event")),
			   *of = json_string_value(json_object_get(entry, "version"));

		if (!event || !of || !streq(of, version))
			continue;
		if (streq(event, "failed") || streq(event, "rolled-back") || streq(event, "rejected"))
			rejected = true;
		if (streq(event, "healthy"))
			rejected = false;
	}
	return rejected;
}

/* How the release in the other slot stands. */
struct other {
	size_t release; /* POOL_RELEASES: none that has an entry, and may have one */
	bool staged, bad, next;
};

static struct other look_at_other(const struct model *model, struct loader_view *view)
{
	const struct loader_slot *slot = &view->slots['b' - model->slot];
	const struct loader_entry *entry;

	for (size_t i = 0; i < POOL_RELEASES; i++) {
		if (find_slot(model, view, i) != slot || !(entry = entry_of(model, view, i)))
			continue;
		return (struct other){.release = i,
			.staged = loader_is_last(entry) && !entry->begun,
			.bad = loader_is_last(entry) && entry->begun,
			.next = loader_choose(view) == entry};
	}
	return (struct other){.release = POOL_RELEASES};
}

/* What is forbidden, and starts next or has never proved itself, goes before anything else is done. */
static void drop_forbidden(const struct model *model, struct loader_view *view, struct other *other)
{
	const struct loader_entry *entry =
		other->release < POOL_RELEASES ? entry_of(model, view, other->release) : NULL;

	if (entry && model_is_forbidden(publisher_now(&model->publisher), other->release) &&
		(entry->counted || other->next))
		other->release = POOL_RELEASES;
}

/* Whether what runs has not proved itself, and there is what it could fall back to. */
static bool is_on_trial(const struct model *model, struct loader_view *view, const struct other *other)
{
	const struct loader_entry *running = entry_of(model, view, model->machine.running);
	const struct loader_entry *fallback =
		other->release < POOL_RELEASES ? entry_of(model, view, other->release) : NULL;

	return running->counted && fallback && !loader_is_last(fallback);
}

static struct expected expect_release(
	const struct model *model, struct loader_view *view, const struct other *other, size_t release)
{
	const struct release_pool *pool = model->machine.pool;

	if (other->release == release && !other->bad)
		return (struct expected){OUTCOME_STARTS, release, false};
	if (pool->items[release].signer != pool->db)
		return (struct expected){OUTCOME_UNTRUSTED, release, true};
	if (is_on_trial(model, view, other))
		return (struct expected){OUTCOME_TOO_EARLY, release, true};
	return (struct expected){OUTCOME_STARTS, release, true};
}

static struct expected expect_newest(
	const struct model *model, struct loader_view *view, const struct other *other)
{
	const struct publication *now = publisher_now(&model->publisher);
	size_t running = model->machine.running;
	bool is_withdrawn = now->withdrawn & 1u << running;

	for (size_t i = POOL_RELEASES; i > 0; i--) {
		size_t release = i - 1;

		if (!(now->listed & 1u << release) || model_is_forbidden(now, release) ||
			release == running || (release < running && !is_withdrawn) ||
			model_is_rejected(model, release) || (other->release == release && other->bad))
			continue;
		return expect_release(model, view, other, release);
	}
	return (struct expected){OUTCOME_NOTHING, running, false};
}

static struct expected expect_this(
	const struct model *model, struct loader_view *view, const struct other *other, size_t release)
{
	if (model_is_forbidden(publisher_now(&model->publisher), release))
		return (struct expected){OUTCOME_REFUSED, release, false};
	if (release == model->machine.running)
		return (struct expected){OUTCOME_NOTHING, release, false};
	return expect_release(model, view, other, release);
}

struct expected model_expect(const struct model *model, enum node_verb verb, size_t to)
{
	_cleanup_loader_view_ struct loader_view view = {};
	struct other other;

	look(&view);
	other = look_at_other(model, &view);
	drop_forbidden(model, &view, &other);
	if (model->machine.now >= publisher_now(&model->publisher)->expires)
		return (struct expected){OUTCOME_EXPIRED, model->machine.running, false};
	if (verb == VERB_CHECK)
		return (struct expected){OUTCOME_NOTHING, model->machine.running, false};
	if (to < POOL_RELEASES)
		return expect_this(model, &view, &other, to);
	if (verb != VERB_ROLLBACK)
		return expect_newest(model, &view, &other);
	if (other.release == POOL_RELEASES ||
		((other.staged || other.next) && other.release > model->machine.running))
		return (struct expected){OUTCOME_REFUSED, other.release, false};
	return expect_this(model, &view, &other, other.release);
}
