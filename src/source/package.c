/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "source/package.h"

#include <errno.h>
#include <string.h>

#include "base/string-util.h"

void package_release(struct package *package)
{
	free(package->name);
	free(package->version);
	free(package->architecture);
	free(package->source);
	free(package->source_version);
	free(package->suite);
	free(package->component);
	free(package->file);
	free(package->url);
	free(package->why);
	free(package->path);
	*package = (struct package){};
}

void package_list_release(struct package_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		package_release(&list->items[i]);
	free(list->items);
	*list = (struct package_list){};
}

static int copy(const struct package *package, struct package *ret)
{
	const char *const from[] = {package->name, package->version, package->architecture, package->source,
		package->source_version, package->suite, package->component, package->file, package->why};
	char **const to[] = {&ret->name, &ret->version, &ret->architecture, &ret->source,
		&ret->source_version, &ret->suite, &ret->component, &ret->file, &ret->why};

	ret->size = package->size;
	ret->installed_size = package->installed_size;
	memcpy(ret->sha256, package->sha256, SHA256_SIZE);
	for (size_t i = 0; i < ARRAY_SIZE(from); i++) {
		*to[i] = strdup(from[i]);
		if (!*to[i])
			return -ENOMEM;
	}
	return 0;
}

int package_list_copy(const struct package_list *list, struct package_list *ret, struct error **err)
{
	int r = 0;

	ret->items = calloc(list->count + 1, sizeof(*ret->items));
	if (!ret->items)
		r = -ENOMEM;
	for (size_t i = 0; i < list->count && r >= 0; i++)
		r = copy(&list->items[i], &ret->items[ret->count++]);
	return r < 0 ? error_set_errno(err, r, "packages") : 0;
}

static int compare_name(const void *name, const void *package)
{
	return strcmp(name, ((const struct package *)package)->name);
}

struct package *package_list_find(const struct package_list *list, const char *name)
{
	if (list->count == 0)
		return NULL;
	return bsearch(name, list->items, list->count, sizeof(*list->items), compare_name);
}

bool package_path_is_safe(const char *path)
{
	if (*path == '/')
		return false;
	for (const char *at = path; at; at = strchr(at, '/')) {
		at += *at == '/';
		if (*at == 0 || *at == '/' || startswith(at, "./") || streq(at, ".") ||
			startswith(at, "../") || streq(at, ".."))
			return false;
	}
	return true;
}
