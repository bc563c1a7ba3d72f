/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "build/depmod-write.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "format/module-index.h"

static void add_all_needs(const struct depmod *depmod, size_t index, bool *needed)
{
	const struct depmod_module *module = &depmod->modules[index];

	for (size_t i = 0; i < module->need_count; i++) {
		if (needed[module->needs[i]])
			continue;
		needed[module->needs[i]] = true;
		add_all_needs(depmod, module->needs[i], needed);
	}
}

/* "FILE: FILE…", all that module *index* needs, in the order of their places. */
static char *dependency_line(const struct depmod *depmod, const size_t *by_place, size_t index)
{
	_cleanup_free_ bool *needed = calloc(depmod->count, sizeof(*needed));
	_cleanup_buffer_ struct buffer line = {};

	if (!needed)
		return NULL;
	add_all_needs(depmod, index, needed);
	buffer_printf(&line, "%s:", depmod->modules[index].file);
	for (size_t i = 0; i < depmod->count; i++)
		if (needed[by_place[i]])
			buffer_printf(&line, " %s", depmod->modules[by_place[i]].file);
	return buffer_take(&line, NULL);
}

/* modules.dep and modules.dep.bin */
static int write_dependencies(
	const struct depmod *depmod, struct buffer *text, struct module_index *index, struct error **err)
{
	_cleanup_free_ size_t *by_place = calloc(depmod->count + 1, sizeof(*by_place));

	if (!by_place)
		return error_set_errno(err, -ENOMEM, "modules.dep");
	for (size_t i = 0; i < depmod->count; i++)
		by_place[depmod->modules[i].place] = i;
	for (size_t i = 0; i < depmod->count; i++) {
		_cleanup_free_ char *line = dependency_line(depmod, by_place, i);

		if (!line || module_index_add(index, depmod->modules[i].name, line, (uint32_t)i) < 0)
			return error_set_errno(err, -ENOMEM, "modules.dep");
		buffer_printf(text, "%s\n", line);
	}
	return 0;
}

/*
 * Puts "_" for "-" outside of "[…]", as libkmod looks names up. Returns 0; -EINVAL where a bracket does not
 * end, or ends without having begun: such a pattern matches nothing.
 */
static int normalize(char *alias)
{
	for (; *alias; alias++) {
		if (*alias == '-')
			*alias = '_';
		else if (*alias == ']')
			return -EINVAL;
		else if (*alias == '[' && !(alias = strchr(alias, ']')))
			return -EINVAL;
	}
	return 0;
}

static int index_alias(
	struct module_index *index, const char *alias, const char *name, size_t priority, struct error **err)
{
	_cleanup_free_ char *normal = strdup(alias);

	if (!normal)
		return error_set_errno(err, -ENOMEM, "modules.alias");
	if (normalize(normal) < 0)
		return 0;
	if (module_index_add(index, normal, name, (uint32_t)priority) < 0)
		return error_set_errno(err, -ENOMEM, "modules.alias");
	return 0;
}

/* modules.alias and modules.alias.bin */
static int write_aliases(
	const struct depmod *depmod, struct buffer *text, struct module_index *index, struct error **err)
{
	buffer_append_string(text, "# Aliases extracted from modules themselves.\n");
	for (size_t i = 0; i < depmod->count; i++) {
		const struct depmod_module *module = &depmod->modules[i];

		for (size_t j = 0; j < module->info.aliases.count; j++) {
			const char *alias = module->info.aliases.items[j];
			int r = index_alias(index, alias, module->name, i, err);

			if (r < 0)
				return r;
			buffer_printf(text, "alias %s %s\n", alias, module->name);
		}
	}
	return 0;
}

/* modules.symbols and modules.symbols.bin. depmod's text has the order of its hash table, ours that of the
 * names. */
static int write_symbols(
	const struct depmod *depmod, struct buffer *text, struct module_index *index, struct error **err)
{
	buffer_append_string(text, "# Aliases for symbols, used by symbol_request().\n");
	for (size_t i = 0; i < depmod->symbol_count; i++) {
		const struct depmod_symbol *symbol = &depmod->symbols[i];
		const char *owner = depmod->modules[symbol->owner].name;
		_cleanup_free_ char *key = string_format("symbol:%s", symbol->name);

		if (!key || module_index_add(index, key, owner, (uint32_t)symbol->owner) < 0)
			return error_set_errno(err, -ENOMEM, "modules.symbols");
		buffer_printf(text, "alias %s %s\n", key, owner);
	}
	return 0;
}

static void write_wishes(const struct depmod *depmod, bool weak, struct buffer *text)
{
	buffer_printf(text, "# %s dependencies extracted from modules themselves.\n", weak ? "Weak" : "Soft");
	for (size_t i = 0; i < depmod->count; i++) {
		const struct module_info *info = &depmod->modules[i].info;
		const struct strv *list = weak ? &info->weakdeps : &info->softdeps;

		for (size_t j = 0; j < list->count; j++)
			buffer_printf(text, "%s %s %s\n", weak ? "weakdep" : "softdep",
				depmod->modules[i].name, list->items[j]);
	}
}

/* Reads "MAJOR-MINOR", of which more may follow; false where it is not two numbers. */
static bool parse_device(const char *text, unsigned long *ret_major, unsigned long *ret_minor)
{
	char *end;

	if (!isdigit((unsigned char)*text))
		return false;
	*ret_major = strtoul(text, &end, 10);
	if (*end != '-' || !isdigit((unsigned char)end[1]))
		return false;
	*ret_minor = strtoul(end + 1, &end, 10);
	return true;
}

/* A module with an alias "devname:NODE" and one that gives the numbers. */
static void write_device(const struct depmod_module *module, struct buffer *text)
{
	unsigned long major = 0, minor = 0;
	const char *node = NULL;
	char type = 0;

	for (size_t i = 0; i < module->info.aliases.count && !(type && node); i++) {
		const char *alias = module->info.aliases.items[i], *rest;

		if ((rest = startswith(alias, "devname:")))
			node = rest;
		else if ((rest = startswith(alias, "char-major-")) && parse_device(rest, &major, &minor))
			type = 'c';
		else if ((rest = startswith(alias, "block-major-")) && parse_device(rest, &major, &minor))
			type = 'b';
	}
	if (!type || !node)
		return;
	if (text->size == 0)
		buffer_append_string(text, "# Device nodes to trigger on-demand module loading.\n");
	buffer_printf(text, "%s %s %c%lu:%lu\n", module->name, node, type, major, minor);
}

/* modules.builtin.bin, of the paths in modules.builtin */
static int index_builtin(const char *text, struct module_index *index, struct error **err)
{
	while (*text) {
		size_t length = strcspn(text, "\n");
		_cleanup_free_ char *line = strndup(text, length), *name = line ? module_name(line) : NULL;

		if (!name || (*line && module_index_add(index, name, "", 0) < 0))
			return error_set_errno(err, -ENOMEM, "modules.builtin");
		text += length + (text[length] == '\n');
	}
	return 0;
}

/* modules.builtin.alias.bin, of the strings "NAME.KEY=VALUE" in modules.builtin.modinfo */
static int index_builtin_aliases(
	const struct content *content, struct module_index *index, struct error **err)
{
	const char *at = (const char *)content_data(content), *end = at + content_size(content);

	for (; at < end; at += strlen(at) + 1) {
		const char *dot = strchr(at, '.'), *alias = dot ? startswith(dot, ".alias=") : NULL;
		_cleanup_free_ char *name = NULL;
		int r;

		if (!alias || dot == at || !*alias)
			continue;
		name = strndup(at, (size_t)(dot - at));
		if (!name)
			return error_set_errno(err, -ENOMEM, "modules.builtin.modinfo");
		r = index_alias(index, alias, name, 0, err);
		if (r < 0)
			return r;
	}
	return 0;
}

struct writer {
	const struct depmod *depmod;
	struct finish *finish;
};

static int put_file(const struct writer *writer, const char *name, struct buffer *text, struct error **err)
{
	const struct tree_attributes attributes = {
		.mode = 0644, .mtime = writer->finish->mtime, .origin = "finisher:depmod"};
	_cleanup_free_ char *path = string_format("%s/%s", writer->depmod->folder, name);
	_cleanup_content_ struct content *content = NULL;
	size_t size;
	void *data = buffer_take(text, &size);
	int r;

	content = data ? content_new(data, size) : NULL;
	if (!path || !content)
		return error_set_errno(err, -ENOMEM, "%s", name);
	r = finish_clear(writer->finish, "modules", path, err);
	return r < 0 ? r : tree_add_file(writer->finish->tree, path, &attributes, content, NULL, err);
}

static int put_index(
	const struct writer *writer, const char *name, const struct module_index *index, struct error **err)
{
	_cleanup_buffer_ struct buffer bytes = {};
	int r = module_index_write(index, &bytes, err);

	if (r < 0) {
		if (err && *err)
			error_wrap(err, "/%s/%s", writer->depmod->folder, name);
		return r;
	}
	return put_file(writer, name, &bytes, err);
}

/* What is written as a text and as an index. */
typedef int (*pair_fn)(
	const struct depmod *depmod, struct buffer *text, struct module_index *index, struct error **err);

static int put_pair(
	const struct writer *writer, const char *name, const char *index_name, pair_fn fn, struct error **err)
{
	_cleanup_module_index_ struct module_index index = {};
	_cleanup_buffer_ struct buffer text = {};
	int r = fn(writer->depmod, &text, &index, err);

	if (r >= 0)
		r = put_file(writer, name, &text, err);
	return r < 0 ? r : put_index(writer, index_name, &index, err);
}

static int put_texts(const struct writer *writer, struct error **err)
{
	_cleanup_buffer_ struct buffer soft = {}, weak = {}, devices = {};
	int r;

	write_wishes(writer->depmod, false, &soft);
	write_wishes(writer->depmod, true, &weak);
	for (size_t i = 0; i < writer->depmod->count; i++)
		write_device(&writer->depmod->modules[i], &devices);
	r = put_file(writer, "modules.softdep", &soft, err);
	if (r >= 0)
		r = put_file(writer, "modules.weakdep", &weak, err);
	return r < 0 ? r : put_file(writer, "modules.devname", &devices, err);
}

/* A file that the kernel's package brings; *ret* is NULL where it doesn't. */
static int package_file(
	const struct writer *writer, const char *name, const struct content **ret, struct error **err)
{
	_cleanup_free_ char *path = string_format("%s/%s", writer->depmod->folder, name);
	const struct tree_inode *inode = path ? tree_resolve(writer->finish->tree, path) : NULL;

	if (!path)
		return error_set_errno(err, -ENOMEM, "%s", name);
	*ret = inode && S_ISREG(inode->mode) ? inode->content : NULL;
	return 0;
}

static int put_builtin(const struct writer *writer, struct error **err)
{
	_cleanup_module_index_ struct module_index names = {}, aliases = {};
	const struct content *list = NULL, *info = NULL;
	int r = package_file(writer, "modules.builtin", &list, err);

	if (r >= 0)
		r = package_file(writer, "modules.builtin.modinfo", &info, err);
	if (r >= 0 && list)
		r = index_builtin((const char *)content_data(list), &names, err);
	if (r >= 0 && info)
		r = index_builtin_aliases(info, &aliases, err);
	if (r >= 0)
		r = put_index(writer, "modules.builtin.bin", &names, err);
	return r < 0 ? r : put_index(writer, "modules.builtin.alias.bin", &aliases, err);
}

int depmod_write(const struct depmod *depmod, struct finish *finish, struct error **err)
{
	const struct writer writer = {.depmod = depmod, .finish = finish};
	int r;

	r = put_pair(&writer, "modules.dep", "modules.dep.bin", write_dependencies, err);
	if (r >= 0)
		r = put_pair(&writer, "modules.alias", "modules.alias.bin", write_aliases, err);
	if (r >= 0)
		r = put_pair(&writer, "modules.symbols", "modules.symbols.bin", write_symbols, err);
	if (r >= 0)
		r = put_texts(&writer, err);
	return r < 0 ? r : put_builtin(&writer, err);
}
