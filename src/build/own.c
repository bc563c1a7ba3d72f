/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "build/own.h"

bool own_is(const struct tree_inode *inode)
{
	return inode && streq(inode->origin, OWN_ORIGIN);
}

/* The link that is at *path*, or that has brought this folder with it; NULL: it is a matter of `files`. */
static const char *find_link(const struct definition *definition, const char *path)
{
	for (size_t i = 0; i < definition->links.count; i++) {
		const char *name = definition->links.items[i].name, *rest = startswith(name, path);

		if (rest && (!*rest || *rest == '/'))
			return name;
	}
	return NULL;
}

int own_error(
	const struct definition *definition, const char *path, struct error **err, const char *format, ...)
{
	const char *link = find_link(definition, path);
	va_list args;
	int r;

	va_start(args, format);
	r = definition_verror(definition, link ? "links" : "files", link, err, format, args);
	va_end(args);
	return r;
}

int own_check(const struct definition *definition, const struct tree *tree, const char *path,
	const char *maker, const char *advice, struct error **err)
{
	int r;

	if (!own_is(tree_lookup(tree, path)))
		return 0;
	r = own_error(definition, path, err, "/%s is made by the build, by %s", path, maker);
	(void)error_advise(err, advice);
	return r;
}
