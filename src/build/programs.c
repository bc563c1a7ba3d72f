/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "build/programs.h"

#include <assert.h>
#include <errno.h>
#include <unistd.h>

#include "base/file.h"
#include "build/own.h"
#include "format/elf.h"
#include "format/tuf.h"

#define PROGRAM_MAX MiB(64)
#define ROOT_MAX KiB(512)
#define ORIGIN "orlop"

static int add_content(struct tree *tree, const struct definition *definition, const char *path, mode_t mode,
	struct content *content, int64_t mtime, struct error **err)
{
	const struct tree_attributes attributes = {.mode = mode, .mtime = mtime, .origin = ORIGIN};
	int r = own_check(definition, tree, path, "`programs`", NULL, err);

	return r < 0 ? r : tree_add_file(tree, path, &attributes, content, NULL, err);
}

/* A library of the tree that the program or library *user* asks for. */
static int find_library(const struct tree *tree, const struct platform *platform, const char *name,
	const char *user, const struct tree_inode **ret, struct error **err)
{
	_cleanup_free_ char *path = string_format("%s/%s", platform->libraries, name);
	const struct tree_inode *inode = path ? tree_resolve(tree, path) : NULL;

	if (!path)
		return error_set_errno(err, -ENOMEM, "libraries");
	if (!inode || !S_ISREG(inode->mode))
		return error_set(err, -ENOENT,
			"%s needs the library %s, which no package of the definition has", user, name);
	*ret = inode;
	return 0;
}

static int check_platform(const struct elf *elf, const struct platform *platform, struct error **err)
{
	if (elf->machine != platform->machine || elf->type == ELF_TYPE_RELOCATABLE)
		return error_set(err, -ENOEXEC, "is no program for %s", platform->architecture);
	return 0;
}

int program_check_platform(const char *path, const struct platform *platform, struct error **err)
{
	_cleanup_free_ char *data = NULL;
	struct elf elf;
	size_t size;
	int r = file_read(path, PROGRAM_MAX, &data, &size, err);

	if (r < 0)
		return r;
	r = elf_open(data, size, &elf, err);
	if (r >= 0)
		r = check_platform(&elf, platform, err);
	if (r < 0)
		(void)error_wrap(err, "%s", path);
	return r;
}

/* Adds the libraries that a program or library asks for to those that have to be there. */
static int add_needed(const void *data, size_t size, const char *name, struct strv *libraries,
	struct strv *users, struct error **err)
{
	_cleanup_elf_dynamic_ struct elf_dynamic dynamic = {};
	struct elf elf;
	int r = elf_open(data, size, &elf, err);

	if (r >= 0)
		r = elf_dynamic(&elf, &dynamic, err);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	for (size_t i = 0; i < dynamic.needed_count && r >= 0; i++)
		if (!strv_contains(libraries, dynamic.needed[i])) {
			r = strv_add(libraries, dynamic.needed[i]);
			if (r >= 0)
				r = strv_add(users, name);
		}
	return r < 0 ? error_set_errno(err, r, "libraries") : 0;
}

/* A program that can't find a library, or whose library can't, is found out here, and not on the first node.
 */
static int check_libraries(const struct tree *tree, const struct platform *platform, const char *name,
	const char *data, size_t size, struct error **err)
{
	_cleanup_strv_ struct strv libraries = {}, users = {};
	int r = add_needed(data, size, name, &libraries, &users, err);

	for (size_t i = 0; i < libraries.count && r >= 0; i++) {
		const struct tree_inode *library = NULL;

		assert(i < users.count && users.items); /* each has one */
		r = find_library(tree, platform, libraries.items[i], users.items[i], &library, err);
		if (r < 0)
			return r;
		assert(library);
		r = add_needed(content_data(library->content), content_size(library->content),
			libraries.items[i], &libraries, &users, err);
		if (r < 0)
			(void)error_wrap(err, "%s", libraries.items[i]);
	}
	return r;
}

static int check_program(const struct tree *tree, const struct platform *platform, const char *name,
	const char *data, size_t size, struct error **err)
{
	struct elf elf;
	int r = elf_open(data, size, &elf, err);

	if (r < 0)
		return r;
	r = check_platform(&elf, platform, err);
	return r < 0 ? r : check_libraries(tree, platform, name, data, size, err);
}

static int add_program(struct tree *tree, const struct definition *definition, const char *name,
	const char *path, const struct platform *platform, int64_t mtime, struct error **err)
{
	_cleanup_free_ char *to = string_format("usr/bin/%s", name), *data = NULL;
	_cleanup_content_ struct content *content = NULL;
	size_t size;
	int r;

	if (!to)
		return error_set_errno(err, -ENOMEM, "%s", name);
	r = file_read(path, PROGRAM_MAX, &data, &size, err);
	if (r < 0)
		return r;
	r = check_program(tree, platform, name, data, size, err);
	if (r < 0) {
		(void)error_wrap(err, "%s", path);
		return r;
	}
	content = content_new(TAKE_PTR(data), size);
	return content ? add_content(tree, definition, to, 0755, content, mtime, err)
		       : error_set_errno(err, -ENOMEM, "%s", name);
}

int programs_add(struct tree *tree, const struct definition *definition, const struct strv *paths,
	const struct platform *platform, int64_t mtime, struct error **err)
{
	const struct strv *names = &definition->programs;
	int r = 0;

	for (size_t i = 0; i < names->count && i < paths->count && r >= 0; i++)
		r = add_program(tree, definition, names->items[i], paths->items[i], platform, mtime, err);
	return r;
}

/* A root that nobody could use is no root. */
static int check_root(const char *data, size_t size, struct error **err)
{
	_cleanup_tuf_metadata_ struct tuf_metadata root = {};
	int r = tuf_metadata_parse(data, size, TUF_ROOT, &root, err);

	return r < 0 ? r : tuf_verify(&root, &root.keys, &root.roles[TUF_ROOT], err);
}

int programs_read_root(const char *keys, struct content **ret, struct error **err)
{
	_cleanup_free_ char *path = string_format("%s/root.json", keys), *data = NULL;
	size_t size;
	int r;

	if (!path)
		return error_set_errno(err, -ENOMEM, "%s", keys);
	if (access(path, F_OK) < 0 && errno == ENOENT)
		return error_set(err, -ENOENT,
			"%s is missing, without which no node can update: copy it from the keys that sign "
			"releases (`orlop keys init` makes it with them), or take orlop-node out of the "
			"definition's `programs`",
			path);
	r = file_read(path, ROOT_MAX, &data, &size, err);
	if (r < 0)
		return r;
	r = check_root(data, size, err);
	if (r < 0)
		return error_wrap(err, "%s", path), r;
	*ret = content_new(TAKE_PTR(data), size);
	return *ret ? 0 : error_set_errno(err, -ENOMEM, "%s", path);
}

int programs_add_root(struct tree *tree, const struct definition *definition, struct content *root,
	int64_t mtime, struct error **err)
{
	return add_content(tree, definition, PROGRAMS_ROOT, 0644, root, mtime, err);
}
