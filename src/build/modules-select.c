/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "build/modules.h"

#include <errno.h>
#include <string.h>

#include "base/buffer.h"
#include "base/glob.h"
#include "format/module-info.h"

/* A pattern taken apart. */
struct pattern {
	char *text; /* with "_" for "-" where it is one over names */
	bool over_paths, exclude, optional;
};

static void pattern_release(struct pattern *pattern)
{
	free(pattern->text);
}

static int pattern_parse(const char *text, struct pattern *ret)
{
	struct pattern pattern = {};

	for (; *text == '!' || *text == '-'; text++) {
		pattern.exclude |= *text == '!';
		pattern.optional |= *text == '-';
	}
	pattern.over_paths = strchr(text, '/') != NULL;
	pattern.text = pattern.over_paths ? strdup(text) : module_name(text);
	if (!pattern.text)
		return -ENOMEM;
	*ret = pattern;
	return 0;
}

/* Compares with the module that has *file*, a path that ends in ".ko". */
static int pattern_matches(const struct pattern *pattern, const char *file, bool *ret)
{
	_cleanup_free_ char *subject = NULL;

	subject = pattern->over_paths ? strndup(file, strlen(file) - strlen(".ko")) : module_name(file);
	if (!subject)
		return -ENOMEM;
	*ret = glob_match(pattern->text, subject);
	return 0;
}

static int matches_builtin(const struct kernel_modules *modules, const struct pattern *pattern, bool *ret)
{
	*ret = false;
	for (size_t i = 0; i < modules->builtin.count && !*ret; i++) {
		const char *file = modules->builtin.items[i];
		int r = endswith(file, ".ko") ? pattern_matches(pattern, file, ret) : 0;

		if (r < 0)
			return r;
	}
	return 0;
}

static size_t index_of(const struct kernel_modules *modules, const struct kernel_module *module)
{
	return (size_t)(module - modules->items);
}

static int apply_pattern(
	const struct kernel_modules *modules, const char *text, bool *chosen, struct error **err)
{
	_cleanup_(pattern_release) struct pattern pattern = {};
	bool found = false;
	int r = pattern_parse(text, &pattern);

	for (size_t i = 0; i < modules->count && r >= 0; i++) {
		bool matches = false;

		r = pattern_matches(&pattern, modules->items[i].file, &matches);
		if (r < 0 || !matches)
			continue;
		chosen[i] = !pattern.exclude;
		found = true;
	}
	if (r >= 0 && !found)
		r = matches_builtin(modules, &pattern, &found);
	if (r < 0)
		return error_set_errno(err, r, "modules");
	if (found || pattern.optional)
		return 0;
	r = error_set(err, -ENOENT,
		"no kernel module matches \"%s\" (kernel %s); write \"-%s\" where it may be missing", text,
		modules->version, text);
	return error_about(err, text, r);
}

/* Chooses all that *module* and what it leads to need or name. */
static void choose_with_dependencies(
	const struct kernel_modules *modules, const struct kernel_module *module, bool *chosen)
{
	const struct kernel_module **const lists[] = {
		module->needs, module->before, module->after, module->weak};
	const size_t counts[] = {
		module->need_count, module->before_count, module->after_count, module->weak_count};

	for (size_t list = 0; list < ARRAY_SIZE(lists); list++)
		for (size_t i = 0; i < counts[list]; i++) {
			size_t index = index_of(modules, lists[list][i]);

			if (chosen[index])
				continue;
			chosen[index] = true;
			choose_with_dependencies(modules, lists[list][i], chosen);
		}
}

/* Puts the plain module where the package's file is. */
static int store_module(struct tree *tree, const struct kernel_module *module, struct error **err)
{
	struct tree_inode *inode = tree_lookup(tree, module->stored);
	struct tree_attributes attributes;
	int r;

	if (!inode || !S_ISREG(inode->mode))
		return error_set(err, -ENOENT, "/%s is no longer in the tree", module->stored);
	if (streq(module->stored, module->path)) {
		inode_set_content(inode, module->content);
		return 0;
	}
	attributes = (struct tree_attributes){.mode = inode->mode & 07777,
		.uid = inode->uid,
		.gid = inode->gid,
		.mtime = inode->mtime,
		.origin = inode->origin};
	r = tree_remove(tree, module->stored, err);
	if (r < 0)
		return r;
	return tree_add_file(tree, module->path, &attributes, module->content, NULL, err);
}

static bool is_empty_folder(const struct tree_inode *inode)
{
	return inode && S_ISDIR(inode->mode) && inode->entry_count == 0;
}

/* Removes a module's file, and the folders that are empty then. */
static int remove_module(struct tree *tree, const struct kernel_module *module, struct error **err)
{
	_cleanup_free_ char *path = strdup(module->stored);
	int r;

	if (!path)
		return error_set_errno(err, -ENOMEM, "/%s", module->stored);
	do {
		char *slash = strrchr(path, '/');

		r = tree_remove(tree, path, err);
		if (r < 0 || !slash)
			return r;
		*slash = 0;
	} while (is_empty_folder(tree_lookup(tree, path)));
	return 0;
}

int kernel_modules_keep(const struct kernel_modules *modules, struct tree *tree, const struct strv *patterns,
	struct error **err)
{
	_cleanup_free_ bool *chosen = calloc(modules->count + 1, sizeof(*chosen));
	_cleanup_free_ bool *kept = calloc(modules->count + 1, sizeof(*kept));

	if (!chosen || !kept)
		return error_set_errno(err, -ENOMEM, "modules");
	for (size_t i = 0; i < patterns->count; i++) {
		int r = apply_pattern(modules, patterns->items[i], chosen, err);

		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < modules->count; i++) {
		if (!chosen[i] && patterns->count > 0)
			continue;
		kept[i] = true;
		choose_with_dependencies(modules, &modules->items[i], kept);
	}
	for (size_t i = 0; i < modules->count; i++) {
		int r = kept[i] ? store_module(tree, &modules->items[i], err)
				: remove_module(tree, &modules->items[i], err);

		if (r < 0)
			return r;
	}
	return 0;
}

/* The modules in the order to load them, built by visiting what each needs first. */
struct order {
	const struct kernel_modules *modules;
	bool *visited;
	const struct kernel_module **items;
	size_t count;
};

static void order_release(struct order *order)
{
	free(order->visited);
	free(order->items);
}

static int order_init(struct order *order, const struct kernel_modules *modules, struct error **err)
{
	*order = (struct order){
		.modules = modules,
		.visited = calloc(modules->count + 1, sizeof(*order->visited)),
		.items = calloc(modules->count + 1, sizeof(*order->items)),
	};
	return order->visited && order->items ? 0 : error_set_errno(err, -ENOMEM, "modules");
}

static void order_add(struct order *order, const struct kernel_module *module)
{
	bool *visited = &order->visited[index_of(order->modules, module)];

	if (*visited)
		return;
	*visited = true;
	for (size_t i = 0; i < module->need_count; i++)
		order_add(order, module->needs[i]);
	for (size_t i = 0; i < module->before_count; i++)
		order_add(order, module->before[i]);
	order->items[order->count++] = module;
	for (size_t i = 0; i < module->after_count; i++)
		order_add(order, module->after[i]);
}

/* The module of a name in a list; NULL in *ret* where it is built in, or may be missing and is. */
static int find_listed(const struct kernel_modules *modules, const char *text,
	const struct kernel_module **ret, struct error **err)
{
	_cleanup_(pattern_release) struct pattern pattern = {};
	bool found = false;
	int r = pattern_parse(text, &pattern);

	if (r < 0)
		return error_set_errno(err, r, "modules");
	*ret = kernel_modules_find(modules, pattern.text);
	if (*ret || pattern.optional)
		return 0;
	r = matches_builtin(modules, &pattern, &found);
	if (r < 0)
		return error_set_errno(err, r, "modules");
	if (found)
		return 0;
	r = error_set(err, -ENOENT,
		"there is no kernel module \"%s\" (kernel %s); write \"-%s\" where it may be missing", text,
		modules->version, text);
	return error_about(err, text, r);
}

static int order_add_names(struct order *order, const struct strv *names, struct error **err)
{
	for (size_t i = 0; i < names->count; i++) {
		const struct kernel_module *module;
		int r = find_listed(order->modules, names->items[i], &module, err);

		if (r < 0)
			return r;
		if (module)
			order_add(order, module);
	}
	return 0;
}

int kernel_modules_order(const struct kernel_modules *modules, const struct strv *names,
	const struct kernel_module ***ret, size_t *ret_count, struct error **err)
{
	_cleanup_(order_release) struct order order = {};
	int r;

	r = order_init(&order, modules, err);
	if (r >= 0)
		r = order_add_names(&order, names, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(order.items);
	*ret_count = order.count;
	return 0;
}

/* "a,b", or "-" */
static void write_needs(struct buffer *to, const struct order *order, size_t index)
{
	const struct kernel_module *module = order->items[index];
	const struct kernel_module **const lists[] = {module->needs, module->before};
	const size_t counts[] = {module->need_count, module->before_count};
	bool first = true;

	for (size_t list = 0; list < ARRAY_SIZE(lists); list++)
		for (size_t i = 0; i < counts[list]; i++)
			/* In a circle of soft dependencies, one of them has to do without. */
			for (size_t j = 0; j < index; j++)
				if (order->items[j] == lists[list][i]) {
					buffer_printf(to, "%s%s", first ? "" : ",", lists[list][i]->name);
					first = false;
				}
	if (first)
		buffer_append_string(to, "-");
}

static void write_line(struct buffer *to, const struct order *order, size_t index, bool always)
{
	const struct kernel_module *module = order->items[index];

	buffer_printf(to, "%s /%s ", module->name, module->path);
	write_needs(to, order, index);
	if (always)
		buffer_append_string(to, " always");
	for (size_t i = 0; !always && i < module->aliases.count; i++)
		if (!strpbrk(module->aliases.items[i], " \t\n"))
			buffer_printf(to, " %s", module->aliases.items[i]);
	buffer_append_string(to, "\n");
}

/* A driver that no device can ask for would never be loaded. */
static int check_devices(const struct kernel_modules *modules, const struct strv *devices, struct error **err)
{
	for (size_t i = 0; i < devices->count; i++) {
		const struct kernel_module *module;
		int r = find_listed(modules, devices->items[i], &module, err);

		if (r < 0)
			return r;
		if (!module || module->aliases.count > 0)
			continue;
		r = error_set(err, -EINVAL,
			"the kernel module %s names no devices: list it with those that are loaded always",
			module->name);
		return error_about(err, devices->items[i], r);
	}
	return 0;
}

int kernel_modules_table(const struct kernel_modules *modules, const struct strv *always,
	const struct strv *devices, char **ret, const struct kernel_module ***ret_modules, size_t *ret_count,
	struct error **err)
{
	_cleanup_(order_release) struct order order = {};
	_cleanup_buffer_ struct buffer text = {};
	size_t always_count;
	int r;

	r = order_init(&order, modules, err);
	if (r >= 0)
		r = check_devices(modules, devices, err);
	if (r >= 0)
		r = order_add_names(&order, always, err);
	always_count = order.count;
	if (r >= 0)
		r = order_add_names(&order, devices, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < order.count; i++)
		write_line(&text, &order, i, i < always_count);
	*ret = buffer_take(&text, NULL);
	if (!*ret)
		return error_set_errno(err, -ENOMEM, "modules");
	*ret_modules = TAKE_PTR(order.items);
	*ret_count = order.count;
	return 0;
}
