/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "base/file.h"
#include "base/string-util.h"
#include "format/canonical-json.h"
#include "format/tuf.h"

#include "tuf-signing.h"

static char *read_document(const char *name, size_t *ret_size)
{
	_cleanup_free_ char *path = string_format("%s/tuf/%s", getenv("ORLOP_TEST_DATA"), name);
	_cleanup_error_ struct error *err = NULL;
	char *text = NULL;

	assert_non_null(path);
	assert_ok(file_read(path, MiB(1), &text, ret_size, &err), err);
	return text;
}

static struct tuf_metadata read_metadata(const char *name, enum tuf_type type)
{
	_cleanup_error_ struct error *err = NULL;
	struct tuf_metadata metadata;
	size_t size;
	_cleanup_free_ char *text = read_document(name, &size);

	assert_ok(tuf_metadata_parse(text, size, type, &metadata, &err), err);
	return metadata;
}

/* Parses and frees *document*. */
static int parse(json_t *document, enum tuf_type type, struct tuf_metadata *ret, struct error **err)
{
	char *text = signing_text(document);
	int r = tuf_metadata_parse(text, strlen(text), type, ret, err);

	free(text);
	json_decref(document);
	return r;
}

/* ---- Documents that other programs made ---- */

static void verify_all(const char *folder, const char *root_name, const char *const *names)
{
	static const enum tuf_type types[] = {TUF_TIMESTAMP, TUF_SNAPSHOT, TUF_TARGETS};
	_cleanup_error_ struct error *err = NULL;
	_cleanup_free_ char *path = string_format("%s/%s", folder, root_name);
	_cleanup_tuf_metadata_ struct tuf_metadata root = read_metadata(path, TUF_ROOT);

	assert_true(root.consistent_snapshot);
	assert_ok(tuf_verify(&root, &root.keys, &root.roles[TUF_ROOT], &err), err);
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		_cleanup_free_ char *name = string_format("%s/%s", folder, names[i]);
		_cleanup_tuf_metadata_ struct tuf_metadata metadata = read_metadata(name, types[i]);

		assert_int_equal(metadata.type, types[i]);
		assert_ok(tuf_verify(&metadata, &root.keys, &root.roles[types[i]], &err), err);
	}
}

static void documents_of_other_programs_verify(void **state)
{
	(void)state;
	verify_all("tuf-on-ci", "1.root.json",
		(const char *const[]){"timestamp.json", "2.snapshot.json", "1.targets.json"});
	verify_all("tufjs", "1.root.json",
		(const char *const[]){"timestamp.json", "1.snapshot.json", "1.targets.json"});
	verify_all("tufjs", "2.root.json",
		(const char *const[]){"timestamp.json", "1.snapshot.json", "1.targets.json"});
}

static void every_member_of_other_programs_documents_is_read(void **state)
{
	_cleanup_tuf_metadata_ struct tuf_metadata root = read_metadata("tufjs/2.root.json", TUF_ROOT);
	_cleanup_tuf_metadata_ struct tuf_metadata timestamp =
		read_metadata("tufjs/timestamp.json", TUF_TIMESTAMP);
	_cleanup_tuf_metadata_ struct tuf_metadata snapshot =
		read_metadata("tufjs/1.snapshot.json", TUF_SNAPSHOT);
	_cleanup_tuf_metadata_ struct tuf_metadata targets =
		read_metadata("tufjs/1.targets.json", TUF_TARGETS);
	_cleanup_error_ struct error *err = NULL;
	const struct tuf_target *target;
	const struct tuf_meta *meta;
	_cleanup_free_ char *text = NULL;
	size_t size;

	(void)state;
	assert_int_equal(root.version, 2);
	assert_int_equal(root.expires, 4102444799);
	assert_int_equal(root.keys.count, 5);
	assert_int_equal(root.roles[TUF_ROOT].count, 3);
	assert_int_equal(root.roles[TUF_ROOT].threshold, 3);
	assert_int_equal(root.roles[TUF_TARGETS].threshold, 1);

	text = read_document("tufjs/1.snapshot.json", &size);
	meta = tuf_find_meta(&timestamp, "snapshot.json");
	assert_true(meta && meta->has_length && meta->has_hashes);
	assert_int_equal(meta->length, size);
	assert_ok(tuf_hashes_check_bytes(&meta->hashes, text, size, &err), err);

	assert_int_equal(snapshot.meta_count, 3);
	assert_non_null(tuf_find_meta(&snapshot, "targets.json"));
	assert_non_null(tuf_find_meta(&snapshot, "paths.json"));
	assert_null(tuf_find_meta(&snapshot, "path.json"));

	target = tuf_find_target(&targets, "a/top.txt");
	assert_non_null(target);
	assert_int_equal(target->length, 4);
	assert_ok(tuf_hashes_check_bytes(&target->hashes, "top\n", 4, &err), err);
	assert_string_equal(json_string_value(json_object_get(target->custom, "note")), "a/top.txt");
	assert_null(tuf_find_target(&targets, "top.txt"));
	assert_int_equal(targets.delegation_count, 2);
	assert_string_equal(targets.delegations[0].name, "paths");
	assert_true(tuf_delegation_matches(&targets.delegations[0], "a/path.bin"));
	assert_false(tuf_delegation_matches(&targets.delegations[0], "hashed"));
	assert_true(tuf_delegation_matches(&targets.delegations[1], "hashed"));
	assert_false(tuf_delegation_matches(&targets.delegations[1], "a/path.bin"));
}

/* The delegated role of tuf-on-ci lists an empty signature beside the good one; one is enough for it. */
static void delegated_roles_of_other_programs_verify(void **state)
{
	static const struct {
		const char *targets, *role;
		size_t index;
	} cases[] = {
		{"tuf-on-ci/1.targets.json", "tuf-on-ci/2.delegatedrole.json", 0},
		{"tufjs/1.targets.json", "tufjs/1.paths.json", 0},
		{"tufjs/1.targets.json", "tufjs/1.hashes.json", 1},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_tuf_metadata_ struct tuf_metadata targets =
			read_metadata(cases[i].targets, TUF_TARGETS);
		_cleanup_tuf_metadata_ struct tuf_metadata role = read_metadata(cases[i].role, TUF_TARGETS);
		_cleanup_error_ struct error *err = NULL;

		assert_ok(tuf_verify(&role, &targets.keys, &targets.delegations[cases[i].index].role, &err),
			err);
	}
}

/* Whatever is signed, a member that nobody knows included. */
static void a_changed_document_does_not_verify(void **state)
{
	static const char *const changes[][2] = {
		{"\"version\":2", "\"version\":3"},
		{"kept ", "kepT "},
		{"\"x-note\"", "\"x-nota\""},
		{"\"consistent_snapshot\":true", "\"consistent_snapshot\":false"},
		{"2099-12-31", "2098-12-31"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
		size_t size;
		_cleanup_free_ char *text = read_document("tufjs/2.root.json", &size);
		_cleanup_tuf_metadata_ struct tuf_metadata root = {};
		_cleanup_error_ struct error *err = NULL;
		char *at = strstr(text, changes[i][0]), *changed;

		assert_non_null(at);
		*at = 0;
		changed = string_format("%s%s%s", text, changes[i][1], at + strlen(changes[i][0]));
		assert_ok(tuf_metadata_parse(changed, strlen(changed), TUF_ROOT, &root, &err), err);
		free(changed);
		assert_error(tuf_verify(&root, &root.keys, &root.roles[TUF_ROOT], &err), -EKEYREJECTED, err,
			"signed by 0 of the 3");
	}
}

/* ---- Thresholds ---- */

static void signatures_are_counted_by_trusted_keys(void **state)
{
	const struct {
		const int *keys;
		int threshold;
		const int *signers;
		bool good;
	} cases[] = {
		{KEYS(1), 1, KEYS(1), true},
		{KEYS(1), 1, KEYS(2), false},
		{KEYS(1), 1, NO_KEYS, false},
		{KEYS(1), 1, KEYS(3, 1, 4), true},
		{KEYS(1, 2, 3), 2, KEYS(1, 3), true},
		{KEYS(1, 2, 3), 2, KEYS(3), false},
		{KEYS(1, 2, 3), 2, KEYS(3, 4), false},
		{KEYS(1, 2), 3, KEYS(1, 2), false},
		{KEYS(1, 2, 3, 4, 5), 3, KEYS(9, 5, 8, 1, 7, 2), true},
		/* The same id twice in a role is one key. */
		{KEYS(1, 1, 1), 2, KEYS(1), false},
		{KEYS(1, 1, 2), 2, KEYS(1, 2), true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		json_t *body = signing_root(cases[i].keys, cases[i].threshold);
		_cleanup_tuf_metadata_ struct tuf_metadata root = {};
		_cleanup_error_ struct error *err = NULL;
		int r;

		assert_ok(parse(signing_sign(body, cases[i].signers), TUF_ROOT, &root, &err), err);
		json_decref(body);
		r = tuf_verify(&root, &root.keys, &root.roles[TUF_ROOT], &err);
		if (r != (cases[i].good ? 0 : -EKEYREJECTED))
			fail_msg("case %zu: %d: %s", i, r, error_message(err));
	}
}

/* The keys are listed in root, but for another role. */
static void keys_of_another_role_do_not_count(void **state)
{
	json_t *body = signing_root(KEYS(1, 2), 1);
	_cleanup_tuf_metadata_ struct tuf_metadata root = {}, timestamp = {};
	_cleanup_error_ struct error *err = NULL;
	json_t *other = signing_body("timestamp");

	(void)state;
	json_object_set_new(json_object_get(body, "roles"), "timestamp", signing_role(KEYS(2), 1));
	assert_ok(parse(signing_sign(body, KEYS(1)), TUF_ROOT, &root, &err), err);
	json_object_set_new(other, "meta", json_pack("{s{si}}", "snapshot.json", "version", 1));
	assert_ok(parse(signing_sign(other, KEYS(1)), TUF_TIMESTAMP, &timestamp, &err), err);
	assert_error(tuf_verify(&timestamp, &root.keys, &root.roles[TUF_TIMESTAMP], &err), -EKEYREJECTED, err,
		"timestamp: signed by 0 of the 1 trusted keys");
	json_decref(body);
	json_decref(other);
}

/* One key listed under two ids: the specified members alone, and with another member. It has one voice. */
static void a_key_under_two_ids_counts_once(void **state)
{
	json_t *body = signing_root(KEYS(1, 2), 2), *twin = signing_key(1), *document, *entry;
	json_t *keyids = json_object_get(json_object_get(json_object_get(body, "roles"), "root"), "keyids");
	_cleanup_tuf_metadata_ struct tuf_metadata root = {};
	_cleanup_error_ struct error *err = NULL;
	char *id;

	(void)state;
	json_object_set_new(twin, "alias", json_true());
	id = signing_key_id(twin);
	json_array_append_new(keyids, json_string(id));
	json_object_set_new(json_object_get(body, "keys"), id, twin);
	document = signing_sign(body, KEYS(1));
	entry = json_deep_copy(json_array_get(json_object_get(document, "signatures"), 0));
	json_object_set_new(entry, "keyid", json_string(id));
	json_array_append_new(json_object_get(document, "signatures"), entry);
	assert_ok(parse(document, TUF_ROOT, &root, &err), err);
	assert_int_equal(root.roles[TUF_ROOT].count, 3);
	assert_error(tuf_verify(&root, &root.keys, &root.roles[TUF_ROOT], &err), -EKEYREJECTED, err,
		"signed by 1 of the 2");
	free(id);
	json_decref(body);
}

/* A signature's text may be anything: it is worth nothing then, and spoils nothing. */
static void a_worthless_signature_spoils_nothing(void **state)
{
	static const char *const texts[] = {"", "0", "xyz", "00", "zz00"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		json_t *body = signing_root(KEYS(1, 2), 1), *document = signing_sign(body, KEYS(1, 2));
		_cleanup_tuf_metadata_ struct tuf_metadata root = {};
		_cleanup_error_ struct error *err = NULL;

		json_object_set_new(json_array_get(json_object_get(document, "signatures"), 0), "sig",
			json_string(texts[i]));
		assert_ok(parse(document, TUF_ROOT, &root, &err), err);
		assert_ok(tuf_verify(&root, &root.keys, &root.roles[TUF_ROOT], &err), err);
		json_decref(body);
	}
}

static void two_signatures_under_one_id_are_refused(void **state)
{
	json_t *body = signing_root(KEYS(1), 1);
	_cleanup_error_ struct error *err = NULL;
	struct tuf_metadata root;

	(void)state;
	assert_error(parse(signing_sign(body, KEYS(1, 1)), TUF_ROOT, &root, &err), -EBADMSG, err,
		"has two signatures");
	json_decref(body);
}

/* ---- Malformed documents ---- */

static json_t *snapshot_body(void)
{
	json_t *body = signing_body("snapshot");

	json_object_set_new(body, "meta",
		json_pack("{s{si} s{si}}", "targets.json", "version", 1, "a.json", "version", 7));
	return body;
}

static json_t *timestamp_body(void)
{
	json_t *body = signing_body("timestamp");

	json_object_set_new(
		body, "meta", json_pack("{s{si si}}", "snapshot.json", "version", 1, "length", 9));
	return body;
}

static json_t *targets_body(void)
{
	json_t *body = signing_body("targets"), *keys = json_object(), *role = signing_role(KEYS(1), 1);

	signing_add_keys(keys, KEYS(1));
	json_object_set_new(role, "name", json_string("a"));
	json_object_set_new(role, "terminating", json_false());
	json_object_set_new(role, "paths", json_pack("[s]", "*"));
	json_object_set_new(body, "targets",
		json_pack("{s{si s{ss}}}", "f", "length", 1, "hashes", "sha256",
			"ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"));
	json_object_set_new(body, "delegations", json_pack("{so s[o]}", "keys", keys, "roles", role));
	return body;
}

static json_t *body_of(enum tuf_type type)
{
	switch (type) {
	case TUF_ROOT:
		return signing_root(KEYS(1), 1);
	case TUF_TIMESTAMP:
		return timestamp_body();
	case TUF_SNAPSHOT:
		return snapshot_body();
	case TUF_TARGETS:
	case TUF_TYPES:
		break;
	}
	return targets_body();
}

/* Sets (NULL: drops) the member that *path* ("a.b#0.c") leads to; "/" stands for "." within a name. */
static void change(json_t *value, const char *path, const char *json)
{
	char name[64];

	for (;;) {
		size_t length = strcspn(path, ".#");
		char next = path[length];

		assert_in_range(length, 1, sizeof(name) - 1);
		memcpy(name, path, length);
		name[length] = 0;
		for (char *at = name; *at; at++)
			*at = *at == '/' ? '.' : *at;
		path += length + (next != 0);
		if (next == 0)
			break;
		value = json_object_get(value, name);
		if (next == '#') {
			value = json_array_get(value, (size_t)strtoul(path, (char **)&path, 10));
			path += *path == '.';
		}
		assert_non_null(value);
	}
	if (json)
		assert_int_equal(
			json_object_set_new(value, name, json_loads(json, JSON_DECODE_ANY, NULL)), 0);
	else
		assert_int_equal(json_object_del(value, name), 0);
}

#define TIMESTAMP_META "meta.snapshot/json"
#define A_HASH "\"hashes\":{\"sha256\":\"ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb\"}"

static void malformed_documents_are_refused(void **state)
{
	static const struct {
		enum tuf_type type;
		const char *path, *json, *message;
	} cases[] = {
		{TUF_ROOT, "_type", NULL, "root: \"_type\" is missing"},
		{TUF_ROOT, "_type", "\"targets\"", "of type \"targets\""},
		{TUF_ROOT, "_type", "\"Root\"", "of type \"Root\""},
		{TUF_ROOT, "spec_version", NULL, "\"spec_version\" is missing"},
		{TUF_ROOT, "spec_version", "\"2.0.0\"", "only 1.x is understood"},
		{TUF_ROOT, "spec_version", "\"1\"", "only 1.x is understood"},
		{TUF_ROOT, "spec_version", "\"1.\"", "only 1.x is understood"},
		{TUF_ROOT, "spec_version", "\"10.0\"", "only 1.x is understood"},
		{TUF_ROOT, "spec_version", "1.0", "\"spec_version\" is missing"},
		{TUF_ROOT, "version", NULL, "\"version\" is missing"},
		{TUF_ROOT, "version", "0", "\"version\""},
		{TUF_ROOT, "version", "-1", "\"version\""},
		{TUF_ROOT, "version", "1.0", "\"version\""},
		{TUF_ROOT, "version", "\"1\"", "\"version\""},
		{TUF_ROOT, "version", "true", "\"version\""},
		{TUF_ROOT, "expires", NULL, "\"expires\" is missing"},
		{TUF_ROOT, "expires", "\"2030-01-01\"", "\"expires\" is not a time"},
		{TUF_ROOT, "expires", "2030", "\"expires\" is missing"},
		{TUF_ROOT, "consistent_snapshot", "1", "\"consistent_snapshot\""},
		{TUF_ROOT, "keys", NULL, "\"keys\" is missing"},
		{TUF_ROOT, "keys", "[]", "\"keys\""},
		{TUF_ROOT, "keys.abc", "{}", "key abc"},
		{TUF_ROOT, "roles", NULL, "role \"root\": \"keyids\""},
		{TUF_ROOT, "roles.timestamp", NULL, "role \"timestamp\": \"keyids\""},
		{TUF_ROOT, "roles.targets.keyids", "\"x\"", "role \"targets\": \"keyids\""},
		{TUF_ROOT, "roles.targets.keyids", "[7]", "an array of strings"},
		{TUF_ROOT, "roles.snapshot.threshold", NULL, "role \"snapshot\": \"threshold\""},
		{TUF_ROOT, "roles.snapshot.threshold", "0", "an integer of at least 1"},
		{TUF_ROOT, "roles.snapshot.threshold", "-1", "an integer of at least 1"},
		{TUF_ROOT, "custom", "0.5", "no integer has no canonical form"},
		{TUF_TIMESTAMP, "meta", NULL, "timestamp: \"meta\" is missing"},
		{TUF_TIMESTAMP, "meta", "{}", "\"meta\" has no \"snapshot.json\""},
		{TUF_TIMESTAMP, TIMESTAMP_META, "7", "meta \"snapshot.json\": \"version\""},
		{TUF_TIMESTAMP, TIMESTAMP_META ".version", "0", "\"version\""},
		{TUF_TIMESTAMP, TIMESTAMP_META ".length", "-1", "\"length\""},
		{TUF_TIMESTAMP, TIMESTAMP_META ".length", "\"9\"", "\"length\""},
		{TUF_TIMESTAMP, TIMESTAMP_META ".hashes", "{}", "lists no digest"},
		{TUF_TIMESTAMP, TIMESTAMP_META ".hashes", "{\"sha256\":\"00\"}", "not a digest of 64"},
		{TUF_SNAPSHOT, "meta", "[]", "snapshot: \"meta\""},
		{TUF_SNAPSHOT, "meta.targets/json", NULL, "\"meta\" has no \"targets.json\""},
		{TUF_SNAPSHOT, "meta.a/json.version", NULL, "meta \"a.json\": \"version\""},
		{TUF_TARGETS, "targets", NULL, "targets: \"targets\" is missing"},
		{TUF_TARGETS, "targets", "[]", "\"targets\""},
		{TUF_TARGETS, "targets.f", "7", "target \"f\": \"length\""},
		{TUF_TARGETS, "targets.f.length", NULL, "\"length\""},
		{TUF_TARGETS, "targets.f.length", "-1", "\"length\""},
		{TUF_TARGETS, "targets.f.hashes", NULL, "lists no digest"},
		{TUF_TARGETS, "targets.f.custom", "7", "\"custom\""},
		{TUF_TARGETS, "delegations", "[]", "\"delegations\""},
		{TUF_TARGETS, "delegations.keys", NULL, "\"keys\""},
		{TUF_TARGETS, "delegations.roles", NULL, "\"roles\""},
		{TUF_TARGETS, "delegations.roles#0.name", NULL, "\"name\""},
		{TUF_TARGETS, "delegations.roles#0.name", "\"\"", "can't be called \"\""},
		{TUF_TARGETS, "delegations.roles#0.name", "\"root\"", "can't be called \"root\""},
		{TUF_TARGETS, "delegations.roles#0.name", "\"timestamp\"", "can't be called"},
		{TUF_TARGETS, "delegations.roles#0.name", "\"targets\"", "can't be called"},
		{TUF_TARGETS, "delegations.roles#0.threshold", "0", "\"threshold\""},
		{TUF_TARGETS, "delegations.roles#0.terminating", "1", "\"terminating\""},
		{TUF_TARGETS, "delegations.roles#0.paths", "\"*\"", "\"paths\""},
		{TUF_TARGETS, "delegations.roles#0.path_hash_prefixes", "[]", "both \"paths\""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		json_t *body = body_of(cases[i].type), *document;
		_cleanup_error_ struct error *err = NULL;
		struct tuf_metadata metadata;

		assert_ok(parse(signing_sign(body, KEYS(1)), cases[i].type, &metadata, &err), err);
		tuf_metadata_release(&metadata);
		change(body, cases[i].path, cases[i].json);
		document = json_pack("{s[] sO}", "signatures", "signed", body);
		assert_error(
			parse(document, cases[i].type, &metadata, &err), -EBADMSG, err, cases[i].message);
		json_decref(body);
	}
}

static void the_frame_around_a_document_is_checked(void **state)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{"", "at byte"},
		{"{", "at byte"},
		{"[]", "\"signed\" is missing"},
		{"{}", "\"signed\" is missing"},
		{"{\"signed\":[],\"signatures\":[]}", "\"signed\" is missing"},
		{"{\"signed\":{}}", "\"signatures\" is missing"},
		{"{\"signed\":{},\"signatures\":{}}", "\"signatures\" is missing"},
		{"{\"signed\":{},\"signatures\":[7]}", "a signature lacks"},
		{"{\"signed\":{},\"signatures\":[{\"keyid\":\"a\"}]}", "a signature lacks"},
		{"{\"signed\":{},\"signatures\":[{\"keyid\":\"a\",\"sig\":7}]}", "a signature lacks"},
		{"{\"signed\":{},\"signatures\":[],\"signed\":{}}", "uplicate"},
		{"{\"signed\":{\"version\":1,\"version\":2},\"signatures\":[]}", "uplicate"},
		{"{\"signed\":{},\"signatures\":[]} x", "at byte"},
		{"{\"signed\":{\"a\":\"\xff\"},\"signatures\":[]}", "at byte"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_error_ struct error *err = NULL;
		struct tuf_metadata metadata;

		assert_error(
			tuf_metadata_parse(cases[i].text, strlen(cases[i].text), TUF_ROOT, &metadata, &err),
			-EBADMSG, err, cases[i].message);
	}
}

static void a_delegated_role_is_listed_once(void **state)
{
	json_t *body = targets_body(),
	       *roles = json_object_get(json_object_get(body, "delegations"), "roles");
	_cleanup_error_ struct error *err = NULL;
	struct tuf_metadata metadata;

	(void)state;
	json_array_append(roles, json_array_get(roles, 0));
	assert_error(parse(signing_sign(body, KEYS(1)), TUF_TARGETS, &metadata, &err), -EBADMSG, err,
		"role \"a\" is listed twice");
	json_decref(body);
}

static void other_members_are_left_alone(void **state)
{
	static const char *const paths[] = {"new", "roles.mirrors", "roles.root.new"};
	json_t *body = signing_root(KEYS(1), 1);
	_cleanup_tuf_metadata_ struct tuf_metadata root = {};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		change(body, paths[i], "{\"any\":[1,\"thing\",null]}");
	json_object_del(body, "consistent_snapshot");
	assert_ok(parse(signing_sign(body, KEYS(1)), TUF_ROOT, &root, &err), err);
	assert_false(root.consistent_snapshot);
	assert_ok(tuf_verify(&root, &root.keys, &root.roles[TUF_ROOT], &err), err);
	json_decref(body);
}

/* ---- Paths ---- */

static void patterns_match_as_the_specification_says(void **state)
{
	static const struct {
		const char *pattern, *path;
		bool match;
	} cases[] = {
		{"targets/*.tgz", "targets/foo.tgz", true},
		{"targets/*.tgz", "targets/bar.tgz", true},
		{"targets/*.tgz", "targets/foo.txt", false},
		{"foo-version-?.tgz", "foo-version-2.tgz", true},
		{"foo-version-?.tgz", "foo-version-a.tgz", true},
		{"foo-version-?.tgz", "foo-version-alpha.tgz", false},
		{"*.tgz", "foo.tgz", true},
		{"*.tgz", "targets/foo.tgz", false},
		{"foo.tgz", "foo.tgz", true},
		{"foo.tgz", "xfoo.tgz", false},
		{"*", "a", true},
		{"*", "a/b", false},
		{"**", "a/b", false},
		{"a?b", "a/b", false},
		{"a[/]b", "a/b", false},
		{"releases/*/*", "releases/x/x_v1", true},
		{"[ab].txt", "b.txt", true},
		{"\\*", "*", false},
		{"", "a", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct tuf_delegation delegation = {
			.paths = (const char *[]){cases[i].pattern}, .path_count = 1};

		if (tuf_delegation_matches(&delegation, cases[i].path) != cases[i].match)
			fail_msg("%s, %s", cases[i].pattern, cases[i].path);
	}
}

/* SHA-256("hashed") begins with 1a (sha256sum). */
static void prefixes_are_of_the_paths_digest(void **state)
{
	static const struct {
		const char *prefix;
		bool match;
	} cases[] = {{"1a", true}, {"1", true}, {"1b", false}, {"", true}, {"1A", false}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct tuf_delegation delegation = {
			.prefixes = (const char *[]){cases[i].prefix}, .prefix_count = 1};

		assert_int_equal(tuf_delegation_matches(&delegation, "hashed"), cases[i].match);
	}
}

/* ---- Times ---- */

/* date -u -d @N +%FT%TZ */
static void times_are_those_of_date(void **state)
{
	static const struct {
		const char *text;
		int64_t time;
	} cases[] = {
		{"1970-01-01T00:00:00Z", 0},
		{"1985-10-21T01:21:00Z", 498705660},
		{"2000-02-29T23:59:59Z", 951868799},
		{"2038-01-19T03:14:08Z", 2147483648},
		{"2099-12-31T23:59:59Z", 4102444799},
		{"9999-12-31T23:59:59Z", 253402300799},
		{"1969-12-31T23:59:59Z", -1},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[TUF_TIME_SIZE];
		int64_t time;

		assert_int_equal(tuf_time_parse(cases[i].text, &time), 0);
		assert_int_equal(time, cases[i].time);
		assert_int_equal(tuf_time_format(cases[i].time, text), 0);
		assert_string_equal(text, cases[i].text);
	}
}

static void times_that_are_none_are_refused(void **state)
{
	static const char *const cases[] = {"", "2030-01-01", "2030-01-01T00:00:00", "2030-01-01T00:00:00z",
		"2030-01-01 00:00:00Z", "2030-01-01T00:00:00+00:00", "2030-01-01T00:00:00.0Z",
		"2030-13-01T00:00:00Z", "2030-00-01T00:00:00Z", "2030-02-29T00:00:00Z",
		"2030-01-32T00:00:00Z", "2030-01-01T24:00:00Z", "2030-01-01T00:60:00Z",
		"2030-01-01T00:00:60Z", "+030-01-01T00:00:00Z", "2030-1-001T00:00:00Z"};
	char text[TUF_TIME_SIZE];
	int64_t time;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (tuf_time_parse(cases[i], &time) != -EINVAL)
			fail_msg("%s", cases[i]);
	assert_int_equal(tuf_time_format(253402300800, text), -ERANGE);
	assert_int_equal(tuf_time_format(INT64_MAX, text), -ERANGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(documents_of_other_programs_verify),
		cmocka_unit_test(every_member_of_other_programs_documents_is_read),
		cmocka_unit_test(delegated_roles_of_other_programs_verify),
		cmocka_unit_test(a_changed_document_does_not_verify),
		cmocka_unit_test(signatures_are_counted_by_trusted_keys),
		cmocka_unit_test(keys_of_another_role_do_not_count),
		cmocka_unit_test(a_key_under_two_ids_counts_once),
		cmocka_unit_test(a_worthless_signature_spoils_nothing),
		cmocka_unit_test(two_signatures_under_one_id_are_refused),
		cmocka_unit_test(malformed_documents_are_refused),
		cmocka_unit_test(the_frame_around_a_document_is_checked),
		cmocka_unit_test(a_delegated_role_is_listed_once),
		cmocka_unit_test(other_members_are_left_alone),
		cmocka_unit_test(patterns_match_as_the_specification_says),
		cmocka_unit_test(prefixes_are_of_the_paths_digest),
		cmocka_unit_test(times_are_those_of_date),
		cmocka_unit_test(times_that_are_none_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
