/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "init/cmdline.h"

#include <ctype.h>
#include <errno.h>

static bool is_space(char c)
{
	return isspace((unsigned char)c);
}

/* Reads the argument at *at*, which is no space and no NUL, and moves behind it. NULL where memory is out. */
static char *next_argument(const char **at)
{
	_cleanup_buffer_ struct buffer argument = {};
	bool quoted = false;

	for (; **at && (quoted || !is_space(**at)); (*at)++)
		if (**at == '"')
			quoted = !quoted;
		else
			buffer_append(&argument, *at, 1);
	buffer_append_u8(&argument, 0);
	return buffer_take(&argument, NULL);
}

int cmdline_split(const char *text, struct strv *ret)
{
	_cleanup_strv_ struct strv arguments = {};

	for (;;) {
		char *argument;
		int r;

		while (is_space(*text))
			text++;
		if (!*text)
			break;
		argument = next_argument(&text);
		if (argument && streq(argument, "--")) {
			free(argument);
			break;
		}
		r = strv_push(&arguments, argument);
		if (r < 0)
			return r;
	}
	*ret = arguments;
	arguments = (struct strv){};
	return 0;
}

int cmdline_get(const struct strv *arguments, const char *key, const char **ret, struct error **err)
{
	const char *found = NULL;

	for (size_t i = 0; i < arguments->count; i++) {
		const char *value = startswith(arguments->items[i], key);

		if (!value || *value != '=')
			continue;
		value++;
		if (found && !streq(found, value))
			return error_set(err, -ENOTUNIQ,
				"the command line has two different %s=: \"%s\" and \"%s\"", key, found,
				value);
		found = value;
	}
	if (!found)
		return -ENOENT;
	*ret = found;
	return 0;
}

/* Where *argument* begins with the module's name and a dot, what follows; NULL otherwise. */
static const char *parameter_of(const char *argument, const char *module)
{
	for (; *module; module++, argument++) {
		char a = *argument == '-' ? '_' : *argument, b = *module == '-' ? '_' : *module;

		if (a != b)
			return NULL;
	}
	return *argument == '.' && argument[1] ? argument + 1 : NULL;
}

void cmdline_module_parameters(const struct strv *arguments, const char *module, struct buffer *ret)
{
	const char *separator = "";

	for (size_t i = 0; i < arguments->count; i++) {
		const char *parameter = parameter_of(arguments->items[i], module);
		const char *quote;

		if (!parameter)
			continue;
		quote = strpbrk(parameter, " \t\n") ? "\"" : "";
		buffer_printf(ret, "%s%s%s%s", separator, quote, parameter, quote);
		separator = " ";
	}
	buffer_append_u8(ret, 0);
}

/* The first argument of *a* that *b* has not, or has fewer times; NULL where there is none. */
static const char *first_extra(const struct strv *a, const struct strv *b)
{
	for (size_t i = 0; i < a->count; i++) {
		size_t in_a = 0, in_b = 0;

		for (size_t j = 0; j < a->count; j++)
			in_a += streq(a->items[j], a->items[i]);
		for (size_t j = 0; j < b->count; j++)
			in_b += streq(b->items[j], a->items[i]);
		if (in_a > in_b)
			return a->items[i];
	}
	return NULL;
}

static size_t trimmed_length(const char **text)
{
	size_t length;

	while (is_space(**text))
		(*text)++;
	length = strlen(*text);
	while (length > 0 && is_space((*text)[length - 1]))
		length--;
	return length;
}

int cmdline_compare(const char *actual, const char *expected, struct error **err)
{
	_cleanup_strv_ struct strv is = {}, should = {};
	size_t length = trimmed_length(&actual);
	const char *argument;

	if (length == trimmed_length(&expected) && memcmp(actual, expected, length) == 0)
		return 0;
	if (cmdline_split(actual, &is) < 0 || cmdline_split(expected, &should) < 0)
		return error_set_errno(err, -ENOMEM, "command line");
	argument = first_extra(&is, &should);
	if (argument)
		return error_set(err, -EPERM,
			"the command line has an argument that this image does not allow: %s", argument);
	argument = first_extra(&should, &is);
	if (argument)
		return error_set(err, -EPERM, "the command line lacks the argument %s", argument);
	return error_set(
		err, -EPERM, "the command line is not exactly the one of this image: order or spaces differ");
}
