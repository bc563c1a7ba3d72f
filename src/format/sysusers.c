/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/sysusers.h"

#include <errno.h>
#include <string.h>

#include "base/buffer.h"
#include "base/string-util.h"

#define FIELDS 6
#define NAME_LENGTH_MAX 31
#define LINES_MAX 65536

static void line_release(struct sysusers_line *line)
{
	free(line->name);
	free(line->id);
	free(line->gecos);
	free(line->home);
	free(line->shell);
}

void sysusers_release(struct sysusers *sysusers)
{
	for (size_t i = 0; i < sysusers->count; i++)
		line_release(&sysusers->lines[i]);
	free(sysusers->lines);
	*sysusers = (struct sysusers){};
}

bool sysusers_name_is_valid(const char *name)
{
	size_t length = strlen(name);

	if (length == 0 || length > NAME_LENGTH_MAX || strchr("0123456789-", name[0]))
		return false;
	return strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == length;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* Takes the next field off the front of a line: words with quotes and backslashes in them, as a shell has
 * them. */
static int next_field(const char **at, const char *end, struct buffer *ret)
{
	char quote = 0;

	while (*at < end && is_space(**at))
		(*at)++;
	if (*at == end)
		return 0;
	for (; *at < end && (quote || !is_space(**at)); (*at)++) {
		char c = **at;

		if (quote ? c == quote : c == '"' || c == '\'') {
			quote = quote ? 0 : c;
			continue;
		}
		if (c == '\\' && quote != '\'') {
			if (++*at == end)
				return -EBADMSG;
			c = **at;
			if (!strchr("\\\"' \t", c))
				return -EBADMSG;
		}
		buffer_append_u8(ret, (uint8_t)c);
	}
	return quote ? -EBADMSG : 1;
}

static int expand(const char *field, const char *architecture, char **ret)
{
	_cleanup_buffer_ struct buffer text = {};

	for (; *field; field++) {
		if (*field != '%') {
			buffer_append_u8(&text, (uint8_t)*field);
			continue;
		}
		switch (*++field) {
		case '%':
			buffer_append_u8(&text, '%');
			break;
		case 'T':
			buffer_append_string(&text, "/tmp");
			break;
		case 'V':
			buffer_append_string(&text, "/var/tmp");
			break;
		case 'a':
			buffer_append_string(&text, architecture);
			break;
		default:
			return -EBADMSG;
		}
	}
	*ret = buffer_take(&text, NULL);
	return *ret ? 0 : -ENOMEM;
}

/* Splits a line into its fields; "-" and "" are NULL. Returns how many there are. */
static int split(const char *at, const char *end, const char *architecture, char *ret[FIELDS])
{
	int count = 0;

	for (;; count++) {
		_cleanup_buffer_ struct buffer field = {};
		_cleanup_free_ char *text = NULL;
		int r = next_field(&at, end, &field);

		if (r <= 0)
			return r < 0 ? r : count;
		if (count == FIELDS)
			return -EBADMSG;
		text = buffer_take(&field, NULL);
		if (!text)
			return -ENOMEM;
		if (!*text || streq(text, "-"))
			continue;
		r = expand(text, architecture, &ret[count]);
		if (r < 0)
			return r;
		/* These characters would break /etc/passwd. */
		if (strpbrk(ret[count], ":\n") && count != 2)
			return -EBADMSG;
	}
}

static bool is_valid(enum sysusers_type type, char *const fields[FIELDS])
{
	if (fields[0][1] && (type != SYSUSERS_USER || !streq(fields[0] + 1, "!")))
		return false;
	switch (type) {
	case SYSUSERS_USER:
		return fields[1] && sysusers_name_is_valid(fields[1]) && (!fields[4] || *fields[4] == '/') &&
		       (!fields[5] || *fields[5] == '/');
	case SYSUSERS_GROUP:
		return fields[1] && sysusers_name_is_valid(fields[1]) && !fields[3] && !fields[4] &&
		       !fields[5];
	case SYSUSERS_MEMBER:
		return fields[1] && sysusers_name_is_valid(fields[1]) && fields[2] &&
		       sysusers_name_is_valid(fields[2]) && !fields[3] && !fields[4] && !fields[5];
	case SYSUSERS_RANGE:
		return !fields[1] && fields[2] && !fields[3] && !fields[4] && !fields[5];
	default:
		return false;
	}
}

static int add_line(struct sysusers *sysusers, char *fields[FIELDS])
{
	struct sysusers_line *lines;

	if (sysusers->count == LINES_MAX)
		return -EBADMSG;
	lines = reallocarray(sysusers->lines, sysusers->count + 1, sizeof(*lines));
	if (!lines)
		return -ENOMEM;
	sysusers->lines = lines;
	lines[sysusers->count++] = (struct sysusers_line){
		.type = (enum sysusers_type)fields[0][0],
		.locked = fields[0][1] == '!',
		.name = TAKE_PTR(fields[1]),
		.id = TAKE_PTR(fields[2]),
		.gecos = TAKE_PTR(fields[3]),
		.home = TAKE_PTR(fields[4]),
		.shell = TAKE_PTR(fields[5]),
	};
	return 0;
}

static int parse_line(const char *at, const char *end, const char *architecture, struct sysusers *sysusers)
{
	char *fields[FIELDS] = {};
	int r;

	r = split(at, end, architecture, fields);
	if (r > 0 && (!fields[0] || !is_valid((enum sysusers_type)fields[0][0], fields)))
		r = -EBADMSG;
	if (r > 0)
		r = add_line(sysusers, fields);
	for (size_t i = 0; i < FIELDS; i++)
		free(fields[i]);
	return r;
}

int sysusers_parse(const char *text, size_t size, const char *what, const char *architecture,
	struct sysusers *sysusers, struct error **err)
{
	const char *end = text + size;
	unsigned number = 1;

	for (const char *at = text; at < end; number++) {
		const char *newline = memchr(at, '\n', (size_t)(end - at)), *stop = newline ? newline : end;
		int r = 0;

		while (at < stop && is_space(*at))
			at++;
		if (at < stop && memchr(at, 0, (size_t)(stop - at)))
			r = -EBADMSG;
		else if (at < stop && *at != '#')
			r = parse_line(at, stop, architecture, sysusers);
		if (r == -EBADMSG)
			return error_set(err, r,
				"%s:%u: \"%.*s\" is no line of sysusers.d(5) that is known here", what,
				number, (int)MIN(stop - at, 100), at);
		if (r < 0)
			return error_set_errno(err, r, "%s", what);
		at = newline ? newline + 1 : end;
	}
	return 0;
}
