/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "source/package.h"

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
