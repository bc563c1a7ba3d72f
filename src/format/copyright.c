/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/copyright.h"

#include <ctype.h>
#include <errno.h>

#include "base/buffer.h"
#include "format/control.h"

#define COMMON "/usr/share/common-licenses/"
#define LISTED_MAX 4096 /* names, texts and holders of each kind */

void copyright_release(struct copyright *copyright)
{
	for (size_t i = 0; i < copyright->text_count; i++) {
		free(copyright->texts[i].name);
		free(copyright->texts[i].text);
	}
	free(copyright->texts);
	strv_release(&copyright->names);
	strv_release(&copyright->holders);
	strv_release(&copyright->common);
	*copyright = (struct copyright){};
}

const char *copyright_text(const struct copyright *copyright, const char *name)
{
	for (size_t i = 0; i < copyright->text_count; i++)
		if (strcasecmp(copyright->texts[i].name, name) == 0)
			return copyright->texts[i].text;
	return NULL;
}

static int add_once(struct strv *list, const char *text)
{
	if (*text == 0 || list->count == LISTED_MAX || strv_contains(list, text))
		return 0;
	return strv_add(list, text);
}

/* ---- Paragraphs ---- */

/* Lines that are only a "." stand for empty ones (5.6.13 of Debian Policy). */
static char *unfold(const char *text)
{
	_cleanup_buffer_ struct buffer plain = {};

	for (const char *line = text; *line;) {
		size_t length = strcspn(line, "\n");

		if (!(length == 1 && *line == '.'))
			buffer_append(&plain, line, length);
		line += length;
		if (*line) {
			buffer_append_u8(&plain, '\n');
			line++;
		}
	}
	return buffer_take(&plain, NULL);
}

static int add_text(struct copyright *copyright, const char *name, const char *text)
{
	struct copyright_license *texts, license = {};

	if (*name == 0 || copyright->text_count == LISTED_MAX || copyright_text(copyright, name))
		return 0;
	texts = reallocarray(copyright->texts, copyright->text_count + 1, sizeof(*texts));
	if (!texts)
		return -ENOMEM;
	copyright->texts = texts;
	license.name = strdup(name);
	license.text = unfold(text);
	if (!license.name || !license.text) {
		free(license.name);
		free(license.text);
		return -ENOMEM;
	}
	texts[copyright->text_count++] = license;
	return 0;
}

/* The first line of a License field is the licence's name, what follows its text. */
static int take_license(struct copyright *copyright, const struct control *paragraph, char **ret_name)
{
	const char *value = control_get(paragraph, "License");
	size_t length = value ? strcspn(value, "\n") : 0;
	_cleanup_free_ char *name = value ? strndup(value, length) : NULL;
	int r = 0;

	*ret_name = NULL;
	if (!value)
		return 0;
	if (!name)
		return -ENOMEM;
	if (value[length])
		r = add_text(copyright, name, value + length + 1);
	if (r >= 0)
		*ret_name = TAKE_PTR(name);
	return r;
}

static int take_holders(struct copyright *copyright, const char *value)
{
	int r = 0;

	for (const char *line = value; r >= 0 && line && *line;) {
		size_t length = strcspn(line, "\n");
		_cleanup_free_ char *copy = strndup(line, length);

		r = !copy ? -ENOMEM : streq(copy, ".") ? 0 : add_once(&copyright->holders, copy);
		line += length + (line[length] != 0);
	}
	return r;
}

static int take_paragraph(struct copyright *copyright, const struct control *paragraph, bool header)
{
	bool files = control_get(paragraph, "Files") != NULL;
	_cleanup_free_ char *name = NULL;
	int r = take_license(copyright, paragraph, &name);

	if (r >= 0 && name && (files || header))
		r = add_once(&copyright->names, name);
	if (r >= 0 && (files || header))
		r = take_holders(copyright, control_get(paragraph, "Copyright"));
	return r;
}

/* Behind the paragraph that can't be read: the next empty line. */
static void skip_paragraph(const char **at, const char *end)
{
	while (*at < end) {
		const char *newline = memchr(*at, '\n', (size_t)(end - *at));
		const char *line = *at;

		*at = newline ? newline + 1 : end;
		while (line < *at && isspace((unsigned char)*line))
			line++;
		if (line == *at)
			return;
	}
}

/* A header's License is a summary: it counts where no paragraph says more (DEP-5, "Header paragraph"). */
static int take_header(struct copyright *copyright, const struct control *paragraph, struct strv *ret_summary)
{
	int r = take_paragraph(copyright, paragraph, true);

	*ret_summary = copyright->names;
	copyright->names = (struct strv){};
	return r;
}

static int read_paragraphs(const char *at, const char *end, struct copyright *ret)
{
	_cleanup_strv_ struct strv summary = {};
	bool header = true;
	int r = 0;

	while (r >= 0 && at < end) {
		_cleanup_control_ struct control paragraph = {};
		const char *from = at;

		r = control_next(&at, end, "copyright", &paragraph, NULL);
		if (r == -EBADMSG) {
			at = MAX(at, from);
			skip_paragraph(&at, end);
			r = 0;
			continue;
		}
		if (r == 0)
			break;
		if (r > 0)
			r = header ? take_header(ret, &paragraph, &summary)
				   : take_paragraph(ret, &paragraph, false);
		header = false;
	}
	if (r >= 0 && ret->names.count == 0) {
		ret->names = summary;
		summary = (struct strv){};
	}
	return r < 0 ? r : 0;
}

/* ---- Prose ---- */

static bool is_name(char c)
{
	return isalnum((unsigned char)c) || (c != 0 && strchr("-.+", c));
}

static int find_common(const char *text, size_t size, struct strv *ret)
{
	const char *at = text, *end = text + size;
	int r = 0;

	while (r >= 0 && at < end && (at = memmem(at, (size_t)(end - at), COMMON, strlen(COMMON)))) {
		_cleanup_free_ char *name = NULL;
		size_t length = 0;

		at += strlen(COMMON);
		while (at + length < end && is_name(at[length]))
			length++;
		/* A full stop ends the sentence. */
		while (length > 0 && at[length - 1] == '.')
			length--;
		name = strndup(at, length);
		r = name ? add_once(ret, name) : -ENOMEM;
		at += length;
	}
	return r;
}

static int find_out_if_machine_readable(const char *text, size_t size, bool *ret)
{
	_cleanup_control_ struct control header = {};
	const char *at = text, *format;
	int r = control_next(&at, text + size, "copyright", &header, NULL);

	if (r < 0 && r != -EBADMSG)
		return r;
	format = r > 0 ? control_get(&header, "Format") : NULL;
	*ret = format && strstr(format, "copyright-format");
	return 0;
}

int copyright_parse(const char *text, size_t size, struct copyright *ret)
{
	_cleanup_copyright_ struct copyright copyright = {};
	int r;

	size = strnlen(text, MIN(size, COPYRIGHT_MAX));
	r = find_out_if_machine_readable(text, size, &copyright.machine_readable);
	if (r >= 0)
		r = find_common(text, size, &copyright.common);
	if (r >= 0 && copyright.machine_readable)
		r = read_paragraphs(text, text + size, &copyright);
	if (r < 0)
		return r;
	*ret = copyright;
	copyright = (struct copyright){};
	return 0;
}
