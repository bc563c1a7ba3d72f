/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "build/image-packages.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "source/source.h"

/* ---- Between a definition and a lock ---- */

static const char *suite_of(const struct image_options *options)
{
	return options->suite ? options->suite : options->definition->suite;
}

/* What a build asks for. The strings of *edition* and its like belong to the options. */
static int ask(const struct image_options *options, struct lock *ret, struct error **err)
{
	const struct definition *definition = options->definition;
	int r = definition_expand(&definition->packages, options->architecture, &ret->wanted, err);

	if (r >= 0)
		r = definition_expand(
			&definition->boot_packages, options->architecture, &ret->boot_wanted, err);
	return r < 0 ? r : definition_plain(&definition->absent, &ret->absent, err);
}

static int differs(const struct image_options *options, const char *what, const char *locked, const char *now,
	struct error **err)
{
	return streq(locked, now)
		       ? 0
		       : error_set(err, -ESTALE,
				 "%s is of the %s %s, and this build is of %s: give it another lock",
				 options->lock_path, what, locked, now);
}

/* The first name that only one of both has. */
static const char *find_difference(const struct strv *a, const struct strv *b)
{
	for (size_t i = 0; i < a->count; i++)
		if (!strv_contains(b, a->items[i]))
			return a->items[i];
	return NULL;
}

static int compare_names(const struct image_options *options, const char *key, const struct strv *locked,
	const struct strv *now, struct error **err)
{
	const char *added = find_difference(now, locked), *removed = find_difference(locked, now);

	if (!added && !removed)
		return 0;
	return error_set(err, -ESTALE,
		"%s %s \"%s\" in %s, which %s was written %s: remove that, and the next build writes it anew",
		options->definition->path, added ? "has" : "no longer has", added ? added : removed, key,
		options->lock_path, added ? "without" : "with");
}

/* Each package comes from the suite, its updates or fixes, or from one of the sources. */
static int check_origins(
	const struct image_options *options, const struct package_list *packages, struct error **err)
{
	const struct definition *definition = options->definition;

	for (size_t i = 0; i < packages->count; i++) {
		const struct package *package = &packages->items[i];
		const char *rest = startswith(package->suite, suite_of(options));
		bool known = rest && (*rest == 0 || *rest == '-');

		for (size_t k = 0; k < definition->sources.count && !known; k++)
			known = streq(definition_source(definition, k)->name, package->suite);
		if (!known)
			return error_set(err, -ESTALE,
				"%s has the package %s from \"%s\", which is neither of the suite %s nor one "
				"of the sources of %s",
				options->lock_path, package->name, package->suite, suite_of(options),
				definition->path);
	}
	return 0;
}

static int check_lock(const struct image_options *options, struct error **err)
{
	_cleanup_lock_ struct lock now = {};
	const struct lock *lock = options->lock;
	int r = differs(options, "edition", lock->edition, options->definition->name, err);

	if (r >= 0)
		r = differs(options, "architecture", lock->architecture, options->architecture, err);
	if (r >= 0)
		r = differs(options, "suite", lock->suite, suite_of(options), err);
	if (r >= 0)
		r = ask(options, &now, err);
	if (r >= 0)
		r = compare_names(options, "packages", &lock->wanted, &now.wanted, err);
	if (r >= 0)
		r = compare_names(options, "boot-packages", &lock->boot_wanted, &now.boot_wanted, err);
	if (r >= 0)
		r = compare_names(options, "absent", &lock->absent, &now.absent, err);
	if (r >= 0)
		r = check_origins(options, &lock->packages, err);
	return r < 0 ? r : check_origins(options, &lock->boot_packages, err);
}

static int write_lock(const struct image_options *options, const struct package_list *packages,
	const struct package_list *boot_packages, struct error **err)
{
	_cleanup_buffer_ struct buffer text = {};
	struct lock names = {};
	struct lock lock = {.edition = options->definition->name,
		.architecture = (char *)options->architecture,
		.suite = (char *)suite_of(options),
		.version = (char *)options->version,
		.packages = *packages,
		.boot_packages = *boot_packages};
	int r = ask(options, &names, err);

	lock.wanted = names.wanted;
	lock.boot_wanted = names.boot_wanted;
	lock.absent = names.absent;
	if (r >= 0)
		r = lock_write(&lock, &text, err);
	if (r >= 0)
		r = file_write_atomic(options->lock_path, text.data, text.size, 0644, err);
	lock_release(&names);
	return r;
}

/* ---- Finding them ---- */

static void warn_of_one(
	const struct image_options *options, const char *key, const char *entry, const char *why)
{
	const struct definition *definition = options->definition;
	const struct yaml_place *place = yaml_places_find(&definition->places, key, entry);

	progress_warn(options->progress, "%s:%zu: %s: %s \"%s\"", place ? place->file : definition->path,
		place ? place->line : 1, key, why, entry);
}

int image_warn_of_idle(const struct image_options *options, const char *key, const struct strv *said,
	const struct strv *idle, const char *why, struct error **err)
{
	for (size_t i = 0; i < idle->count; i++) {
		_cleanup_free_ char *optional = string_format("-%s", idle->items[i]);

		if (!optional)
			return error_set_errno(err, -ENOMEM, "%s", key);
		if (!strv_contains(said, optional))
			warn_of_one(options, key, idle->items[i], why);
	}
	return 0;
}

/* Says where in the definition the packages are that can't be had: one of them, or all together. */
static int blame_packages(const struct definition *definition, const char *key, const struct strv *names,
	const struct strv *wanted, struct error **err)
{
	const char *entry = NULL;

	for (size_t i = 0; err && *err && (*err)->subject && i < wanted->count; i++)
		if (streq(wanted->items[i], (*err)->subject))
			entry = names->items[i];
	return definition_wrap(definition, key, entry, err);
}

static int resolve(struct source *source, const struct image_options *options, const char *key,
	const struct strv *names, const struct strv *absent, struct package_list *ret, struct error **err)
{
	_cleanup_strv_ struct strv wanted = {}, plain = {}, idle = {};
	int r = definition_expand(names, options->architecture, &wanted, err);

	if (r >= 0 && absent)
		r = definition_plain(absent, &plain, err);
	if (r < 0)
		return r;
	r = source_resolve(source, &wanted, absent ? &plain : NULL, ret, &idle, err);
	if (r == -ENOENT || r == -EINVAL || r == -ENOPKG)
		(void)blame_packages(options->definition, key, names, &wanted, err);
	if (r < 0 || !absent)
		return r;
	return image_warn_of_idle(options, "absent", absent, &idle, "no package asks for", err);
}

/* The definition's own repositories, as the options of a source have them. */
struct extras {
	struct source_extra items[SOURCE_EXTRAS_MAX];
	size_t count;
	struct strv texts; /* that were made for them */
};

static void extras_release(struct extras *extras)
{
	strv_release(&extras->texts);
}

/* The URL of a repository, which may be a folder beside the definition's file. */
static char *url_of(const struct definition *definition, const char *key, const char *url)
{
	_cleanup_free_ char *path = NULL, *folder = NULL;

	if (strstr(url, "://"))
		return strdup(url);
	path = definition_beside(definition, key, url);
	folder = path ? realpath(path, NULL) : NULL;
	return folder ? string_format("file://%s", folder) : NULL;
}

static int add_extra(struct extras *extras, const struct definition *definition,
	const struct definition_source *source, struct error **err)
{
	_cleanup_free_ char *url_key = string_format("sources: %s: url", source->name);
	_cleanup_free_ char *keyring_key = string_format("sources: %s: keyring", source->name);
	struct source_extra *extra = &extras->items[extras->count++];
	const struct strv *texts = &extras->texts;

	if (!url_key || !keyring_key)
		return error_set_errno(err, -ENOMEM, "sources");
	if (strv_push(&extras->texts, url_of(definition, url_key, source->url)) < 0)
		return definition_error(
			definition, url_key, NULL, err, "there is no folder \"%s\"", source->url);
	if (strv_push(&extras->texts, definition_beside(definition, keyring_key, source->keyring)) < 0)
		return error_set_errno(err, -ENOMEM, "sources");
	if (access(texts->items[texts->count - 1], R_OK) < 0)
		return definition_error(
			definition, keyring_key, NULL, err, "%s: %s", source->keyring, strerror(errno));
	*extra = (struct source_extra){
		.name = source->name,
		.url = texts->items[texts->count - 2],
		.suite = source->suite,
		.components = (const char *const *)source->components.items,
		.keyring = texts->items[texts->count - 1],
		.packages = (const char *const *)source->packages.items,
	};
	return 0;
}

static int find_extras(const struct definition *definition, struct extras *ret, struct error **err)
{
	int r = 0;

	for (size_t i = 0; i < definition->sources.count && r >= 0; i++)
		r = add_extra(ret, definition, definition_source(definition, i), err);
	return r;
}

static struct source_options source_options_of(
	const struct image_options *options, const struct extras *extras)
{
	return (struct source_options){
		.extras = extras->items,
		.extra_count = extras->count,
		.mirror = options->mirror,
		.security_mirror = options->security_mirror,
		.keyring = options->keyring,
		.suite = suite_of(options),
		.architecture = options->architecture,
		.components = (const char *const *)options->definition->components.items,
		.cache = options->cache,
		.offline = options->offline,
		.now = options->now,
		.progress = options->progress,
	};
}

static int plan_resolved(const struct image_options *options, struct source **ret_source,
	struct image_plan *ret, struct error **err)
{
	const struct definition *definition = options->definition;
	_cleanup_(extras_release) struct extras extras = {};
	struct source_options from;
	int r = find_extras(definition, &extras, err);

	if (r < 0)
		return r;
	from = source_options_of(options, &extras);
	r = definition_blame(definition, "sources", source_open(&from, ret_source, err), err);

	if (r >= 0)
		r = resolve(*ret_source, options, "packages", &definition->packages, &definition->absent,
			&ret->packages, err);
	return r < 0 ? r
		     : resolve(*ret_source, options, "boot-packages", &definition->boot_packages, NULL,
			       &ret->boot_packages, err);
}

static int plan_locked(const struct image_options *options, struct source **ret_source,
	struct image_plan *ret, struct error **err)
{
	_cleanup_(extras_release) struct extras extras = {};
	struct source_options from;
	int r = check_lock(options, err);

	if (r >= 0)
		r = find_extras(options->definition, &extras, err);
	if (r < 0)
		return r;
	from = source_options_of(options, &extras);
	r = source_open_locked(&from, ret_source, err);
	if (r >= 0)
		r = package_list_copy(&options->lock->packages, &ret->packages, err);
	return r < 0 ? r : package_list_copy(&options->lock->boot_packages, &ret->boot_packages, err);
}

static int plan(const struct image_options *options, struct source **ret_source, struct image_plan *ret,
	struct error **err)
{
	_cleanup_image_plan_ struct image_plan made = {};
	int r = options->lock ? plan_locked(options, ret_source, &made, err)
			      : plan_resolved(options, ret_source, &made, err);

	if (r < 0)
		return r;
	*ret = made;
	made = (struct image_plan){};
	return 0;
}

int image_plan(const struct image_options *options, struct image_plan *ret, struct error **err)
{
	_cleanup_source_ struct source *source = NULL;

	return plan(options, &source, ret, err);
}

void image_plan_release(struct image_plan *plan)
{
	package_list_release(&plan->packages);
	package_list_release(&plan->boot_packages);
}

/* ---- Fetching them ---- */

static uint64_t total_size(const struct package_list *packages)
{
	uint64_t total = 0;

	for (size_t i = 0; i < packages->count; i++)
		total += packages->items[i].size;
	return total;
}

static int fetch(const struct image_options *options, struct source *source, struct image_plan *plan,
	struct error **err)
{
	char size[SIZE_TEXT_MAX];
	int r;

	progress_note(options->progress, "%zu packages, %s", plan->packages.count,
		format_size(total_size(&plan->packages), size));
	r = source_fetch(source, &plan->packages, err);
	if (r >= 0)
		r = source_fetch(source, &plan->boot_packages, err);
	if (r >= 0 || !options->lock)
		return r;
	if (r == -ENOENT && !options->offline)
		(void)error_advise(err,
			"an archive that keeps old versions (--mirror) may have it; or remove the "
			"lock, and the next build writes it anew");
	return error_wrap(err, "%s", options->lock_path), r;
}

int image_packages_get(const struct image_options *options, struct image_plan *ret, struct error **err)
{
	_cleanup_source_ struct source *source = NULL;
	_cleanup_image_plan_ struct image_plan made = {};
	int r = plan(options, &source, &made, err);

	if (r >= 0)
		r = fetch(options, source, &made, err);
	if (r >= 0 && options->lock_path && !options->lock)
		r = write_lock(options, &made.packages, &made.boot_packages, err);
	if (r < 0)
		return r;
	*ret = made;
	made = (struct image_plan){};
	return 0;
}
