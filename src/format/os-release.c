/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/os-release.h"

#include <errno.h>
#include <string.h>

/* Characters that a backslash takes their meaning from within double quotes (POSIX shell, 2.2.3). */
static bool is_special(char c)
{
	return c == '$' || c == '"' || c == '\\' || c == '`';
}

/* One word, quoted or not; what follows it may be white space alone. */
static int unquote(const char *at, const char *end, char **ret)
{
	_cleanup_buffer_ struct buffer value = {};
	char quote = at < end && (*at == '"' || *at == '\'') ? *at++ : 0;

	for (; at < end && *at != quote; at++) {
		if (!quote && (strchr(" \t\r", *at) || *at == '"' || *at == '\''))
			break;
		if (*at == '\\' && quote != '\'' && at + 1 < end && (!quote || is_special(at[1])))
			at++;
		if (*at == 0)
			return -EBADMSG;
		buffer_append_u8(&value, (uint8_t)*at);
	}
	if (quote && at++ == end)
		return -EBADMSG;
	for (; at < end; at++)
		if (!strchr(" \t\r", *at) || *at == 0)
			return -EBADMSG;
	*ret = buffer_take(&value, NULL);
	return *ret ? 0 : -ENOMEM;
}

int os_release_value(const char *text, size_t size, const char *name, char **ret)
{
	const char *end = text + size, *last = NULL, *last_end = NULL;
	size_t length = strlen(name);

	for (const char *line = text; line < end;) {
		const char *newline = memchr(line, '\n', (size_t)(end - line));
		const char *line_end = newline ? newline : end;

		if ((size_t)(line_end - line) > length && memcmp(line, name, length) == 0 &&
			line[length] == '=') {
			last = line + length + 1;
			last_end = line_end;
		}
		line = newline ? newline + 1 : end;
	}
	return last ? unquote(last, last_end, ret) : -ENOENT;
}
