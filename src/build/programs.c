/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "build/programs.h"

#include <errno.h>

#include "base/file.h"
#include "format/elf.h"
#include "format/tuf.h"

#define PROGRAM_MAX MiB(64)
#define ROOT_MAX KiB(512)
#define ORIGIN "orlop"

static int add_bytes(struct tree *tree, const char *path, mode_t mode, char *data, size_t size, int64_t mtime,
	struct error **err)
{
	const struct tree_attributes attributes = {.mode = mode, .mtime = mtime, .origin = ORIGIN};
	_cleanup_content_ struct content *content = content_new(data, size);

	if (!content)
		return error_set_errno(err, -ENOMEM, "%s", path);
	return tree_add_file(tree, path, &attributes, content, NULL, err);
}

static bool has_library(const struct tree *tree, const struct platform *platform, const char *name)
{
	_cleanup_free_ char *path = string_format("%s/%s", platform->libraries, name);
	const struct tree_inode *inode = path ? tree_resolve(tree, path) : NULL;

	return inode && S_ISREG(inode->mode);
}

/* A program that can't find a library is found out here, and not on the first node. */
static int check_program(const struct tree *tree, const struct platform *platform, const char *data,
	size_t size, struct error **err)
{
	_cleanup_elf_dynamic_ struct elf_dynamic dynamic = {};
	struct elf elf;
	int r = elf_open(data, size, &elf, err);

	if (r < 0)
		return r;
	if (elf.machine != platform->machine || elf.type == ELF_TYPE_RELOCATABLE)
		return error_set(err, -ENOEXEC, "is no program for %s", platform->architecture);
	r = elf_dynamic(&elf, &dynamic, err);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	for (size_t i = 0; i < dynamic.needed_count; i++)
		if (!has_library(tree, platform, dynamic.needed[i]))
			return error_set(err, -ENOENT,
				"needs the library %s, which no package of the definition has",
				dynamic.needed[i]);
	return 0;
}

static int add_program(struct tree *tree, const char *name, const char *path, const struct platform *platform,
	int64_t mtime, struct error **err)
{
	_cleanup_free_ char *to = string_format("usr/bin/%s", name), *data = NULL;
	size_t size;
	int r;

	if (!to)
		return error_set_errno(err, -ENOMEM, "%s", name);
	r = file_read(path, PROGRAM_MAX, &data, &size, err);
	if (r < 0)
		return r;
	r = check_program(tree, platform, data, size, err);
	if (r < 0) {
		(void)error_wrap(err, "%s", path);
		return r;
	}
	return add_bytes(tree, to, 0755, TAKE_PTR(data), size, mtime, err);
}

int programs_add(struct tree *tree, const struct strv *names, const struct strv *paths,
	const struct platform *platform, int64_t mtime, struct error **err)
{
	int r = 0;

	for (size_t i = 0; i < names->count && i < paths->count && r >= 0; i++)
		r = add_program(tree, names->items[i], paths->items[i], platform, mtime, err);
	return r;
}

/* A root that nobody could use is no root. */
static int check_root(const char *data, size_t size, struct error **err)
{
	_cleanup_tuf_metadata_ struct tuf_metadata root = {};
	int r = tuf_metadata_parse(data, size, TUF_ROOT, &root, err);

	return r < 0 ? r : tuf_verify(&root, &root.keys, &root.roles[TUF_ROOT], err);
}

int programs_add_root(struct tree *tree, const char *keys, int64_t mtime, struct error **err)
{
	_cleanup_free_ char *path = string_format("%s/root.json", keys), *data = NULL;
	_cleanup_error_ struct error *why = NULL;
	size_t size;
	int r;

	if (!path)
		return error_set_errno(err, -ENOMEM, "%s", keys);
	r = file_read(path, ROOT_MAX, &data, &size, &why);
	if (r == -ENOENT)
		return 0;
	if (r < 0) {
		error_move(err, TAKE_PTR(why));
		return r;
	}
	r = check_root(data, size, err);
	if (r < 0) {
		(void)error_wrap(err, "%s", path);
		return r;
	}
	return add_bytes(tree, PROGRAMS_ROOT, 0644, TAKE_PTR(data), size, mtime, err);
}
