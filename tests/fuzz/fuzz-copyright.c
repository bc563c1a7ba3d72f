/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "format/copyright.h"
#include "format/license.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* No name has an operator in it, or what parts names. */
static int note_unknown(const char *name, void *userdata, struct buffer *ret)
{
	(void)userdata;
	if (*name == 0 || strchr(name, ',') || strlen(name) > LICENSE_NAME_MAX)
		__builtin_trap();
	buffer_append_string(ret, "LicenseRef-x");
	return buffer_failed(ret) ? -1 : 0;
}

/* What comes of names has as many parentheses open as closed, and neither ends in an operator. */
static void check(const char *expression)
{
	int depth = 0;

	for (const char *at = expression; *at; at++) {
		depth += (*at == '(') - (*at == ')');
		if (depth < 0)
			__builtin_trap();
	}
	if (depth != 0 || endswith(expression, " ") || startswith(expression, " "))
		__builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_copyright_ struct copyright copyright = {};
	_cleanup_strv_ struct strv operands = {};
	_cleanup_free_ char *text = malloc(size + 1), *expression = NULL;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = 0;
	if (copyright_parse(text, size, &copyright) < 0)
		return 0;
	for (size_t i = 0; i < copyright.names.count; i++) {
		size_t before = operands.count;

		if (license_translate(copyright.names.items[i], note_unknown, NULL, &operands) < 0 &&
			operands.count != before)
			__builtin_trap();
	}
	for (size_t i = 0; i < copyright.text_count; i++)
		if (!copyright_text(&copyright, copyright.texts[i].name))
			__builtin_trap();
	expression = license_join(&operands);
	if (expression)
		check(expression);
	return 0;
}
