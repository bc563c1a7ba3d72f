/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/verity-signature.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "base/encoding.h"

static void json_releasep(json_t **json)
{
	json_decref(*json);
}
#define _cleanup_json_ _cleanup_(json_releasep)

void verity_signature_release(struct verity_signature *signature)
{
	buffer_release(&signature->signature);
}

int verity_signature_write(
	const struct verity_signature *signature, size_t size, struct buffer *ret, struct error **err)
{
	_cleanup_free_ char *base64 = NULL;
	char root_hash[SHA256_HEX_SIZE], fingerprint[SHA256_HEX_SIZE];
	_cleanup_buffer_ struct buffer text = {};

	if (signature->signature.size == 0 || !signature->has_fingerprint)
		return error_set(
			err, -EINVAL, "verity signature: no signature, or no certificate fingerprint");
	base64 = base64_encode_new(signature->signature.data, signature->signature.size);
	if (!base64)
		return error_set_errno(err, -ENOMEM, "verity signature");
	hex_encode(signature->root_hash, SHA256_SIZE, root_hash);
	hex_encode(signature->fingerprint, SHA256_SIZE, fingerprint);
	/* Nothing here needs an escape. */
	buffer_printf(&text, "{\"rootHash\":\"%s\",\"certificateFingerprint\":\"%s\",\"signature\":\"%s\"}",
		root_hash, fingerprint, base64);
	if (buffer_failed(&text))
		return error_set_errno(err, -ENOMEM, "verity signature");
	if (text.size >= size)
		return error_set(err, -ENOSPC,
			"verity signature: %zu bytes do not fit into a partition of %zu", text.size, size);
	buffer_append(ret, text.data, text.size);
	buffer_append_zeros(ret, size - text.size);
	return buffer_failed(ret) ? error_set_errno(err, -ENOMEM, "verity signature") : 0;
}

/* The digest that the text *key* of the object stands for; -ENOENT where there is none. */
static int parse_digest(const json_t *object, const char *key, uint8_t ret[SHA256_SIZE], struct error **err)
{
	const json_t *value = json_object_get(object, key);

	if (!value)
		return -ENOENT;
	if (json_string_length(value) != 2 * SHA256_SIZE ||
		hex_decode(json_string_value(value), ret, SHA256_SIZE) < 0)
		return error_set(err, -EBADMSG,
			"verity signature: \"%s\" is not a SHA-256 digest in hexadecimal", key);
	return 0;
}

static int parse_object(const json_t *object, struct verity_signature *ret, struct error **err)
{
	const json_t *value = json_object_get(object, "signature");
	int r;

	if (!json_is_object(object))
		return error_set(err, -EBADMSG, "verity signature: not a JSON object");
	r = parse_digest(object, "rootHash", ret->root_hash, err);
	if (r == -ENOENT)
		return error_set(err, -EBADMSG, "verity signature: no \"rootHash\"");
	if (r < 0)
		return r;
	r = parse_digest(object, "certificateFingerprint", ret->fingerprint, err);
	if (r < 0 && r != -ENOENT)
		return r;
	ret->has_fingerprint = r == 0;
	r = json_string_length(value) == 0
		    ? -EINVAL
		    : base64_decode(json_string_value(value), json_string_length(value), &ret->signature);
	if (r == -ENOMEM)
		return error_set_errno(err, r, "verity signature");
	if (r < 0)
		return error_set(err, -EBADMSG, "verity signature: no \"signature\", or it is not Base64");
	return 0;
}

static bool all_zeros(const uint8_t *data, size_t size)
{
	return size == 0 || (data[0] == 0 && memcmp(data, data + 1, size - 1) == 0);
}

int verity_signature_parse(const void *data, size_t size, struct verity_signature *ret, struct error **err)
{
	_cleanup_verity_signature_ struct verity_signature signature = {};
	_cleanup_json_ json_t *object = NULL;
	json_error_t fault;
	size_t length;
	int r;

	if (size > VERITY_SIGNATURE_MAX)
		return error_set(err, -EFBIG, "verity signature: %zu bytes are more than %u", size,
			VERITY_SIGNATURE_MAX);
	length = strnlen(data, size);
	if (length == 0)
		return error_set(err, -EBADMSG, "verity signature: the partition is empty");
	if (!all_zeros((const uint8_t *)data + length, size - length))
		return error_set(err, -EBADMSG, "verity signature: something but zeros follows the text");
	object = json_loadb(data, length, JSON_REJECT_DUPLICATES, &fault);
	if (!object)
		return error_set(
			err, -EBADMSG, "verity signature: %s (at byte %d)", fault.text, fault.position);
	r = parse_object(object, &signature, err);
	if (r < 0)
		return r;
	*ret = signature;
	signature = (struct verity_signature){};
	return 0;
}
