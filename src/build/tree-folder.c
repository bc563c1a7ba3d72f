/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "build/tree-folder.h"

#include <errno.h>
#include <fcntl.h>

#include "base/buffer.h"
#include "base/file.h"
#include "base/string-util.h"

static int write_file(const char *path, const struct tree_inode *inode)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		inode->mode & S_IXUSR ? 0777 : 0666);

	return fd < 0 ? -errno : write_full(fd, content_data(inode->content), content_size(inode->content));
}

/* *name* is the link's own path in the tree: as many folders as are above it lead back to the root. */
static int write_link(const char *path, const char *name, const char *target)
{
	_cleanup_buffer_ struct buffer relative = {};

	if (target[0] == '/')
		for (; *name; name++)
			if (*name == '/')
				buffer_append_string(&relative, "../");
	target += strspn(target, "/");
	buffer_append_string(&relative, *target ? target : ".");
	buffer_append_u8(&relative, 0);
	if (buffer_failed(&relative))
		return -ENOMEM;
	return symlink((const char *)relative.data, path) < 0 ? -errno : 0;
}

static int write_name(const char *name, struct tree_inode *inode, void *userdata, struct error **err)
{
	_cleanup_free_ char *path = string_format("%s/%s", (const char *)userdata, name);
	int r;

	if (!path)
		return error_set_errno(err, -ENOMEM, "%s", name);
	switch (inode->mode & S_IFMT) {
	case S_IFDIR:
		r = mkdir(path, 0777) < 0 ? -errno : 0;
		break;
	case S_IFLNK:
		r = write_link(path, name, inode->target);
		break;
	default:
		r = write_file(path, inode);
	}
	return r < 0 ? error_set_errno(err, r, "cannot write %s", path) : 0;
}

int tree_write_folder(const struct tree *tree, const char *path, struct error **err)
{
	int r = mkdir_parents(path, err);

	return r < 0 ? r : tree_walk(tree, write_name, (void *)path, err);
}
