/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/tuf.h"

#include <errno.h>
#include <fnmatch.h>
#include <string.h>
#include <time.h>

#include "base/encoding.h"
#include "base/string-util.h"

static const char *const type_names[TUF_TYPES] = {
	[TUF_ROOT] = "root",
	[TUF_TIMESTAMP] = "timestamp",
	[TUF_SNAPSHOT] = "snapshot",
	[TUF_TARGETS] = "targets",
};

const char *tuf_type_name(enum tuf_type type)
{
	return type_names[type];
}

enum tuf_type tuf_type_of_name(const char *name)
{
	enum tuf_type type = TUF_ROOT;

	while (type < TUF_TYPES && !streq(name, type_names[type]))
		type++;
	return type;
}

void tuf_metadata_release(struct tuf_metadata *metadata)
{
	for (size_t i = 0; i < metadata->keys.count; i++)
		tuf_key_release(&metadata->keys.items[i]);
	free(metadata->keys.items);
	for (enum tuf_type type = TUF_ROOT; type < TUF_TYPES; type++)
		free(metadata->roles[type].keyids);
	for (size_t i = 0; i < metadata->delegation_count; i++) {
		free(metadata->delegations[i].role.keyids);
		free(metadata->delegations[i].paths);
		free(metadata->delegations[i].prefixes);
	}
	free(metadata->delegations);
	free(metadata->targets);
	free(metadata->metas);
	buffer_release(&metadata->signed_bytes);
	json_decref(metadata->document);
	*metadata = (struct tuf_metadata){};
}

/* ---- Signatures ---- */

static const struct tuf_key *find_key(
	const struct tuf_keys *keys, const struct tuf_role *role, const char *id)
{
	bool of_role = false;

	for (size_t i = 0; i < role->count && !of_role; i++)
		of_role = streq(role->keyids[i], id);
	for (size_t i = 0; i < keys->count && of_role; i++)
		if (streq(keys->items[i].id, id))
			return &keys->items[i];
	return NULL;
}

static bool has_signed(
	const struct tuf_metadata *metadata, const struct tuf_key *key, const json_t *signature)
{
	const json_t *text = json_object_get(signature, "sig");
	_cleanup_buffer_ struct buffer bytes = {};
	size_t size = json_string_length(text) / 2;
	void *at = buffer_extend(&bytes, size);

	return at && size > 0 && json_string_length(text) == 2 * size &&
	       hex_decode(json_string_value(text), at, size) == 0 &&
	       tuf_key_verify(key, metadata->signed_bytes.data, metadata->signed_bytes.size, at, size);
}

static bool is_among(const struct tuf_key *const *counted, size_t count, const struct tuf_key *key)
{
	for (size_t i = 0; i < count; i++)
		if (tuf_key_same(counted[i], key))
			return true;
	return false;
}

int tuf_verify(const struct tuf_metadata *metadata, const struct tuf_keys *keys, const struct tuf_role *role,
	struct error **err)
{
	const json_t *signatures = json_object_get(metadata->document, "signatures");
	_cleanup_free_ const struct tuf_key **counted = calloc(keys->count + 1, sizeof(*counted));
	size_t count = 0;

	if (!counted)
		return error_set_errno(err, -ENOMEM, "signatures");
	for (size_t i = 0; i < json_array_size(signatures) && count < role->threshold; i++) {
		const json_t *signature = json_array_get(signatures, i);
		const struct tuf_key *key =
			find_key(keys, role, json_string_value(json_object_get(signature, "keyid")));

		if (key && !is_among(counted, count, key) && has_signed(metadata, key, signature))
			counted[count++] = key;
	}
	if (count >= role->threshold)
		return 0;
	return error_set(err, -EKEYREJECTED, "%s: signed by %zu of the %ju trusted keys that must sign it",
		tuf_type_name(metadata->type), count, (uintmax_t)role->threshold);
}

/* ---- Look-up ---- */

static int compare_meta_name(const void *name, const void *meta)
{
	return strcmp(name, ((const struct tuf_meta *)meta)->name);
}

const struct tuf_meta *tuf_find_meta(const struct tuf_metadata *metadata, const char *name)
{
	if (metadata->meta_count == 0)
		return NULL;
	return bsearch(
		name, metadata->metas, metadata->meta_count, sizeof(*metadata->metas), compare_meta_name);
}

static int compare_target_name(const void *name, const void *target)
{
	return strcmp(name, ((const struct tuf_target *)target)->name);
}

const struct tuf_target *tuf_find_target(const struct tuf_metadata *metadata, const char *name)
{
	if (metadata->target_count == 0)
		return NULL;
	return bsearch(name, metadata->targets, metadata->target_count, sizeof(*metadata->targets),
		compare_target_name);
}

bool tuf_delegation_matches(const struct tuf_delegation *delegation, const char *path)
{
	char hash[SHA256_HEX_SIZE];
	uint8_t digest[SHA256_SIZE];

	/* A separator is not matched by a wildcard (specification, 4.5: PATHPATTERN). */
	for (size_t i = 0; i < delegation->path_count; i++)
		if (fnmatch(delegation->paths[i], path, FNM_PATHNAME | FNM_NOESCAPE) == 0)
			return true;
	if (delegation->prefix_count == 0 || sha256_bytes(path, strlen(path), digest) < 0)
		return false;
	hex_encode(digest, SHA256_SIZE, hash);
	for (size_t i = 0; i < delegation->prefix_count; i++)
		if (startswith(hash, delegation->prefixes[i]))
			return true;
	return false;
}

/* ---- Times ---- */

int tuf_time_format(int64_t time, char ret[TUF_TIME_SIZE])
{
	time_t seconds = (time_t)time;
	struct tm tm;

	if (!gmtime_r(&seconds, &tm) || tm.tm_year < -1900 || tm.tm_year > 9999 - 1900)
		return -ERANGE;
	return strftime(ret, TUF_TIME_SIZE, "%Y-%m-%dT%H:%M:%SZ", &tm) == TUF_TIME_SIZE - 1 ? 0 : -ERANGE;
}

/* Reads *count* digits. */
static int read_digits(const char *text, size_t count)
{
	int value = 0;

	for (size_t i = 0; i < count; i++)
		value = 10 * value + (text[i] - '0');
	return value;
}

int tuf_time_parse(const char *text, int64_t *ret)
{
	static const char shape[] = "0000-00-00T00:00:00Z";
	char again[TUF_TIME_SIZE];
	struct tm tm = {};
	time_t time;

	if (strlen(text) != TUF_TIME_SIZE - 1)
		return -EINVAL;
	for (size_t i = 0; shape[i]; i++)
		if (shape[i] == '0' ? text[i] < '0' || text[i] > '9' : text[i] != shape[i])
			return -EINVAL;
	tm.tm_year = read_digits(text, 4) - 1900;
	tm.tm_mon = read_digits(text + 5, 2) - 1;
	tm.tm_mday = read_digits(text + 8, 2);
	tm.tm_hour = read_digits(text + 11, 2);
	tm.tm_min = read_digits(text + 14, 2);
	tm.tm_sec = read_digits(text + 17, 2);
	/* timegm() takes the 31st of February for the 3rd of March. */
	time = timegm(&tm);
	if (tuf_time_format((int64_t)time, again) < 0 || !streq(again, text))
		return -EINVAL;
	*ret = (int64_t)time;
	return 0;
}
