/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/changelog.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <zlib.h>

#include "format/deb-version.h"

#define GZIP_WINDOW (15 + 16) /* zlib: largest window, gzip header */
#define STEP KiB(64)

/* ---- Entries ---- */

static const char *line_end(const char *at, const char *end)
{
	const char *newline = memchr(at, '\n', (size_t)(end - at));

	return newline ? newline : end;
}

static bool is_word(char c, const char *others)
{
	return isascii(c) && (isalnum((unsigned char)c) || (c != 0 && strchr(others, c)));
}

/* Copies what consists of letters, digits and *others* and returns what is behind; NULL where that is nothing
 * or too much. */
static const char *take_word(
	const char *at, const char *end, const char *others, char ret[CHANGELOG_WORD_MAX + 1])
{
	const char *from = at;

	while (at < end && is_word(*at, others))
		at++;
	if (at == from || at - from > CHANGELOG_WORD_MAX)
		return NULL;
	memcpy(ret, from, (size_t)(at - from));
	ret[at - from] = 0;
	return at;
}

/*
 * "package (version) distribution distribution; key=value, …". A text that has only the shape of the first
 * two is a sentence of somebody's.
 */
static bool is_heading(const char *at, const char *end, struct changelog_entry *ret)
{
	at = take_word(at, end, "+-._", ret->source);
	if (!at || end - at < 2 || at[0] != ' ' || at[1] != '(')
		return false;
	at = take_word(at + 2, end, "+-.:~_", ret->version);
	if (!at || end - at < 2 || at[0] != ')' || !isspace((unsigned char)at[1]))
		return false;
	at++;
	while (at < end && (isspace((unsigned char)*at) || is_word(*at, "+-._")))
		at++;
	return at < end && *at == ';';
}

/* What dpkg, too, passes over: comments, what editors and version control look for. */
static bool is_ignored(const char *at, const char *end)
{
	static const char *const beginnings[] = {"#", "/*", "Local variables:", "vim:", "$", ";;"};

	while (at < end && isspace((unsigned char)*at))
		at++;
	for (size_t i = 0; i < ARRAY_SIZE(beginnings); i++) {
		size_t length = strlen(beginnings[i]);

		if ((size_t)(end - at) >= length && strncasecmp(at, beginnings[i], length) == 0)
			return true;
	}
	return at == end;
}

int changelog_next(const char **at, const char *end, struct changelog_entry *ret, struct error **err)
{
	const char *line = *at, *stop;
	struct changelog_entry next;

	for (;; line = stop + 1) {
		if (line >= end) {
			*at = end;
			return 0;
		}
		stop = line_end(line, end);
		if (is_heading(line, stop, ret))
			break;
		if (!is_ignored(line, stop))
			return error_set(err, -EBADMSG,
				"this is no Debian changelog: no heading where one is "
				"expected");
	}
	ret->text = line;
	do
		line = stop < end ? stop + 1 : end;
	while (line < end && !is_heading(line, stop = line_end(line, end), &next));
	ret->size = (size_t)(line - ret->text);
	*at = line;
	return 1;
}

/* ---- CVE ids ---- */

static size_t digits_at(const char *at, const char *end)
{
	size_t length = 0;

	while (at + length < end && isdigit((unsigned char)at[length]))
		length++;
	return length;
}

static bool take_cve(const char *at, const char *end, char ret[CHANGELOG_CVE_SIZE])
{
	static const char prefix[] = "CVE-";
	const size_t head = sizeof(prefix) - 1 + 4 + 1; /* "CVE-2026-" */
	size_t digits;

	if ((size_t)(end - at) <= head || strncasecmp(at, prefix, sizeof(prefix) - 1) != 0 ||
		digits_at(at + sizeof(prefix) - 1, end) != 4 || at[head - 1] != '-')
		return false;
	digits = digits_at(at + head, end);
	if (digits < 4 || digits > CHANGELOG_CVE_DIGITS)
		return false;
	memcpy(ret, prefix, sizeof(prefix) - 1);
	memcpy(ret + sizeof(prefix) - 1, at + sizeof(prefix) - 1, head + digits - (sizeof(prefix) - 1));
	ret[head + digits] = 0;
	return true;
}

bool changelog_next_cve(const char **at, const char *end, char ret[CHANGELOG_CVE_SIZE])
{
	const char *from = *at;

	for (const char *here = from; here < end; here++) {
		if ((*here != 'C' && *here != 'c') || (here > from && isalnum((unsigned char)here[-1])) ||
			!take_cve(here, end, ret))
			continue;
		*at = here + strlen(ret);
		return true;
	}
	*at = end;
	return false;
}

int changelog_collect_cves(const struct changelog_entry *entry, struct strv *ret)
{
	const char *at = entry->text;
	char id[CHANGELOG_CVE_SIZE];
	int r = 0;

	while (r == 0 && changelog_next_cve(&at, entry->text + entry->size, id))
		r = strv_add(ret, id);
	return r;
}

/* By year, then by number: the longer one is the larger. */
static int compare_cves(const void *a, const void *b)
{
	const char *x = *(const char *const *)a, *y = *(const char *const *)b;
	int r = strncmp(x, y, strlen("CVE-2026-"));

	if (r == 0)
		r = (int)strlen(x) - (int)strlen(y);
	return r != 0 ? r : strcmp(x, y);
}

void changelog_sort_cves(struct strv *cves)
{
	size_t kept = 0;

	if (cves->count == 0)
		return;
	qsort(cves->items, cves->count, sizeof(*cves->items), compare_cves);
	for (size_t i = 0; i < cves->count; i++) {
		if (kept > 0 && streq(cves->items[kept - 1], cves->items[i]))
			free(cves->items[i]);
		else
			cves->items[kept++] = cves->items[i];
	}
	cves->items[kept] = NULL;
	cves->count = kept;
}

/* Writes the version that a backport is made of, of any other its own (Developer's Reference, 5.8.5.4 and
 * 5.11.3). Versions of entries have a bound, those of packages none: one that is longer has no entry. */
static void origin_of(const char *version, char ret[CHANGELOG_WORD_MAX + 1])
{
	const char *mark = strrchr(version, '~');
	size_t length = strlen(version);

	if (mark && (startswith(mark, "~deb") || startswith(mark, "~bpo")) &&
		isdigit((unsigned char)mark[strlen("~deb")]))
		length = (size_t)(mark - version);
	(void)snprintf(
		ret, CHANGELOG_WORD_MAX + 1, "%.*s", (int)MIN(length, (size_t)CHANGELOG_WORD_MAX), version);
}

int changelog_cves_between(const char *text, size_t size, const char *before, const char *after,
	struct strv *ret, struct error **err)
{
	char known[CHANGELOG_WORD_MAX + 1], origin[CHANGELOG_WORD_MAX + 1];
	const char *at = text, *end = text + size;
	struct changelog_entry entry;
	int r, reached = 0;

	origin_of(before, known);
	origin_of(after, origin);
	while ((r = changelog_next(&at, end, &entry, err)) > 0) {
		if (deb_version_compare(entry.version, before) <= 0 ||
			deb_version_compare(entry.version, known) == 0)
			reached = 1;
		else if (deb_version_compare(entry.version, after) <= 0 ||
			 deb_version_compare(entry.version, origin) == 0)
			r = changelog_collect_cves(&entry, ret);
		if (r < 0)
			return error_set_errno(err, r, "changelog");
	}
	changelog_sort_cves(ret);
	return r < 0 ? r : reached;
}

/* ---- Unpacking ---- */

static int unpack_member(z_stream *stream, struct buffer *ret, struct error **err)
{
	int r = Z_OK;

	while (r != Z_STREAM_END) {
		uint8_t *room = buffer_extend(ret, STEP);

		if (!room)
			return error_set_errno(err, -ENOMEM, "changelog");
		stream->next_out = room;
		stream->avail_out = STEP;
		r = inflate(stream, Z_NO_FLUSH);
		ret->size -= stream->avail_out;
		if (r == Z_MEM_ERROR)
			return error_set_errno(err, -ENOMEM, "changelog");
		/* Z_BUF_ERROR: the data ended before the stream did. */
		if (r != Z_OK && r != Z_STREAM_END)
			return error_set(err, -EBADMSG, "not compressed with gzip, or damaged");
		if (ret->size > CHANGELOG_MAX)
			return error_set(
				err, -EFBIG, "unpacks to more than %ju bytes", (uintmax_t)CHANGELOG_MAX);
	}
	return 0;
}

int changelog_unpack(const void *data, size_t size, struct buffer *ret, struct error **err)
{
	z_stream stream = {.next_in = (void *)data, .avail_in = (uInt)size};
	int r;

	if (size > CHANGELOG_MAX)
		return error_set(err, -EFBIG, "larger than %ju bytes", (uintmax_t)CHANGELOG_MAX);
	if (inflateInit2(&stream, GZIP_WINDOW) != Z_OK)
		return error_set_errno(err, -ENOMEM, "changelog");
	do {
		r = unpack_member(&stream, ret, err);
		if (r == 0 && stream.avail_in > 0 && inflateReset(&stream) != Z_OK)
			r = error_set_errno(err, -ENOMEM, "changelog");
	} while (r == 0 && stream.avail_in > 0);
	(void)inflateEnd(&stream);
	return r;
}
