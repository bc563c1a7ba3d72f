/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define ERROR_C
#include "base/error.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>

static const char out_of_memory[] = "out of memory";

/*
 * What a message quotes may come from anybody, and a terminal obeys it: control characters (ECMA-48: C0 but
 * for newline and tab, DEL, and C1 in UTF-8) become question marks.
 */
static void make_printable(char *text)
{
	for (uint8_t *c = (uint8_t *)text; *c; c++)
		if ((*c < ' ' && *c != '\n' && *c != '\t') || *c == 0x7f)
			*c = '?';
		else if (*c == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0)
			c[0] = c[1] = '?';
}

static void error_new(struct error **err, int code, char *message)
{
	if (message)
		make_printable(message);
	struct error *error;

	if (!err) {
		free(message);
		return;
	}
	assert(!*err);
	error = malloc(sizeof(*error));
	if (!error) {
		free(message);
		return;
	}
	error->code = code;
	error->message = message;
	error->subject = NULL;
	*err = error;
}

static _printf_(1, 0) char *format_message(const char *format, va_list args)
{
	char *message;

	return vasprintf(&message, format, args) < 0 ? NULL : message;
}

int error_set(struct error **err, int code, const char *format, ...)
{
	va_list args;

	assert(code < 0);
	va_start(args, format);
	error_new(err, code, format_message(format, args));
	va_end(args);
	return code;
}

int error_set_errno(struct error **err, int code, const char *format, ...)
{
	_cleanup_free_ char *text = NULL;
	char *message;
	va_list args;

	assert(code < 0);
	va_start(args, format);
	text = format_message(format, args);
	va_end(args);
	if (asprintf(&message, "%s: %s", text ? text : "?", strerror(-code)) < 0)
		message = NULL;
	error_new(err, code, message);
	return code;
}

int error_wrap(struct error **err, const char *format, ...)
{
	_cleanup_free_ char *prefix = NULL;
	char *message;
	va_list args;

	if (!err || !*err)
		return -EIO;
	va_start(args, format);
	prefix = format_message(format, args);
	va_end(args);
	if (prefix && asprintf(&message, "%s: %s", prefix, error_message(*err)) >= 0) {
		make_printable(message);
		free((*err)->message);
		(*err)->message = message;
	}
	return (*err)->code;
}

int error_advise(struct error **err, const char *advice)
{
	char *message;

	if (!err || !*err)
		return -EIO;
	if (advice && asprintf(&message, "%s (%s)", error_message(*err), advice) >= 0) {
		free((*err)->message);
		(*err)->message = message;
	}
	return (*err)->code;
}

int error_about(struct error **err, const char *subject, int code)
{
	if (err && *err) {
		free((*err)->subject);
		(*err)->subject = strdup(subject);
	}
	return code;
}

const char *error_message(const struct error *error)
{
	if (!error)
		return "unknown error";
	return error->message ? error->message : out_of_memory;
}

void error_move(struct error **to, struct error *from)
{
	if (to && !*to)
		*to = from;
	else
		error_free(from);
}

struct error *error_free(struct error *error)
{
	if (error) {
		free(error->message);
		free(error->subject);
		free(error);
	}
	return NULL;
}
