/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/cpio.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

struct cpio_writer {
	struct buffer *to;
	size_t begin; /* of the archive in it */
	size_t alignment;
	uint32_t next_number;
};

/*
 * What tree_inode.number holds while we write: the archive's inode number in the low half, the names already
 * written in the high half.
 */
#define NAME_SEEN ((uint64_t)1 << 32)

#define HEADER_SIZE 110

/* The size of a name with its NUL, and with as many more as bring content to its alignment. */
static size_t name_size(const struct cpio_writer *writer, const char *name, size_t content)
{
	size_t size = strlen(name) + 1, begin = writer->to->size - writer->begin + HEADER_SIZE;

	if (content > 0)
		while ((begin + size + 3) / 4 * 4 % writer->alignment)
			size++;
	return size;
}

static void write_entry(const struct cpio_writer *writer, const char *name, const struct tree_inode *inode,
	uint32_t number, const void *data, size_t size)
{
	static const struct tree_inode none = {};
	struct buffer *to = writer->to;
	size_t name_bytes = name_size(writer, name, size);

	if (!inode)
		inode = &none;
	buffer_printf(to, "070701%08X%08X%08X%08X%08X%08X%08zX%08X%08X%08X%08X%08zX%08X", number, inode->mode,
		inode->uid, inode->gid, inode->links ? inode->links : 1, (uint32_t)inode->mtime, size, 0, 0,
		0, 0, name_bytes, 0);
	buffer_append(to, name, strlen(name) + 1);
	for (size_t i = strlen(name) + 1; i < name_bytes; i++)
		buffer_append_u8(to, 0);
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
	write_entry(writer, path, inode, (uint32_t)inode->number, data, size);
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
	return cpio_write_aligned(tree, 4, ret, err);
}

int cpio_write_aligned(struct tree *tree, size_t alignment, struct buffer *ret, struct error **err)
{
	struct cpio_writer writer = {.to = ret, .begin = ret->size, .alignment = alignment, .next_number = 1};
	int r;

	r = tree_walk(tree, forget_number, NULL, err);
	if (r < 0)
		return r;
	r = tree_walk(tree, write_inode, &writer, err);
	if (r < 0)
		return r;
	write_entry(&writer, "TRAILER!!!", NULL, 0, NULL, 0);
	return buffer_failed(ret) ? error_set_errno(err, -ENOMEM, "cpio archive") : 0;
}

/* ---- Finding ---- */

#define MAGIC "070701"
#define MAGIC_SIZE 6
#define FIELD_SIZE 8
#define FIELD_CONTENT 6 /* number of the field with the size of the content, … */
#define FIELD_NAME 11	/* … and with that of the name, its NUL included */

static int read_field(const uint8_t *header, unsigned field, size_t *ret)
{
	const uint8_t *digits = header + MAGIC_SIZE + field * FIELD_SIZE;
	size_t value = 0;

	for (size_t i = 0; i < FIELD_SIZE; i++) {
		unsigned char c = digits[i];

		if (!isxdigit(c))
			return -EBADMSG;
		value = value * 16 + (size_t)(isdigit(c) ? c - '0' : tolower(c) - 'a' + 10);
	}
	*ret = value;
	return 0;
}

/* An entry at *at*, whose header is there. *ret_end* is where the next one may begin. */
static int read_entry(const uint8_t *data, size_t size, size_t at, size_t *ret_name, size_t *ret_offset,
	size_t *ret_size, size_t *ret_end)
{
	size_t name = 0, content = 0, from;

	if (read_field(data + at, FIELD_NAME, &name) < 0 ||
		read_field(data + at, FIELD_CONTENT, &content) < 0 || name == 0 ||
		name > size - at - HEADER_SIZE || data[at + HEADER_SIZE + name - 1] != 0)
		return -EBADMSG;
	from = (at + HEADER_SIZE + name + 3) / 4 * 4;
	if (from > size || content > size - from)
		return -EBADMSG;
	*ret_name = at + HEADER_SIZE;
	*ret_offset = from;
	*ret_size = content;
	*ret_end = from + content;
	return 0;
}

int cpio_find(const uint8_t *data, size_t size, const char *name, size_t *ret_offset, size_t *ret_size,
	struct error **err)
{
	size_t at = 0, entry, offset, length;

	for (;;) {
		while (at < size && data[at] == 0)
			at++;
		if (size - at < HEADER_SIZE || at % 4 != 0 || memcmp(data + at, MAGIC, MAGIC_SIZE) != 0)
			return error_set(err, -ENOENT, "cpio archive: there is no %s", name);
		if (read_entry(data, size, at, &entry, &offset, &length, &at) < 0)
			return error_set(err, -EBADMSG, "cpio archive: is damaged");
		if (strcmp((const char *)data + entry, name) == 0)
			break;
	}
	*ret_offset = offset;
	*ret_size = length;
	return 0;
}
