/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What an attacker serves in the place of a repository: a copy of it, with something changed.
 */
#include "publisher.h"

#include <dirent.h>
#include <errno.h>

#include "base/file.h"
#include "base/string-util.h"
#include "format/canonical-json.h"
#include "format/tuf-write.h"
#include "scratch.h"
#include "trees.h"

#define LEAP 3 /* versions that a forged document is ahead */

struct attacker {
	struct publisher *publisher;
	uint64_t *seed;
	char *what;
};

static void put(const struct attacker *attacker, const char *name, const void *data, size_t size)
{
	_cleanup_free_ char *path = string_format("%s/%s", attacker->publisher->attacked, name);

	/* Never in place: the copy's files are the repository's own. */
	assert_ok(file_write_atomic(path, data, size, 0644, NULL), NULL);
}

/* ---- What was signed once ---- */

/* The last one but one, or any before it. */
static const struct publication *pick_old(const struct attacker *attacker)
{
	const struct publisher *publisher = attacker->publisher;

	if (publisher->count >= 2 && random_below(attacker->seed, 2))
		return &publisher->log[publisher->count - 2];
	return publisher->count < 2 ? NULL
				    : &publisher->log[random_below(attacker->seed, publisher->count - 1)];
}

static void serve_timestamp(const struct attacker *attacker, uint64_t version)
{
	json_t *document = publisher_document(attacker->publisher, TUF_TIMESTAMP, version);
	_cleanup_free_ char *name = string_format("%ju.timestamp.json", (uintmax_t)version), *text = NULL;
	size_t size;

	assert_non_null(document);
	json_decref(document);
	text = scratch_read(attacker->publisher->folder, name, &size);
	put(attacker, "metadata/timestamp.json", text, size);
}

static bool serve_old(const struct attacker *attacker, bool all)
{
	const struct publication *old = pick_old(attacker), *now = publisher_now(attacker->publisher);

	if (!old)
		return false;
	serve_timestamp(attacker, old->versions[TUF_TIMESTAMP]);
	for (uint64_t root = old->versions[TUF_ROOT] + 1; all && root <= now->versions[TUF_ROOT]; root++) {
		_cleanup_free_ char *path = string_format(
			"%s/metadata/%ju.root.json", attacker->publisher->attacked, (uintmax_t)root);

		assert_int_equal(unlink(path), 0);
	}
	return true;
}

/* ---- What is forged ---- */

/* Writes the next document of a type, with LEAP more versions; NULL: with the signatures of the present one.
 */
static void forge(
	const struct attacker *attacker, enum tuf_type type, json_t *body, struct tuf_signer *signer)
{
	const struct publication *now = publisher_now(attacker->publisher);
	uint64_t version = now->versions[type] + (type == TUF_ROOT ? 1 : LEAP);
	_cleanup_free_ char *name = type == TUF_TIMESTAMP ? strdup("metadata/timestamp.json")
							  : string_format("metadata/%ju.%s.json",
								    (uintmax_t)version, tuf_type_name(type));
	_cleanup_buffer_ struct buffer text = {};

	assert_int_equal(json_object_set_new(body, "version", json_integer((json_int_t)version)), 0);
	assert_ok(tuf_document_write(body, &signer, 1, &text, NULL), NULL);
	put(attacker, name, text.data, text.size);
}

static json_t *body_of(const struct attacker *attacker, enum tuf_type type)
{
	_cleanup_json_ json_t *document = publisher_document(
		attacker->publisher, type, publisher_now(attacker->publisher)->versions[type]);

	return json_incref(json_object_get(document, "signed"));
}

/* Has a body list the forged document below it: by its version alone, which is allowed. */
static void list_forged(const struct attacker *attacker, json_t *body, const char *name, enum tuf_type type)
{
	uint64_t version = publisher_now(attacker->publisher)->versions[type] + LEAP;

	assert_int_equal(json_object_set_new(json_object_get(body, "meta"), name,
				 json_pack("{sI}", "version", (json_int_t)version)),
		0);
}

static struct tuf_signer *make_signer(void)
{
	_cleanup_error_ struct error *err = NULL;
	struct tuf_signer *signer;
	char *pem;

	assert_ok(tuf_signer_generate(NULL, &pem, &err), err);
	assert_ok(tuf_signer_from_pem("stranger", pem, strlen(pem), NULL, &signer, &err), err);
	(void)tuf_pem_free(pem);
	return signer;
}

/* A root that trusts the stranger for everything. */
static void forge_root(
	const struct attacker *attacker, struct tuf_signer *stranger, struct tuf_signer *signer)
{
	_cleanup_json_ json_t *body = tuf_root_new(1, 4102444800);

	for (enum tuf_type role = TUF_ROOT; role < TUF_TYPES; role++)
		assert_int_equal(tuf_root_add(body, role, stranger), 0);
	forge(attacker, TUF_ROOT, body, signer);
}

static void forge_below_root(const struct attacker *attacker, struct tuf_signer *stranger)
{
	_cleanup_json_ json_t *timestamp = body_of(attacker, TUF_TIMESTAMP),
			      *snapshot = body_of(attacker, TUF_SNAPSHOT),
			      *targets = body_of(attacker, TUF_TARGETS);

	forge(attacker, TUF_TARGETS, targets, stranger);
	list_forged(attacker, snapshot, "targets.json", TUF_TARGETS);
	forge(attacker, TUF_SNAPSHOT, snapshot, stranger);
	list_forged(attacker, timestamp, "snapshot.json", TUF_SNAPSHOT);
	forge(attacker, TUF_TIMESTAMP, timestamp, stranger);
}

/* A key that a role had once, which rotate_key() has kept beside the present one; NULL: there is none. */
static struct tuf_signer *load_old_key(const struct attacker *attacker, enum tuf_type role)
{
	uint64_t roots = publisher_now(attacker->publisher)->versions[TUF_ROOT];
	struct tuf_signer *signer = NULL;

	for (uint64_t root = 1; root < roots && !signer; root++) {
		_cleanup_free_ char *path = string_format(
			"%s/%s.key.%ju", attacker->publisher->keys, tuf_type_name(role), (uintmax_t)root);

		(void)tuf_signer_load(path, NULL, &signer, NULL);
	}
	return signer;
}

static bool serve_forged(const struct attacker *attacker, bool with_old_root_key)
{
	_cleanup_tuf_signer_ struct tuf_signer *stranger = make_signer(),
					       *root = with_old_root_key ? load_old_key(attacker, TUF_ROOT)
									 : NULL;

	if (with_old_root_key && !root)
		return false;
	forge_root(attacker, stranger, root ? root : stranger);
	forge_below_root(attacker, stranger);
	return true;
}

static bool serve_timestamp_of_old_key(const struct attacker *attacker)
{
	_cleanup_tuf_signer_ struct tuf_signer *signer = load_old_key(attacker, TUF_TIMESTAMP);
	_cleanup_json_ json_t *body = body_of(attacker, TUF_TIMESTAMP);

	if (signer)
		forge(attacker, TUF_TIMESTAMP, body, signer);
	return signer != NULL;
}

static bool serve_unsigned(const struct attacker *attacker)
{
	uint64_t version = publisher_now(attacker->publisher)->versions[TUF_TIMESTAMP];
	_cleanup_json_ json_t *document = publisher_document(attacker->publisher, TUF_TIMESTAMP, version);
	_cleanup_free_ char *text = NULL;

	assert_int_equal(json_object_set_new(json_object_get(document, "signed"), "version",
				 json_integer((json_int_t)version + LEAP)),
		0);
	text = json_dumps(document, 0);
	put(attacker, "metadata/timestamp.json", text, strlen(text));
	return true;
}

/* ---- What is damaged ---- */

/* Changes one byte of a file below *attacked*. */
static void damage(const struct attacker *attacker, const char *name)
{
	size_t size;
	_cleanup_free_ char *data = scratch_read(attacker->publisher->attacked, name, &size);

	if (size == 0)
		return;
	data[random_below(attacker->seed, size)] ^= (char)(1 + random_below(attacker->seed, 255));
	put(attacker, name, data, size);
}

static bool serve_damaged_metadata(const struct attacker *attacker)
{
	const struct publication *now = publisher_now(attacker->publisher);
	enum tuf_type type = (enum tuf_type)random_below(attacker->seed, TUF_TYPES);
	_cleanup_free_ char *name = type == TUF_TIMESTAMP
					    ? strdup("metadata/timestamp.json")
					    : string_format("metadata/%ju.%s.json",
						      (uintmax_t)now->versions[type], tuf_type_name(type));

	damage(attacker, name);
	return true;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The files of a release, in an order that does not change. */
static void list_release(const struct attacker *attacker, size_t release, struct strv *ret)
{
	_cleanup_free_ char *path = string_format("%s/targets/" POOL_EDITION "/%s/amd64",
		attacker->publisher->attacked, attacker->publisher->pool->items[release].version);
	DIR *dir = opendir(path);
	struct dirent *entry;

	assert_non_null(dir);
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			assert_int_equal(
				strv_addf(ret, "targets/" POOL_EDITION "/%s/amd64/%s",
					attacker->publisher->pool->items[release].version, entry->d_name),
				0);
	(void)closedir(dir);
	qsort(ret->items, ret->count, sizeof(*ret->items), compare_names);
}

static size_t pick_listed(const struct attacker *attacker)
{
	unsigned listed = publisher_now(attacker->publisher)->listed;
	size_t newest = 31 - (size_t)__builtin_clz(listed), release;

	if (random_below(attacker->seed, 2))
		return newest;
	do
		release = random_below(attacker->seed, POOL_RELEASES);
	while (!(listed & 1u << release));
	return release;
}

static bool serve_damaged_target(const struct attacker *attacker)
{
	_cleanup_strv_ struct strv names = {};

	list_release(attacker, pick_listed(attacker), &names);
	for (uint64_t count = 1 + random_below(attacker->seed, 6); count > 0; count--)
		damage(attacker, names.items[random_below(attacker->seed, names.count)]);
	return true;
}

/* A file's name without the digest that stands before that of a target. */
static const char *kind_of(const char *path)
{
	const char *name = strrchr(path, '/') + 1;

	return strcspn(name, ".") == SHA256_HEX_SIZE - 1 ? name + SHA256_HEX_SIZE : name;
}

static bool serve_swapped_target(const struct attacker *attacker)
{
	_cleanup_strv_ struct strv to = {}, from = {};
	size_t a = pick_listed(attacker), b = pick_listed(attacker);

	if (a == b)
		return false;
	list_release(attacker, a, &to);
	list_release(attacker, b, &from);
	for (size_t i = 0; i < to.count; i++)
		for (size_t j = 0; j < from.count; j++) {
			_cleanup_free_ char *had = NULL, *other = NULL;
			size_t size, other_size;

			if (!streq(kind_of(to.items[i]), kind_of(from.items[j])) ||
				random_below(attacker->seed, 2))
				continue;
			had = scratch_read(attacker->publisher->attacked, to.items[i], &size);
			other = scratch_read(attacker->publisher->attacked, from.items[j], &other_size);
			memcpy(had, other, MIN(size, other_size));
			put(attacker, to.items[i], had, size);
		}
	return true;
}

/* ---- All of it ---- */

static bool attack_with(const struct attacker *attacker, enum attack attack)
{
	switch (attack) {
	case ATTACK_OLD_TIMESTAMP:
		return serve_old(attacker, false);
	case ATTACK_OLD_ALL:
		return serve_old(attacker, true);
	case ATTACK_STRANGER:
		return serve_forged(attacker, false);
	case ATTACK_OLD_ROOT_KEY:
		return serve_forged(attacker, true);
	case ATTACK_OLD_TIMESTAMP_KEY:
		return serve_timestamp_of_old_key(attacker);
	case ATTACK_UNSIGNED:
		return serve_unsigned(attacker);
	case ATTACK_DAMAGED_METADATA:
		return serve_damaged_metadata(attacker);
	case ATTACK_DAMAGED_TARGET:
		return serve_damaged_target(attacker);
	case ATTACK_SWAPPED_TARGET:
		return serve_swapped_target(attacker);
	case ATTACK_NONE:
	case ATTACK_KINDS:
		break;
	}
	return true;
}

const char *publisher_serve(struct publisher *publisher, enum attack attack, uint64_t *seed)
{
	static const char *const names[ATTACK_KINDS] = {
		[ATTACK_NONE] = "the repository",
		[ATTACK_OLD_TIMESTAMP] = "an old timestamp",
		[ATTACK_OLD_ALL] = "the repository as it was once",
		[ATTACK_STRANGER] = "metadata that a stranger has signed",
		[ATTACK_OLD_ROOT_KEY] = "a root that an old key of root's has signed",
		[ATTACK_OLD_TIMESTAMP_KEY] = "a timestamp that an old key of timestamp's has signed",
		[ATTACK_UNSIGNED] = "a timestamp that was changed",
		[ATTACK_DAMAGED_METADATA] = "damaged metadata",
		[ATTACK_DAMAGED_TARGET] = "damaged files of a release",
		[ATTACK_SWAPPED_TARGET] = "files of another release",
	};
	const struct attacker attacker = {.publisher = publisher, .seed = seed};
	bool done;

	assert_int_equal(unlink(publisher->served), 0);
	assert_int_equal(remove_tree(publisher->attacked, NULL), 0);
	if (attack != ATTACK_NONE)
		shell(publisher->folder, "cp -al repository attacked");
	done = attack_with(&attacker, attack);
	assert_int_equal(
		symlink(done && attack != ATTACK_NONE ? "attacked" : "repository", publisher->served), 0);
	return done ? names[attack] : NULL;
}
