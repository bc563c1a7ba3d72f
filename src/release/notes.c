/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "release/notes.h"

#include <errno.h>

#include "format/changelog.h"
#include "format/deb-version.h"
#include "release/changelogs.h"

static void source_release(struct notes_source *source)
{
	free(source->fault);
	strv_release(&source->cves);
}

void notes_release(struct notes *notes)
{
	for (size_t i = 0; i < notes->source_count; i++)
		source_release(&notes->sources[i]);
	free(notes->sources);
	free(notes->packages);
	*notes = (struct notes){};
}

/* ---- Packages ---- */

static bool is_same(const struct package *a, const struct package *b)
{
	return streq(a->version, b->version) && streq(a->source, b->source) &&
	       streq(a->source_version, b->source_version) && streq(a->architecture, b->architecture) &&
	       memcmp(a->sha256, b->sha256, SHA256_SIZE) == 0;
}

/* Both lists are sorted by name: what differs is found by walking them side by side. */
static int compare_packages(struct notes *notes, struct error **err)
{
	static const struct package_list nothing = {};
	const struct package_list *before = notes->before ? &notes->before->packages : &nothing,
				  *after = &notes->after->packages;
	size_t i = 0, j = 0;

	notes->packages = calloc(before->count + after->count + 1, sizeof(*notes->packages));
	if (!notes->packages)
		return error_set_errno(err, -ENOMEM, "notes");
	while (i < before->count || j < after->count) {
		int order = i == before->count	? 1
			    : j == after->count ? -1
						: strcmp(before->items[i].name, after->items[j].name);
		struct notes_package one = {
			.before = order <= 0 ? &before->items[i++] : NULL,
			.after = order >= 0 ? &after->items[j++] : NULL,
		};

		if (!one.before || !one.after || !is_same(one.before, one.after))
			notes->packages[notes->package_count++] = one;
	}
	return 0;
}

/* ---- Sources ---- */

static int compare_sources(const void *a, const void *b)
{
	const struct notes_source *x = a, *y = b;
	int r = strcmp(x->name, y->name);

	if (r == 0)
		r = strcmp(x->before, y->before);
	return r != 0 ? r : strcmp(x->after, y->after);
}

/*
 * What stood for an added package before: of the removed packages of the same source, the newest. A kernel's
 * packages have its version in their names, libraries that of their interface.
 */
static const struct package *find_predecessor(const struct notes *notes, const struct package *added)
{
	const struct package *found = NULL;

	for (size_t i = 0; i < notes->package_count; i++) {
		const struct notes_package *one = &notes->packages[i];

		if (one->after || !streq(one->before->source, added->source))
			continue;
		if (!found || deb_version_compare(one->before->source_version, found->source_version) > 0)
			found = one->before;
	}
	return found;
}

/* Adds the source of a package that was *before* and is *after*, where its version is another. */
static int add_source(struct notes *notes, const struct package *before, const struct package *after)
{
	struct notes_source *source = &notes->sources[notes->source_count];
	bool same_source = streq(before->source, after->source);

	if (same_source && streq(before->source_version, after->source_version))
		return 0;
	*source = (struct notes_source){
		.name = after->source,
		.before = before->source_version,
		.after = after->source_version,
	};
	if (same_source) {
		source->backwards = deb_version_compare(source->before, source->after) > 0;
	} else {
		source->state = NOTES_OTHER_SOURCE;
		source->fault = string_format("%s was built from %s", after->name, before->source);
		if (!source->fault)
			return -ENOMEM;
	}
	for (size_t i = 0; i < notes->source_count; i++)
		if (same_source && notes->sources[i].state != NOTES_OTHER_SOURCE &&
			compare_sources(&notes->sources[i], source) == 0)
			return 0;
	notes->source_count++;
	return 0;
}

static int find_sources(struct notes *notes, struct error **err)
{
	int r = 0;

	notes->sources = calloc(notes->package_count + 1, sizeof(*notes->sources));
	if (!notes->sources)
		return error_set_errno(err, -ENOMEM, "notes");
	for (size_t i = 0; notes->before && r == 0 && i < notes->package_count; i++) {
		const struct notes_package *one = &notes->packages[i];
		const struct package *before = one->before;

		if (one->after && !before)
			before = find_predecessor(notes, one->after);
		if (before && one->after)
			r = add_source(notes, before, one->after);
	}
	if (r < 0)
		return error_set_errno(err, r, "notes");
	qsort(notes->sources, notes->source_count, sizeof(*notes->sources), compare_sources);
	return 0;
}

/* ---- Changelogs ---- */

static int read_entries(struct notes_source *source, const struct buffer *text, struct error **err)
{
	const char *low = source->backwards ? source->after : source->before,
		   *high = source->backwards ? source->before : source->after;
	int r = changelog_cves_between((const char *)text->data, text->size, low, high, &source->cves, err);

	if (r >= 0)
		source->state = r > 0 ? NOTES_READ : NOTES_CUT;
	return MIN(r, 0);
}

/* Takes what *found* of one more package says over, unless an earlier one said something better. */
static void note_failure(
	struct notes_source *source, bool *first, enum notes_changelog found, const char *fault)
{
	if (*first || found < source->state) {
		free(source->fault);
		source->state = found;
		source->fault = fault ? strdup(fault) : NULL;
	}
	*first = false;
}

/* Tries one package of the source: 1 where it is done, 0 where another one may have the changelog. */
static int read_changelog(struct notes_source *source, struct cache *cache, const struct package_list *set,
	const struct package *package, bool *first, struct error **err)
{
	_cleanup_error_ struct error *fault = NULL;
	_cleanup_buffer_ struct buffer text = {};
	int r = changelogs_read(cache, set, package, &text, &fault);

	if (r == 0)
		r = read_entries(source, &text, &fault);
	if (r == -ENOMEM)
		return error_set_errno(err, r, "changelog of %s", package->name);
	if (r == 0)
		return 1;
	strv_release(&source->cves);
	if (r == -ENOENT && !fault)
		note_failure(source, first, NOTES_NOT_AT_HAND, NULL);
	else if (r == -ENODATA && !fault)
		note_failure(source, first, NOTES_MISSING, NULL);
	else
		note_failure(source, first, NOTES_UNREADABLE, error_message(fault));
	return 0;
}

/* Of the packages that were built from the newer version, the first that has the changelog tells it. */
static int read_source(
	const struct notes *notes, struct notes_source *source, struct cache *cache, struct error **err)
{
	const struct package_list *set =
		source->backwards ? &notes->before->packages : &notes->after->packages;
	const char *version = source->backwards ? source->before : source->after;
	bool first = true;
	int r = 0;

	for (size_t i = 0; r == 0 && i < set->count; i++)
		if (streq(set->items[i].source, source->name) && streq(set->items[i].source_version, version))
			r = read_changelog(source, cache, set, &set->items[i], &first, err);
	return r < 0 ? r : 0;
}

int notes_compare(const struct notes_input *input, struct notes *ret, struct error **err)
{
	_cleanup_notes_ struct notes notes = {.before = input->before, .after = input->after};
	_cleanup_cache_ struct cache *cache = NULL;
	int r = compare_packages(&notes, err);

	if (r == 0)
		r = find_sources(&notes, err);
	/* Opening would make it. */
	if (r == 0 && notes.source_count > 0 && input->cache && access(input->cache, F_OK) == 0)
		r = cache_open(input->cache, &cache, err);
	for (size_t i = 0; r == 0 && i < notes.source_count; i++)
		if (notes.sources[i].state != NOTES_OTHER_SOURCE)
			r = read_source(&notes, &notes.sources[i], cache, err);
	if (r < 0)
		return r;
	*ret = notes;
	notes = (struct notes){};
	return 0;
}

int notes_write(const struct notes_input *input, struct buffer *ret_markdown, struct error **err)
{
	_cleanup_notes_ struct notes notes = {};
	int r = notes_compare(input, &notes, err);

	return r < 0 ? r : notes_markdown(&notes, ret_markdown, err);
}
