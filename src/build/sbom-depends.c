/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which packages of an image depend on which others in it.
 */
#include "build/sbom-part.h"

struct name {
	const char *text;
	size_t length;
};

/* The name that begins a relation; *at* is moved to the next one. */
static struct name next_name(const char **at)
{
	struct name name = {*at, strcspn(*at, " (:[<,|\n")};

	*at += strcspn(*at, ",|");
	*at += strspn(*at, ",| \n");
	return name;
}

static bool is_same(struct name a, struct name b)
{
	return a.length == b.length && memcmp(a.text, b.text, a.length) == 0;
}

static bool provides(const struct sbom_package *package, struct name name)
{
	const char *at = sbom_field(package, "Provides");

	while (at && *at)
		if (is_same(next_name(&at), name))
			return true;
	return false;
}

/* A package of that name or, where there is none, one that provides it. */
static size_t find_by_name(const struct sbom *sbom, struct name name)
{
	for (size_t i = 0; i < sbom->package_count; i++) {
		const char *other = sbom->packages[i].package->name;

		if (is_same((struct name){other, strlen(other)}, name))
			return i;
	}
	for (size_t i = 0; i < sbom->package_count; i++)
		if (provides(&sbom->packages[i], name))
			return i;
	return SIZE_MAX;
}

/* Marks what the relations of one field lead to. Of alternatives, all that are there are meant. */
static void mark(const struct sbom *sbom, const char *field, bool *marks)
{
	for (const char *at = field; at && *at;) {
		struct name name = next_name(&at);
		size_t found = name.length > 0 ? find_by_name(sbom, name) : SIZE_MAX;

		if (found != SIZE_MAX)
			marks[found] = true;
	}
}

void sbom_dependencies(const struct sbom *sbom, size_t package, bool *marks)
{
	const struct sbom_package *from = &sbom->packages[package];

	memset(marks, 0, sbom->package_count * sizeof(*marks));
	mark(sbom, sbom_field(from, "Pre-Depends"), marks);
	mark(sbom, sbom_field(from, "Depends"), marks);
	marks[package] = false;
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
