/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From packages to files in the cache.
 */
#include <errno.h>

#include "base/work.h"
#include "source/cache.h"
#include "source/source-part.h"

int source_refuse_damaged(const char *name, const char *path, struct error **err)
{
	return error_set(err, -EBADMSG,
		"%s is damaged in the cache: the SHA-256 of %s did not match, so it was removed: build once "
		"without --offline",
		name, path);
}

struct package_check {
	struct package_list *packages;
	uint8_t *states; /* CACHE_… */
};

static int check_package(size_t index, void *userdata, struct error **err)
{
	struct package_check *check = userdata;
	struct package *package = &check->packages->items[index];
	int r = cache_object_check(package->path, package->sha256, package->size, err);

	if (r < 0)
		return error_wrap(err, "package %s", package->name), r;
	check->states[index] = (uint8_t)r;
	return 0;
}

/* Nothing can be fetched: says what it is that the cache lacks, of damaged packages first. */
static int refuse_missing(
	const struct package_check *check, const char *first, size_t others, struct error **err)
{
	for (size_t i = 0; i < check->packages->count; i++) {
		const struct package *package = &check->packages->items[i];

		if (check->states[i] != CACHE_DAMAGED)
			continue;
		(void)source_refuse_damaged(package->name, package->path, err);
		return err && *err ? error_wrap(err, "package") : -EBADMSG;
	}
	if (others == 0)
		return error_set(
			err, -ENOENT, "package %s is not in the cache: build once without --offline", first);
	return error_set(err, -ENOENT,
		"package %s and %zu %s are not in the cache: build once without --offline", first, others,
		others == 1 ? "other" : "others");
}

static int fetch_missing(struct source *source, const struct package_check *check, struct error **err)
{
	const struct package_list *packages = check->packages;
	_cleanup_free_ struct fetch_item *items = calloc(packages->count + 1, sizeof(*items));
	char size[SIZE_TEXT_MAX];
	uint64_t total = 0;
	size_t count = 0;
	int r;

	if (!items)
		return error_set_errno(err, -ENOMEM, "packages");
	for (size_t i = 0; i < packages->count; i++) {
		const struct package *package = &packages->items[i];

		if (check->states[i] == CACHE_WHOLE)
			continue;
		items[count++] = (struct fetch_item){.name = package->name,
			.url = package->url,
			.path = package->path,
			.sha256 = package->sha256,
			.size = package->size};
		total += package->size;
	}
	if (count == 0)
		return 0;
	if (source->offline)
		return refuse_missing(check, items[0].name, count - 1, err);
	progress_begin(source->progress, "Packages", total, PROGRESS_BYTES);
	r = fetch_run(source->fetch, items, count, source->progress, err);
	if (r < 0)
		return error_wrap(err, "package");
	progress_end(source->progress, "%s, %zu packages", format_size(total, size), count);
	return 0;
}

/* Where a package of a lock is: further repositories, and security fixes, have archives of their own. */
static int locate(const struct source *source, struct package *package, struct error **err)
{
	bool is_fix = endswith(package->suite, "-security");

	if (package->url)
		return 0;
	for (size_t i = 0; i < source->suite_count; i++) {
		const struct suite *suite = &source->suites[i];

		if (!suite->label || !streq(suite->label, package->suite))
			continue;
		package->url = string_format("%s/%s", suite->archive, package->file);
		return package->url ? 0 : error_set_errno(err, -ENOMEM, "%s", package->name);
	}
	if (is_fix && streq(source->security, "none"))
		return error_set(err, -EINVAL,
			"%s %s is of the suite %s, and there is to be no security archive", package->name,
			package->version, package->suite);
	package->url = string_format("%s/%s", is_fix ? source->security : source->mirror, package->file);
	return package->url ? 0 : error_set_errno(err, -ENOMEM, "%s", package->name);
}

int source_fetch(struct source *source, struct package_list *packages, struct error **err)
{
	_cleanup_free_ uint8_t *states = calloc(packages->count + 1, sizeof(*states));
	struct package_check check = {.packages = packages, .states = states};
	int r;

	if (!states)
		return error_set_errno(err, -ENOMEM, "packages");
	/* A lock may be older than what a definition says of its sources. */
	r = source_check_taken(source, packages, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < packages->count; i++) {
		packages->items[i].path = string_free(packages->items[i].path);
		r = cache_object_path(
			source->cache, packages->items[i].sha256, &packages->items[i].path, err);
		if (r >= 0)
			r = locate(source, &packages->items[i], err);
		if (r < 0)
			return r;
	}
	r = work_run(0, packages->count, check_package, &check, err);
	return r < 0 ? r : fetch_missing(source, &check, err);
}
