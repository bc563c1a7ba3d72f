/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/control.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/buffer.h"

#define FIELDS_MAX 1024
#define VALUE_MAX MiB(4)

void control_release(struct control *paragraph)
{
	for (size_t i = 0; i < paragraph->count; i++) {
		free(paragraph->fields[i].name);
		free(paragraph->fields[i].value);
	}
	free(paragraph->fields);
	*paragraph = (struct control){};
}

const char *control_get(const struct control *paragraph, const char *name)
{
	for (size_t i = 0; i < paragraph->count; i++)
		if (strcasecmp(paragraph->fields[i].name, name) == 0)
			return paragraph->fields[i].value;
	return NULL;
}

/* A line without its "\n" and without the white space at its end. */
struct line {
	const char *text;
	size_t length;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static struct line trim(const char *text, size_t length)
{
	while (length > 0 && is_blank(text[length - 1]))
		length--;
	return (struct line){text, length};
}

static struct line skip_blank(struct line line)
{
	while (line.length > 0 && is_blank(*line.text)) {
		line.text++;
		line.length--;
	}
	return line;
}

static struct line next_line(const char **at, const char *end)
{
	const char *text = *at, *newline = memchr(text, '\n', (size_t)(end - text));
	size_t length = (size_t)((newline ? newline : end) - text);

	*at = newline ? newline + 1 : end;
	return trim(text, length);
}

/* The characters that a field's name may have: printable ASCII but space and colon; not "#" or "-" in front.
 */
static bool is_field_name(struct line name)
{
	if (name.length == 0 || *name.text == '#' || *name.text == '-')
		return false;
	for (size_t i = 0; i < name.length; i++)
		if (name.text[i] <= ' ' || name.text[i] > '~')
			return false;
	return true;
}

static int add_field(struct control *paragraph, struct line name, const char *what, struct error **err)
{
	struct control_field *fields;
	char *copy;

	if (paragraph->count == FIELDS_MAX)
		return error_set(err, -EBADMSG, "%s: a paragraph has more than %d fields", what, FIELDS_MAX);
	copy = strndup(name.text, name.length);
	fields = reallocarray(paragraph->fields, paragraph->count + 1, sizeof(*fields));
	if (fields)
		paragraph->fields = fields;
	if (!copy || !fields) {
		free(copy);
		return error_set_errno(err, -ENOMEM, "%s", what);
	}
	if (control_get(paragraph, copy)) {
		int r = error_set(err, -EBADMSG, "%s: field \"%s\" stands twice in a paragraph", what, copy);

		free(copy);
		return r;
	}
	fields[paragraph->count++] = (struct control_field){.name = copy};
	return 0;
}

/* Reads the line that begins a field and the lines that go on with it. */
static int read_field(struct control *paragraph, struct line first, const char **at, const char *end,
	const char *what, struct error **err)
{
	const char *colon = memchr(first.text, ':', first.length);
	struct line name = {first.text, colon ? (size_t)(colon - first.text) : 0}, value;
	_cleanup_buffer_ struct buffer text = {};
	int r;

	if (!is_field_name(name))
		return error_set(err, -EBADMSG, "%s: \"%.*s\" is no field", what, (int)MIN(first.length, 64U),
			first.text);
	r = add_field(paragraph, name, what, err);
	if (r < 0)
		return r;
	value = skip_blank((struct line){colon + 1, first.length - name.length - 1});
	buffer_append(&text, value.text, value.length);
	while (*at < end && (**at == ' ' || **at == '\t' || **at == '#')) {
		bool comment = **at == '#';

		value = skip_blank(next_line(at, end));
		if (comment)
			continue;
		buffer_append_u8(&text, '\n');
		buffer_append(&text, value.text, value.length);
		if (text.size > VALUE_MAX)
			return error_set(err, -EBADMSG, "%s: a field is larger than 4 MiB", what);
	}
	if (text.size > VALUE_MAX || (text.size > 0 && memchr(text.data, 0, text.size)))
		return error_set(err, -EBADMSG, "%s: a field holds a NUL byte or is larger than 4 MiB", what);
	paragraph->fields[paragraph->count - 1].value = buffer_take(&text, NULL);
	if (!paragraph->fields[paragraph->count - 1].value)
		return error_set_errno(err, -ENOMEM, "%s", what);
	return 0;
}

int control_next(const char **at, const char *end, const char *what, struct control *ret, struct error **err)
{
	_cleanup_control_ struct control paragraph = {};

	while (*at < end) {
		struct line line = next_line(at, end);
		int r;

		if (line.length > 0 && *line.text == '#')
			continue;
		if (line.length == 0 && paragraph.count > 0)
			break;
		if (line.length == 0)
			continue;
		r = read_field(&paragraph, line, at, end, what, err);
		if (r < 0)
			return r;
	}
	if (paragraph.count == 0)
		return 0;
	*ret = paragraph;
	paragraph = (struct control){};
	return 1;
}
