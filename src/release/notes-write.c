/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>

#include "base/encoding.h"
#include "format/json-text.h"
#include "release/notes.h"

#define TEXT_WIDTH 100 /* columns */
#define COLUMNS_MAX 4

/*
 * Both texts are tables under titles. A table's cells come row by row, the header first; a column of names is
 * code in Markdown.
 */
struct table {
	const char *title; /* NULL: none */
	const char *about; /* a sentence below it, NULL: none */
	size_t columns;
	unsigned code; /* bit N: column N has names */
	struct strv cells;
};

static void table_release(struct table *table)
{
	strv_release(&table->cells);
}
#define _cleanup_table_ _cleanup_(table_release)

static size_t table_rows(const struct table *table)
{
	assert(table->columns > 0); /* its header is there */
	return table->cells.count / table->columns;
}

static const char *const texts_of_states[] = {
	[NOTES_READ] = "read",
	[NOTES_CUT] = "does not reach back to the older version",
	[NOTES_NOT_AT_HAND] = "not at hand",
	[NOTES_UNREADABLE] = "can't be read",
	[NOTES_MISSING] = "not in its packages",
	[NOTES_OTHER_SOURCE] = "of another source",
};

/* ---- What the tables hold ---- */

static int add_row(struct table *table, const char *a, const char *b, const char *c, const char *d)
{
	const char *const cells[COLUMNS_MAX] = {a, b, c, d};
	int r = 0;

	for (size_t i = 0; r == 0 && i < table->columns; i++)
		r = strv_add(&table->cells, cells[i] ? cells[i] : "");
	return r;
}

#define OTHER_IMAGE "another image"

static void size_text(uint64_t bytes, char ret[SIZE_TEXT_MAX + 32])
{
	char rounded[SIZE_TEXT_MAX];

	(void)snprintf(ret, SIZE_TEXT_MAX + 32, "%s (%" PRIu64 ")", format_size(bytes, rounded), bytes);
}

/* *other*: the bytes are not the same, of whatever size. */
static void change_text(uint64_t before, uint64_t after, bool other, char ret[SIZE_TEXT_MAX + 32])
{
	char rounded[SIZE_TEXT_MAX];

	if (before == after)
		(void)snprintf(ret, SIZE_TEXT_MAX + 32, other ? OTHER_IMAGE : "none");
	else
		(void)snprintf(ret, SIZE_TEXT_MAX + 32, "%c%s", after > before ? '+' : '-',
			format_size(after > before ? after - before : before - after, rounded));
}

/* *before* is NULL where there is nothing to compare with. */
static int add_size(struct table *table, const char *what, const uint64_t *before, uint64_t after, bool other)
{
	char sizes[2][SIZE_TEXT_MAX + 32], change[SIZE_TEXT_MAX + 32];

	size_text(after, sizes[1]);
	if (!before)
		return add_row(table, what, sizes[1], NULL, NULL);
	size_text(*before, sizes[0]);
	change_text(*before, after, other, change);
	return add_row(table, what, sizes[0], sizes[1], change);
}

static int add_summary(const struct notes *notes, struct table *table)
{
	const struct release_manifest *before = notes->before, *after = notes->after;
	char counts[2][32], change[48];
	int r;

	if (!before) {
		table->columns = 2;
		r = add_row(table, "", after->version, NULL, NULL);
		return r < 0 ? r : add_row(table, "kernel", after->kernel, NULL, NULL);
	}
	table->columns = 4;
	r = add_row(table, "", before->version, after->version, "change");
	if (r == 0)
		r = add_row(table, "kernel", before->kernel, after->kernel,
			streq(before->kernel, after->kernel) ? "none" : "another version");
	(void)snprintf(counts[0], sizeof(counts[0]), "%zu", before->packages.count);
	(void)snprintf(counts[1], sizeof(counts[1]), "%zu", after->packages.count);
	(void)snprintf(change, sizeof(change), "%zu", notes->package_count);
	if (r == 0)
		r = add_row(
			table, "packages", counts[0], counts[1], notes->package_count > 0 ? change : "none");
	return r;
}

#define ROOT_DIGITS 16 /* that are shown: enough to tell two images apart */

static int add_root(struct table *table, const uint8_t *before, const uint8_t *after)
{
	char texts[2][ROOT_DIGITS + sizeof("...")];

	hex_encode(before, ROOT_DIGITS / 2, texts[0]);
	hex_encode(after, ROOT_DIGITS / 2, texts[1]);
	for (size_t i = 0; i < 2; i++)
		memcpy(texts[i] + ROOT_DIGITS, "...", sizeof("..."));
	return add_row(table, "root hash of /usr", texts[0], texts[1],
		memcmp(before, after, SHA256_SIZE) == 0 ? "none" : OTHER_IMAGE);
}

static bool is_other_kernel_image(const struct release_manifest *before, const struct release_manifest *after)
{
	const struct release_output *a = release_manifest_output(before, "uki"),
				    *b = release_manifest_output(after, "uki");

	return a && b && !release_output_is_same(a, b);
}

/* Versions, kernel, sizes. */
static int summary_table(const struct notes *notes, struct table *ret)
{
	const struct release_manifest *after = notes->after, *before = notes->before ? notes->before : after;
	bool compare = notes->before != NULL;
	int r = add_summary(notes, ret);

	if (r == 0)
		r = add_size(ret, "image of /usr (bytes)", compare ? &before->usr_size : NULL,
			after->usr_size, memcmp(before->root_hash, after->root_hash, SHA256_SIZE) != 0);
	if (r == 0)
		r = add_size(ret, "kernel image (bytes)", compare ? &before->uki_size : NULL, after->uki_size,
			is_other_kernel_image(before, after));
	return r < 0 ? r : add_root(ret, before->root_hash, after->root_hash);
}

/* Binary packages: changed where both are wanted, else added or removed. */
static int packages_table(const struct notes *notes, bool in_before, bool in_after, struct table *ret)
{
	int r;

	ret->columns = in_before && in_after ? 3 : 2;
	ret->code = 7;
	r = in_before && in_after ? add_row(ret, "package", "before", "after", NULL)
				  : add_row(ret, "package", "version", NULL, NULL);
	for (size_t i = 0; r == 0 && i < notes->package_count; i++) {
		const struct package *before = notes->packages[i].before, *after = notes->packages[i].after;
		_cleanup_free_ char *same = NULL;

		if ((before != NULL) != in_before || (after != NULL) != in_after)
			continue;
		if (!before || !after) {
			r = add_row(ret, before ? before->name : after->name,
				before ? before->version : after->version, NULL, NULL);
			continue;
		}
		if (streq(before->version, after->version))
			same = string_format("%s (another build)", after->version);
		r = add_row(ret, after->name, before->version, same ? same : after->version, NULL);
	}
	return r;
}

static char *join(const struct strv *list)
{
	_cleanup_buffer_ struct buffer text = {};

	for (size_t i = 0; i < list->count; i++)
		buffer_printf(&text, "%s%s", i > 0 ? " " : "", list->items[i]);
	return buffer_take(&text, NULL);
}

static int cves_table(const struct notes *notes, bool backwards, struct table *ret)
{
	int r;

	ret->columns = 4;
	ret->code = 7;
	r = add_row(ret, "source package", "before", "after", "CVE ids");
	for (size_t i = 0; r == 0 && i < notes->source_count; i++) {
		const struct notes_source *source = &notes->sources[i];
		_cleanup_free_ char *ids = NULL;

		if (source->backwards != backwards || source->cves.count == 0)
			continue;
		ids = join(&source->cves);
		r = ids ? add_row(ret, source->name, source->before, source->after, ids) : -ENOMEM;
	}
	return r;
}

static int unread_table(const struct notes *notes, struct table *ret)
{
	int r;

	ret->columns = 4;
	ret->code = 7;
	r = add_row(ret, "source package", "before", "after", "changelog");
	for (size_t i = 0; r == 0 && i < notes->source_count; i++) {
		const struct notes_source *source = &notes->sources[i];
		_cleanup_free_ char *why = NULL;

		if (source->state == NOTES_READ)
			continue;
		why = string_format("%s%s%s", texts_of_states[source->state], source->fault ? ": " : "",
			source->fault ? source->fault : "");
		r = why ? add_row(ret, source->name, source->before, source->after, why) : -ENOMEM;
	}
	return r;
}

/* ---- How they are written ---- */

typedef void (*table_writer)(const struct table *table, struct buffer *ret);

/* What could be more than text in a cell: table borders, tags, links and emphasis. */
static void put_markdown(const char *text, bool code, struct buffer *ret)
{
	if (*text == 0)
		return;
	if (code)
		buffer_append_u8(ret, '`');
	for (; *text; text++) {
		if (!code && strchr("\\`*_{}[]<>|~#", *text))
			buffer_append_u8(ret, '\\');
		buffer_append_u8(ret, (uint8_t)*text < ' ' || *text == 0x7f ? '?' : (uint8_t)*text);
	}
	if (code)
		buffer_append_u8(ret, '`');
}

static void write_markdown_table(const struct table *table, struct buffer *ret)
{
	if (table->title)
		buffer_printf(ret, "\n## %s\n", table->title);
	if (table_rows(table) < 2) {
		buffer_append_string(ret, "\nNone.\n");
		return;
	}
	if (table->about)
		buffer_printf(ret, "\n%s\n", table->about);
	buffer_append_u8(ret, '\n');
	for (size_t i = 0; i < table->cells.count; i++) {
		size_t column = i % table->columns;

		buffer_append_string(ret, column == 0 ? "| " : " | ");
		put_markdown(table->cells.items[i], i >= table->columns && (table->code >> column & 1), ret);
		if (column + 1 < table->columns)
			continue;
		buffer_append_string(ret, " |\n");
		for (size_t j = 0; i < table->columns && j < table->columns; j++)
			buffer_append_string(ret, j + 1 < table->columns ? "|---" : "|---|\n");
	}
}

/* The text from column *from* on, words that do not fit on lines of their own below. */
static void put_wrapped(const char *text, size_t from, struct buffer *ret)
{
	size_t room = TEXT_WIDTH > from + 20 ? TEXT_WIDTH - from : 20, used = 0;

	while (*text) {
		size_t length = strcspn(text, " ");

		if (used > 0 && used + 1 + length > room) {
			buffer_printf(ret, "\n%*s", (int)from, "");
			used = 0;
		} else if (used > 0) {
			buffer_append_u8(ret, ' ');
			used++;
		}
		for (size_t i = 0; i < length; i++)
			buffer_append_u8(
				ret, (uint8_t)text[i] < ' ' || text[i] == 0x7f ? '?' : (uint8_t)text[i]);
		used += length;
		text += length + (text[length] == ' ');
	}
}

static void write_text_table(const struct table *table, struct buffer *ret)
{
	size_t widths[COLUMNS_MAX] = {};

	if (table_rows(table) < 2)
		return;
	if (table->title)
		buffer_printf(ret, "\n%s (%zu)\n", table->title, table_rows(table) - 1);
	else
		buffer_append_u8(ret, '\n');
	for (size_t i = 0; i < table->cells.count; i++)
		widths[i % table->columns] = MAX(widths[i % table->columns], strlen(table->cells.items[i]));
	for (size_t i = 0, from = 0; i < table->cells.count; i++) {
		size_t column = i % table->columns;
		const char *cell = table->cells.items[i];

		if (column == 0)
			from = 2, buffer_append_string(ret, "  ");
		if (column + 1 < table->columns) {
			buffer_printf(ret, "%-*s  ", (int)widths[column], cell);
			from += widths[column] + 2;
		} else {
			put_wrapped(cell, from, ret);
			buffer_append_u8(ret, '\n');
		}
	}
}

/* All tables behind the summary. */
static int write_tables(const struct notes *notes, table_writer write, struct buffer *ret)
{
	_cleanup_table_ struct table
		changed = {.title = "Packages changed"},
		added = {.title = "Packages added"}, removed = {.title = "Packages removed"},
		fixed = {.title = "CVEs fixed",
			.about = "What the changelogs name between the two versions."},
		lost = {.title = "CVEs no longer fixed",
			.about = "What the newer changelog names of packages that went back "
				 "to an older version."},
		unread = {.title = "Changelogs that tell less",
			.about = "What they name is missing above, or may be."};
	int r = packages_table(notes, true, true, &changed);

	if (r == 0)
		r = packages_table(notes, false, true, &added);
	if (r == 0)
		r = packages_table(notes, true, false, &removed);
	if (r == 0)
		r = cves_table(notes, false, &fixed);
	if (r == 0)
		r = cves_table(notes, true, &lost);
	if (r == 0)
		r = unread_table(notes, &unread);
	if (r < 0)
		return r;
	if (notes->before)
		write(&changed, ret);
	if (!notes->before)
		added.title = "Packages";
	write(&added, ret);
	if (!notes->before)
		return 0;
	write(&removed, ret);
	write(&fixed, ret);
	if (table_rows(&lost) > 1)
		write(&lost, ret);
	if (table_rows(&unread) > 1)
		write(&unread, ret);
	return 0;
}

static int write_notes(const struct notes *notes, table_writer write, struct buffer *ret, struct error **err)
{
	_cleanup_table_ struct table summary = {};
	int r = summary_table(notes, &summary);

	if (r == 0) {
		write(&summary, ret);
		r = write_tables(notes, write, ret);
	}
	if (r == 0 && buffer_failed(ret))
		r = -ENOMEM;
	return r < 0 ? error_set_errno(err, r, "notes") : 0;
}

/* What the title calls the older release: only its version, unless the two are not of one kind. */
static void put_compared(const struct notes *notes, struct buffer *ret)
{
	const struct release_manifest *before = notes->before, *after = notes->after;

	if (streq(before->edition, after->edition) && streq(before->architecture, after->architecture))
		buffer_printf(ret, "%s", before->version);
	else
		buffer_printf(ret, "%s %s for %s", before->edition, before->version, before->architecture);
}

int notes_markdown(const struct notes *notes, struct buffer *ret, struct error **err)
{
	const struct release_manifest *after = notes->after;

	buffer_append_string(ret, "# ");
	put_markdown(after->edition, false, ret);
	buffer_append_u8(ret, ' ');
	put_markdown(after->version, false, ret);
	buffer_append_string(ret, " for ");
	put_markdown(after->architecture, false, ret);
	buffer_append_string(ret, "\n\n");
	if (notes->before) {
		_cleanup_buffer_ struct buffer compared = {};

		put_compared(notes, &compared);
		buffer_append_u8(&compared, 0);
		if (buffer_failed(&compared))
			return error_set_errno(err, -ENOMEM, "notes");
		buffer_append_string(ret, "Compared with ");
		put_markdown((const char *)compared.data, false, ret);
		buffer_append_string(ret, ".\n");
	} else {
		buffer_append_string(ret, "There is no release before it to compare with.\n");
	}
	return write_notes(notes, write_markdown_table, ret, err);
}

int notes_text(const struct notes *notes, struct buffer *ret, struct error **err)
{
	const struct release_manifest *after = notes->after;

	buffer_printf(ret, "%s %s for %s", after->edition, after->version, after->architecture);
	if (notes->before) {
		buffer_append_string(ret, ", compared with ");
		put_compared(notes, ret);
	}
	buffer_append_u8(ret, '\n');
	return write_notes(notes, write_text_table, ret, err);
}

/* ---- JSON ---- */

static json_t *manifest_json(const struct release_manifest *manifest)
{
	char root[SHA256_HEX_SIZE], certificate[SHA256_HEX_SIZE];

	hex_encode(manifest->root_hash, SHA256_SIZE, root);
	hex_encode(manifest->certificate, SHA256_SIZE, certificate);
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:s*, s:s*}", "edition", manifest->edition,
		"architecture", manifest->architecture, "version", manifest->version, "kernel",
		manifest->kernel, "root_hash", root, "usr_size", (json_int_t)manifest->usr_size, "uki_size",
		(json_int_t)manifest->uki_size, "command_line", manifest->command_line, "certificate_sha256",
		manifest->has_certificate ? certificate : NULL);
}

static json_t *package_json(const struct package *package)
{
	return json_pack("{s:s, s:s, s:s, s:s}", "name", package->name, "version", package->version, "source",
		package->source, "source_version", package->source_version);
}

static json_t *change_json(const struct notes_package *one)
{
	const struct package *before = one->before, *after = one->after;

	if (!before || !after)
		return package_json(before ? before : after);
	return json_pack("{s:s, s:o, s:o}", "name", after->name, "before", package_json(before), "after",
		package_json(after));
}

static int append(json_t *list, json_t *item)
{
	return json_array_append_new(list, item) < 0 ? -ENOMEM : 0;
}

static json_t *packages_json(const struct notes *notes, bool in_before, bool in_after)
{
	json_t *list = json_array();
	int r = list ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < notes->package_count; i++)
		if ((notes->packages[i].before != NULL) == in_before &&
			(notes->packages[i].after != NULL) == in_after)
			r = append(list, change_json(&notes->packages[i]));
	if (r == 0)
		return list;
	json_decref(list);
	return NULL;
}

static json_t *strings_json(const struct strv *strings)
{
	json_t *list = json_array();
	int r = list ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < strings->count; i++)
		r = append(list, json_string(strings->items[i]));
	if (r == 0)
		return list;
	json_decref(list);
	return NULL;
}

static json_t *source_json(const struct notes_source *source)
{
	static const char *const states[] = {
		[NOTES_READ] = "read",
		[NOTES_CUT] = "cut",
		[NOTES_NOT_AT_HAND] = "not-at-hand",
		[NOTES_UNREADABLE] = "unreadable",
		[NOTES_MISSING] = "missing",
		[NOTES_OTHER_SOURCE] = "other-source",
	};

	return json_pack("{s:s, s:s, s:s, s:b, s:s, s:o*, s:o}", "name", source->name, "before",
		source->before, "after", source->after, "backwards", source->backwards, "changelog",
		states[source->state], "fault", source->fault ? json_text(source->fault) : NULL, "cves",
		strings_json(&source->cves));
}

static json_t *sources_json(const struct notes *notes)
{
	json_t *list = json_array();
	int r = list ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < notes->source_count; i++)
		r = append(list, source_json(&notes->sources[i]));
	if (r == 0)
		return list;
	json_decref(list);
	return NULL;
}

json_t *notes_json(const struct notes *notes)
{
	json_t *before = notes->before ? manifest_json(notes->before) : json_null();

	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "before", before, "after",
		manifest_json(notes->after), "packages_changed", packages_json(notes, true, true),
		"packages_added", packages_json(notes, false, true), "packages_removed",
		packages_json(notes, true, false), "sources", sources_json(notes));
}
