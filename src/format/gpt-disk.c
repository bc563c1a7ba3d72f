/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Partition tables from and to disks; what one says in memory is in gpt.c. */
#include <assert.h>
#include <errno.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "base/block-io.h"
#include "base/bytes.h"
#include "base/crc32.h"
#include "format/gpt-layout.h"

#define REVISION 0x00010000

/* The master boot record: four records of 16 bytes, then its signature. */
#define MBR_RECORDS 446
#define MBR_RECORD_SIZE 16
#define MBR_SIGNATURE 510
#define MBR_TYPE_PROTECTIVE 0xee

int gpt_geometry(int fd, uint64_t *ret_size, uint32_t *ret_sector_size, struct error **err)
{
	struct stat st;
	uint64_t size;
	int sector_size;

	if (fstat(fd, &st) < 0)
		return error_set_errno(err, -errno, "size of the disk");
	if (S_ISREG(st.st_mode)) {
		*ret_size = (uint64_t)st.st_size;
		*ret_sector_size = 0;
		return 0;
	}
	if (!S_ISBLK(st.st_mode))
		return error_set(err, -ENOTBLK, "neither a disk nor a file");
	if (ioctl(fd, BLKGETSIZE64, &size) < 0 || ioctl(fd, BLKSSZGET, &sector_size) < 0)
		return error_set_errno(err, -errno, "size of the disk");
	*ret_size = size;
	*ret_sector_size = (uint32_t)sector_size;
	return 0;
}

/* Takes the fields out of a header whose checksum is right and checks those that need no other copy. */
static int decode_header(const uint8_t *header, uint64_t lba, struct gpt *gpt, struct error **err)
{
	gpt->disk = uuid_from_gpt(header + GPT_HEADER_DISK);
	gpt->first_usable = read_le64(header + GPT_HEADER_FIRST_USABLE);
	gpt->last_usable = read_le64(header + GPT_HEADER_LAST_USABLE);
	gpt->entry_count = read_le32(header + GPT_HEADER_ENTRY_COUNT);
	gpt->entry_size = read_le32(header + GPT_HEADER_ENTRY_SIZE);

	if (read_le64(header + GPT_HEADER_MY_LBA) != lba)
		return error_set(err, -EBADMSG, "its header belongs at sector %ju",
			(uintmax_t)read_le64(header + GPT_HEADER_MY_LBA));
	if (gpt->entry_size < GPT_ENTRY_MIN || !is_power_of_two_u64(gpt->entry_size) ||
		gpt->entry_count == 0 || gpt->entry_count > GPT_ENTRIES_MAX / gpt->entry_size)
		return error_set(err, -EBADMSG, "%u entries of %u bytes are not possible", gpt->entry_count,
			gpt->entry_size);
	return 0;
}

/*
 * Checks that header, entries and usable space follow each other, and that all of it is on the disk, with
 * room for the other copy. *entries_lba* is where this copy's entries are.
 */
static int check_places(const struct gpt *gpt, uint64_t lba, uint64_t entries_lba, struct error **err)
{
	uint64_t sectors = gpt_entries_sectors(gpt), room;

	if (!checked_sub(gpt->sectors, sectors + 2, &room) || gpt->last_usable > room)
		return error_set(err, -EBADMSG,
			"it is for a disk of at least %ju sectors and this one has %ju: is it cut off?",
			(uintmax_t)gpt->last_usable, (uintmax_t)gpt->sectors);
	if (gpt->first_usable > gpt->last_usable || gpt->first_usable < GPT_PRIMARY_LBA + 1 + sectors)
		return error_set(err, -EBADMSG, "usable sectors %ju to %ju are not possible",
			(uintmax_t)gpt->first_usable, (uintmax_t)gpt->last_usable);
	if (lba == GPT_PRIMARY_LBA ? entries_lba <= lba || entries_lba > gpt->first_usable - sectors
				   : entries_lba <= gpt->last_usable || entries_lba > lba - sectors)
		return error_set(err, -EBADMSG, "its entries can't be at sector %ju", (uintmax_t)entries_lba);
	return 0;
}

/* A range that is not there is no more readable than a damaged one. */
static int read_disk(const struct block_io *disk, uint64_t offset, void *data, size_t size)
{
	int r = block_read(disk, offset, data, size);

	return r == -ENODATA || r == -ENXIO ? -EIO : r;
}

static int read_entries(const struct block_io *disk, struct gpt *gpt, uint64_t entries_lba, uint32_t expected,
	struct error **err)
{
	size_t size = gpt_entries_bytes(gpt);
	int r;

	gpt->entries = malloc(size);
	if (!gpt->entries)
		return error_set_errno(err, -ENOMEM, "its entries");
	r = read_disk(disk, entries_lba * gpt->sector_size, gpt->entries, size);
	if (r < 0)
		return error_set_errno(err, r, "its entries");
	if (crc32_update(0, gpt->entries, size) != expected)
		return error_set(err, -EBADMSG, "the checksum of its entries is wrong");
	return gpt_check(gpt, err);
}

/* Reads and checks the header at *lba* into *header*, a sector. -ENODATA where there is none. */
static int read_header(
	const struct block_io *disk, uint32_t sector_size, uint64_t lba, uint8_t *header, struct error **err)
{
	uint32_t size, expected;
	int r;

	r = read_disk(disk, lba * sector_size, header, sector_size);
	if (r < 0)
		return error_set_errno(err, r, "its header");
	if (memcmp(header + GPT_HEADER_SIGNATURE, "EFI PART", 8) != 0)
		return error_set(err, -ENODATA, "there is none at sector %ju", (uintmax_t)lba);
	size = read_le32(header + GPT_HEADER_SIZE);
	if (size < GPT_HEADER_END || size > sector_size)
		return error_set(err, -EBADMSG, "a header of %u bytes is not possible", size);
	expected = read_le32(header + GPT_HEADER_CRC);
	write_le32(header + GPT_HEADER_CRC, 0);
	if (crc32_update(0, header, size) != expected)
		return error_set(err, -EBADMSG, "the checksum of its header is wrong");
	return 0;
}

/* One of the two copies, and where it says that the other is. */
static int read_copy(const struct block_io *disk, uint64_t sectors, uint32_t sector_size, uint64_t lba,
	struct gpt *ret, uint64_t *ret_alternate, struct error **err)
{
	_cleanup_gpt_ struct gpt gpt = {.sectors = sectors, .sector_size = sector_size};
	uint8_t header[4096];
	uint64_t entries_lba;
	int r;

	r = read_header(disk, sector_size, lba, header, err);
	if (r < 0)
		return r;
	r = decode_header(header, lba, &gpt, err);
	if (r < 0)
		return r;
	entries_lba = read_le64(header + GPT_HEADER_ENTRIES_LBA);
	r = check_places(&gpt, lba, entries_lba, err);
	if (r < 0)
		return r;
	r = read_entries(disk, &gpt, entries_lba, read_le32(header + GPT_HEADER_ENTRIES_CRC), err);
	if (r < 0)
		return r;
	gpt.primary_entries_lba = lba == GPT_PRIMARY_LBA ? entries_lba : GPT_PRIMARY_LBA + 1;
	*ret_alternate = read_le64(header + GPT_HEADER_ALTERNATE_LBA);
	*ret = gpt;
	gpt.entries = NULL;
	return 0;
}

/* The partition record of the master boot record that protects a GPT, NULL where none does. */
static uint8_t *protective_record(uint8_t *mbr)
{
	if (mbr[MBR_SIGNATURE] != 0x55 || mbr[MBR_SIGNATURE + 1] != 0xaa)
		return NULL;
	for (size_t i = 0; i < 4; i++)
		if (mbr[MBR_RECORDS + MBR_RECORD_SIZE * i + 4] == MBR_TYPE_PROTECTIVE)
			return mbr + MBR_RECORDS + MBR_RECORD_SIZE * i;
	return NULL;
}

static bool same_table(const struct gpt *a, const struct gpt *b)
{
	return uuid_equal(&a->disk, &b->disk) && a->first_usable == b->first_usable &&
	       a->last_usable == b->last_usable && a->entry_count == b->entry_count &&
	       a->entry_size == b->entry_size && memcmp(a->entries, b->entries, gpt_entries_bytes(a)) == 0;
}

static int no_table(int primary, const struct error *primary_err, int backup, const struct error *backup_err,
	struct error **err)
{
	if (primary == -ENODATA && backup == -ENODATA)
		return error_set(err, -ENODATA, "no GUID partition table");
	return error_set(err, primary == -ENODATA ? backup : primary,
		"no usable partition table: primary: %s; backup: %s", error_message(primary_err),
		error_message(backup_err));
}

/* Reads both copies at one sector size and keeps the better one. */
static int read_at(const struct block_io *disk, uint32_t sector_size, struct gpt *ret, struct error **err)
{
	uint64_t sectors = disk->size / sector_size;
	_cleanup_error_ struct error *primary_err = NULL, *backup_err = NULL;
	_cleanup_gpt_ struct gpt primary = {}, backup = {};
	uint64_t primary_other = 0, backup_other = 0;
	int p, b;

	if (sectors < 4)
		return error_set(err, -ENODATA, "too small for a partition table");
	p = read_copy(disk, sectors, sector_size, GPT_PRIMARY_LBA, &primary, &primary_other, &primary_err);
	b = read_copy(disk, sectors, sector_size, sectors - 1, &backup, &backup_other, &backup_err);
	if (p < 0 && b < 0)
		return no_table(p, primary_err, b, backup_err, err);
	if (p < 0) {
		backup.primary_damaged = true;
		*ret = backup;
		backup.entries = NULL;
		return 0;
	}
	primary.backup_damaged = b < 0 || primary_other != sectors - 1 || backup_other != GPT_PRIMARY_LBA;
	primary.backup_differs = b == 0 && !same_table(&primary, &backup);
	*ret = primary;
	primary.entries = NULL;
	return 0;
}

int gpt_read_io(const struct block_io *disk, uint32_t sector_size, struct gpt *ret, struct error **err)
{
	_cleanup_error_ struct error *first = NULL;
	uint8_t mbr[GPT_MBR_SIZE];
	struct gpt gpt;
	int r;

	if (sector_size != 0 && sector_size != 512 && sector_size != 4096)
		return error_set(err, -EINVAL, "sectors of %u bytes are not supported", sector_size);
	r = read_at(disk, sector_size ?: 512, &gpt, &first);
	if (r < 0 && sector_size == 0) {
		_cleanup_error_ struct error *second = NULL;
		int large = read_at(disk, 4096, &gpt, &second);

		if (large == 0 || r == -ENODATA) {
			r = large;
			first = error_free(first);
			first = TAKE_PTR(second);
		}
	}
	if (r < 0) {
		error_move(err, TAKE_PTR(first));
		return r;
	}
	r = read_disk(disk, 0, mbr, sizeof(mbr));
	if (r < 0) {
		gpt_release(&gpt);
		return error_set_errno(err, r, "master boot record");
	}
	gpt.protective_mbr = protective_record(mbr);
	*ret = gpt;
	return 0;
}

int gpt_read(int fd, uint64_t disk_size, uint32_t sector_size, struct gpt *ret, struct error **err)
{
	const struct block_file file = {.fd = fd};
	const struct block_io disk = block_io_file(&file, disk_size);

	return gpt_read_io(&disk, sector_size, ret, err);
}

static void encode_header(const struct gpt *gpt, bool backup, uint64_t entries_lba, uint8_t *header)
{
	uint64_t last = gpt->sectors - 1;

	memcpy(header + GPT_HEADER_SIGNATURE, "EFI PART", 8);
	write_le32(header + GPT_HEADER_REVISION, REVISION);
	write_le32(header + GPT_HEADER_SIZE, GPT_HEADER_END);
	write_le64(header + GPT_HEADER_MY_LBA, backup ? last : GPT_PRIMARY_LBA);
	write_le64(header + GPT_HEADER_ALTERNATE_LBA, backup ? GPT_PRIMARY_LBA : last);
	write_le64(header + GPT_HEADER_FIRST_USABLE, gpt->first_usable);
	write_le64(header + GPT_HEADER_LAST_USABLE, gpt->last_usable);
	uuid_to_gpt(&gpt->disk, header + GPT_HEADER_DISK);
	write_le64(header + GPT_HEADER_ENTRIES_LBA, entries_lba);
	write_le32(header + GPT_HEADER_ENTRY_COUNT, gpt->entry_count);
	write_le32(header + GPT_HEADER_ENTRY_SIZE, gpt->entry_size);
	write_le32(header + GPT_HEADER_ENTRIES_CRC, crc32_update(0, gpt->entries, gpt_entries_bytes(gpt)));
	write_le32(header + GPT_HEADER_CRC, crc32_update(0, header, GPT_HEADER_END));
}

/* Entries, header, flush. Until the flush this copy may be anything: the other one must be whole. */
static int write_copy(const struct gpt *gpt, bool backup, gpt_step_fn fn, void *userdata)
{
	uint64_t lba = backup ? gpt->sectors - 1 : GPT_PRIMARY_LBA;
	uint64_t entries_lba = backup ? lba - gpt_entries_sectors(gpt) : gpt->primary_entries_lba;
	size_t padded = gpt_entries_sectors(gpt) * gpt->sector_size;
	_cleanup_free_ uint8_t *entries = calloc(1, padded);
	uint8_t header[4096] = {};
	int r;

	if (!entries)
		return -ENOMEM;
	memcpy(entries, gpt->entries, gpt_entries_bytes(gpt));
	encode_header(gpt, backup, entries_lba, header);
	r = fn(entries_lba * gpt->sector_size, entries, padded, userdata);
	if (r < 0)
		return r;
	r = fn(lba * gpt->sector_size, header, gpt->sector_size, userdata);
	if (r < 0)
		return r;
	return fn(0, NULL, 0, userdata);
}

/*
 * One record of type 0xee from sector 1 over the whole disk, as far as 32 bits can tell (UEFI 2.10, 5.2.3). A
 * record that is there keeps its place, and a hybrid record's neighbours stay.
 */
static void protect(const struct gpt *gpt, uint8_t mbr[GPT_MBR_SIZE])
{
	uint8_t *record = protective_record(mbr);

	if (!record) {
		record = mbr + MBR_RECORDS;
		memset(record, 0, 4 * MBR_RECORD_SIZE);
		mbr[MBR_SIGNATURE] = 0x55;
		mbr[MBR_SIGNATURE + 1] = 0xaa;
		memcpy(record,
			(const uint8_t[]){0x00, 0x00, 0x02, 0x00, MBR_TYPE_PROTECTIVE, 0xff, 0xff, 0xff}, 8);
		write_le32(record + 8, GPT_PRIMARY_LBA);
	}
	if (read_le32(record + 8) == GPT_PRIMARY_LBA)
		write_le32(record + 12, (uint32_t)MIN(gpt->sectors - 1, UINT32_MAX));
}

int gpt_write_steps(const struct gpt *gpt, const uint8_t mbr[GPT_MBR_SIZE], gpt_step_fn fn, void *userdata)
{
	uint8_t record[GPT_MBR_SIZE];
	int r;

	r = write_copy(gpt, !gpt->primary_damaged, fn, userdata);
	if (r < 0)
		return r;
	r = write_copy(gpt, gpt->primary_damaged, fn, userdata);
	if (r < 0)
		return r;
	memcpy(record, mbr, sizeof(record));
	protect(gpt, record);
	if (memcmp(record, mbr, sizeof(record)) == 0)
		return 0;
	r = fn(0, record, sizeof(record), userdata);
	return r < 0 ? r : fn(0, NULL, 0, userdata);
}

static int step_on_disk(uint64_t offset, const void *data, size_t size, void *userdata)
{
	const struct block_io *disk = userdata;

	return data ? block_write(disk, offset, data, size) : block_flush(disk);
}

int gpt_write_io(const struct block_io *disk, const struct gpt *gpt, struct error **err)
{
	uint8_t mbr[GPT_MBR_SIZE];
	int r;

	r = read_disk(disk, 0, mbr, sizeof(mbr));
	if (r < 0)
		return error_set_errno(err, r, "master boot record");
	r = gpt_write_steps(gpt, mbr, step_on_disk, (void *)disk);
	return r < 0 ? error_set_errno(err, r, "partition table") : 0;
}

int gpt_write(int fd, const struct gpt *gpt, struct error **err)
{
	const struct block_file file = {.fd = fd};
	const struct block_io disk = block_io_file(&file, gpt->sectors * gpt->sector_size);

	return gpt_write_io(&disk, gpt, err);
}
