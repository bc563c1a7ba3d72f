/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "update/health-files.h"

#include <errno.h>

#include "base/buffer.h"
#include "base/string-util.h"
#include "format/canonical-json.h"

bool health_line_is(const char *text, const char *name, const char *value)
{
	size_t name_length = strlen(name), value_length = strlen(value);

	for (const char *line = text; *line;) {
		size_t length = strcspn(line, "\n");

		if (length == name_length + 1 + value_length && memcmp(line, name, name_length) == 0 &&
			line[name_length] == '=' && memcmp(line + name_length + 1, value, value_length) == 0)
			return true;
		line += length + (line[length] == '\n');
	}
	return false;
}

/* A member that is a string or null. */
static int copy_member(const json_t *object, const char *name, char **ret, struct error **err)
{
	const json_t *member = json_object_get(object, name);

	if (!json_is_string(member) && !json_is_null(member))
		return error_set(err, -EBADMSG, "boot.json: \"%s\" is missing or no string", name);
	*ret = json_is_string(member) ? strdup(json_string_value(member)) : NULL;
	return json_is_string(member) && !*ret ? error_set_errno(err, -ENOMEM, "boot.json") : 0;
}

int health_boot_state(const char *text, char **ret_device, char **ret_degraded, struct error **err)
{
	_cleanup_free_ char *device = NULL, *degraded = NULL;
	_cleanup_json_ json_t *object = NULL;
	json_error_t why;
	int r;

	object = json_loads(text, JSON_REJECT_DUPLICATES, &why);
	if (!object)
		return error_set(err, -EBADMSG, "boot.json: %s", why.text);
	r = copy_member(object, "state", &device, err);
	if (r >= 0)
		r = copy_member(object, "degraded", &degraded, err);
	if (r < 0)
		return r;
	*ret_device = TAKE_PTR(device);
	*ret_degraded = TAKE_PTR(degraded);
	return 0;
}

/* The kernel writes space, tab, newline and backslash as a backslash and three octal digits. */
static char *unescape(const char *text, size_t length)
{
	_cleanup_buffer_ struct buffer result = {};

	for (size_t i = 0; i < length; i++) {
		const char *at = text + i;

		if (*at == '\\' && length - i >= 4 && at[1] >= '0' && at[1] <= '3' && at[2] >= '0' &&
			at[2] <= '7' && at[3] >= '0' && at[3] <= '7') {
			buffer_append_u8(
				&result, (uint8_t)((at[1] - '0') * 64 + (at[2] - '0') * 8 + (at[3] - '0')));
			i += 3;
		} else {
			buffer_append_u8(&result, (uint8_t)*at);
		}
	}
	return buffer_take(&result, NULL);
}

/* The field of a line that comes *skip* fields behind *at*; "" where the line ends before it. */
static const char *field_behind(const char *at, unsigned skip)
{
	for (; skip > 0; skip--) {
		at += strcspn(at, " \n");
		at += *at == ' ';
	}
	return at;
}

static size_t field_length(const char *at)
{
	return strcspn(at, " \n");
}

/* "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw": mount point and source. */
static bool split_mount(const char *line, const char **ret_point, const char **ret_source)
{
	const char *at = field_behind(line, 5);

	*ret_point = field_behind(line, 4);
	/* Optional fields, any number of them, end with a "-". */
	while (field_length(at) > 0 && !(field_length(at) == 1 && *at == '-'))
		at = field_behind(at, 1);
	*ret_source = field_behind(at, 2);
	return field_length(at) > 0 && field_length(*ret_source) > 0;
}

int health_mount_source(const char *text, const char *path, char **ret)
{
	_cleanup_free_ char *found = NULL;

	for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		_cleanup_free_ char *point_text = NULL;
		const char *point, *source;

		/* A mount may have an empty source: a line that is short of a field is not ours. */
		if (!split_mount(line, &point, &source))
			continue;
		point_text = unescape(point, field_length(point));
		if (!point_text)
			return -ENOMEM;
		if (!streq(point_text, path))
			continue;
		free(found);
		found = unescape(source, field_length(source));
		if (!found)
			return -ENOMEM;
	}
	if (!found)
		return -ENOENT;
	*ret = TAKE_PTR(found);
	return 0;
}
