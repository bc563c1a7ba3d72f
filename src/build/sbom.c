/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "build/sbom.h"

#include <errno.h>

#include "base/work.h"
#include "build/sbom-part.h"
#include "format/changelog.h"

#define DOCS "usr/share/doc/"
#define LINKS_MAX 8
#define FILES_AT_ONCE 32

void sbom_release(struct sbom *sbom)
{
	for (size_t i = 0; i < sbom->package_count; i++) {
		copyright_release(&sbom->packages[i].copyright);
		free(sbom->packages[i].license);
	}
	for (size_t i = 0; i < sbom->source_count; i++)
		strv_release(&sbom->sources[i].cves);
	for (size_t i = 0; i < sbom->file_count; i++)
		free(sbom->files[i].path);
	for (size_t i = 0; i < sbom->license_count; i++) {
		free(sbom->licenses[i].id);
		free(sbom->licenses[i].name);
		free(sbom->licenses[i].text);
	}
	free(sbom->packages);
	free(sbom->sources);
	free(sbom->files);
	free(sbom->licenses);
	*sbom = (struct sbom){};
}

/* ---- Documents ---- */

static const char *const changelogs[] = {
	"changelog.Debian.gz", "changelog.Debian", "changelog.gz", "changelog"};

unsigned sbom_wants(const char *path, mode_t mode, void *userdata)
{
	const char *name = startswith(path, DOCS), *file = name ? strchr(name, '/') : NULL;

	(void)userdata;
	if (!name)
		return 0;
	if (!file)
		return S_ISLNK(mode) ? DEB_ASIDE : 0;
	if (streq(++file, "copyright"))
		return DEB_ASIDE;
	for (size_t i = 0; i < ARRAY_SIZE(changelogs); i++)
		if (streq(file, changelogs[i]))
			return DEB_ASIDE;
	return 0;
}

static const struct deb_entry *find_aside(const struct unpacked_package *package, const char *path)
{
	for (size_t i = 0; i < package->aside_count; i++)
		if (streq(package->aside[i].path, path))
			return &package->aside[i];
	return NULL;
}

/* A package by its name, of those of /usr or of the others; NULL where there is none. */
static const struct sbom_package *find_package(const struct sbom *sbom, const char *name)
{
	for (size_t i = 0; i < sbom->package_count; i++)
		if (streq(sbom->packages[i].package->name, name))
			return &sbom->packages[i];
	return NULL;
}

/* The component of a path that is *from_end* before the last one; NULL where memory is out. */
static char *component(const char *path, unsigned from_end)
{
	const char *end = path + strlen(path), *begin;

	for (;;) {
		begin = end;
		while (begin > path && begin[-1] != '/')
			begin--;
		if (from_end-- == 0 || begin == path)
			return strndup(begin, (size_t)(end - begin));
		end = begin - 1;
	}
}

/*
 * One of the documents of a package. Its folder may be a link to that of another one, and so may the file
 * (Debian Policy, 12.3 and 12.5); what counts of where such a link leads is the other package's name. *ret*
 * is NULL where there is none. Returns 0 or -ENOMEM.
 */
static int find_document(const struct sbom *sbom, const struct sbom_package *package, const char *file,
	const char **ret_missing, const struct content **ret)
{
	*ret = NULL;
	for (unsigned i = 0; package && i < LINKS_MAX; i++) {
		_cleanup_free_ char *folder = string_format(DOCS "%s", package->package->name);
		_cleanup_free_ char *path = folder ? string_format("%s/%s", folder, file) : NULL;
		_cleanup_free_ char *name = NULL;
		const struct deb_entry *entry;

		if (!path)
			return -ENOMEM;
		entry = find_aside(package->unpacked, folder);
		if (entry) {
			name = component(entry->target, 0);
		} else if ((entry = find_aside(package->unpacked, path)) && S_ISLNK(entry->mode)) {
			name = component(entry->target, 1);
		} else {
			*ret = entry ? entry->content : NULL;
			return 0;
		}
		if (!name)
			return -ENOMEM;
		package = find_package(sbom, name);
		if (!package)
			*ret_missing = "its copyright file is that of a package that is not in the image";
	}
	return 0;
}

static int read_copyright(const struct sbom *sbom, struct sbom_package *package, struct error **err)
{
	const char *missing = "it has no copyright file";
	const struct content *content;
	int r = find_document(sbom, package, "copyright", &missing, &content);

	if (r < 0)
		return error_set_errno(err, r, "copyright of %s", package->package->name);
	if (!content) {
		package->why = missing;
		return 0;
	}
	r = copyright_parse((const char *)content_data(content), content_size(content), &package->copyright);
	package->text = (const char *)content_data(content);
	return r < 0 ? error_set_errno(err, r, "copyright of %s", package->package->name) : 0;
}

/* ---- CVE ids ---- */

/*
 * The ids of all entries: 1; 0 where the text is another's changelog, or none. All of them are what led to
 * this version, also those of a later one that it was made of for an older distribution ("1.0-1" of
 * "1.0-1~deb13u1").
 */
static int read_entries(struct sbom_source *source, const char *text, size_t size)
{
	const char *at = text, *end = text + size;
	struct changelog_entry entry;
	bool first = true;
	int r;

	while ((r = changelog_next(&at, end, &entry, NULL)) > 0) {
		if (first && !streq(entry.source, source->name))
			return 0;
		first = false;
		r = changelog_collect_cves(&entry, &source->cves);
		if (r < 0)
			return r;
	}
	changelog_sort_cves(&source->cves);
	return r == -ENOMEM ? r : r == 0 && !first;
}

static int read_changelog(struct sbom_source *source, const char *name, const struct content *content)
{
	_cleanup_buffer_ struct buffer text = {};
	int r;

	if (!endswith(name, ".gz"))
		return read_entries(source, (const char *)content_data(content), content_size(content));
	r = changelog_unpack(content_data(content), content_size(content), &text, NULL);
	if (r == 0 && text.size > 0)
		r = read_entries(source, (const char *)text.data, text.size);
	return r == -ENOMEM ? r : MAX(r, 0);
}

static int read_source(const struct sbom *sbom, struct sbom_source *source, struct error **err)
{
	const struct sbom_package *package = &sbom->packages[source->package];
	const char *missing;
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(changelogs); i++) {
		const struct content *content;

		r = find_document(sbom, package, changelogs[i], &missing, &content);
		if (r >= 0 && content)
			r = read_changelog(source, changelogs[i], content);
	}
	return r < 0 ? error_set_errno(err, r, "changelog of %s", package->package->name) : 0;
}

/* ---- Files ---- */

static int count_file(const char *path, struct tree_inode *inode, void *userdata, struct error **err)
{
	struct sbom *sbom = userdata;
	struct sbom_file *file;

	if (!S_ISREG(inode->mode))
		return 0;
	file = &sbom->files[sbom->file_count];
	if (sbom->file_count == 0 || is_power_of_two_u64(sbom->file_count)) {
		struct sbom_file *grown =
			reallocarray(sbom->files, MAX(2 * sbom->file_count, 1U), sizeof(*grown));

		if (!grown)
			return error_set_errno(err, -ENOMEM, "%s", path);
		sbom->files = grown;
		file = &grown[sbom->file_count];
	}
	*file = (struct sbom_file){.path = strdup(path), .inode = inode, .package = SBOM_OF_IMAGE};
	if (!file->path)
		return error_set_errno(err, -ENOMEM, "%s", path);
	sbom->file_count++;
	return 0;
}

/* Files of one package follow each other: the last answer is most often the next one's, too. */
static void find_owners(struct sbom *sbom)
{
	const char *origin = NULL;
	size_t package = SBOM_OF_IMAGE;

	for (size_t i = 0; i < sbom->file_count; i++) {
		if (sbom->files[i].inode->origin != origin) {
			origin = sbom->files[i].inode->origin;
			package = streq(origin, "orlop") ? SBOM_OF_ORLOP : SBOM_OF_IMAGE;
			for (size_t k = 0; k < sbom->package_count && package == SBOM_OF_IMAGE; k++)
				if (!sbom->packages[k].boot && streq(sbom->packages[k].package->name, origin))
					package = k;
		}
		sbom->files[i].package = package;
	}
}

/* Those of packages' files are known, where a cache has kept the package. */
static int digest_files(struct sbom *sbom, size_t first, struct error **err)
{
	for (size_t i = first; i < MIN(first + FILES_AT_ONCE, sbom->file_count); i++) {
		struct sbom_file *file = &sbom->files[i];

		if (content_digests(file->inode->content, &file->digests) < 0)
			return error_set_errno(err, -ENOMEM, "%s", file->path);
	}
	return 0;
}

/* ---- Packages ---- */

static void add_packages(
	struct sbom *sbom, const struct package_list *list, const struct unpacked *unpacked, bool boot)
{
	for (size_t i = 0; i < list->count; i++)
		if (!boot || !package_list_find(sbom->input->packages, list->items[i].name))
			sbom->packages[sbom->package_count++] = (struct sbom_package){
				.package = &list->items[i], .unpacked = &unpacked->packages[i], .boot = boot};
}

static int compare_sources(const void *a, const void *b)
{
	const struct sbom_source *x = a, *y = b;
	int r = strcmp(x->name, y->name);

	if (r == 0)
		r = strcmp(x->version, y->version);
	return r != 0 ? r : x->package < y->package ? -1 : x->package > y->package;
}

static int find_source(const void *key, const void *item)
{
	const struct package *package = key;
	const struct sbom_source *source = item;
	int r = strcmp(package->source, source->name);

	return r != 0 ? r : strcmp(package->source_version, source->version);
}

static void find_sources(struct sbom *sbom)
{
	for (size_t i = 0; i < sbom->package_count; i++)
		sbom->sources[i] = (struct sbom_source){.name = sbom->packages[i].package->source,
			.version = sbom->packages[i].package->source_version,
			.package = i};
	qsort(sbom->sources, sbom->package_count, sizeof(*sbom->sources), compare_sources);
	for (size_t i = 0; i < sbom->package_count; i++)
		if (i == 0 || !streq(sbom->sources[i].name, sbom->sources[sbom->source_count - 1].name) ||
			!streq(sbom->sources[i].version, sbom->sources[sbom->source_count - 1].version))
			sbom->sources[sbom->source_count++] = sbom->sources[i];
	for (size_t i = 0; i < sbom->package_count; i++) {
		const struct sbom_source *found = bsearch(sbom->packages[i].package, sbom->sources,
			sbom->source_count, sizeof(*sbom->sources), find_source);

		sbom->packages[i].source = (size_t)(found - sbom->sources);
	}
}

/* The long changelogs come first, so that no thread has one left when the others are done. */
static int work(size_t index, void *userdata, struct error **err)
{
	struct sbom *sbom = userdata;

	if (index < sbom->source_count)
		return read_source(sbom, &sbom->sources[index], err);
	index -= sbom->source_count;
	if (index < sbom->package_count)
		return read_copyright(sbom, &sbom->packages[index], err);
	return digest_files(sbom, (index - sbom->package_count) * FILES_AT_ONCE, err);
}

int sbom_collect(const struct sbom_input *input, struct sbom *ret, struct error **err)
{
	size_t count = input->packages->count + input->boot_packages->count;
	_cleanup_sbom_ struct sbom sbom = {
		.input = input,
		.packages = calloc(count + 1, sizeof(*sbom.packages)),
		.sources = calloc(count + 1, sizeof(*sbom.sources)),
	};
	int r;

	if (!sbom.packages || !sbom.sources)
		return error_set_errno(err, -ENOMEM, "packages");
	add_packages(&sbom, input->packages, input->unpacked, false);
	add_packages(&sbom, input->boot_packages, input->boot_unpacked, true);
	find_sources(&sbom);
	r = tree_walk(input->tree, count_file, &sbom, err);
	if (r < 0)
		return r;
	find_owners(&sbom);
	r = work_run(input->threads,
		sbom.source_count + sbom.package_count +
			(size_t)div_round_up_u64(sbom.file_count, FILES_AT_ONCE),
		work, &sbom, err);
	if (r >= 0)
		r = sbom_find_licenses(&sbom, err);
	if (r < 0)
		return r;
	*ret = sbom;
	sbom = (struct sbom){};
	return 0;
}
