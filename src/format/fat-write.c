/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The FAT32 writer. Everything is laid out before the first byte is written: the nodes (folders and files) in
 * breadth-first order, each with its clusters in a row, so that the allocation table follows from the list.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/sparse.h"
#include "format/fat-layout.h"
#include "format/fat.h"

#define RESERVED_SECTORS 32
#define FATS 2
#define FSINFO_SECTOR 1
#define BACKUP_SECTOR 6
#define MEDIA 0xf8				   /* a disk that stays where it is */
#define CLUSTERS_MIN (FAT16_CLUSTERS_MAX + 1 + 16) /* some drivers are off by a few at the limit */

struct node {
	const char *name; /* NULL for the root */
	const struct tree_inode *inode;
	uint8_t short_name[SHORT_NAME_SIZE];
	bool exact; /* no long name needed */
	size_t parent;
	size_t children, child_count; /* of a folder: nodes in a row */
	uint64_t size;		      /* bytes, of a folder those of its entries */
	uint32_t cluster;	      /* the first; 0 where the file is empty */
};

struct writer {
	const struct fat_options *options;
	int fd;
	uint64_t offset;

	uint32_t sectors, cluster_sectors, fat_sectors, clusters;
	uint32_t next; /* first free cluster */

	struct node *nodes;
	size_t count, capacity;
};

static void writer_release(struct writer *writer)
{
	free(writer->nodes);
}

static uint32_t cluster_bytes(const struct writer *writer)
{
	return writer->cluster_sectors * FAT_SECTOR;
}

/* Cluster sizes as Microsoft's table for FAT32 has them, with 32 KiB beyond it. */
static uint32_t sectors_per_cluster(uint64_t size)
{
	static const struct {
		uint64_t up_to;
		uint32_t sectors;
	} table[] = {{MiB(260), 1}, {GiB(8), 8}, {GiB(16), 16}, {GiB(32), 32}};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (size <= table[i].up_to)
			return table[i].sectors;
	return 64;
}

/*
 * The table has room for at least as many clusters as there are; its size in sectors is a multiple of 4, so
 * that with 32 reserved sectors the data begins at a multiple of 4 KiB.
 */
static int choose_geometry(struct writer *writer, struct error **err)
{
	uint64_t size = writer->options->size, sectors = size / FAT_SECTOR, clusters;

	if (size % FAT_SECTOR != 0 || sectors > UINT32_MAX)
		return error_set(err, -EINVAL, "FAT32 can't have %ju bytes", (uintmax_t)size);
	writer->sectors = (uint32_t)sectors;
	writer->cluster_sectors = sectors_per_cluster(size);
	clusters = sectors / writer->cluster_sectors;
	writer->fat_sectors =
		(uint32_t)round_up_u64(div_round_up_u64((clusters + FAT_FIRST_CLUSTER) * 4, FAT_SECTOR), 4);
	if (!checked_sub(sectors, RESERVED_SECTORS + (uint64_t)FATS * writer->fat_sectors, &sectors) ||
		sectors / writer->cluster_sectors < CLUSTERS_MIN)
		return error_set(err, -EINVAL, "FAT32 needs at least 33 MiB, not %ju bytes", (uintmax_t)size);
	writer->clusters = (uint32_t)(sectors / writer->cluster_sectors);
	assert(writer->clusters <= FAT32_CLUSTERS_MAX);
	return 0;
}

static int add_node(struct writer *writer, const struct tree_entry *entry, size_t parent, struct error **err)
{
	struct node *node;

	if (writer->count == writer->capacity) {
		size_t capacity = MAX(2 * writer->capacity, 64u);
		struct node *grown = reallocarray(writer->nodes, capacity, sizeof(*grown));

		if (!grown)
			return error_set_errno(err, -ENOMEM, "FAT");
		writer->nodes = grown;
		writer->capacity = capacity;
	}
	node = &writer->nodes[writer->count++];
	*node = (struct node){.name = entry->name, .inode = entry->inode, .parent = parent};
	if (S_ISDIR(node->inode->mode))
		return 0;
	if (!S_ISREG(node->inode->mode))
		return error_set(err, -EINVAL, "%s: FAT holds folders and files, nothing else", node->name);
	node->size = content_size(node->inode->content);
	if (node->size > UINT32_MAX)
		return error_set(err, -EFBIG, "%s: a file on FAT must be smaller than 4 GiB", node->name);
	return 0;
}

static bool short_name_taken(const struct writer *writer, const struct node *folder, const struct node *node)
{
	for (size_t i = 0; i < folder->child_count; i++) {
		const struct node *other = &writer->nodes[folder->children + i];

		if (other != node && memcmp(other->short_name, node->short_name, SHORT_NAME_SIZE) == 0)
			return true;
	}
	return false;
}

static int number_short_name(const struct writer *writer, const struct node *folder, struct node *node,
	const uint8_t basis[SHORT_NAME_SIZE], struct error **err)
{
	for (unsigned number = 1; number <= FOLDER_ENTRIES_MAX; number++) {
		fat_short_number(basis, number, node->short_name);
		if (!short_name_taken(writer, folder, node))
			return 0;
	}
	return error_set(err, -EINVAL, "%s: no short name is free for it", node->name);
}

/* Those whose short form says all of the name first: a number of another's must not take it from them. */
static int name_children(struct writer *writer, const struct node *folder, struct error **err)
{
	for (int numbered = 0; numbered < 2; numbered++) {
		for (size_t i = 0; i < folder->child_count; i++) {
			struct node *node = &writer->nodes[folder->children + i];
			uint8_t basis[SHORT_NAME_SIZE];
			int r = 0;

			if (fat_short_name(node->name, basis, &node->exact) == numbered)
				continue;
			if (numbered)
				r = number_short_name(writer, folder, node, basis, err);
			else
				memcpy(node->short_name, basis, SHORT_NAME_SIZE);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

/* Entries that a name takes: the parts of its long form, and the short one. */
static size_t entries_of(const struct node *node, size_t units)
{
	return 1 + (node->exact ? 0 : div_round_up_u64(units, LONG_UNITS));
}

static int compare_names(const void *a, const void *b)
{
	return strcasecmp(*(const char *const *)a, *(const char *const *)b);
}

/* FAT does not tell "a" from "A" (beyond ASCII, drivers disagree: those are left alone). */
static int refuse_equal_names(const struct writer *writer, const struct node *folder, struct error **err)
{
	_cleanup_free_ const char **names = calloc(folder->child_count + 1, sizeof(*names));

	if (!names)
		return error_set_errno(err, -ENOMEM, "FAT");
	for (size_t i = 0; i < folder->child_count; i++)
		names[i] = writer->nodes[folder->children + i].name;
	qsort(names, folder->child_count, sizeof(*names), compare_names);
	for (size_t i = 1; i < folder->child_count; i++)
		if (strcasecmp(names[i - 1], names[i]) == 0)
			return error_set(err, -EINVAL, "%s and %s: FAT does not tell these names apart",
				names[i - 1], names[i]);
	return 0;
}

/* Adds a folder's children and works out how large the folder is. */
static int plan_folder(struct writer *writer, size_t index, struct error **err)
{
	const struct tree_inode *inode = writer->nodes[index].inode;
	size_t entries = index == 0 ? 1 : 2; /* the volume label; "." and ".." */
	struct node folder;
	int r;

	writer->nodes[index].children = writer->count;
	writer->nodes[index].child_count = inode->entry_count;
	for (size_t i = 0; i < inode->entry_count; i++) {
		r = add_node(writer, &inode->entries[i], index, err);
		if (r < 0)
			return r;
	}
	folder = writer->nodes[index];
	r = refuse_equal_names(writer, &folder, err);
	if (r < 0)
		return r;
	r = name_children(writer, &folder, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < folder.child_count; i++) {
		uint16_t units[LONG_NAME_MAX];
		size_t count;

		r = fat_long_name(writer->nodes[folder.children + i].name, units, &count, err);
		if (r < 0)
			return r;
		entries += entries_of(&writer->nodes[folder.children + i], count);
	}
	if (entries > FOLDER_ENTRIES_MAX)
		return error_set(err, -EINVAL, "%s: too many names for a folder on FAT",
			folder.name ? folder.name : "/");
	writer->nodes[index].size = entries * ENTRY_SIZE;
	return 0;
}

/* Gives every node its clusters. */
static int allocate(struct writer *writer, struct error **err)
{
	uint64_t next = FAT_FIRST_CLUSTER, need = 0;

	for (size_t i = 0; i < writer->count; i++) {
		uint64_t clusters = div_round_up_u64(writer->nodes[i].size, cluster_bytes(writer));

		writer->nodes[i].cluster = clusters > 0 ? (uint32_t)next : 0;
		next += clusters;
		need += clusters;
		if (need > writer->clusters)
			break;
	}
	if (need > writer->clusters) {
		need = 0;
		for (size_t i = 0; i < writer->count; i++)
			need += round_up_u64(writer->nodes[i].size, cluster_bytes(writer));
		return error_set(err, -ENOSPC,
			"the files need %ju bytes and the file system has room for %ju", (uintmax_t)need,
			(uintmax_t)writer->clusters * cluster_bytes(writer));
	}
	writer->next = (uint32_t)next;
	return 0;
}

static int plan(struct writer *writer, const struct tree_inode *root, struct error **err)
{
	const struct tree_entry entry = {.inode = (struct tree_inode *)root};
	int r;

	assert(S_ISDIR(root->mode));
	r = choose_geometry(writer, err);
	if (r < 0)
		return r;
	r = add_node(writer, &entry, 0, err);
	for (size_t i = 0; r == 0 && i < writer->count; i++)
		if (S_ISDIR(writer->nodes[i].inode->mode))
			r = plan_folder(writer, i, err);
	return r < 0 ? r : allocate(writer, err);
}

static uint64_t sector_offset(const struct writer *writer, uint64_t sector)
{
	return writer->offset + sector * FAT_SECTOR;
}

static uint64_t cluster_offset(const struct writer *writer, uint32_t cluster)
{
	uint64_t data = RESERVED_SECTORS + (uint64_t)FATS * writer->fat_sectors;

	return sector_offset(
		writer, data + (uint64_t)(cluster - FAT_FIRST_CLUSTER) * writer->cluster_sectors);
}

static void put_label(const struct writer *writer, uint8_t ret[SHORT_NAME_SIZE])
{
	memset(ret, ' ', SHORT_NAME_SIZE);
	memcpy(ret, writer->options->label, strlen(writer->options->label));
}

static void encode_boot_sector(const struct writer *writer, uint8_t *sector)
{
	static const uint8_t jump[] = {0xeb, 0x58, 0x90}, halt[] = {0xf4, 0xeb, 0xfd};

	memcpy(sector, jump, sizeof(jump));
	memcpy(sector + 3, "ORLOP   ", 8);
	write_le16(sector + BOOT_BYTES_PER_SECTOR, FAT_SECTOR);
	sector[BOOT_SECTORS_PER_CLUSTER] = (uint8_t)writer->cluster_sectors;
	write_le16(sector + BOOT_RESERVED_SECTORS, RESERVED_SECTORS);
	sector[BOOT_FATS] = FATS;
	sector[BOOT_MEDIA] = MEDIA;
	write_le16(sector + BOOT_TRACK_SECTORS, 63);
	write_le16(sector + BOOT_HEADS, 255);
	write_le32(sector + BOOT_HIDDEN, (uint32_t)MIN(writer->options->hidden / FAT_SECTOR, UINT32_MAX));
	write_le32(sector + BOOT_SECTORS_32, writer->sectors);
	write_le32(sector + BOOT_FAT_SECTORS_32, writer->fat_sectors);
	write_le32(sector + BOOT_ROOT_CLUSTER, FAT_FIRST_CLUSTER);
	write_le16(sector + BOOT_FSINFO, FSINFO_SECTOR);
	write_le16(sector + BOOT_BACKUP, BACKUP_SECTOR);
	sector[BOOT_DRIVE] = 0x80;
	sector[BOOT_SIGNATURE] = 0x29;
	write_le32(sector + BOOT_VOLUME_ID, writer->options->volume_id);
	put_label(writer, sector + BOOT_LABEL);
	memcpy(sector + BOOT_TYPE, "FAT32   ", 8);
	memcpy(sector + 90, halt, sizeof(halt)); /* whoever starts it as a BIOS would stops here */
	write_le16(sector + BOOT_END, 0xaa55);
}

/* The boot sector, FSINFO and an empty third sector; the same again as backup. */
static int write_reserved(const struct writer *writer)
{
	uint8_t sectors[3 * FAT_SECTOR] = {}, *fsinfo = sectors + FAT_SECTOR;
	int r;

	encode_boot_sector(writer, sectors);
	write_le32(fsinfo + FSINFO_HEAD, 0x41615252);
	write_le32(fsinfo + FSINFO_SIGNATURE, 0x61417272);
	write_le32(fsinfo + FSINFO_FREE, writer->clusters - (writer->next - FAT_FIRST_CLUSTER));
	write_le32(fsinfo + FSINFO_NEXT, writer->next - 1); /* the last one in use */
	write_le32(fsinfo + FSINFO_TAIL, 0xaa550000);
	write_le32(sectors + 2 * FAT_SECTOR + FSINFO_TAIL, 0xaa550000);
	r = sparse_write(writer->fd, sectors, sizeof(sectors), sector_offset(writer, 0));
	return r < 0 ? r
		     : sparse_write(
			       writer->fd, sectors, sizeof(sectors), sector_offset(writer, BACKUP_SECTOR));
}

static int write_tables(const struct writer *writer)
{
	_cleanup_buffer_ struct buffer table = {};
	int r = 0;

	buffer_append_le32(&table, 0x0fffff00 | MEDIA);
	buffer_append_le32(&table, FAT32_END);
	for (size_t i = 0; i < writer->count; i++) {
		uint64_t clusters = div_round_up_u64(writer->nodes[i].size, cluster_bytes(writer));

		for (uint32_t n = 1; n < clusters; n++)
			buffer_append_le32(&table, writer->nodes[i].cluster + n);
		if (clusters > 0)
			buffer_append_le32(&table, FAT32_END);
	}
	if (buffer_failed(&table))
		return -ENOMEM;
	for (uint32_t copy = 0; r == 0 && copy < FATS; copy++)
		r = sparse_write(writer->fd, table.data, table.size,
			sector_offset(writer, RESERVED_SECTORS + (uint64_t)copy * writer->fat_sectors));
	return r;
}

static void put_entry(struct buffer *folder, const void *name, uint8_t attributes, uint32_t cluster,
	uint64_t size, int64_t mtime)
{
	uint8_t *entry = buffer_extend(folder, ENTRY_SIZE);

	if (entry)
		fat_entry_encode(entry, name, attributes, cluster, (uint32_t)size, mtime);
}

/* The parts of a long name, the last one first. */
static void put_long_name(struct buffer *folder, const struct node *node)
{
	uint16_t units[LONG_NAME_MAX];
	size_t count = 0;

	(void)fat_long_name(node->name, units, &count, NULL); /* plan_folder() has seen that it can be one */
	for (size_t part = div_round_up_u64(count, LONG_UNITS); part > 0; part--) {
		uint8_t *entry = buffer_extend(folder, ENTRY_SIZE);

		if (entry)
			fat_long_part_encode(entry, units, count, part, node->short_name);
	}
}

static void put_child(struct buffer *folder, const struct node *node)
{
	bool is_folder = S_ISDIR(node->inode->mode);

	if (!node->exact)
		put_long_name(folder, node);
	put_entry(folder, node->short_name, is_folder ? ATTRIBUTE_FOLDER : ATTRIBUTE_ARCHIVE, node->cluster,
		is_folder ? 0 : node->size, node->inode->mtime);
}

static int write_folder(const struct writer *writer, size_t index)
{
	const struct node *folder = &writer->nodes[index];
	_cleanup_buffer_ struct buffer data = {};

	if (index == 0) {
		uint8_t label[SHORT_NAME_SIZE];

		put_label(writer, label);
		put_entry(&data, label, ATTRIBUTE_LABEL, 0, 0, folder->inode->mtime);
	} else {
		/* The root is cluster 0 to "..", whatever its real one. */
		put_entry(&data, ".          ", ATTRIBUTE_FOLDER, folder->cluster, 0, folder->inode->mtime);
		put_entry(&data, "..         ", ATTRIBUTE_FOLDER,
			folder->parent == 0 ? 0 : writer->nodes[folder->parent].cluster, 0,
			writer->nodes[folder->parent].inode->mtime);
	}
	for (size_t i = 0; i < folder->child_count; i++)
		put_child(&data, &writer->nodes[folder->children + i]);
	if (buffer_failed(&data))
		return -ENOMEM;
	assert(data.size == folder->size);
	return sparse_write(writer->fd, data.data, data.size, cluster_offset(writer, folder->cluster));
}

static int write_nodes(const struct writer *writer, struct error **err)
{
	for (size_t i = 0; i < writer->count; i++) {
		const struct node *node = &writer->nodes[i];
		int r = 0;

		if (S_ISDIR(node->inode->mode))
			r = write_folder(writer, i);
		else if (node->size > 0)
			r = sparse_write(writer->fd, content_data(node->inode->content), node->size,
				cluster_offset(writer, node->cluster));
		if (r < 0)
			return error_set_errno(err, r, "%s", node->name ? node->name : "/");
		if (!S_ISDIR(node->inode->mode))
			progress_add(writer->options->progress, node->size);
	}
	return 0;
}

static bool is_label(const char *label)
{
	size_t length = strlen(label);

	return length > 0 && length < FAT_LABEL_SIZE &&
	       strspn(label, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == length;
}

int fat_write(const struct tree_inode *folder, const struct fat_options *options, int fd, uint64_t offset,
	struct error **err)
{
	_cleanup_(writer_release) struct writer writer = {.options = options, .fd = fd, .offset = offset};
	int r;

	if (!is_label(options->label))
		return error_set(
			err, -EINVAL, "'%s' can't be the label of a FAT file system", options->label);
	r = plan(&writer, folder, err);
	if (r < 0)
		return r;
	r = write_reserved(&writer);
	if (r == 0)
		r = write_tables(&writer);
	if (r < 0)
		return error_set_errno(err, r, "FAT");
	return write_nodes(&writer, err);
}
