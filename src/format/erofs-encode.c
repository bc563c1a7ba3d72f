/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/string-util.h"
#include "format/erofs-disk.h"
#include "format/erofs-index.h"
#include "format/erofs-plan.h"

static const struct erofs_prefix *find_prefix(const char *name)
{
	const struct erofs_prefix *prefix = erofs_prefixes;

	for (; prefix->prefix; prefix++)
		if (prefix->whole ? streq(name, prefix->prefix) : !!startswith(name, prefix->prefix))
			return prefix;
	return NULL;
}

int erofs_xattrs_size(const struct tree_inode *inode, uint32_t *ret, struct error **err)
{
	uint64_t size = XATTR_HEADER_SIZE;

	for (size_t i = 0; i < inode->xattr_count; i++) {
		const struct tree_xattr *xattr = &inode->xattrs[i];
		const struct erofs_prefix *prefix = find_prefix(xattr->name);
		size_t name;

		if (!prefix)
			return error_set(err, -EINVAL,
				"extended attribute \"%s\": EROFS has no name for its prefix", xattr->name);
		name = strlen(xattr->name) - strlen(prefix->prefix);
		if (name > EROFS_XATTR_NAME_MAX || xattr->size > EROFS_XATTR_VALUE_MAX)
			return error_set(err, -E2BIG,
				"extended attribute \"%.32s\": name of %zu or value of %zu bytes is too long",
				xattr->name, name, xattr->size);
		size += round_up_u64(XATTR_ENTRY_SIZE + name + xattr->size, 4);
	}
	if (size > XATTR_HEADER_SIZE + 4 * (uint64_t)(UINT16_MAX - 1))
		return error_set(err, -E2BIG,
			"extended attributes of one file take %llu bytes, more than EROFS can note",
			(unsigned long long)size);
	*ret = inode->xattr_count > 0 ? (uint32_t)size : 0;
	return 0;
}

static void encode_xattrs(const struct tree_inode *inode, uint8_t *at)
{
	at += XATTR_HEADER_SIZE;
	for (size_t i = 0; i < inode->xattr_count; i++) {
		const struct tree_xattr *xattr = &inode->xattrs[i];
		const struct erofs_prefix *prefix = find_prefix(xattr->name);
		const char *name = xattr->name + strlen(prefix->prefix);
		size_t length = strlen(name);

		at[XATTR_NAME_LENGTH] = (uint8_t)length;
		at[XATTR_PREFIX] = prefix->index;
		write_le16(at + XATTR_VALUE_SIZE, (uint16_t)xattr->size);
		memcpy(at + XATTR_ENTRY_SIZE, name, length);
		memcpy(at + XATTR_ENTRY_SIZE + length, xattr->value, xattr->size);
		at += round_up_u64(XATTR_ENTRY_SIZE + length + xattr->size, 4);
	}
}

/* The entries of a folder in the order of their names, with "." and ".." in their places among them. */
struct entries {
	const struct tree_inode *folder;
	size_t self, parent; /* where "." and ".." stand */
};

static size_t count_below(const struct tree_inode *folder, const char *name)
{
	size_t low = 0, high = folder->entry_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(folder->entries[middle].name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct entries entries_of(const struct tree_inode *folder)
{
	return (struct entries){
		.folder = folder, .self = count_below(folder, "."), .parent = count_below(folder, "..") + 1};
}

static size_t entries_count(const struct entries *entries)
{
	return entries->folder->entry_count + 2;
}

/* The entry at a place; NULL for "." and "..", whose name *ret_name* tells all the same. */
static const struct tree_entry *entries_at(const struct entries *entries, size_t place, const char **ret_name)
{
	const struct tree_entry *entry;

	if (place == entries->self || place == entries->parent) {
		*ret_name = place == entries->self ? "." : "..";
		return NULL;
	}
	entry = &entries->folder->entries[place - (place > entries->self) - (place > entries->parent)];
	*ret_name = entry->name;
	return entry;
}

/* The places from *first* on that go into one block: returns the place after the last, and the bytes used. */
static size_t entries_block(const struct entries *entries, size_t first, size_t *ret_used)
{
	size_t used = 0, place = first;

	for (; place < entries_count(entries); place++) {
		const char *name;
		size_t need;

		(void)entries_at(entries, place, &name);
		need = DIRENT_SIZE + strlen(name);
		if (used + need > EROFS_BLOCK_SIZE)
			break;
		used += need;
	}
	*ret_used = used;
	return place;
}

uint64_t erofs_folder_size(const struct tree_inode *folder)
{
	struct entries entries = entries_of(folder);
	uint64_t blocks = 0;
	size_t place = 0, used;

	for (;;) {
		place = entries_block(&entries, place, &used);
		if (place == entries_count(&entries))
			return blocks * EROFS_BLOCK_SIZE + used;
		blocks++;
	}
}

static uint64_t nid_of(const struct erofs_plan *plan, size_t index)
{
	return plan->nodes[index].offset / EROFS_SLOT;
}

static uint8_t dirent_type(mode_t mode)
{
	return S_ISDIR(mode) ? DIRENT_TYPE_FOLDER : S_ISLNK(mode) ? DIRENT_TYPE_SYMLINK : DIRENT_TYPE_FILE;
}

/* Writes the places *first* to *end* as one folder block. */
static void encode_folder_block(const struct erofs_plan *plan, size_t index, const struct entries *entries,
	size_t first, size_t end, uint8_t *to)
{
	size_t name_at = DIRENT_SIZE * (end - first);

	for (size_t place = first; place < end; place++) {
		uint8_t *dirent = to + DIRENT_SIZE * (place - first);
		const char *name;
		const struct tree_entry *entry = entries_at(entries, place, &name);
		size_t length = strlen(name);
		uint64_t nid;

		if (entry)
			nid = nid_of(plan, entry->inode->number - 1);
		else
			nid = nid_of(plan, place == entries->self ? index : plan->nodes[index].parent);
		write_le64(dirent + DIRENT_NID, nid);
		write_le16(dirent + DIRENT_NAME, (uint16_t)name_at);
		dirent[DIRENT_TYPE] = entry ? dirent_type(entry->inode->mode) : DIRENT_TYPE_FOLDER;
		memcpy(to + name_at, name, length);
		name_at += length;
	}
}

static void encode_folder(struct erofs_plan *plan, size_t index, uint8_t *tail)
{
	const struct erofs_node *node = &plan->nodes[index];
	struct entries entries = entries_of(node->inode);
	uint8_t *to = plan->metadata + node->block * EROFS_BLOCK_SIZE;
	uint64_t blocks_left = node->block_count;
	size_t first = 0, used;

	while (first < entries_count(&entries)) {
		size_t end = entries_block(&entries, first, &used);

		encode_folder_block(plan, index, &entries, first, end, blocks_left > 0 ? to : tail);
		blocks_left -= blocks_left > 0;
		to += EROFS_BLOCK_SIZE;
		first = end;
	}
}

static void encode_inode(const struct erofs_plan *plan, const struct erofs_node *node, uint8_t *at)
{
	const struct tree_inode *inode = node->inode;
	unsigned layout = node->packed ? LAYOUT_COMPRESSED : node->tail > 0 ? LAYOUT_INLINE : LAYOUT_PLAIN;

	write_le16(at + INODE_FORMAT,
		(uint16_t)(layout << INODE_LAYOUT_SHIFT | (node->extended ? INODE_EXTENDED : 0)));
	if (node->xattr_size > 0)
		write_le16(
			at + INODE_XATTR_COUNT, (uint16_t)(1 + (node->xattr_size - XATTR_HEADER_SIZE) / 4));
	write_le16(at + INODE_MODE, (uint16_t)inode->mode);
	write_le32(at + INODE_BLOCK, (uint32_t)(node->packed ? node->block_count : node->block));
	write_le32(at + INODE_NUMBER, node->number);
	if (node->extended) {
		write_le64(at + INODE_SIZE, node->size);
		write_le32(at + EXTENDED_UID, inode->uid);
		write_le32(at + EXTENDED_GID, inode->gid);
		write_le64(at + EXTENDED_MTIME,
			plan->options.keep_times ? (uint64_t)inode->mtime : plan->options.build_time);
		write_le32(at + EXTENDED_LINKS, node->links);
	} else {
		write_le32(at + INODE_SIZE, (uint32_t)node->size);
		write_le16(at + COMPACT_LINKS, (uint16_t)node->links);
		write_le16(at + COMPACT_UID, (uint16_t)inode->uid);
		write_le16(at + COMPACT_GID, (uint16_t)inode->gid);
	}
}

static int encode_packed(const struct erofs_plan *plan, const struct erofs_node *node, uint8_t *at)
{
	if (node->tail > 0)
		memcpy(at + erofs_node_size(node) - node->tail, erofs_packed_last(node->packed), node->tail);
	return erofs_index_encode(node->packed, plan->options.compression.algorithm,
		erofs_inode_size(node) + node->xattr_size, at);
}

int erofs_encode_node(struct erofs_plan *plan, size_t index)
{
	const struct erofs_node *node = &plan->nodes[index];
	const struct tree_inode *inode = node->inode;
	uint8_t *at = plan->metadata + node->offset;
	uint8_t *tail = at + erofs_inode_size(node) + node->xattr_size;

	encode_inode(plan, node, at);
	if (node->xattr_size > 0)
		encode_xattrs(inode, at + erofs_inode_size(node));
	if (node->packed)
		return encode_packed(plan, node, at);
	if (S_ISDIR(inode->mode))
		encode_folder(plan, index, tail);
	else if (node->tail > 0)
		memcpy(tail, erofs_node_data(node) + node->size - node->tail, node->tail);
	return 0;
}

/* What readers have to know of the algorithm. That of LZ4 is there in any case: it has the size of all
 * clusters. */
static void encode_configurations(const struct erofs_plan *plan, uint8_t *super)
{
	bool zstd = plan->options.compression.algorithm == COMPRESSION_ZSTD;
	uint8_t *at = super + EROFS_SUPER_SIZE;

	write_le32(super + SUPER_FEATURE_INCOMPAT, FEATURE_INCOMPAT_ZERO_PADDING |
							   FEATURE_INCOMPAT_CONFIGURATIONS |
							   FEATURE_INCOMPAT_INLINE_CLUSTERS);
	write_le16(
		super + SUPER_ALGORITHMS, (uint16_t)(1 << ALGORITHM_LZ4 | (zstd ? 1 << ALGORITHM_ZSTD : 0)));
	write_le16(at, LZ4_CONFIGURATION_SIZE);
	write_le16(at + 2 + LZ4_DISTANCE, UINT16_MAX);
	write_le16(at + 2 + LZ4_CLUSTER_BLOCKS, EROFS_CLUSTER_BLOCKS);
	at += 2 + LZ4_CONFIGURATION_SIZE;
	if (zstd) {
		write_le16(at, ZSTD_CONFIGURATION_SIZE);
		at[2 + ZSTD_WINDOW_LOG] = COMPRESSION_WINDOW_LOG - ZSTD_WINDOW_LOG_BASE;
	}
}

void erofs_encode_super(struct erofs_plan *plan)
{
	uint8_t *super = plan->metadata + EROFS_SUPER_OFFSET;

	write_le32(super + SUPER_MAGIC, EROFS_MAGIC);
	write_le32(super + SUPER_FEATURE_COMPAT, FEATURE_COMPAT_CHECKSUM | FEATURE_COMPAT_MTIME);
	super[SUPER_BLOCK_BITS] = 12;
	write_le16(super + SUPER_ROOT_NID, (uint16_t)nid_of(plan, 0));
	write_le64(super + SUPER_INODES, plan->node_count);
	write_le64(super + SUPER_BUILD_TIME, plan->options.build_time);
	write_le32(super + SUPER_BLOCKS, (uint32_t)plan->blocks);
	memcpy(super + SUPER_UUID, plan->options.uuid, sizeof(plan->options.uuid));
	memcpy(super + SUPER_LABEL, plan->label, sizeof(plan->label));
	if (plan->options.compression.algorithm != COMPRESSION_NONE)
		encode_configurations(plan, super);
	write_le32(
		super + SUPER_CHECKSUM, erofs_super_checksum(super, EROFS_BLOCK_SIZE - EROFS_SUPER_OFFSET));
}
