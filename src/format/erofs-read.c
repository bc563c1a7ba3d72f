/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <search.h>
#include <string.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/file.h"
#include "base/string-util.h"
#include "format/erofs-disk.h"
#include "format/erofs-unpack.h"
#include "format/erofs.h"

#define DEPTH_MAX 1000
#define NAMES_MAX (4 * 1000 * 1000)

/* An inode that has been met, by its nid. */
struct met {
	uint64_t nid;
	bool folder;
	char *path; /* of its first name, where it is a file with several; else NULL */
};

/* A content that has been read, by where it lies. */
struct shared {
	uint64_t offset, size;
	struct content *content;
};

struct reader {
	const struct erofs_source *source;
	struct erofs_super super;
	uint64_t bytes_left, names_left;
	struct tree *tree;
	void *met, *shared; /* tsearch() trees */
	bool path_told;	    /* the error that is on its way up names the path */
};

/* An inode as it stands in the image; *place* is the offset of what follows its fixed part. */
struct inode {
	uint64_t nid, size, place, links;
	uint32_t block, xattr_size;
	unsigned layout;
	struct tree_attributes attributes;
	mode_t mode;
};

static int check_super(const uint8_t *super, struct error **err)
{
	uint32_t unknown = read_le32(super + SUPER_FEATURE_INCOMPAT) &
			   ~(FEATURE_INCOMPAT_ZERO_PADDING | FEATURE_INCOMPAT_CONFIGURATIONS |
				   FEATURE_INCOMPAT_CHUNKS | FEATURE_INCOMPAT_INLINE_CLUSTERS);

	if (read_le32(super + SUPER_MAGIC) != EROFS_MAGIC)
		return error_set(err, -EBADMSG, "erofs: no superblock: this is not an EROFS image");
	if (super[SUPER_BLOCK_BITS] != 12 || super[SUPER_DIRBLOCK_BITS] != 0)
		return error_set(err, -ENOTSUP, "erofs: blocks of 2^%u bytes (folders 2^%u more), not 4096",
			super[SUPER_BLOCK_BITS], super[SUPER_DIRBLOCK_BITS]);
	if (read_le32(super + SUPER_FEATURE_COMPAT) & FEATURE_COMPAT_CHECKSUM &&
		erofs_super_checksum(super, EROFS_BLOCK_SIZE - EROFS_SUPER_OFFSET) !=
			read_le32(super + SUPER_CHECKSUM))
		return error_set(err, -EBADMSG, "erofs: the superblock's checksum does not match");
	if (unknown)
		return error_set(err, -ENOTSUP,
			"erofs: the image uses features that are not known here (0x%x)", unknown);
	return 0;
}

int erofs_read_super(const struct erofs_source *source, struct erofs_super *ret, struct error **err)
{
	uint8_t block[EROFS_BLOCK_SIZE];
	const uint8_t *super = block + EROFS_SUPER_OFFSET;
	int r;

	if (source->size < sizeof(block))
		return error_set(err, -EBADMSG, "erofs: %llu bytes are too few for an image",
			(unsigned long long)source->size);
	r = erofs_source_read(source, 0, sizeof(block), block, err);
	if (r >= 0)
		r = check_super(super, err);
	if (r < 0)
		return r;
	if (read_le32(super + SUPER_BLOCKS) > source->size / EROFS_BLOCK_SIZE)
		return error_set(err, -ENODATA,
			"erofs: the image has %llu bytes of %u blocks: it is cut short",
			(unsigned long long)source->size, read_le32(super + SUPER_BLOCKS));
	*ret = (struct erofs_super){.build_time = read_le64(super + SUPER_BUILD_TIME),
		.inodes = read_le64(super + SUPER_INODES),
		.blocks = read_le32(super + SUPER_BLOCKS),
		.feature_compat = read_le32(super + SUPER_FEATURE_COMPAT),
		.feature_incompat = read_le32(super + SUPER_FEATURE_INCOMPAT),
		.metadata = (uint64_t)read_le32(super + SUPER_META_BLOCK) * EROFS_BLOCK_SIZE,
		.shared_xattrs = (uint64_t)read_le32(super + SUPER_XATTR_BLOCK) * EROFS_BLOCK_SIZE,
		.root_nid = read_le16(super + SUPER_ROOT_NID)};
	memcpy(ret->uuid, super + SUPER_UUID, sizeof(ret->uuid));
	memcpy(ret->label, super + SUPER_LABEL, EROFS_LABEL_MAX);
	return 0;
}

/* Takes *size* bytes off what may still be read. */
static int spend(struct reader *reader, uint64_t size, struct error **err)
{
	if (size > reader->bytes_left)
		return error_set(err, -EFBIG,
			"%llu bytes more than the limit for this image: its files overlap, or have holes",
			(unsigned long long)(size - reader->bytes_left));
	reader->bytes_left -= size;
	return 0;
}

static void decode_compact(const struct erofs_super *super, const uint8_t *raw, struct inode *ret)
{
	ret->size = read_le32(raw + INODE_SIZE);
	ret->links = read_le16(raw + COMPACT_LINKS);
	ret->attributes.uid = read_le16(raw + COMPACT_UID);
	ret->attributes.gid = read_le16(raw + COMPACT_GID);
	ret->attributes.mtime = (int64_t)super->build_time;
}

static void decode_extended(const uint8_t *raw, struct inode *ret)
{
	ret->size = read_le64(raw + INODE_SIZE);
	ret->links = read_le32(raw + EXTENDED_LINKS);
	ret->attributes.uid = read_le32(raw + EXTENDED_UID);
	ret->attributes.gid = read_le32(raw + EXTENDED_GID);
	ret->attributes.mtime = (int64_t)read_le64(raw + EXTENDED_MTIME);
}

static int read_inode(const struct reader *reader, uint64_t nid, struct inode *ret, struct error **err)
{
	uint8_t raw[EXTENDED_INODE_SIZE];
	struct inode inode = {.nid = nid};
	uint64_t offset;
	unsigned format, xattrs;
	int r;

	if (!checked_mul(nid, (uint64_t)EROFS_SLOT, &offset) ||
		!checked_add(offset, reader->super.metadata, &offset))
		return error_set(err, -EBADMSG, "inode %llu lies outside the image", (unsigned long long)nid);
	r = erofs_source_read(reader->source, offset, COMPACT_INODE_SIZE, raw, err);
	if (r < 0)
		return r;
	format = read_le16(raw + INODE_FORMAT);
	inode.place = offset + (format & INODE_EXTENDED ? EXTENDED_INODE_SIZE : COMPACT_INODE_SIZE);
	if (format & INODE_EXTENDED) {
		r = erofs_source_read(reader->source, offset, EXTENDED_INODE_SIZE, raw, err);
		if (r < 0)
			return r;
		decode_extended(raw, &inode);
	} else {
		decode_compact(&reader->super, raw, &inode);
	}
	inode.layout = format >> INODE_LAYOUT_SHIFT & INODE_LAYOUT_MASK;
	if (format >> INODE_LAYOUT_SHIFT > INODE_LAYOUT_MASK || inode.layout > LAYOUT_CHUNKS)
		return error_set(err, -ENOTSUP, "inode of an unknown format (0x%x)", format);
	inode.mode = read_le16(raw + INODE_MODE);
	inode.attributes.mode = inode.mode & 07777;
	inode.attributes.origin = "erofs";
	inode.block = read_le32(raw + INODE_BLOCK);
	xattrs = read_le16(raw + INODE_XATTR_COUNT);
	inode.xattr_size = xattrs > 0 ? XATTR_HEADER_SIZE + 4 * (xattrs - 1) : 0;
	*ret = inode;
	return 0;
}

/* Reads data of the form "whole blocks elsewhere, the rest behind the inode" or "all in blocks". */
static int read_flat(const struct reader *reader, const struct inode *inode, uint8_t *to, struct error **err)
{
	uint64_t tail = 0, behind = inode->place + inode->xattr_size;
	int r;

	if (inode->layout == LAYOUT_INLINE && inode->size > 0) {
		tail = (inode->size - 1) % EROFS_BLOCK_SIZE + 1;
		if (behind % EROFS_BLOCK_SIZE + tail > EROFS_BLOCK_SIZE)
			return error_set(
				err, -EBADMSG, "the data behind its inode crosses the end of a block");
		r = erofs_source_read(reader->source, behind, tail, to + inode->size - tail, err);
		if (r < 0)
			return r;
	}
	if (inode->size == tail)
		return 0;
	return erofs_source_read(
		reader->source, (uint64_t)inode->block * EROFS_BLOCK_SIZE, inode->size - tail, to, err);
}

static int read_chunks(
	const struct reader *reader, const struct inode *inode, uint8_t *to, struct error **err)
{
	size_t unit = inode->block & CHUNK_INDEXES ? 8 : 4;
	uint64_t chunk = (uint64_t)EROFS_BLOCK_SIZE << (inode->block & CHUNK_BITS_MASK);
	uint64_t note = round_up_u64(inode->place + inode->xattr_size, unit);
	uint8_t raw[8];

	if (inode->block & ~CHUNK_KNOWN)
		return error_set(err, -ENOTSUP, "chunks of an unknown format (0x%x)", inode->block);
	for (uint64_t at = 0; at < inode->size; at += chunk, note += unit) {
		size_t size = (size_t)MIN(chunk, inode->size - at);
		uint32_t block;
		int r = erofs_source_read(reader->source, note, unit, raw, err);

		if (r < 0)
			return r;
		if (unit == 8 && read_le16(raw + 2) != 0)
			return error_set(err, -ENOTSUP, "data on another device");
		block = read_le32(raw + unit - 4);
		if (block == CHUNK_HOLE) {
			memset(to + at, 0, size);
			continue;
		}
		r = erofs_source_read(reader->source, (uint64_t)block * EROFS_BLOCK_SIZE, size, to + at, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static bool is_packed(const struct inode *inode)
{
	return inode->layout == LAYOUT_COMPRESSED_OLD || inode->layout == LAYOUT_COMPRESSED;
}

static int read_packed(
	const struct reader *reader, const struct inode *inode, uint8_t *to, struct error **err)
{
	const struct erofs_packed_file file = {
		.place = inode->place + inode->xattr_size, .size = inode->size};

	if (inode->layout == LAYOUT_COMPRESSED_OLD ||
		!(reader->super.feature_incompat & FEATURE_INCOMPAT_ZERO_PADDING))
		return error_set(err, -ENOTSUP, "data is compressed in the form of before Linux 5.3");
	return erofs_unpack(reader->source, &file, to, err);
}

/* The content of an inode as a malloc()ed array, with a NUL behind it. */
static int read_data(struct reader *reader, const struct inode *inode, uint8_t **ret, struct error **err)
{
	_cleanup_free_ uint8_t *data = NULL;
	int r;

	if (!is_packed(inode) && inode->layout != LAYOUT_CHUNKS && inode->size > reader->source->size)
		return error_set(err, -EBADMSG, "%llu bytes are more than the image has",
			(unsigned long long)inode->size);
	r = spend(reader, inode->size, err);
	if (r < 0)
		return r;
	data = malloc(inode->size + 1);
	if (!data)
		return error_set_errno(err, -ENOMEM, "%llu bytes", (unsigned long long)inode->size);
	data[inode->size] = 0;
	if (is_packed(inode))
		r = read_packed(reader, inode, data, err);
	else
		r = inode->layout == LAYOUT_CHUNKS ? read_chunks(reader, inode, data, err)
						   : read_flat(reader, inode, data, err);
	if (r >= 0)
		*ret = TAKE_PTR(data);
	return r;
}

static const struct erofs_prefix *prefix_of(uint8_t index)
{
	for (const struct erofs_prefix *prefix = erofs_prefixes; prefix->prefix; prefix++)
		if (prefix->index == index)
			return prefix;
	return NULL;
}

/*
 * Takes one attribute from the *size* bytes at *at*; returns the bytes that it uses, or a negative errno.
 * Names that come twice, or are empty behind a prefix that wants more, are errors.
 */
static int take_xattr(
	struct reader *reader, const uint8_t *at, size_t size, struct tree_inode *to, struct error **err)
{
	_cleanup_free_ char *name = NULL;
	const struct erofs_prefix *prefix;
	size_t length, value, used;
	int r;

	if (size < XATTR_ENTRY_SIZE)
		return error_set(err, -EBADMSG, "an extended attribute is cut short");
	length = at[XATTR_NAME_LENGTH];
	value = read_le16(at + XATTR_VALUE_SIZE);
	used = XATTR_ENTRY_SIZE + length + value;
	prefix = prefix_of(at[XATTR_PREFIX]);
	if (!prefix)
		return error_set(
			err, -ENOTSUP, "an extended attribute with the unknown prefix %u", at[XATTR_PREFIX]);
	if (used > size || prefix->whole != (length == 0) || memchr(at + XATTR_ENTRY_SIZE, 0, length))
		return error_set(err, -EBADMSG, "an extended attribute is damaged");
	name = string_format("%s%.*s", prefix->prefix, (int)length, (const char *)at + XATTR_ENTRY_SIZE);
	if (!name)
		return error_set_errno(err, -ENOMEM, "attribute");
	if (inode_get_xattr(to, name))
		return error_set(err, -EBADMSG, "the extended attribute %s comes twice", name);
	r = spend(reader, used, err);
	if (r >= 0 && inode_set_xattr(to, name, at + XATTR_ENTRY_SIZE + length, value) < 0)
		r = error_set_errno(err, -ENOMEM, "attribute");
	return r < 0 ? r : (int)MIN(round_up_u64(used, 4), (uint64_t)size);
}

static int take_shared_xattr(
	struct reader *reader, uint32_t number, struct tree_inode *to, struct error **err)
{
	uint8_t entry[XATTR_ENTRY_SIZE + UINT8_MAX + UINT16_MAX];
	uint64_t offset = reader->super.shared_xattrs + 4 * (uint64_t)number;
	size_t size;
	int r = erofs_source_read(reader->source, offset, XATTR_ENTRY_SIZE, entry, err);

	if (r < 0)
		return r;
	size = (size_t)entry[XATTR_NAME_LENGTH] + read_le16(entry + XATTR_VALUE_SIZE);
	r = erofs_source_read(reader->source, offset + XATTR_ENTRY_SIZE, size, entry + XATTR_ENTRY_SIZE, err);
	if (r < 0)
		return r;
	r = take_xattr(reader, entry, XATTR_ENTRY_SIZE + size, to, err);
	return MIN(r, 0);
}

static int read_xattrs(
	struct reader *reader, const struct inode *inode, struct tree_inode *to, struct error **err)
{
	_cleanup_free_ uint8_t *raw = NULL;
	size_t at;
	int r;

	if (inode->xattr_size == 0)
		return 0;
	raw = malloc(inode->xattr_size);
	if (!raw)
		return error_set_errno(err, -ENOMEM, "attributes");
	r = spend(reader, inode->xattr_size, err);
	if (r >= 0)
		r = erofs_source_read(reader->source, inode->place, inode->xattr_size, raw, err);
	if (r < 0)
		return r;
	at = XATTR_HEADER_SIZE;
	for (unsigned i = 0; i < raw[XATTR_HEADER_SHARED_COUNT]; i++, at += 4) {
		if (inode->xattr_size - at < 4)
			return error_set(err, -EBADMSG, "the list of shared attributes is cut short");
		r = take_shared_xattr(reader, read_le32(raw + at), to, err);
		if (r < 0)
			return r;
	}
	while (at < inode->xattr_size) {
		r = take_xattr(reader, raw + at, inode->xattr_size - at, to, err);
		if (r < 0)
			return r;
		at += (size_t)r;
	}
	return 0;
}

static int compare_met(const void *a, const void *b)
{
	const struct met *left = a, *right = b;

	return left->nid < right->nid ? -1 : left->nid > right->nid;
}

static int compare_shared(const void *a, const void *b)
{
	const struct shared *left = a, *right = b;

	if (left->offset != right->offset)
		return left->offset < right->offset ? -1 : 1;
	return left->size < right->size ? -1 : left->size > right->size;
}

static void met_free(void *pointer)
{
	struct met *met = pointer;

	free(met->path);
	free(met);
}

static void shared_free(void *pointer)
{
	struct shared *shared = pointer;

	content_unref(shared->content);
	free(shared);
}

/* Notes an inode at its first name; *ret* is what was noted at that. NULL: it had not been met before. */
static int meet(struct reader *reader, const struct inode *inode, const char *path, const struct met **ret,
	struct error **err)
{
	struct met key = {.nid = inode->nid};
	struct met **found = tfind(&key, &reader->met, compare_met);
	struct met *met;

	*ret = found ? *found : NULL;
	if (found)
		return 0;
	met = calloc(1, sizeof(*met));
	if (met)
		met->nid = inode->nid;
	if (met && tsearch(met, &reader->met, compare_met) == NULL) {
		free(met);
		met = NULL;
	}
	if (!met)
		return error_set_errno(err, -ENOMEM, "inodes");
	met->folder = S_ISDIR(inode->mode);
	if (!S_ISREG(inode->mode) || inode->links < 2)
		return 0;
	met->path = strdup(path);
	return met->path ? 0 : error_set_errno(err, -ENOMEM, "inodes");
}

/* The content of a file. Whoever lies in whole blocks alone shares it with others that lie there. */
static int read_content(
	struct reader *reader, const struct inode *inode, struct content **ret, struct error **err)
{
	struct shared key = {.offset = inode->block, .size = inode->size}, *shared, **found;
	bool shareable = inode->layout == LAYOUT_PLAIN && inode->size > 0;
	struct content *content;
	uint8_t *data;
	int r;

	found = shareable ? tfind(&key, &reader->shared, compare_shared) : NULL;
	if (found) {
		*ret = content_ref((*found)->content);
		return 0;
	}
	r = read_data(reader, inode, &data, err);
	if (r < 0)
		return r;
	content = content_new(data, inode->size);
	if (!content)
		return error_set_errno(err, -ENOMEM, "content");
	*ret = content;
	shared = shareable ? malloc(sizeof(*shared)) : NULL;
	if (!shared)
		return 0;
	*shared = key;
	shared->content = content_ref(content);
	if (!tsearch(shared, &reader->shared, compare_shared))
		shared_free(shared);
	return 0;
}

static int add_file(struct reader *reader, const struct inode *inode, const char *path, struct error **err)
{
	_cleanup_content_ struct content *content = NULL;
	struct tree_inode *to;
	int r;

	r = read_content(reader, inode, &content, err);
	if (r >= 0)
		r = tree_add_file(reader->tree, path, &inode->attributes, content, &to, err);
	if (r >= 0)
		r = read_xattrs(reader, inode, to, err);
	return r;
}

static int add_symlink(struct reader *reader, const struct inode *inode, const char *path, struct error **err)
{
	_cleanup_free_ uint8_t *target = NULL;
	struct tree_inode *to;
	int r;

	if (inode->size == 0 || inode->size >= PATH_MAX)
		return error_set(err, -EBADMSG, "a symbolic link to a path of %llu bytes",
			(unsigned long long)inode->size);
	r = read_data(reader, inode, &target, err);
	if (r < 0)
		return r;
	if (memchr(target, 0, inode->size))
		return error_set(err, -EBADMSG, "a symbolic link to a path with a NUL in it");
	r = tree_add_symlink(reader->tree, path, &inode->attributes, (const char *)target, &to, err);
	if (r >= 0)
		r = read_xattrs(reader, inode, to, err);
	return r;
}

static int add_folder(struct reader *reader, const struct inode *inode, const struct inode *parent,
	const char *path, unsigned depth, struct error **err);

static int add_inode(struct reader *reader, const struct inode *inode, const struct inode *parent,
	const char *path, unsigned depth, struct error **err)
{
	const struct met *met;
	int r = meet(reader, inode, path, &met, err);

	if (r < 0)
		return r;
	if (S_ISLNK(inode->mode))
		return add_symlink(reader, inode, path, err);
	if (S_ISDIR(inode->mode) && !met)
		return add_folder(reader, inode, parent, path, depth, err);
	if (S_ISREG(inode->mode) && !met)
		return add_file(reader, inode, path, err);
	if (S_ISREG(inode->mode) && met->path)
		return tree_add_link(reader->tree, path, met->path, err);
	if (met)
		return error_set(err, -EBADMSG, "%s",
			met->folder ? "a folder with two names"
				    : "a file with more names than it counts links");
	return error_set(err, -ENOTSUP, "a device, socket or pipe (mode %o) has no place in a tree",
		(unsigned)inode->mode);
}

/* A name from a folder's block, and what comes with it. */
struct dirent_view {
	const char *name;
	size_t length;
	uint64_t nid;
	uint8_t type;
};

/* Reads entry *index* of the *count* in a block of *size* bytes. */
static int parse_dirent(const uint8_t *block, size_t size, size_t count, size_t index,
	struct dirent_view *ret, struct error **err)
{
	const uint8_t *raw = block + index * DIRENT_SIZE;
	size_t start = read_le16(raw + DIRENT_NAME), end;

	end = index + 1 < count ? read_le16(raw + DIRENT_SIZE + DIRENT_NAME) : size;
	if (start >= end || end > size || start < count * DIRENT_SIZE)
		return error_set(err, -EBADMSG, "name %zu lies outside its block", index);
	ret->name = (const char *)block + start;
	ret->length = strnlen(ret->name, end - start);
	ret->nid = read_le64(raw + DIRENT_NID);
	ret->type = raw[DIRENT_TYPE];
	if (ret->length == 0 || ret->length > NAME_MAX || memchr(ret->name, '/', ret->length) ||
		(index + 1 < count && ret->length != end - start))
		return error_set(err, -EBADMSG, "name %zu is empty, too long or holds a / or NUL", index);
	return 0;
}

/* A folder that is being read. */
struct folder {
	const struct inode *inode, *parent;
	const char *path;
	unsigned depth;
	char last[NAME_MAX + 1]; /* name before this one: they are in order */
	bool self, up;		 /* "." and ".." were there */
};

static int check_type(const struct dirent_view *entry, mode_t mode, struct error **err)
{
	uint8_t type = S_ISREG(mode)   ? DIRENT_TYPE_FILE
		       : S_ISDIR(mode) ? DIRENT_TYPE_FOLDER
		       : S_ISLNK(mode) ? DIRENT_TYPE_SYMLINK
				       : entry->type;

	if (entry->type != type)
		return error_set(err, -EBADMSG, "its folder calls it type %u, its mode is %o", entry->type,
			(unsigned)mode);
	return 0;
}

static int add_name(
	struct reader *reader, struct folder *folder, const struct dirent_view *entry, struct error **err)
{
	_cleanup_free_ char *path = string_format("%s/%s", folder->path, folder->last);
	struct inode inode;
	int r;

	if (!path)
		return error_set_errno(err, -ENOMEM, "names");
	if (reader->names_left == 0)
		return error_set(err, -EFBIG, "more names than the limit");
	reader->names_left--;
	r = read_inode(reader, entry->nid, &inode, err);
	if (r >= 0)
		r = check_type(entry, inode.mode, err);
	if (r >= 0)
		r = add_inode(reader, &inode, folder->inode, path, folder->depth + 1, err);
	if (r < 0 && !reader->path_told)
		(void)error_wrap(err, "%s", path);
	reader->path_told = r < 0;
	return r;
}

static int take_name(
	struct reader *reader, struct folder *folder, const struct dirent_view *entry, struct error **err)
{
	char name[NAME_MAX + 1];

	memcpy(name, entry->name, entry->length);
	name[entry->length] = 0;
	if (strcmp(folder->last, name) >= 0)
		return error_set(err, -EBADMSG, "names are not in order");
	memcpy(folder->last, name, sizeof(name));
	if (streq(name, ".")) {
		folder->self = true;
		return entry->nid == folder->inode->nid ? 0
							: error_set(err, -EBADMSG, "\".\" is another inode");
	}
	if (streq(name, "..")) {
		folder->up = true;
		return entry->nid == folder->parent->nid
			       ? 0
			       : error_set(err, -EBADMSG, "\"..\" is not the folder above");
	}
	return add_name(reader, folder, entry, err);
}

static int read_folder_block(
	struct reader *reader, struct folder *folder, const uint8_t *block, size_t size, struct error **err)
{
	size_t names = size >= DIRENT_SIZE ? read_le16(block + DIRENT_NAME) : 0;

	if (names < DIRENT_SIZE || names % DIRENT_SIZE != 0 || names >= size)
		return error_set(err, -EBADMSG, "a block of a folder is damaged");
	for (size_t i = 0; i < names / DIRENT_SIZE; i++) {
		struct dirent_view entry = {};
		int r = parse_dirent(block, size, names / DIRENT_SIZE, i, &entry, err);

		if (r >= 0)
			r = take_name(reader, folder, &entry, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_folder(struct reader *reader, struct folder *folder, struct error **err)
{
	_cleanup_free_ uint8_t *data = NULL;
	const struct inode *inode = folder->inode;
	int r;

	r = read_data(reader, inode, &data, err);
	assert(r < 0 || data);
	for (uint64_t at = 0; r >= 0 && at < inode->size; at += EROFS_BLOCK_SIZE)
		r = read_folder_block(reader, folder, data + at,
			(size_t)MIN((uint64_t)EROFS_BLOCK_SIZE, inode->size - at), err);
	if (r >= 0 && (!folder->self || !folder->up))
		r = error_set(err, -EBADMSG, "a folder without \".\" and \"..\"");
	return r;
}

static int add_folder(struct reader *reader, const struct inode *inode, const struct inode *parent,
	const char *path, unsigned depth, struct error **err)
{
	struct folder folder = {.inode = inode, .parent = parent, .path = path, .depth = depth};
	struct tree_inode *to = tree_root(reader->tree);
	int r;

	if (depth > DEPTH_MAX)
		return error_set(err, -EFBIG, "folders are more than %d deep", DEPTH_MAX);
	if (depth > 0) {
		r = tree_add_folder(reader->tree, path, &inode->attributes, &to, err);
		if (r < 0)
			return r;
	}
	to->mode = S_IFDIR | inode->attributes.mode;
	to->uid = inode->attributes.uid;
	to->gid = inode->attributes.gid;
	to->mtime = inode->attributes.mtime;
	r = read_xattrs(reader, inode, to, err);
	return r < 0 ? r : read_folder(reader, &folder, err);
}

static int read_root(struct reader *reader, struct error **err)
{
	struct inode root;
	const struct met *met;
	int r = read_inode(reader, reader->super.root_nid, &root, err);

	if (r < 0)
		return r;
	if (!S_ISDIR(root.mode))
		return error_set(err, -EBADMSG, "the root is no folder");
	r = meet(reader, &root, "", &met, err);
	return r < 0 ? r : add_folder(reader, &root, &root, "", 0, err);
}

int erofs_read_tree(const struct erofs_source *source, const struct erofs_limits *limits, struct tree **ret,
	struct error **err)
{
	_cleanup_tree_ struct tree *tree = tree_new();
	struct erofs_source image = *source;
	struct reader reader = {.source = &image, .tree = tree};
	uint64_t spread;
	int r;

	if (!tree)
		return error_set_errno(err, -ENOMEM, "erofs");
	r = erofs_read_super(source, &reader.super, err);
	if (r < 0)
		return r;
	image.size = reader.super.blocks * EROFS_BLOCK_SIZE;
	/* Files of an honest image hardly overlap, but zeros may be compressed to next to nothing. */
	spread = reader.super.feature_incompat & FEATURE_INCOMPAT_CONFIGURATIONS ? 16 : 4;
	reader.bytes_left = limits && limits->bytes > 0 ? limits->bytes : MiB(64) + spread * image.size;
	reader.names_left = limits && limits->names > 0 ? limits->names : NAMES_MAX;
	r = read_root(&reader, err);
	tdestroy(reader.met, met_free);
	tdestroy(reader.shared, shared_free);
	if (r < 0) {
		(void)error_wrap(err, "erofs");
		return r;
	}
	*ret = TAKE_PTR(tree);
	return 0;
}
