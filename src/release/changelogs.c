/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "release/changelogs.h"

#include <assert.h>
#include <errno.h>

#include "base/file.h"
#include "base/string-util.h"
#include "format/changelog.h"
#include "format/deb.h"

#define DOCS "usr/share/doc/"
#define LINKS_MAX 8
#define DEB_MAX GiB(1) /* bytes */

static unsigned is_document(const char *path, mode_t mode, void *userdata)
{
	(void)mode;
	(void)userdata;
	return startswith(path, DOCS) ? DEB_KEEP : 0;
}

/* Where packages are, and the one that was read last. */
struct reader {
	struct cache *cache; /* may be NULL */
	const struct package_list *set;
	const struct package *package; /* whose *deb* is; NULL: of none */
	struct deb deb;
};

static void reader_release(struct reader *reader)
{
	deb_release(&reader->deb);
}
#define _cleanup_reader_ _cleanup_(reader_release)

/* Reads the documents of a package: 0, or -ENOENT without *err* where it is not in the cache. */
static int read_package(struct reader *reader, const struct package *package, struct error **err)
{
	_cleanup_free_ char *path = NULL, *data = NULL;
	size_t size;
	int r = -ENOENT;

	if (reader->package == package)
		return 0;
	deb_release(&reader->deb);
	reader->package = NULL;
	if (reader->cache)
		r = cache_object_path(reader->cache, package->sha256, &path, err);

	if (r < 0)
		return r;
	r = cache_object_check(path, package->sha256, package->size, err);
	if (r != CACHE_WHOLE)
		return r < 0 ? r : -ENOENT;
	r = file_read(path, DEB_MAX, &data, &size, err);
	if (r == 0)
		r = deb_read(data, size, package->name, is_document, NULL, &reader->deb, err);
	if (r == 0)
		reader->package = package;
	return r;
}

static const struct deb_entry *find_entry(const struct deb *deb, const char *path)
{
	for (size_t i = 0; i < deb->entry_count; i++)
		if (streq(deb->entries[i].path, path))
			return &deb->entries[i];
	return NULL;
}

/*
 * The path that a link in *folder* ("usr/share/doc") leads to, from the root and without "." and ".."; NULL
 * where memory is out. What would lead out of the root leads to it, as in a file system.
 */
static char *resolve(const char *folder, const char *target)
{
	_cleanup_free_ char *path =
		target[0] == '/' ? strdup(target) : string_format("%s/%s", folder, target);
	size_t length = 0;
	char *ret;

	ret = path ? calloc(1, strlen(path) + 1) : NULL;
	for (const char *at = path; ret && *at;) {
		size_t size = strcspn(at, "/");

		if (size == 2 && strncmp(at, "..", 2) == 0) {
			while (length > 0 && ret[--length] != '/')
				;
		} else if (size > 0 && !(size == 1 && *at == '.')) {
			if (length > 0)
				ret[length++] = '/';
			memcpy(ret + length, at, size);
			length += size;
		}
		ret[length] = 0;
		at += size + (at[size] == '/');
	}
	return ret;
}

/* Where one file is looked for: a path within the documents, and the package whose it is. */
struct search {
	char *path;
	const struct package *package;
};

/* The package NAME that "usr/share/doc/NAME/FILE" belongs to: 0, -ENODATA where it is no such path, or there
 * is none in the set. */
static int search_owner(struct search *search, const struct package_list *set)
{
	const char *name = startswith(search->path, DOCS), *slash = name ? strchr(name, '/') : NULL;
	_cleanup_free_ char *copy = NULL;

	if (!slash || strchr(slash + 1, '/'))
		return -ENODATA;
	copy = strndup(name, (size_t)(slash - name));
	if (!copy)
		return -ENOMEM;
	search->package = package_list_find(set, copy);
	return search->package ? 0 : -ENODATA;
}

/* Puts where a link at *folder* or in it leads in the path's place. 0 or -ENOMEM. */
static int search_follow(struct search *search, const char *folder, const char *target, const char *file)
{
	_cleanup_free_ char *to = resolve(folder, target);
	char *path = to ? string_format("%s%s%s", to, file ? "/" : "", file ? file : "") : NULL;

	if (!path)
		return -ENOMEM;
	free(search->path);
	search->path = path;
	return 0;
}

/* Looks into one package: 1 where *ret* is the file, 0 where a link was followed, -ENODATA where nothing is
 * there. */
static int search_step(struct search *search, const struct deb *deb, const struct deb_entry **ret)
{
	_cleanup_free_ char *folder = strdup(search->path);
	const struct deb_entry *entry;
	char *file;

	if (!folder)
		return -ENOMEM;
	file = strrchr(folder, '/');
	*file++ = 0;
	entry = find_entry(deb, folder);
	if (entry && S_ISLNK(entry->mode))
		return search_follow(search, "usr/share/doc", entry->target, file);
	entry = find_entry(deb, search->path);
	if (!entry)
		return -ENODATA;
	if (S_ISLNK(entry->mode))
		return search_follow(search, folder, entry->target, NULL);
	if (entry->existing)
		entry = &deb->entries[entry->existing_index];
	*ret = entry;
	return entry->content ? 1 : -ENODATA;
}

static int unpack(const struct deb_entry *entry, struct buffer *ret, struct error **err)
{
	const uint8_t *data = content_data(entry->content);
	size_t size = content_size(entry->content);

	if (endswith(entry->path, ".gz"))
		return changelog_unpack(data, size, ret, err);
	buffer_append(ret, data, size);
	return buffer_failed(ret) ? error_set_errno(err, -ENOMEM, "changelog") : 0;
}

/* The file of that name in the folder of *package*. */
static int find_file(struct reader *reader, const struct package *package, const char *name,
	struct buffer *ret, struct error **err)
{
	struct search search = {.path = string_format(DOCS "%s/%s", package->name, name)};
	const struct deb_entry *entry = NULL;
	int r = search.path ? 0 : -ENOMEM;

	for (unsigned i = 0; r == 0 && i < LINKS_MAX; i++) {
		r = search_owner(&search, reader->set);
		if (r == 0)
			r = read_package(reader, search.package, err);
		if (r == 0)
			r = search_step(&search, &reader->deb, &entry);
	}
	free(search.path);
	if (r == 0)
		return -ENODATA; /* still links */
	if (r < 0)
		return r;
	assert(entry);
	return unpack(entry, ret, err);
}

/* Whether the text is the changelog of a source package, and not the upstream authors' own. */
static bool is_changelog_of(const struct buffer *text, const char *source)
{
	const char *at = (const char *)text->data;
	struct changelog_entry entry;

	return text->size > 0 && changelog_next(&at, at + text->size, &entry, NULL) > 0 &&
	       streq(entry.source, source);
}

int changelogs_read(struct cache *cache, const struct package_list *set, const struct package *package,
	struct buffer *ret, struct error **err)
{
	static const char *const debian[] = {"changelog.Debian.gz", "changelog.Debian"};
	static const char *const native[] = {"changelog.gz", "changelog"};
	_cleanup_reader_ struct reader reader = {.cache = cache, .set = set};
	int r = -ENODATA;

	for (size_t i = 0; r == -ENODATA && i < ARRAY_SIZE(debian); i++)
		r = find_file(&reader, package, debian[i], ret, err);
	/* Packages made for Debian alone have theirs where others have that of the upstream authors (Debian
	 * Policy, 12.7). */
	for (size_t i = 0; r == -ENODATA && i < ARRAY_SIZE(native); i++) {
		_cleanup_buffer_ struct buffer text = {};

		r = find_file(&reader, package, native[i], &text, err);
		if (r == 0 && is_changelog_of(&text, package->source))
			buffer_append(ret, text.data, text.size);
		else if (r == 0)
			r = -ENODATA;
	}
	if (r == 0 && buffer_failed(ret))
		r = -ENOMEM;
	return r;
}
