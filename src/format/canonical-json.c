/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/canonical-json.h"

#include <errno.h>
#include <string.h>

static int write_value(const json_t *value, struct buffer *ret);

static void write_string(const char *text, size_t length, struct buffer *ret)
{
	buffer_append_u8(ret, '"');
	for (size_t i = 0; i < length; i++) {
		if (text[i] == '"' || text[i] == '\\')
			buffer_append_u8(ret, '\\');
		buffer_append_u8(ret, (uint8_t)text[i]);
	}
	buffer_append_u8(ret, '"');
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int write_object(const json_t *object, struct buffer *ret)
{
	size_t count = json_object_size(object), n = 0;
	_cleanup_free_ const char **names = calloc(count + 1, sizeof(*names));
	const char *name;
	json_t *member;

	if (!names)
		return -ENOMEM;
	json_object_foreach((json_t *)object, name, member)
	{
		names[n++] = name;
	}
	/* In bytes, which for UTF-8 is the order of code points. */
	qsort(names, n, sizeof(*names), compare_names);
	buffer_append_u8(ret, '{');
	for (size_t i = 0; i < n; i++) {
		int r;

		if (i > 0)
			buffer_append_u8(ret, ',');
		write_string(names[i], strlen(names[i]), ret);
		buffer_append_u8(ret, ':');
		r = write_value(json_object_get(object, names[i]), ret);
		if (r < 0)
			return r;
	}
	buffer_append_u8(ret, '}');
	return 0;
}

static int write_array(const json_t *array, struct buffer *ret)
{
	buffer_append_u8(ret, '[');
	for (size_t i = 0; i < json_array_size(array); i++) {
		int r;

		if (i > 0)
			buffer_append_u8(ret, ',');
		r = write_value(json_array_get(array, i), ret);
		if (r < 0)
			return r;
	}
	buffer_append_u8(ret, ']');
	return 0;
}

/* The depth is bounded: jansson reads no more than 2048 levels. */
static int write_value(const json_t *value, struct buffer *ret)
{
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		return write_object(value, ret);
	case JSON_ARRAY:
		return write_array(value, ret);
	case JSON_STRING:
		write_string(json_string_value(value), json_string_length(value), ret);
		return 0;
	case JSON_INTEGER:
		buffer_printf(ret, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		return 0;
	case JSON_TRUE:
		buffer_append_string(ret, "true");
		return 0;
	case JSON_FALSE:
		buffer_append_string(ret, "false");
		return 0;
	case JSON_NULL:
		buffer_append_string(ret, "null");
		return 0;
	case JSON_REAL:
		return -EBADMSG;
	}
	return -EBADMSG;
}

int canonical_json_write(const json_t *value, struct buffer *ret, struct error **err)
{
	int r = write_value(value, ret);

	if (r == -EBADMSG)
		return error_set(err, r, "a number that is no integer has no canonical form");
	if (r < 0 || buffer_failed(ret))
		return error_set_errno(err, -ENOMEM, "canonical JSON");
	return 0;
}

int canonical_json_digest(const json_t *value, uint8_t ret[SHA256_SIZE], struct error **err)
{
	_cleanup_buffer_ struct buffer text = {};
	int r = canonical_json_write(value, &text, err);

	if (r < 0)
		return r;
	r = sha256_bytes(text.data, text.size, ret);
	return r < 0 ? error_set_errno(err, r, "canonical JSON") : 0;
}
