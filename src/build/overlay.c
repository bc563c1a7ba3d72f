/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "build/overlay.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>

#include "base/file.h"
#include "base/string-util.h"

#define OVERLAY_FILE_MAX MiB(256)

struct overlay {
	struct tree *tree;
	const struct strv *left_out;
	struct tree_attributes attributes;
};

static int replace(struct overlay *overlay, const char *name, struct error **err)
{
	const struct tree_inode *there = tree_lookup(overlay->tree, name);

	if (!there)
		return 0;
	if (S_ISDIR(there->mode))
		return error_set(err, -EISDIR, "\"%s\" would replace a folder of %s", name, there->origin);
	return tree_remove(overlay->tree, name, err);
}

static int add_file(
	struct overlay *overlay, const char *path, const char *name, mode_t mode, struct error **err)
{
	struct tree_attributes attributes = overlay->attributes;
	_cleanup_content_ struct content *content = NULL;
	char *data;
	size_t size;
	int r;

	r = file_read(path, OVERLAY_FILE_MAX, &data, &size, err);
	if (r < 0)
		return r;
	content = content_new(data, size);
	if (!content)
		return error_set_errno(err, -ENOMEM, "%s", path);
	attributes.mode = mode & S_IXUSR ? 0755 : 0644;
	r = replace(overlay, name, err);
	return r < 0 ? r : tree_add_file(overlay->tree, name, &attributes, content, NULL, err);
}

static int add_link(struct overlay *overlay, const char *path, const char *name, struct error **err)
{
	char target[4096];
	ssize_t n = readlink(path, target, sizeof(target) - 1);
	int r;

	if (n < 0)
		return error_set_errno(err, -errno, "%s", path);
	target[n] = 0;
	r = replace(overlay, name, err);
	return r < 0 ? r : tree_add_symlink(overlay->tree, name, &overlay->attributes, target, NULL, err);
}

static int add_folder(struct overlay *overlay, const char *path, const char *name, struct error **err);

/* Modes that nobody has by accident. Folders take setgid from the one that they are made in. */
static bool has_odd_mode(mode_t mode)
{
	return (S_ISREG(mode) && (mode & (S_ISUID | S_ISGID | S_ISVTX))) ||
	       (S_ISDIR(mode) && (mode & (S_ISUID | S_ISVTX)));
}

static int add_name(struct overlay *overlay, const char *path, const char *name, struct error **err)
{
	struct stat st;

	if (overlay->left_out && strv_contains(overlay->left_out, path))
		return 0;
	if (lstat(path, &st) < 0)
		return error_set_errno(err, -errno, "%s", path);
	if (has_odd_mode(st.st_mode))
		return error_set(
			err, -EINVAL, "%s is setuid, setgid or sticky, which only a package can bring", path);
	switch (st.st_mode & S_IFMT) {
	case S_IFREG:
		return add_file(overlay, path, name, st.st_mode, err);
	case S_IFLNK:
		return add_link(overlay, path, name, err);
	case S_IFDIR:
		return add_folder(overlay, path, name, err);
	default:
		return error_set(err, -EINVAL, "%s: is no file, folder or symbolic link", path);
	}
}

static bool is_junk(const char *name)
{
	static const char *const patterns[] = {
		".git", ".gitignore", ".gitattributes", ".gitkeep", "*~", ".*.sw[a-p]", ".#*", ".DS_Store"};

	for (size_t i = 0; i < ARRAY_SIZE(patterns); i++)
		if (fnmatch(patterns[i], name, 0) == 0)
			return true;
	return false;
}

static int is_ours(const struct dirent *entry)
{
	return !streq(entry->d_name, ".") && !streq(entry->d_name, "..") && !is_junk(entry->d_name);
}

static int add_folder(struct overlay *overlay, const char *path, const char *name, struct error **err)
{
	struct tree_attributes attributes = overlay->attributes;
	struct dirent **entries;
	int n, r = 0;

	attributes.mode = 0755;
	if (name[0])
		r = tree_add_folder(overlay->tree, name, &attributes, NULL, err);
	if (r < 0)
		return r;
	n = scandir(path, &entries, is_ours, NULL);
	if (n < 0)
		return error_set_errno(err, -errno, "%s", path);
	for (int i = 0; i < n; i++) {
		_cleanup_free_ char *child = string_format("%s/%s", path, entries[i]->d_name);
		_cleanup_free_ char *child_name =
			string_format("%s%s%s", name, name[0] ? "/" : "", entries[i]->d_name);

		if (r >= 0)
			r = child && child_name ? add_name(overlay, child, child_name, err)
						: error_set_errno(err, -ENOMEM, "%s", path);
		free(entries[i]);
	}
	free(entries);
	return r;
}

int overlay_add(struct tree *tree, const char *path, const struct strv *left_out, int64_t mtime,
	const char *origin, struct error **err)
{
	struct overlay overlay = {.tree = tree,
		.left_out = left_out,
		.attributes = {.mode = 0644, .mtime = mtime, .origin = origin}};

	return add_folder(&overlay, path, "", err);
}

int overlay_has(const char *path, const char *name)
{
	_cleanup_free_ char *file = string_format("%s/%s", path, name), *parts = strdup(name);
	char *rest = parts, *part;
	struct stat st;

	if (!file || !parts)
		return -ENOMEM;
	while ((part = strsep(&rest, "/")))
		if (is_junk(part))
			return 0;
	return lstat(file, &st) >= 0;
}
