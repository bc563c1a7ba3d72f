/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tuf-repository.h"

#include "unit.h"

#include <errno.h>
#include <string.h>

#include "base/encoding.h"
#include "base/string-util.h"

static const int *const first_signers[TUF_TYPES] = {
	(const int[]){1, -1}, (const int[]){2, -1}, (const int[]){3, -1}, (const int[]){4, -1}};

void repository_set(json_t *body, const char *name, int64_t value)
{
	assert_int_equal(json_object_set_new(body, name, json_integer(value)), 0);
}

void repository_set_text(json_t *body, const char *name, const char *text)
{
	assert_int_equal(json_object_set_new(body, name, json_string(text)), 0);
}

int64_t repository_version(const json_t *body)
{
	return json_integer_value(json_object_get(body, "version"));
}

/* ---- Publishing ---- */

void repository_put_as(struct repository *repository, const char *name, json_t *body, const int *signers)
{
	json_t *document = signing_sign(body, signers);
	char *text = signing_text(document);

	repository_set_text(repository->server, name, text);
	free(text);
	json_decref(document);
}

static char *server_name(const struct repository *repository, enum tuf_type type)
{
	const json_t *root = repository->body[TUF_ROOT];
	bool versioned =
		type == TUF_ROOT ||
		(type != TUF_TIMESTAMP && json_is_true(json_object_get(root, "consistent_snapshot")));

	return versioned ? string_format("%jd.%s.json", (intmax_t)repository_version(repository->body[type]),
				   tuf_type_name(type))
			 : string_format("%s.json", tuf_type_name(type));
}

void repository_put(struct repository *repository, enum tuf_type type)
{
	char *name = server_name(repository, type);

	repository_put_as(repository, name, repository->body[type], repository->signers[type]);
	free(name);
}

/* Has *lister* say of *name* what the server has under *file*. */
static void list_document(struct repository *repository, enum tuf_type lister, const char *name,
	const char *file, int64_t version)
{
	const char *text = json_string_value(json_object_get(repository->server, file));
	json_t *meta = json_pack("{sI}", "version", (json_int_t)version);
	uint8_t digest[SHA256_SIZE];
	char hex[SHA256_HEX_SIZE];

	if (repository->hashes) {
		assert_non_null(text);
		assert_int_equal(sha256_bytes(text, strlen(text), digest), 0);
		hex_encode(digest, sizeof(digest), hex);
		repository_set(meta, "length", (int64_t)strlen(text));
		json_object_set_new(meta, "hashes", json_pack("{ss}", "sha256", hex));
	}
	json_object_set_new(json_object_get(repository->body[lister], "meta"), name, meta);
}

static void list_and_put(struct repository *repository, enum tuf_type type)
{
	enum tuf_type listed = type + 1;
	char *name = string_format("%s.json", tuf_type_name(listed)), *file = server_name(repository, listed);

	list_document(repository, type, name, file, repository_version(repository->body[listed]));
	repository_put(repository, type);
	free(name);
	free(file);
}

static void bump(json_t *body)
{
	repository_set(body, "version", repository_version(body) + 1);
}

void repository_publish_timestamp(struct repository *repository)
{
	bump(repository->body[TUF_TIMESTAMP]);
	list_and_put(repository, TUF_TIMESTAMP);
}

void repository_publish_snapshot(struct repository *repository)
{
	bump(repository->body[TUF_SNAPSHOT]);
	list_and_put(repository, TUF_SNAPSHOT);
	repository_publish_timestamp(repository);
}

void repository_publish(struct repository *repository)
{
	bump(repository->body[TUF_TARGETS]);
	repository_put(repository, TUF_TARGETS);
	repository_publish_snapshot(repository);
}

void repository_publish_root(
	struct repository *repository, enum tuf_type type, const int *keys, int threshold, const int *signers)
{
	json_t *root = repository->body[TUF_ROOT];

	if (type != TUF_TYPES) {
		signing_add_keys(json_object_get(root, "keys"), keys);
		json_object_set_new(
			json_object_get(root, "roles"), tuf_type_name(type), signing_role(keys, threshold));
	}
	bump(root);
	repository->signers[TUF_ROOT] = signers;
	repository_put(repository, TUF_ROOT);
}

json_t *repository_targets(struct repository *repository, const char *path)
{
	json_t *body = signing_body("targets"), *targets = json_object();

	/* printf 'content\n' | sha256sum */
	if (path)
		json_object_set_new(targets, path,
			json_pack("{si s{ss}}", "length", 8, "hashes", "sha256",
				"434728a410a78f56fc1b5899c3593436e61ab0c731e9072d95e96db290205e53"));
	json_object_set_new(body, "targets", targets);
	json_array_append_new(repository->bodies, body);
	return body;
}

void repository_delegate(struct repository *repository, json_t *parent, const char *role, const char *paths,
	bool terminating, json_t *body)
{
	static const int key[] = {9, -1};
	json_t *delegations = json_object_get(parent, "delegations"), *entry = signing_role(key, 1);
	char *encoded = tuf_name_encode(role), *file = string_format("1.%s.json", encoded),
	     *listed = string_format("%s.json", role);

	if (!delegations) {
		delegations = json_pack("{s{} s[]}", "keys", "roles");
		json_object_set_new(parent, "delegations", delegations);
		signing_add_keys(json_object_get(delegations, "keys"), key);
	}
	repository_set_text(entry, "name", role);
	json_object_set_new(entry, "terminating", json_boolean(terminating));
	json_object_set_new(entry, "paths", json_loads(paths, 0, NULL));
	json_array_append_new(json_object_get(delegations, "roles"), entry);
	if (body) {
		repository_put_as(repository, file, body, key);
		list_document(repository, TUF_SNAPSHOT, listed, file, 1);
	}
	free(encoded);
	free(file);
	free(listed);
}

/* ---- The client's side ---- */

/* Counts an operation; true where it fails. */
static bool fails(struct repository *repository)
{
	return ++repository->count == repository->fail_in;
}

static int give(const json_t *texts, const char *name, uint64_t max, struct buffer *ret, struct error **err)
{
	const json_t *text = json_object_get(texts, name);
	size_t size = json_string_length(text);

	if (!text)
		return error_set(err, -ENOENT, "%s: not there", name);
	if (size > max)
		return error_set(err, -EFBIG, "%s: longer than %ju bytes", name, (uintmax_t)max);
	buffer_append(ret, json_string_value(text), size);
	return 0;
}

static int fetch(void *userdata, const char *name, uint64_t max, struct buffer *ret, struct error **err)
{
	struct repository *repository = userdata;
	int64_t fault = json_integer_value(json_object_get(repository->faults, name));

	json_array_append_new(repository->log, json_string(name));
	if (fails(repository))
		return error_set(err, -EIO, "%s: this fetch fails", name);
	if (fault != 0)
		return error_set(err, (int)fault, "%s: faulty", name);
	return give(repository->server, name, max, ret, err);
}

static int load(void *userdata, const char *name, uint64_t max, struct buffer *ret, struct error **err)
{
	struct repository *repository = userdata;

	if (fails(repository))
		return error_set(err, -EIO, "%s: this load fails", name);
	return give(repository->kept, name, max, ret, err);
}

static int store(void *userdata, const char *name, const void *data, size_t size, struct error **err)
{
	struct repository *repository = userdata;

	if (fails(repository))
		return error_set(err, -ENOSPC, "%s: this store fails", name);
	assert_null(strchr(name, '/'));
	if (size == 0)
		(void)json_object_del(repository->kept, name);
	else
		assert_int_equal(json_object_set_new(repository->kept, name, json_stringn(data, size)), 0);
	return 0;
}

struct tuf_client *repository_client(struct repository *repository)
{
	const struct tuf_client_io io = {
		.fetch = fetch, .load = load, .store = store, .userdata = repository};
	const struct tuf_client_options options = {.io = &io,
		.root = repository->root,
		.root_size = strlen(repository->root),
		.now = repository->now};
	_cleanup_error_ struct error *err = NULL;
	struct tuf_client *client;

	assert_ok(tuf_client_new(&options, &client, &err), err);
	return client;
}

int repository_refresh(struct repository *repository, struct error **err)
{
	_cleanup_tuf_client_ struct tuf_client *client = repository_client(repository);

	return tuf_client_refresh(client, err);
}

int64_t repository_kept(const struct repository *repository, const char *name)
{
	const json_t *text = json_object_get(repository->kept, name);
	json_t *document = text ? json_loads(json_string_value(text), 0, NULL) : NULL;
	int64_t version = repository_version(json_object_get(document, "signed"));

	json_decref(document);
	return version;
}

char *repository_fetched(struct repository *repository)
{
	char *text = strdup("");

	for (size_t i = 0; i < json_array_size(repository->log); i++) {
		char *longer =
			string_format("%s%s ", text, json_string_value(json_array_get(repository->log, i)));

		free(text);
		text = longer;
	}
	json_array_clear(repository->log);
	return text;
}

/* ---- Life ---- */

void repository_init(struct repository *repository)
{
	json_t *root = signing_root(KEYS(1), 1);

	*repository = (struct repository){.server = json_object(),
		.kept = json_object(),
		.faults = json_object(),
		.log = json_array(),
		.bodies = json_array(),
		.body = {root, signing_body("timestamp"), signing_body("snapshot")},
		.now = REPOSITORY_NOW};
	repository->body[TUF_TARGETS] = json_incref(repository_targets(repository, "file"));
	for (enum tuf_type type = TUF_ROOT; type < TUF_TYPES; type++) {
		const int *signers = first_signers[type];

		repository->signers[type] = signers;
		signing_add_keys(json_object_get(root, "keys"), signers);
		json_object_set_new(
			json_object_get(root, "roles"), tuf_type_name(type), signing_role(signers, 1));
	}
	json_object_set_new(repository->body[TUF_TIMESTAMP], "meta", json_object());
	json_object_set_new(repository->body[TUF_SNAPSHOT], "meta", json_object());
	repository_put(repository, TUF_ROOT);
	repository->root = strdup(json_string_value(json_object_get(repository->server, "1.root.json")));
	repository_put(repository, TUF_TARGETS);
	list_and_put(repository, TUF_SNAPSHOT);
	list_and_put(repository, TUF_TIMESTAMP);
}

void repository_release(struct repository *repository)
{
	for (enum tuf_type type = TUF_ROOT; type < TUF_TYPES; type++)
		json_decref(repository->body[type]);
	json_decref(repository->server);
	json_decref(repository->kept);
	json_decref(repository->faults);
	json_decref(repository->bodies);
	json_decref(repository->log);
	free(repository->root);
	*repository = (struct repository){};
}
