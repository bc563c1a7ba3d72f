/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "build/depmod.h"

#include <errno.h>
#include <string.h>

#include "base/work.h"
#include "build/depmod-write.h"
#include "format/module-info.h"

#define MODULES_FOLDER "usr/lib/modules"
#define UNORDERED SIZE_MAX

static void module_release(struct depmod_module *module)
{
	free(module->file);
	free(module->name);
	module_info_release(&module->info);
	free(module->needs);
}

static void depmod_release(struct depmod *depmod)
{
	for (size_t i = 0; i < depmod->count; i++)
		module_release(&depmod->modules[i]);
	free(depmod->modules);
	free(depmod->symbols);
	free(depmod->folder);
}

static int add_module(struct depmod *depmod, const char *file, const struct tree_inode *inode)
{
	struct depmod_module *module;

	if (depmod->count == 0 || is_power_of_two_u64(depmod->count)) {
		struct depmod_module *modules = reallocarray(
			depmod->modules, depmod->count ? 2 * depmod->count : 1, sizeof(*modules));

		if (!modules)
			return -ENOMEM;
		depmod->modules = modules;
	}
	module = &depmod->modules[depmod->count++];
	*module = (struct depmod_module){.file = strdup(file), .name = module_name(file), .order = UNORDERED};
	module->content = inode->content;
	return module->file && module->name ? 0 : -ENOMEM;
}

static int list_file(const char *path, struct tree_inode *inode, void *userdata, struct error **err)
{
	struct depmod *depmod = userdata;
	const char *file = startswith(path, depmod->folder);
	int r;

	if (!file || *file != '/' || !S_ISREG(inode->mode) || !module_is_file(file))
		return 0;
	r = add_module(depmod, file + 1, inode);
	return r < 0 ? error_set_errno(err, r, "/%s", path) : 0;
}

/* A module's file as modules.order names it, in the folder and uncompressed. */
static int compare_files(const void *a, const void *b)
{
	const struct depmod_module *one = a, *other = b;
	size_t one_length = strlen(one->file), other_length = strlen(other->file);
	int order;

	one_length -= endswith(one->file, ".xz") ? 3 : 0;
	other_length -= endswith(other->file, ".xz") ? 3 : 0;
	order = memcmp(one->file, other->file, MIN(one_length, other_length));
	return order ? order : one_length < other_length ? -1 : one_length > other_length;
}

static int compare_order(const void *a, const void *b)
{
	const struct depmod_module *one = a, *other = b;

	if (one->order != other->order)
		return one->order < other->order ? -1 : 1;
	return compare_files(a, b);
}

/* Puts the modules in the order of modules.order; those that it doesn't name come last, by path. */
static int sort_modules(struct depmod *depmod, const struct tree *tree, struct error **err)
{
	_cleanup_free_ char *path = string_format("%s/modules.order", depmod->folder);
	const struct tree_inode *inode = path ? tree_resolve(tree, path) : NULL;
	const char *at = inode && S_ISREG(inode->mode) ? (const char *)content_data(inode->content) : "";

	if (!path)
		return error_set_errno(err, -ENOMEM, "depmod");
	qsort(depmod->modules, depmod->count, sizeof(*depmod->modules), compare_files);
	for (size_t line = 0; *at; line++) {
		size_t length = strcspn(at, "\n");
		_cleanup_free_ char *file = strndup(at, length);
		struct depmod_module key = {.file = file}, *found;

		if (!file)
			return error_set_errno(err, -ENOMEM, "depmod");
		found = bsearch(
			&key, depmod->modules, depmod->count, sizeof(*depmod->modules), compare_files);
		if (found && found->order == UNORDERED)
			found->order = line;
		at += length + (at[length] == '\n');
	}
	qsort(depmod->modules, depmod->count, sizeof(*depmod->modules), compare_order);
	return 0;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp((*(struct depmod_module *const *)a)->name, (*(struct depmod_module *const *)b)->name);
}

static int check_names(const struct depmod *depmod, struct error **err)
{
	_cleanup_free_ struct depmod_module **sorted = calloc(depmod->count + 1, sizeof(*sorted));

	if (!sorted)
		return error_set_errno(err, -ENOMEM, "depmod");
	for (size_t i = 0; i < depmod->count; i++)
		sorted[i] = &depmod->modules[i];
	qsort(sorted, depmod->count, sizeof(*sorted), compare_names);
	for (size_t i = 1; i < depmod->count; i++)
		if (compare_names(&sorted[i - 1], &sorted[i]) == 0)
			return error_set(err, -EEXIST,
				"the kernel module %s is there twice in /%s: %s and %s", sorted[i]->name,
				depmod->folder, sorted[i - 1]->file, sorted[i]->file);
	return 0;
}

static int read_module(size_t index, void *userdata, struct error **err)
{
	struct depmod *depmod = userdata;
	struct depmod_module *module = &depmod->modules[index];
	_cleanup_free_ void *plain = NULL;
	size_t size;
	int r;

	r = module_info_read_compressed(content_data(module->content), content_size(module->content),
		&module->info, &plain, &size, err);
	if (r < 0 && err && *err)
		error_wrap(err, "/%s/%s", depmod->folder, module->file);
	return r;
}

static int compare_symbols(const void *a, const void *b)
{
	const struct depmod_symbol *one = a, *other = b;
	int order = strcmp(one->name, other->name);

	return order ? order : one->owner < other->owner ? -1 : one->owner > other->owner;
}

static int compare_symbol_names(const void *a, const void *b)
{
	return strcmp(((const struct depmod_symbol *)a)->name, ((const struct depmod_symbol *)b)->name);
}

/* Makes the sorted list of exported symbols. Of a symbol that two modules export, the later module's counts.
 */
static int collect_symbols(struct depmod *depmod, struct error **err)
{
	size_t count = 0, kept = 0;

	for (size_t i = 0; i < depmod->count; i++)
		count += depmod->modules[i].info.exports.count;
	depmod->symbols = calloc(count + 1, sizeof(*depmod->symbols));
	if (!depmod->symbols)
		return error_set_errno(err, -ENOMEM, "depmod");
	count = 0;
	for (size_t i = 0; i < depmod->count; i++)
		for (size_t j = 0; j < depmod->modules[i].info.exports.count; j++)
			depmod->symbols[count++] = (struct depmod_symbol){
				.name = depmod->modules[i].info.exports.items[j], .owner = i};
	qsort(depmod->symbols, count, sizeof(*depmod->symbols), compare_symbols);
	for (size_t i = 0; i < count; i++)
		if (i + 1 == count || compare_symbol_names(&depmod->symbols[i], &depmod->symbols[i + 1]) != 0)
			depmod->symbols[kept++] = depmod->symbols[i];
	depmod->symbol_count = kept;
	return 0;
}

static bool needs_already(const struct depmod_module *module, size_t owner)
{
	for (size_t i = 0; i < module->need_count; i++)
		if (module->needs[i] == owner)
			return true;
	return false;
}

/* Finds whose symbols each module uses, in the order in which it names them. */
static int find_needs(struct depmod *depmod, struct depmod_module *module, struct error **err)
{
	const struct strv *imports = &module->info.imports;

	for (size_t i = 0; i < imports->count; i++) {
		struct depmod_symbol key = {.name = imports->items[i]};
		const struct depmod_symbol *found = bsearch(&key, depmod->symbols, depmod->symbol_count,
			sizeof(*depmod->symbols), compare_symbol_names);
		size_t *needs;

		if (!found || needs_already(module, found->owner))
			continue;
		needs = reallocarray(module->needs, module->need_count + 1, sizeof(*needs));
		if (!needs)
			return error_set_errno(err, -ENOMEM, "depmod");
		needs[module->need_count++] = found->owner;
		module->needs = needs;
		depmod->modules[found->owner].users++;
	}
	return 0;
}

static int report_circle(const struct depmod *depmod, const size_t *users, struct error **err)
{
	_cleanup_free_ char *names = NULL;
	size_t listed = 0;

	for (size_t i = 0; i < depmod->count && listed < 8; i++)
		if (users[i] > 0) {
			char *longer = string_format(
				"%s%s%s", names ? names : "", listed ? ", " : "", depmod->modules[i].name);

			free(names);
			names = longer;
			listed++;
		}
	return error_set(
		err, -ELOOP, "/%s: kernel modules need each other: %s", depmod->folder, names ? names : "?");
}

/*
 * Gives each module its place in a topological order in which a module stands before those that it needs. The
 * order is depmod's own: what has no users left is taken from a stack, so what was put there last comes
 * first. It decides the order in which modprobe loads what a module needs.
 */
static int place_modules(struct depmod *depmod, struct error **err)
{
	_cleanup_free_ size_t *users = calloc(depmod->count + 1, sizeof(*users));
	_cleanup_free_ size_t *stack = calloc(depmod->count + 1, sizeof(*stack));
	size_t depth = 0, placed = 0;

	if (!users || !stack)
		return error_set_errno(err, -ENOMEM, "depmod");
	for (size_t i = 0; i < depmod->count; i++) {
		users[i] = depmod->modules[i].users;
		if (users[i] == 0)
			stack[depth++] = i;
	}
	while (depth > 0) {
		struct depmod_module *module = &depmod->modules[stack[--depth]];

		module->place = placed++;
		for (size_t i = 0; i < module->need_count; i++)
			if (--users[module->needs[i]] == 0)
				stack[depth++] = module->needs[i];
	}
	return placed < depmod->count ? report_circle(depmod, users, err) : 0;
}

static int finish_kernel(struct finish *finish, const char *version, struct error **err)
{
	_cleanup_(depmod_release) struct depmod depmod = {
		.folder = string_format("%s/%s", MODULES_FOLDER, version)};
	int r;

	if (!depmod.folder)
		return error_set_errno(err, -ENOMEM, "depmod");
	r = tree_walk(finish->tree, list_file, &depmod, err);
	if (r < 0)
		return r;
	if (depmod.count == 0)
		return 0;
	r = sort_modules(&depmod, finish->tree, err);
	if (r >= 0)
		r = check_names(&depmod, err);
	if (r >= 0)
		r = work_run(0, depmod.count, read_module, &depmod, err);
	if (r >= 0)
		r = collect_symbols(&depmod, err);
	for (size_t i = 0; i < depmod.count && r >= 0; i++)
		r = find_needs(&depmod, &depmod.modules[i], err);
	if (r >= 0)
		r = place_modules(&depmod, err);
	return r < 0 ? r : depmod_write(&depmod, finish, err);
}

int finish_depmod(struct finish *finish, struct error **err)
{
	_cleanup_(strv_release) struct strv versions = {};
	const struct tree_inode *folder = tree_resolve(finish->tree, MODULES_FOLDER);

	for (size_t i = 0; folder && i < folder->entry_count; i++)
		if (S_ISDIR(folder->entries[i].inode->mode) &&
			strv_add(&versions, folder->entries[i].name) < 0)
			return error_set_errno(err, -ENOMEM, "depmod");
	for (size_t i = 0; i < versions.count; i++) {
		int r = finish_kernel(finish, versions.items[i], err);

		if (r < 0)
			return r;
	}
	return 0;
}
