/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/cpio.h"

#include <errno.h>
#include <string.h>

struct cpio_writer {
	struct buffer *to;
	uint32_t next_number;
};

/*
 * What tree_inode.number holds while we write: the archive's inode number in the low half, the names already
 * written in the high half.
 */
#define NAME_SEEN ((uint64_t)1 << 32)

static void write_entry(struct buffer *to, const char *name, const struct tree_inode *inode, uint32_t number,
	const void *data, size_t size)
{
	static const struct tree_inode none = {};

	if (!inode)
		inode = &none;
	buffer_printf(to, "070701%08X%08X%08X%08X%08X%08X%08zX%08X%08X%08X%08X%08zX%08X", number, inode->mode,
		inode->uid, inode->gid, inode->links ? inode->links : 1, (uint32_t)inode->mtime, size, 0, 0,
		0, 0, strlen(name) + 1, 0);
	buffer_append(to, name, strlen(name) + 1);
	buffer_align(to, 4);
	buffer_append(to, data, size);
	buffer_align(to, 4);
}

static int check_inode(const char *path, const struct tree_inode *inode, struct error **err)
{
	if (inode->xattr_count > 0)
		return error_set(err, -EINVAL, "%s: cpio cannot hold the extended attribute %s", path,
			inode->xattrs[0].name);
	if (inode->mtime < 0 || inode->mtime > UINT32_MAX)
		return error_set(
			err, -ERANGE, "%s: cpio cannot hold the time %lld", path, (long long)inode->mtime);
	if (S_ISREG(inode->mode) && content_size(inode->content) > UINT32_MAX)
		return error_set(err, -ERANGE, "%s: too large for cpio, which ends at 4 GiB", path);
	return 0;
}

static int write_inode(const char *path, struct tree_inode *inode, void *userdata, struct error **err)
{
	struct cpio_writer *writer = userdata;
	const void *data = NULL;
	size_t size = 0;
	int r;

	r = check_inode(path, inode, err);
	if (r < 0)
		return r;
	if (inode->number == 0)
		inode->number = writer->next_number++;
	inode->number += NAME_SEEN;
	if (S_ISREG(inode->mode) && inode->number / NAME_SEEN == inode->links) {
		data = content_data(inode->content);
		size = content_size(inode->content);
	} else if (S_ISLNK(inode->mode)) {
		data = inode->target;
		size = strlen(inode->target);
	}
	write_entry(writer->to, path, inode, (uint32_t)inode->number, data, size);
	return 0;
}

static int forget_number(const char *path, struct tree_inode *inode, void *userdata, struct error **err)
{
	(void)path;
	(void)userdata;
	(void)err;
	inode->number = 0;
	return 0;
}

int cpio_write(struct tree *tree, struct buffer *ret, struct error **err)
{
	struct cpio_writer writer = {.to = ret, .next_number = 1};
	int r;

	r = tree_walk(tree, forget_number, NULL, err);
	if (r < 0)
		return r;
	r = tree_walk(tree, write_inode, &writer, err);
	if (r < 0)
		return r;
	write_entry(ret, "TRAILER!!!", NULL, 0, NULL, 0);
	return buffer_failed(ret) ? error_set_errno(err, -ENOMEM, "cpio archive") : 0;
}
