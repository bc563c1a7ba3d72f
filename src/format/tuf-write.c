/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/tuf-write.h"

#include <errno.h>

#include "base/encoding.h"
#include "base/string-util.h"
#include "format/canonical-json.h"

#define SPEC_VERSION "1.0.31"

json_t *tuf_body_new(enum tuf_type type, uint64_t version, int64_t expires)
{
	json_t *body = json_pack("{s:s, s:s}", "_type", tuf_type_name(type), "spec_version", SPEC_VERSION);

	if (body && tuf_body_update(body, version, expires) == 0)
		return body;
	json_decref(body);
	return NULL;
}

int tuf_body_update(json_t *body, uint64_t version, int64_t expires)
{
	char text[TUF_TIME_SIZE];

	if (tuf_time_format(expires, text) < 0 ||
		json_object_set_new(body, "version", json_integer((json_int_t)version)) < 0 ||
		json_object_set_new(body, "expires", json_string(text)) < 0)
		return -ENOMEM;
	return 0;
}

json_t *tuf_root_new(uint64_t version, int64_t expires)
{
	json_t *body = tuf_body_new(TUF_ROOT, version, expires), *roles = json_object();
	int r = body ? json_object_set_new(body, "consistent_snapshot", json_true()) |
				json_object_set_new(body, "keys", json_object())
		     : -1;

	for (enum tuf_type type = TUF_ROOT; r == 0 && type < TUF_TYPES; type++)
		r = json_object_set_new(
			roles, tuf_type_name(type), json_pack("{s:[], s:i}", "keyids", "threshold", 1));
	if (r == 0)
		r = json_object_set(body, "roles", roles);
	json_decref(roles);
	if (r == 0)
		return body;
	json_decref(body);
	return NULL;
}

static json_t *keyids_of(const json_t *body, enum tuf_type role)
{
	return json_object_get(
		json_object_get(json_object_get(body, "roles"), tuf_type_name(role)), "keyids");
}

/* Where *keyid* stands among a role's, or how many there are. */
static size_t find_keyid(const json_t *keyids, const char *keyid)
{
	size_t i = 0;

	while (i < json_array_size(keyids) && !streq(json_string_value(json_array_get(keyids, i)), keyid))
		i++;
	return i;
}

int tuf_root_add(json_t *body, enum tuf_type role, const struct tuf_signer *signer)
{
	json_t *keyids = keyids_of(body, role);
	const char *id = tuf_signer_id(signer);

	if (json_object_set(json_object_get(body, "keys"), id, tuf_signer_key(signer)) < 0)
		return -ENOMEM;
	if (find_keyid(keyids, id) < json_array_size(keyids))
		return 0;
	return json_array_append_new(keyids, json_string(id)) < 0 ? -ENOMEM : 0;
}

int tuf_root_remove(json_t *body, enum tuf_type role, const char *keyid)
{
	(void)json_array_remove(keyids_of(body, role), find_keyid(keyids_of(body, role), keyid));
	for (enum tuf_type type = TUF_ROOT; type < TUF_TYPES; type++) {
		const json_t *keyids = keyids_of(body, type);

		if (find_keyid(keyids, keyid) < json_array_size(keyids))
			return 0;
	}
	(void)json_object_del(json_object_get(body, "keys"), keyid);
	return 0;
}

int tuf_root_set_threshold(json_t *body, enum tuf_type role, uint32_t threshold)
{
	json_t *place = json_object_get(json_object_get(body, "roles"), tuf_type_name(role));
	json_int_t count = (json_int_t)json_array_size(keyids_of(body, role));

	if (threshold > 0 && json_object_set_new(place, "threshold", json_integer(threshold)) < 0)
		return -ENOMEM;
	return json_integer_value(json_object_get(place, "threshold")) > count ? -EINVAL : 0;
}

static int add_signature(
	json_t *signatures, const struct tuf_signer *signer, const struct buffer *bytes, struct error **err)
{
	_cleanup_buffer_ struct buffer signature = {};
	_cleanup_free_ char *text = NULL;
	int r = tuf_signer_sign(signer, bytes->data, bytes->size, &signature, err);

	if (r < 0)
		return r;
	text = hex_encode_new(signature.data, signature.size);
	if (!text || json_array_append_new(signatures,
			     json_pack("{s:s, s:s}", "keyid", tuf_signer_id(signer), "sig", text)) < 0)
		return error_set_errno(err, -ENOMEM, "signature");
	return 0;
}

int tuf_document_write(
	json_t *body, struct tuf_signer *const *signers, size_t count, struct buffer *ret, struct error **err)
{
	_cleanup_json_ json_t *signatures = json_array(), *document = NULL;
	_cleanup_buffer_ struct buffer bytes = {};
	_cleanup_free_ char *text = NULL;
	int r = canonical_json_write(body, &bytes, err);

	for (size_t i = 0; i < count && r >= 0; i++)
		r = add_signature(signatures, signers[i], &bytes, err);
	if (r < 0)
		return r;
	document = json_pack("{s:O, s:O}", "signatures", signatures, "signed", body);
	text = document ? json_dumps(document, JSON_INDENT(1) | JSON_SORT_KEYS) : NULL;
	if (text) {
		buffer_append_string(ret, text);
		buffer_append_u8(ret, '\n');
	}
	return text && !buffer_failed(ret) ? 0 : error_set_errno(err, -ENOMEM, "document");
}
