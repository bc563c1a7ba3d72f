/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "source/deb822.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* The end of the line that begins at *at*: its line break, or the end of the text. */
static const char *line_end(const char *at, const char *end)
{
	const char *found = at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;

	return found ? found : end;
}

static void next_line(struct deb822 *reader)
{
	const char *end = line_end(reader->at, reader->end);

	reader->at = end < reader->end ? end + 1 : end;
	reader->line++;
}

static bool line_is_empty(const char *at, const char *end)
{
	while (at < end && is_blank(*at))
		at++;
	return at == end;
}

static void trim(const char **begin, const char **end)
{
	while (*begin < *end && (is_blank(**begin) || **begin == '\n'))
		(*begin)++;
	while (*begin < *end && (is_blank((*end)[-1]) || (*end)[-1] == '\n'))
		(*end)--;
}

/* A field's name is of printable characters other than space and ":", and begins with neither "#" nor "-". */
static bool name_is_valid(const char *name, size_t size)
{
	if (size == 0 || name[0] == '#' || name[0] == '-')
		return false;
	for (size_t i = 0; i < size; i++)
		if (name[i] <= ' ' || name[i] > '~')
			return false;
	return true;
}

static int read_field(struct deb822 *reader, struct deb822_field *ret, struct error **err)
{
	const char *line = reader->at, *end = line_end(line, reader->end);
	const char *colon = memchr(line, ':', (size_t)(end - line));
	const char *value, *value_end = end;
	unsigned number = reader->line;

	if (!colon || !name_is_valid(line, (size_t)(colon - line)))
		return error_set(err, -EBADMSG, "line %u is no field", number);
	value = colon + 1;
	for (next_line(reader); reader->at < reader->end; next_line(reader)) {
		end = line_end(reader->at, reader->end);
		if (*reader->at == '#')
			continue;
		if (!is_blank(*reader->at) || line_is_empty(reader->at, end))
			break;
		value_end = end;
	}
	if (memchr(value, 0, (size_t)(value_end - value)))
		return error_set(err, -EBADMSG, "line %u: a value holds a zero byte", number);
	trim(&value, &value_end);
	*ret = (struct deb822_field){
		line, (size_t)(colon - line), value, (size_t)(value_end - value), number};
	return DEB822_FIELD;
}

int deb822_next(struct deb822 *reader, struct deb822_field *ret, struct error **err)
{
	bool inside = reader->inside;

	for (; reader->at < reader->end; next_line(reader)) {
		if (*reader->at == '#')
			continue;
		if (!line_is_empty(reader->at, line_end(reader->at, reader->end))) {
			reader->inside = true;
			return read_field(reader, ret, err);
		}
		if (inside)
			break;
	}
	reader->inside = false;
	return inside ? DEB822_STANZA : DEB822_END;
}

bool deb822_is(const struct deb822_field *field, const char *name)
{
	return field->name_size == strlen(name) && strncasecmp(field->name, name, field->name_size) == 0;
}

char *deb822_value(const struct deb822_field *field)
{
	return strndup(field->value, field->value_size);
}

bool deb822_word(const char **at, const char *end, const char **ret, size_t *ret_size)
{
	const char *begin = *at;

	while (begin < end && (is_blank(*begin) || *begin == '\n'))
		begin++;
	*at = begin;
	while (*at < end && !is_blank(**at) && **at != '\n')
		(*at)++;
	*ret = begin;
	*ret_size = (size_t)(*at - begin);
	return *ret_size > 0;
}
