/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "build/modules.h"

#include <errno.h>
#include <fnmatch.h>
#include <string.h>

#include "base/work.h"
#include "format/module-info.h"

#define MODULES_FOLDER "usr/lib/modules"
#define DERIVED "module-1" /* what is kept of a compressed module: itself, decompressed */

static void module_release(struct kernel_module *module)
{
	free(module->name);
	free(module->file);
	free(module->path);
	free(module->stored);
	content_unref(module->content);
	strv_release(&module->aliases);
	strv_release(&module->firmware);
	free(module->needs);
	free(module->before);
	free(module->after);
	free(module->weak);
}

struct kernel_modules *kernel_modules_free(struct kernel_modules *modules)
{
	if (modules) {
		for (size_t i = 0; i < modules->count; i++)
			module_release(&modules->items[i]);
		free(modules->items);
		free(modules->version);
		strv_release(&modules->builtin);
		free(modules);
	}
	return NULL;
}

/* The one kernel that the tree has modules of. */
static int find_version(const struct tree *tree, struct kernel_modules *modules, struct error **err)
{
	const struct tree_inode *folder = tree_resolve(tree, MODULES_FOLDER);
	const char *version = NULL;

	for (size_t i = 0; folder && i < folder->entry_count; i++) {
		const struct tree_entry *entry = &folder->entries[i];

		if (!S_ISDIR(entry->inode->mode) || !tree_child(entry->inode, "kernel"))
			continue;
		if (version)
			return error_set(err, -EEXIST,
				"/%s has modules of two kernels, %s and %s: choose one kernel package",
				MODULES_FOLDER, version, entry->name);
		version = entry->name;
	}
	if (!version)
		return error_set(err, -ENOENT,
			"/%s has no kernel's modules: add a package linux-image-… to the definition",
			MODULES_FOLDER);
	modules->version = strdup(version);
	return modules->version ? 0 : error_set_errno(err, -ENOMEM, "%s", version);
}

/* Adds an item for the module's file at *path*, with what its place tells. */
static int add_module(struct kernel_modules *modules, const char *path, const char *file)
{
	struct kernel_module *module;

	if (modules->count == 0 || is_power_of_two_u64(modules->count)) {
		struct kernel_module *items =
			reallocarray(modules->items, modules->count ? 2 * modules->count : 1, sizeof(*items));

		if (!items)
			return -ENOMEM;
		modules->items = items;
	}
	module = &modules->items[modules->count++];
	*module = (struct kernel_module){
		.name = module_name(file),
		.file = strdup(file),
		.path = strdup(path),
		.stored = strdup(path),
	};
	if (!module->name || !module->file || !module->path || !module->stored)
		return -ENOMEM;
	if (endswith(file, ".xz")) {
		module->file[strlen(file) - strlen(".xz")] = 0;
		module->path[strlen(path) - strlen(".xz")] = 0;
	}
	return 0;
}

struct listing {
	struct kernel_modules *modules;
	char *folder; /* "usr/lib/modules/VERSION/" */
};

static int list_file(const char *path, struct tree_inode *inode, void *userdata, struct error **err)
{
	struct listing *listing = userdata;
	const char *file = startswith(path, listing->folder);
	int r;

	if (!file || !S_ISREG(inode->mode) || !module_is_file(file))
		return 0;
	r = add_module(listing->modules, path, file);
	return r < 0 ? error_set_errno(err, r, "/%s", path) : 0;
}

static int compare_modules(const void *a, const void *b)
{
	const struct kernel_module *one = a, *other = b;

	return strcmp(one->name, other->name);
}

static int list_modules(const struct tree *tree, struct kernel_modules *modules, struct error **err)
{
	_cleanup_free_ char *folder = string_format("%s/%s/", MODULES_FOLDER, modules->version);
	struct listing listing = {.modules = modules, .folder = folder};
	int r;

	if (!folder)
		return error_set_errno(err, -ENOMEM, "modules");
	r = tree_walk(tree, list_file, &listing, err);
	if (r < 0)
		return r;
	if (modules->count > 0)
		qsort(modules->items, modules->count, sizeof(*modules->items), compare_modules);
	for (size_t i = 1; i < modules->count; i++)
		if (compare_modules(&modules->items[i - 1], &modules->items[i]) == 0)
			return error_set(err, -EEXIST, "the kernel module %s is there twice, as /%s and /%s",
				modules->items[i].name, modules->items[i - 1].stored,
				modules->items[i].stored);
	return 0;
}

/* Reads modules.builtin, a path in each line. */
static int read_builtin(const struct tree *tree, struct kernel_modules *modules, struct error **err)
{
	_cleanup_free_ char *path = string_format("%s/%s/modules.builtin", MODULES_FOLDER, modules->version);
	const struct tree_inode *inode = path ? tree_resolve(tree, path) : NULL;
	const char *at;

	if (!path)
		return error_set_errno(err, -ENOMEM, "modules.builtin");
	if (!inode || !S_ISREG(inode->mode))
		return error_set(err, -ENOENT, "/%s is missing: the kernel's package brings it", path);
	for (at = (const char *)content_data(inode->content); *at;) {
		size_t length = strcspn(at, "\n");
		int r = length > 0 ? strv_push(&modules->builtin, strndup(at, length)) : 0;

		if (r < 0)
			return error_set_errno(err, r, "/%s", path);
		at += length + (at[length] == '\n');
	}
	return 0;
}

/* What is read of all modules before their names can be looked up. */
struct reading {
	const struct tree *tree;
	struct cache *cache;
	struct kernel_modules *modules;
	struct module_info *infos; /* of the module of the same index */
};

static void reading_release(struct reading *reading)
{
	for (size_t i = 0; reading->infos && i < reading->modules->count; i++)
		module_info_release(&reading->infos[i]);
	free(reading->infos);
}

/* Takes a decompressed module over as a content; what was kept brings its digests. */
static int take_plain(struct cache_object *object, struct content **ret)
{
	const struct cache_part *part = cache_object_part(object, 0, object->size);

	*ret = content_new(TAKE_PTR(object->data), object->size);
	if (*ret && part)
		content_set_digests(*ret, &part->digests);
	return *ret ? 0 : -ENOMEM;
}

/* Keeps a decompressed module. Without memory for that it is not kept. */
static void keep_plain(struct cache *cache, const uint8_t key[SHA256_SIZE], struct content *plain)
{
	struct cache_part part = {.size = content_size(plain)};
	const struct digests *digests;

	if (!cache || content_digests(plain, &digests) < 0)
		return;
	part.digests = *digests;
	cache_derived_write(cache, DERIVED, key,
		&(struct cache_object){.data = (uint8_t *)content_data(plain),
			.size = content_size(plain),
			.parts = &part,
			.part_count = 1});
}

/* Reads a module, and decompresses it where that has not been kept: *ret* is what it is then. */
static int decompress_module(struct cache *cache, struct content *content, struct module_info *ret_info,
	struct content **ret, struct error **err)
{
	_cleanup_cache_object_ struct cache_object object = {};
	const struct digests *key = NULL;
	int r = cache ? content_digests(content, &key) : 0;

	if (r >= 0)
		r = cache_derived_read(cache, DERIVED, key ? key->sha256 : NULL, &object);
	if (r > 0) {
		r = take_plain(&object, ret);
		return r < 0 ? error_set_errno(err, r, "module")
			     : module_info_read(content_data(*ret), content_size(*ret), ret_info, err);
	}
	if (r < 0)
		return error_set_errno(err, r, "module");
	r = module_info_read_compressed(content_data(content), content_size(content), ret_info,
		(void **)&object.data, &object.size, err);
	if (r < 0)
		return r;
	if (!object.data) {
		*ret = content_ref(content);
		return 0;
	}
	r = take_plain(&object, ret);
	if (r < 0)
		return error_set_errno(err, r, "module");
	keep_plain(cache, key ? key->sha256 : NULL, *ret);
	return 0;
}

static int read_module(size_t index, void *userdata, struct error **err)
{
	struct reading *reading = userdata;
	struct kernel_module *module = &reading->modules->items[index];
	struct module_info *info = &reading->infos[index];
	struct content *content = tree_lookup(reading->tree, module->stored)->content;
	int r = decompress_module(reading->cache, content, info, &module->content, err);

	if (r < 0) {
		if (err && *err)
			error_wrap(err, "/%s", module->stored);
		return r;
	}
	module->aliases = info->aliases;
	info->aliases = (struct strv){};
	module->firmware = info->firmware;
	info->firmware = (struct strv){};
	return 0;
}

static int compare_with_name(const void *name, const void *module)
{
	return module_compare_names(name, ((const struct kernel_module *)module)->name);
}

const struct kernel_module *kernel_modules_find(const struct kernel_modules *modules, const char *name)
{
	return modules->count > 0 ? bsearch(name, modules->items, modules->count, sizeof(*modules->items),
					    compare_with_name)
				  : NULL;
}

static bool is_builtin(const struct kernel_modules *modules, const char *name)
{
	for (size_t i = 0; i < modules->builtin.count; i++)
		if (module_compare_names(name, modules->builtin.items[i]) == 0)
			return true;
	return false;
}

static int append(const struct kernel_module ***list, size_t *count, const struct kernel_module *module)
{
	const struct kernel_module **grown;

	for (size_t i = 0; i < *count; i++)
		if ((*list)[i] == module)
			return 0;
	grown = reallocarray(*list, *count + 1, sizeof(**list));
	if (!grown)
		return -ENOMEM;
	grown[(*count)++] = module;
	*list = grown;
	return 0;
}

static int resolve_depends(const struct kernel_modules *modules, struct kernel_module *module,
	const struct strv *depends, struct error **err)
{
	for (size_t i = 0; i < depends->count; i++) {
		const char *name = depends->items[i];
		const struct kernel_module *needed = kernel_modules_find(modules, name);
		int r;

		if (!needed && is_builtin(modules, name))
			continue;
		if (!needed)
			return error_set(err, -ENOENT,
				"/%s needs the kernel module %s, which is neither in the tree nor built in",
				module->stored, name);
		r = append(&module->needs, &module->need_count, needed);
		if (r < 0)
			return error_set_errno(err, r, "modules");
	}
	return 0;
}

static bool has_alias(const struct kernel_module *module, const char *name)
{
	for (size_t i = 0; i < module->aliases.count; i++)
		if (fnmatch(module->aliases.items[i], name, 0) == 0)
			return true;
	return false;
}

/* Appends the module of that name, or else all those that have it as an alias, as modprobe(8) takes it. */
static int append_named(const struct kernel_modules *modules, const char *name,
	const struct kernel_module ***list, size_t *count)
{
	const struct kernel_module *named = kernel_modules_find(modules, name);

	if (named)
		return append(list, count, named);
	for (size_t i = 0; i < modules->count; i++) {
		int r = has_alias(&modules->items[i], name) ? append(list, count, &modules->items[i]) : 0;

		if (r < 0)
			return r;
	}
	return 0;
}

/*
 * Takes "pre: a b post: c" apart. Names before the first of these words mean nothing to modprobe, but the
 * kernel's authors mean by them what the module asks for while it runs.
 */
static int resolve_softdep(
	const struct kernel_modules *modules, struct kernel_module *module, const char *softdep)
{
	const struct kernel_module ***list = &module->weak;
	size_t *count = &module->weak_count;

	for (;;) {
		_cleanup_free_ char *word = NULL;
		size_t length;
		int r = 0;

		softdep += strspn(softdep, " \t");
		length = strcspn(softdep, " \t");
		if (length == 0)
			return 0;
		word = strndup(softdep, length);
		softdep += length;
		if (!word)
			return -ENOMEM;
		if (streq(word, "pre:")) {
			list = &module->before;
			count = &module->before_count;
		} else if (streq(word, "post:")) {
			list = &module->after;
			count = &module->after_count;
		} else {
			r = append_named(modules, word, list, count);
		}
		if (r < 0)
			return r;
	}
}

static int resolve(struct reading *reading, struct error **err)
{
	for (size_t i = 0; i < reading->modules->count; i++) {
		struct kernel_module *module = &reading->modules->items[i];
		const struct module_info *info = &reading->infos[i];
		int r = resolve_depends(reading->modules, module, &info->depends, err);

		if (r < 0)
			return r;
		for (size_t j = 0; j < info->softdeps.count && r >= 0; j++)
			r = resolve_softdep(reading->modules, module, info->softdeps.items[j]);
		for (size_t j = 0; j < info->weakdeps.count && r >= 0; j++)
			r = append_named(reading->modules, info->weakdeps.items[j], &module->weak,
				&module->weak_count);
		if (r < 0)
			return error_set_errno(err, r, "modules");
	}
	return 0;
}

int kernel_modules_read(const struct tree *tree, struct cache *cache, unsigned threads,
	struct kernel_modules **ret, struct error **err)
{
	_cleanup_kernel_modules_ struct kernel_modules *modules = calloc(1, sizeof(*modules));
	_cleanup_(reading_release) struct reading reading = {
		.tree = tree, .cache = cache, .modules = modules};
	int r;

	if (!modules)
		return error_set_errno(err, -ENOMEM, "modules");
	r = find_version(tree, modules, err);
	if (r >= 0)
		r = list_modules(tree, modules, err);
	if (r >= 0)
		r = read_builtin(tree, modules, err);
	if (r < 0)
		return r;
	reading.infos = calloc(modules->count + 1, sizeof(*reading.infos));
	if (!reading.infos)
		return error_set_errno(err, -ENOMEM, "modules");
	r = work_run(threads, modules->count, read_module, &reading, err);
	if (r >= 0)
		r = resolve(&reading, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(modules);
	return 0;
}
