/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/tuf.h"

#include <errno.h>
#include <string.h>

#include "base/string-util.h"
#include "format/canonical-json.h"

/* ---- Members of any document ---- */

static int missing(const char *name, const char *kind, struct error **err)
{
	return error_set(err, -EBADMSG, "\"%s\" is missing or not %s", name, kind);
}

static int get_integer(
	const json_t *object, const char *name, uint64_t least, uint64_t *ret, struct error **err)
{
	const json_t *value = json_object_get(object, name);

	if (!json_is_integer(value) || json_integer_value(value) < 0 ||
		(uint64_t)json_integer_value(value) < least)
		return error_set(err, -EBADMSG, "\"%s\" is missing or not an integer of at least %ju", name,
			(uintmax_t)least);
	*ret = (uint64_t)json_integer_value(value);
	return 0;
}

static int get_string(const json_t *object, const char *name, const char **ret, struct error **err)
{
	*ret = json_string_value(json_object_get(object, name));
	return *ret ? 0 : missing(name, "a string", err);
}

/* An array of strings; they stay the document's. */
static int get_strings(
	const json_t *object, const char *name, const char ***ret, size_t *ret_count, struct error **err)
{
	const json_t *array = json_object_get(object, name);
	size_t count = json_array_size(array);
	const char **items;

	if (!json_is_array(array))
		return missing(name, "an array", err);
	items = calloc(count + 1, sizeof(*items));
	if (!items)
		return error_set_errno(err, -ENOMEM, "\"%s\"", name);
	*ret = items;
	*ret_count = count;
	for (size_t i = 0; i < count; i++) {
		items[i] = json_string_value(json_array_get(array, i));
		if (!items[i])
			return missing(name, "an array of strings", err);
	}
	return 0;
}

static int parse_role(const json_t *object, struct tuf_role *ret, struct error **err)
{
	int r = get_strings(object, "keyids", &ret->keyids, &ret->count, err);

	return r < 0 ? r : get_integer(object, "threshold", 1, &ret->threshold, err);
}

static int parse_keys(const json_t *object, struct tuf_keys *ret, struct error **err)
{
	const char *id;
	json_t *key;

	if (!json_is_object(object))
		return missing("keys", "an object", err);
	ret->items = calloc(json_object_size(object) + 1, sizeof(*ret->items));
	if (!ret->items)
		return error_set_errno(err, -ENOMEM, "keys");
	json_object_foreach((json_t *)object, id, key)
	{
		int r = tuf_key_parse(id, key, &ret->items[ret->count], err);

		if (r < 0)
			return r;
		ret->count++;
	}
	return 0;
}

/* ---- root ---- */

static int parse_root(const json_t *body, struct tuf_metadata *ret, struct error **err)
{
	const json_t *roles = json_object_get(body, "roles");
	const json_t *consistent = json_object_get(body, "consistent_snapshot");
	int r;

	if (consistent && !json_is_boolean(consistent))
		return missing("consistent_snapshot", "a boolean", err);
	ret->consistent_snapshot = json_is_true(consistent);
	r = parse_keys(json_object_get(body, "keys"), &ret->keys, err);
	if (r < 0)
		return r;
	for (enum tuf_type type = TUF_ROOT; type < TUF_TYPES; type++) {
		r = parse_role(json_object_get(roles, tuf_type_name(type)), &ret->roles[type], err);
		if (r == -EBADMSG)
			return error_wrap(err, "role \"%s\"", tuf_type_name(type)), r;
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- timestamp and snapshot ---- */

static int parse_meta(const char *name, const json_t *object, struct tuf_meta *ret, struct error **err)
{
	const json_t *hashes = json_object_get(object, "hashes");
	int r = get_integer(object, "version", 1, &ret->version, err);

	ret->name = name;
	ret->has_length = json_object_get(object, "length") != NULL;
	ret->has_hashes = hashes != NULL;
	if (r == 0 && ret->has_length)
		r = get_integer(object, "length", 0, &ret->length, err);
	if (r == 0 && hashes)
		r = tuf_hashes_parse(hashes, &ret->hashes, err);
	return r;
}

static int compare_metas(const void *a, const void *b)
{
	return strcmp(((const struct tuf_meta *)a)->name, ((const struct tuf_meta *)b)->name);
}

static int parse_metas(const json_t *body, struct tuf_metadata *ret, struct error **err)
{
	const json_t *metas = json_object_get(body, "meta");
	const char *required = ret->type == TUF_TIMESTAMP ? "snapshot.json" : "targets.json", *name;
	json_t *object;

	if (!json_is_object(metas))
		return missing("meta", "an object", err);
	ret->metas = calloc(json_object_size(metas) + 1, sizeof(*ret->metas));
	if (!ret->metas)
		return error_set_errno(err, -ENOMEM, "meta");
	json_object_foreach((json_t *)metas, name, object)
	{
		int r;

		/* A timestamp has nothing to say of other files. */
		if (ret->type == TUF_TIMESTAMP && !streq(name, required))
			continue;
		r = parse_meta(name, object, &ret->metas[ret->meta_count++], err);
		if (r < 0)
			return error_wrap(err, "meta \"%s\"", name), r;
	}
	qsort(ret->metas, ret->meta_count, sizeof(*ret->metas), compare_metas);
	return tuf_find_meta(ret, required) ? 0
					    : error_set(err, -EBADMSG, "\"meta\" has no \"%s\"", required);
}

/* ---- targets ---- */

static int parse_target(const char *name, const json_t *object, struct tuf_target *ret, struct error **err)
{
	int r = get_integer(object, "length", 0, &ret->length, err);

	ret->name = name;
	ret->custom = json_object_get(object, "custom");
	if (r == 0 && ret->custom && !json_is_object(ret->custom))
		r = missing("custom", "an object", err);
	return r < 0 ? r : tuf_hashes_parse(json_object_get(object, "hashes"), &ret->hashes, err);
}

static int compare_targets(const void *a, const void *b)
{
	return strcmp(((const struct tuf_target *)a)->name, ((const struct tuf_target *)b)->name);
}

static int parse_target_list(const json_t *targets, struct tuf_metadata *ret, struct error **err)
{
	const char *name;
	json_t *object;

	if (!json_is_object(targets))
		return missing("targets", "an object", err);
	ret->targets = calloc(json_object_size(targets) + 1, sizeof(*ret->targets));
	if (!ret->targets)
		return error_set_errno(err, -ENOMEM, "targets");
	json_object_foreach((json_t *)targets, name, object)
	{
		int r = parse_target(name, object, &ret->targets[ret->target_count++], err);

		if (r < 0)
			return error_wrap(err, "target \"%s\"", name), r;
	}
	qsort(ret->targets, ret->target_count, sizeof(*ret->targets), compare_targets);
	return 0;
}

static int parse_delegation(const json_t *object, struct tuf_delegation *ret, struct error **err)
{
	const json_t *terminating = json_object_get(object, "terminating");
	bool by_path = json_object_get(object, "paths"),
	     by_hash = json_object_get(object, "path_hash_prefixes");
	int r = get_string(object, "name", &ret->name, err);

	if (r < 0)
		return r;
	/* They would be confused with the top-level roles' documents. */
	if (*ret->name == 0 || tuf_type_of_name(ret->name) != TUF_TYPES)
		return error_set(err, -EBADMSG, "a delegated role can't be called \"%s\"", ret->name);
	if (terminating && !json_is_boolean(terminating))
		return missing("terminating", "a boolean", err);
	ret->terminating = json_is_true(terminating);
	if (by_path && by_hash)
		return error_set(err, -EBADMSG, "role \"%s\" has both \"paths\" and \"path_hash_prefixes\"",
			ret->name);
	r = parse_role(object, &ret->role, err);
	if (r == 0 && by_path)
		r = get_strings(object, "paths", &ret->paths, &ret->path_count, err);
	if (r == 0 && by_hash)
		r = get_strings(object, "path_hash_prefixes", &ret->prefixes, &ret->prefix_count, err);
	return r;
}

static int parse_delegations(const json_t *delegations, struct tuf_metadata *ret, struct error **err)
{
	const json_t *roles = json_object_get(delegations, "roles");
	_cleanup_json_ json_t *seen = json_object();
	int r;

	if (!json_is_object(delegations))
		return missing("delegations", "an object", err);
	r = parse_keys(json_object_get(delegations, "keys"), &ret->keys, err);
	if (r < 0)
		return r;
	if (!json_is_array(roles))
		return missing("roles", "an array", err);
	ret->delegations = calloc(json_array_size(roles) + 1, sizeof(*ret->delegations));
	if (!ret->delegations)
		return error_set_errno(err, -ENOMEM, "delegations");
	for (size_t i = 0; i < json_array_size(roles); i++) {
		struct tuf_delegation *delegation = &ret->delegations[ret->delegation_count++];

		r = parse_delegation(json_array_get(roles, i), delegation, err);
		if (r == 0 && json_object_get(seen, delegation->name))
			r = error_set(err, -EBADMSG, "role \"%s\" is listed twice", delegation->name);
		if (r == 0 && json_object_set_new(seen, delegation->name, json_true()) < 0)
			r = error_set_errno(err, -ENOMEM, "role \"%s\"", delegation->name);
		if (r < 0)
			return error_wrap(err, "delegations"), r;
	}
	return 0;
}

static int parse_targets(const json_t *body, struct tuf_metadata *ret, struct error **err)
{
	const json_t *delegations = json_object_get(body, "delegations");
	int r = parse_target_list(json_object_get(body, "targets"), ret, err);

	return r < 0 || !delegations ? r : parse_delegations(delegations, ret, err);
}

/* ---- Any document ---- */

/* The major version counts: minor ones add what may be ignored (specification, 4.3: SPEC_VERSION). */
static bool is_known_version(const char *text)
{
	size_t minor = startswith(text, "1.") ? strspn(text + 2, "0123456789") : 0;

	return minor > 0 && (text[2 + minor] == 0 || text[2 + minor] == '.');
}

static int parse_common(const json_t *body, struct tuf_metadata *ret, struct error **err)
{
	const char *type, *spec_version, *expires;
	int r = get_string(body, "_type", &type, err);

	if (r < 0)
		return r;
	if (!streq(type, tuf_type_name(ret->type)))
		return error_set(err, -EBADMSG, "the document is of type \"%s\"", type);
	r = get_string(body, "spec_version", &spec_version, err);
	if (r < 0)
		return r;
	if (!is_known_version(spec_version))
		return error_set(err, -EBADMSG, "\"spec_version\" is \"%s\", and only 1.x is understood",
			spec_version);
	r = get_integer(body, "version", 1, &ret->version, err);
	if (r < 0)
		return r;
	r = get_string(body, "expires", &expires, err);
	if (r < 0)
		return r;
	if (tuf_time_parse(expires, &ret->expires) < 0)
		return error_set(err, -EBADMSG,
			"\"expires\" is not a time such as 2030-01-31T12:00:00Z: \"%s\"", expires);
	return 0;
}

/* Shape and uniqueness (specification, 4.2); what a signature's text is worth is seen when it is verified. */
static int check_signatures(const json_t *signatures, struct error **err)
{
	_cleanup_json_ json_t *seen = json_object();

	if (!json_is_array(signatures))
		return missing("signatures", "an array", err);
	for (size_t i = 0; i < json_array_size(signatures); i++) {
		const json_t *entry = json_array_get(signatures, i);
		const char *keyid = json_string_value(json_object_get(entry, "keyid"));

		if (!keyid || !json_is_string(json_object_get(entry, "sig")))
			return error_set(err, -EBADMSG, "a signature lacks its \"keyid\" or \"sig\"");
		if (json_object_get(seen, keyid))
			return error_set(err, -EBADMSG, "key %s has two signatures", keyid);
		if (json_object_set_new(seen, keyid, json_true()) < 0)
			return error_set_errno(err, -ENOMEM, "signatures");
	}
	return 0;
}

static int parse_document(struct tuf_metadata *ret, struct error **err)
{
	const json_t *body = json_object_get(ret->document, "signed");
	int r;

	if (!json_is_object(body))
		return missing("signed", "an object", err);
	r = check_signatures(json_object_get(ret->document, "signatures"), err);
	if (r < 0)
		return r;
	r = parse_common(body, ret, err);
	if (r < 0)
		return r;
	r = canonical_json_write(body, &ret->signed_bytes, err);
	if (r < 0)
		return r;
	if (ret->type == TUF_ROOT)
		return parse_root(body, ret, err);
	return ret->type == TUF_TARGETS ? parse_targets(body, ret, err) : parse_metas(body, ret, err);
}

int tuf_metadata_parse(
	const void *data, size_t size, enum tuf_type type, struct tuf_metadata *ret, struct error **err)
{
	_cleanup_tuf_metadata_ struct tuf_metadata metadata = {.type = type};
	json_error_t fault;
	int r;

	/* A name that comes twice means one thing to one reader and another to the next. */
	metadata.document = json_loadb(data, size, JSON_REJECT_DUPLICATES, &fault);
	if (!metadata.document)
		return error_set(err, -EBADMSG, "%s: %s (at byte %d)", tuf_type_name(type), fault.text,
			fault.position);
	r = parse_document(&metadata, err);
	if (r < 0)
		return error_wrap(err, "%s", tuf_type_name(type)), r;
	*ret = metadata;
	metadata = (struct tuf_metadata){};
	return 0;
}
