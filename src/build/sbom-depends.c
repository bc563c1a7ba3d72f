/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which packages of an image depend on which others in it.
 */
#include <errno.h>

#include "build/sbom-part.h"

/* The name that begins a relation, malloc()ed; *at* is moved to the next one. NULL where memory is out. */
static char *next_name(const char **at)
{
	char *name = strndup(*at, strcspn(*at, " (:[<,|\n"));

	*at += strcspn(*at, ",|");
	*at += strspn(*at, ",| \n");
	return name;
}

static bool provides(const struct sbom_package *package, const char *name)
{
	const char *at = sbom_field(package, "Provides");

	while (at && *at) {
		_cleanup_free_ char *provided = next_name(&at);

		if (provided && streq(provided, name))
			return true;
	}
	return false;
}

/* A package of that name or, where there is none, one that provides it. */
static size_t find_by_name(const struct sbom *sbom, const char *name)
{
	for (size_t i = 0; i < sbom->package_count; i++)
		if (streq(sbom->packages[i].package->name, name))
			return i;
	for (size_t i = 0; i < sbom->package_count; i++)
		if (provides(&sbom->packages[i], name))
			return i;
	return SIZE_MAX;
}

/* Marks what the relations of one field lead to. Of alternatives, all that are there are meant. */
static int mark(const struct sbom *sbom, const char *field, bool *marks)
{
	for (const char *at = field; at && *at;) {
		_cleanup_free_ char *name = next_name(&at);
		size_t found;

		if (!name)
			return -ENOMEM;
		found = *name ? find_by_name(sbom, name) : SIZE_MAX;
		if (found != SIZE_MAX)
			marks[found] = true;
	}
	return 0;
}

int sbom_dependencies(const struct sbom *sbom, size_t package, bool *marks)
{
	const struct sbom_package *from = &sbom->packages[package];
	int r;

	memset(marks, 0, sbom->package_count * sizeof(*marks));
	r = mark(sbom, sbom_field(from, "Pre-Depends"), marks);
	if (r >= 0)
		r = mark(sbom, sbom_field(from, "Depends"), marks);
	marks[package] = false;
	return r;
}

size_t sbom_kernel(const struct sbom *sbom)
{
	for (size_t i = 0; i < sbom->package_count; i++) {
		const char *release = startswith(sbom->packages[i].package->name, "linux-image-");

		if (release && streq(release, sbom->input->kernel_release))
			return i;
	}
	return SIZE_MAX;
}
