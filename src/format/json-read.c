/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/json-read.h"

#include <errno.h>
#include <string.h>

#include "base/encoding.h"

int json_read_document(const void *data, size_t size, uint64_t max, json_t **ret, struct error **err)
{
	json_error_t fault;
	json_t *json;

	if (size > max)
		return error_set(err, -EBADMSG, "larger than %ju bytes", (uintmax_t)max);
	json = json_loadb(data, size, JSON_REJECT_DUPLICATES, &fault);
	/* Where jansson has no memory to begin with, it says nothing. */
	if (!json && (json_error_code(&fault) == json_error_out_of_memory || fault.text[0] == 0))
		return error_set_errno(err, -ENOMEM, "JSON");
	if (!json)
		return error_set(err, -EBADMSG, "line %d: %s", fault.line, fault.text);
	if (!json_is_object(json)) {
		json_decref(json);
		return error_set(err, -EBADMSG, "not a JSON object");
	}
	*ret = json;
	return 0;
}

int json_read_format(const struct json_place *place, const char *reader, struct error **err)
{
	uint64_t format;
	int r = json_read_number(place, "format", 1, INT64_MAX, &format, err);

	if (r < 0 || format == 1)
		return r;
	return error_set(err, -EBADMSG,
		"%sformat: %ju, and this program knows format 1: a newer %s is needed", place->path,
		(uintmax_t)format, reader);
}

int json_fault(const struct json_place *place, const char *member, const char *what, struct error **err)
{
	return error_set(err, -EBADMSG, "%s%s: %s", place->path, member, what);
}

int json_read_number(const struct json_place *place, const char *member, uint64_t min, uint64_t max,
	uint64_t *ret, struct error **err)
{
	const json_t *value = json_object_get(place->json, member);

	if (!json_is_integer(value) || json_integer_value(value) < 0 ||
		(uint64_t)json_integer_value(value) < min || (uint64_t)json_integer_value(value) > max)
		return error_set(err, -EBADMSG, "%s%s: not a number from %ju to %ju", place->path, member,
			(uintmax_t)min, (uintmax_t)max);
	*ret = (uint64_t)json_integer_value(value);
	return 0;
}

int json_read_hex(
	const struct json_place *place, const char *member, uint8_t *ret, size_t size, struct error **err)
{
	const json_t *value = json_object_get(place->json, member);

	if (!json_is_string(value) || json_string_length(value) != 2 * size ||
		hex_decode(json_string_value(value), ret, size) < 0)
		return error_set(
			err, -EBADMSG, "%s%s: not %zu hexadecimal digits", place->path, member, 2 * size);
	return 0;
}

/* What would move a terminal's cursor or colour its text. In UTF-8, U+0080 to U+009F begin with C2. */
static bool has_control_characters(const char *text)
{
	for (const uint8_t *at = (const uint8_t *)text; *at; at++)
		if (*at < ' ' || *at == 0x7f || (at[0] == 0xc2 && at[1] >= 0x80 && at[1] < 0xa0))
			return true;
	return false;
}

int json_read_string(
	const struct json_place *place, const char *member, size_t max, const char **ret, struct error **err)
{
	const json_t *value = json_object_get(place->json, member);

	if (!json_is_string(value))
		return json_fault(place, member, "missing, or not a text", err);
	if (json_string_length(value) > max)
		return error_set(err, -EBADMSG, "%s%s: longer than %zu bytes", place->path, member, max);
	if (has_control_characters(json_string_value(value)))
		return json_fault(place, member, "has control characters", err);
	*ret = json_string_value(value);
	return 0;
}

int json_read_array(const struct json_place *place, const char *member, size_t max, const json_t **ret,
	struct error **err)
{
	const json_t *value = json_object_get(place->json, member);

	if (!json_is_array(value) || json_array_size(value) > max)
		return error_set(err, -EBADMSG, "%s%s: not a list of at most %zu", place->path, member, max);
	*ret = value;
	return 0;
}

int json_read_object(const struct json_place *place, struct error **err)
{
	return json_is_object(place->json) ? 0 : json_fault(place, "", "not an object", err);
}
