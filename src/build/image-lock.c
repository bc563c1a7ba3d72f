/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "build/image-lock.h"

#include <errno.h>

#include "base/file.h"

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
	for (size_t i = 0; i < definition->absent.count && r >= 0; i++)
		if (strv_add(&ret->absent, definition->absent.items[i]) < 0)
			r = error_set_errno(err, -ENOMEM, "lock");
	return r;
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

int image_lock_check(const struct image_options *options, struct error **err)
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
	return r < 0 ? r : compare_names(options, "absent", &lock->absent, &now.absent, err);
}

int image_lock_write(const struct image_options *options, const struct package_list *packages,
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
