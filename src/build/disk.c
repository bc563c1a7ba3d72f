/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "build/disk.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/encoding.h"
#include "base/file.h"
#include "base/progress.h"
#include "base/sparse.h"
#include "base/string-util.h"
#include "format/fat.h"

#define SECTOR_SIZE 512

/* The space of names for all UUIDs that a build makes. Changing it changes every disk image. */
static const struct uuid name_space = {
	{0x5b, 0x0a, 0x9e, 0x8d, 0x61, 0x44, 0x4c, 0x1c, 0xa3, 0x6e, 0x0f, 0x2d, 0x77, 0x95, 0xe1, 0x3b}};

static uint64_t folder_bytes(const struct tree_inode *folder)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < folder->entry_count; i++) {
		const struct tree_inode *inode = folder->entries[i].inode;

		if (S_ISDIR(inode->mode))
			bytes += folder_bytes(inode);
		else if (S_ISREG(inode->mode))
			bytes += content_size(inode->content);
	}
	return bytes;
}

/* Bytes that progress counts for a partition. */
static uint64_t content_bytes(const struct disk_partition *partition)
{
	switch (partition->content) {
	case DISK_BYTES:
	case DISK_FILE:
		return partition->data_size;
	case DISK_FAT:
		return folder_bytes(partition->folder);
	case DISK_THERE:
	case DISK_NOTHING:
		break;
	}
	return 0;
}

/* The size of the whole disk: what stands before and between, the free space, and the backup table. */
static int disk_size(const struct disk_options *options, uint64_t *ret, struct error **err)
{
	uint64_t size = 2 * GPT_ALIGN, free_space;

	if (!checked_add(options->free, GPT_ALIGN - 1, &free_space) ||
		!checked_add(size, free_space & ~(GPT_ALIGN - 1), &size))
		return error_set(err, -EFBIG, "the disk would be too large");
	for (size_t i = 0; i < options->count; i++) {
		const struct disk_partition *partition = &options->partitions[i];

		if (partition->size > INT64_MAX / 2 ||
			!checked_add(size, round_up_u64(partition->size, GPT_ALIGN), &size) ||
			size > INT64_MAX)
			return error_set(err, -EFBIG, "the disk would be too large");
	}
	*ret = size;
	return 0;
}

/* Sets up the table; *partitions* says afterwards where each partition is. */
static int lay_out(struct gpt *gpt, const struct disk_options *options, uint64_t size,
	struct gpt_partition *partitions, struct error **err)
{
	uint64_t offset = GPT_ALIGN;
	int r;

	r = gpt_init(gpt, size, SECTOR_SIZE, &options->id, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < options->count; i++) {
		const struct disk_partition *from = &options->partitions[i];
		struct gpt_partition *to = &partitions[i];

		*to = (struct gpt_partition){
			.type = from->type,
			.id = from->id,
			.offset = offset,
			.size = round_up_u64(from->size, GPT_ALIGN),
			.attributes = from->attributes,
		};
		if (snprintf(to->label, sizeof(to->label), "%s", from->label) >= (int)sizeof(to->label))
			return error_set(err, -EINVAL, "partition label '%s' is too long", from->label);
		r = gpt_put(gpt, to, err);
		if (r < 0)
			return r;
		offset += to->size;
	}
	return 0;
}

static int write_content(int fd, const struct disk_partition *partition, const struct gpt_partition *place,
	struct progress *progress, struct error **err)
{
	const struct fat_options fat = {
		.size = place->size,
		.hidden = place->offset,
		.volume_id = partition->volume_id,
		.label = "ESP",
		.progress = progress,
	};
	int r = 0;

	if (partition->content == DISK_FAT)
		return fat_write(partition->folder, &fat, fd, place->offset, err);
	if (partition->content == DISK_BYTES)
		r = sparse_write(fd, partition->data, partition->data_size, place->offset);
	if (partition->content == DISK_FILE)
		r = sparse_copy(partition->fd, 0, fd, place->offset, partition->data_size, progress);
	if (r < 0)
		return error_set_errno(err, r, "content of %ju bytes", (uintmax_t)partition->data_size);
	if (partition->content == DISK_BYTES)
		progress_add(progress, partition->data_size);
	return 0;
}

static int check_fits(const struct disk_partition *partition, struct error **err)
{
	uint64_t room = round_up_u64(partition->size, GPT_ALIGN);

	if (partition->content == DISK_NOTHING || partition->content == DISK_FAT ||
		partition->data_size <= room)
		return 0;
	return error_set(err, -ENOSPC,
		"partition '%s': its content has %ju bytes and the partition %ju: make it larger",
		partition->label, (uintmax_t)partition->data_size, (uintmax_t)room);
}

int disk_write(int fd, const struct disk_options *options, struct error **err)
{
	_cleanup_free_ struct gpt_partition *places = calloc(options->count + 1, sizeof(*places));
	_cleanup_gpt_ struct gpt gpt = {};
	uint64_t size = 0, total = 0;
	int r;

	if (!places)
		return error_set_errno(err, -ENOMEM, "partitions");
	r = disk_size(options, &size, err);
	for (size_t i = 0; r == 0 && i < options->count; i++) {
		r = check_fits(&options->partitions[i], err);
		total += content_bytes(&options->partitions[i]);
	}
	if (r == 0)
		r = lay_out(&gpt, options, size, places, err);
	if (r < 0)
		return r;
	if (ftruncate(fd, (off_t)size) < 0)
		return error_set_errno(err, -errno, "%ju bytes", (uintmax_t)size);
	progress_begin(options->progress, "disk image", total, PROGRESS_BYTES);
	for (size_t i = 0; i < options->count; i++) {
		r = write_content(fd, &options->partitions[i], &places[i], options->progress, err);
		if (r < 0) {
			(void)error_wrap(err, "partition '%s'", options->partitions[i].label);
			return r;
		}
	}
	r = gpt_write(fd, &gpt, err);
	if (r == 0)
		progress_end(options->progress, NULL);
	return r;
}

/* The UUID of one thing on the disk of this release. */
static int uuid_of(const struct disk_image *image, const char *thing, struct uuid *ret, struct error **err)
{
	_cleanup_free_ char *root_hash = hex_encode_new(image->root_hash, SHA256_SIZE), *name = NULL;
	int r = -ENOMEM;

	if (root_hash)
		name = string_format("%s/%s/%s/%s", image->architecture, image->version, root_hash, thing);
	if (name)
		r = uuid_from_name(&name_space, name, strlen(name), ret);
	return r < 0 ? error_set_errno(err, r, "UUID of %s", thing) : 0;
}

static int file_size(int fd, const char *name, uint64_t *ret, struct error **err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return error_set_errno(err, -errno, "%s", name);
	if (!S_ISREG(st.st_mode))
		return error_set(err, -EINVAL, "%s: not a regular file", name);
	*ret = (uint64_t)st.st_size;
	return 0;
}

/* The seven partitions, in their order. */
static const struct {
	const char *name, *type, *label_suffix; /* suffix NULL: the slot is empty */
} layout[] = {
	{"esp", "esp", NULL},
	{"usr-a", "usr", ""},
	{"usr-a-verity", "usr-verity", "_verity"},
	{"usr-a-verity-sig", "usr-verity-sig", "_verity_sig"},
	{"usr-b", "usr", NULL},
	{"usr-b-verity", "usr-verity", NULL},
	{"usr-b-verity-sig", "usr-verity-sig", NULL},
};
enum { ESP, USR_A, VERITY_A, SIGNATURE_A, USR_B, VERITY_B, SIGNATURE_B, PARTITIONS };
_Static_assert(ARRAY_SIZE(layout) == PARTITIONS, "");

/* What type, id, label and attributes each partition has. *labels* keeps the labels. */
static int identify(const struct disk_image *image, struct disk_partition partitions[PARTITIONS],
	struct strv *labels, struct error **err)
{
	int r;

	for (size_t i = 0; i < PARTITIONS; i++) {
		const struct gpt_type *type = gpt_type_lookup(layout[i].type, image->architecture);

		if (!type)
			return error_set(err, -EINVAL,
				"no partition type '%s' is known for architecture '%s'", layout[i].type,
				image->architecture);
		partitions[i].type = type->id;
		partitions[i].attributes = i == ESP ? 0 : GPT_READ_ONLY;
		r = uuid_of(image, layout[i].name, &partitions[i].id, err);
		if (r < 0)
			return r;
		if (layout[i].label_suffix)
			r = strv_addf(labels, "orlop_%s%s", image->version, layout[i].label_suffix);
		else
			r = strv_add(labels, i == ESP ? "esp" : "_empty");
		if (r < 0)
			return error_set_errno(err, r, "partition label");
	}
	for (size_t i = 0; i < PARTITIONS; i++)
		partitions[i].label = labels->items[i];
	partitions[USR_A].id = uuid_from_root_hash_first(image->root_hash, SHA256_SIZE);
	partitions[VERITY_A].id = uuid_from_root_hash_last(image->root_hash, SHA256_SIZE);
	return 0;
}

static int fill(
	const struct disk_image *image, struct disk_partition partitions[PARTITIONS], struct error **err)
{
	struct disk_partition *esp = &partitions[ESP], *usr = &partitions[USR_A],
			      *verity = &partitions[VERITY_A], *signature = &partitions[SIGNATURE_A];
	int r;

	esp->content = DISK_FAT;
	esp->folder = image->esp;
	esp->volume_id = read_le32(esp->id.bytes);
	usr->content = image->usr_is_there ? DISK_THERE : DISK_FILE;
	verity->content = DISK_FILE;
	usr->fd = image->usr;
	verity->fd = image->verity;
	signature->content = DISK_BYTES;
	signature->data = image->signature;
	signature->data_size = image->signature_length;

	esp->size = image->esp_size;
	usr->size = partitions[USR_B].size = image->usr_size;
	verity->size = partitions[VERITY_B].size = image->verity_size;
	signature->size = partitions[SIGNATURE_B].size = image->signature_size;
	r = file_size(image->usr, "usr image", &usr->data_size, err);
	return r < 0 ? r : file_size(image->verity, "hash tree", &verity->data_size, err);
}

uint64_t disk_image_usr(uint64_t esp_size)
{
	return GPT_ALIGN + round_up_u64(esp_size, GPT_ALIGN);
}

int disk_image_write(int fd, const struct disk_image *image, struct error **err)
{
	struct disk_partition partitions[PARTITIONS] = {};
	struct disk_options options = {
		.partitions = partitions,
		.count = PARTITIONS,
		.free = image->state_size,
		.progress = image->progress,
	};
	_cleanup_strv_ struct strv labels = {};
	int r;

	r = uuid_of(image, "disk", &options.id, err);
	if (r == 0)
		r = identify(image, partitions, &labels, err);
	if (r == 0)
		r = fill(image, partitions, err);
	return r < 0 ? r : disk_write(fd, &options, err);
}
