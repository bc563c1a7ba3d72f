/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/gpt.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "format/gpt-layout.h"

void gpt_release(struct gpt *gpt)
{
	free(gpt->entries);
	*gpt = (struct gpt){};
}

/* The last sector that partitions may use: behind it stand the backup's entries and its header. */
static bool last_usable_of(const struct gpt *gpt, uint64_t sectors, uint64_t *ret)
{
	return checked_sub(sectors, gpt_entries_sectors(gpt) + 2, ret) && *ret >= gpt->first_usable;
}

int gpt_init(struct gpt *ret, uint64_t disk_size, uint32_t sector_size, const struct uuid *disk,
	struct error **err)
{
	struct gpt gpt = {
		.sector_size = sector_size,
		.sectors = disk_size / sector_size,
		.disk = *disk,
		.primary_entries_lba = GPT_PRIMARY_LBA + 1,
		.entry_count = GPT_ENTRIES,
		.entry_size = GPT_ENTRY_MIN,
	};

	assert(sector_size == 512 || sector_size == 4096);
	gpt.first_usable = gpt.primary_entries_lba + gpt_entries_sectors(&gpt);
	if (!last_usable_of(&gpt, gpt.sectors, &gpt.last_usable))
		return error_set(err, -ENOSPC, "a disk of %ju bytes has no room for a partition table",
			(uintmax_t)disk_size);
	gpt.entries = calloc(gpt.entry_count, gpt.entry_size);
	if (!gpt.entries)
		return error_set_errno(err, -ENOMEM, "partition table");
	*ret = gpt;
	return 0;
}

static uint8_t *entry_at(const struct gpt *gpt, unsigned number)
{
	return gpt->entries + (size_t)(number - 1) * gpt->entry_size;
}

static bool is_used(const struct gpt *gpt, unsigned number)
{
	static const uint8_t unused[UUID_SIZE];

	return memcmp(entry_at(gpt, number) + GPT_ENTRY_TYPE, unused, UUID_SIZE) != 0;
}

/* First and last sector of a used entry. */
static void entry_range(const struct gpt *gpt, unsigned number, uint64_t *first, uint64_t *last)
{
	const uint8_t *entry = entry_at(gpt, number);

	*first = read_le64(entry + GPT_ENTRY_FIRST);
	*last = read_le64(entry + GPT_ENTRY_LAST);
}

static void decode_entry(const struct gpt *gpt, unsigned number, struct gpt_partition *ret)
{
	const uint8_t *entry = entry_at(gpt, number);
	uint16_t units[GPT_LABEL_UNITS];
	uint64_t first, last;

	entry_range(gpt, number, &first, &last);
	ret->number = number;
	ret->type = uuid_from_gpt(entry + GPT_ENTRY_TYPE);
	ret->id = uuid_from_gpt(entry + GPT_ENTRY_ID);
	ret->offset = first * gpt->sector_size;
	ret->size = (last - first + 1) * gpt->sector_size;
	ret->attributes = read_le64(entry + GPT_ENTRY_ATTRIBUTES);
	for (size_t i = 0; i < GPT_LABEL_UNITS; i++)
		units[i] = read_le16(entry + GPT_ENTRY_LABEL + 2 * i);
	(void)utf16_to_utf8(units, GPT_LABEL_UNITS, ret->label);
}

bool gpt_next(const struct gpt *gpt, struct gpt_partition *partition)
{
	for (unsigned number = partition->number + 1; number <= gpt->entry_count; number++) {
		if (is_used(gpt, number)) {
			decode_entry(gpt, number, partition);
			return true;
		}
	}
	return false;
}

int gpt_find(const struct gpt *gpt, const struct uuid *type, const struct uuid *id, struct gpt_partition *ret)
{
	struct gpt_partition partition = {};

	while (gpt_next(gpt, &partition)) {
		if (type && !uuid_equal(type, &partition.type))
			continue;
		if (id && !uuid_equal(id, &partition.id))
			continue;
		*ret = partition;
		return 0;
	}
	return -ENOENT;
}

int gpt_get(const struct gpt *gpt, unsigned number, struct gpt_partition *ret)
{
	if (number == 0 || number > gpt->entry_count || !is_used(gpt, number))
		return -ENOENT;
	decode_entry(gpt, number, ret);
	return 0;
}

/* The partition other than *except* that has a sector of the range; 0 where there is none. */
static unsigned overlapping(const struct gpt *gpt, unsigned except, uint64_t first, uint64_t last)
{
	for (unsigned number = 1; number <= gpt->entry_count; number++) {
		uint64_t other_first, other_last;

		if (number == except || !is_used(gpt, number))
			continue;
		entry_range(gpt, number, &other_first, &other_last);
		if (first <= other_last && other_first <= last)
			return number;
	}
	return 0;
}

int gpt_check(const struct gpt *gpt, struct error **err)
{
	for (unsigned number = 1; number <= gpt->entry_count; number++) {
		uint64_t first, last;
		unsigned other;

		if (!is_used(gpt, number))
			continue;
		entry_range(gpt, number, &first, &last);
		if (first > last || first < gpt->first_usable || last > gpt->last_usable)
			return error_set(err, -EBADMSG,
				"partition %u (sectors %ju to %ju) is not within the usable sectors %ju to "
				"%ju",
				number, (uintmax_t)first, (uintmax_t)last, (uintmax_t)gpt->first_usable,
				(uintmax_t)gpt->last_usable);
		other = overlapping(gpt, number, first, last);
		if (other > 0)
			return error_set(err, -EBADMSG, "partitions %u and %u overlap", number, other);
	}
	return 0;
}

static int check_identity(const struct gpt *gpt, const struct gpt_partition *partition, struct error **err)
{
	struct gpt_partition other = {};
	char text[UUID_TEXT_SIZE];

	if (uuid_is_zero(&partition->type) || uuid_is_zero(&partition->id))
		return error_set(err, -EINVAL, "partition '%s': type and unique id must not be zero",
			partition->label);
	while (gpt_next(gpt, &other))
		if (other.number != partition->number && uuid_equal(&other.id, &partition->id))
			return error_set(err, -EEXIST,
				"partition '%s': partition %u has the unique id %s already", partition->label,
				other.number, uuid_format(&partition->id, text));
	return 0;
}

static int check_range(const struct gpt *gpt, const struct gpt_partition *partition, struct error **err)
{
	uint64_t end, first, last;
	unsigned other;

	if (partition->size == 0 || partition->offset % gpt->sector_size != 0 ||
		partition->size % gpt->sector_size != 0 ||
		!checked_add(partition->offset, partition->size, &end))
		return error_set(err, -EINVAL,
			"partition '%s': %ju bytes at %ju are no range of whole sectors of %u bytes",
			partition->label, (uintmax_t)partition->size, (uintmax_t)partition->offset,
			gpt->sector_size);
	first = partition->offset / gpt->sector_size;
	last = end / gpt->sector_size - 1;
	if (first < gpt->first_usable || last > gpt->last_usable)
		return error_set(err, -ENOSPC,
			"partition '%s' would end at byte %ju, but the disk's usable space is %ju to %ju",
			partition->label, (uintmax_t)end, (uintmax_t)(gpt->first_usable * gpt->sector_size),
			(uintmax_t)((gpt->last_usable + 1) * gpt->sector_size));
	other = overlapping(gpt, partition->number, first, last);
	if (other > 0)
		return error_set(
			err, -ENOSPC, "partition '%s' would overlap partition %u", partition->label, other);
	return 0;
}

static unsigned first_free(const struct gpt *gpt)
{
	for (unsigned number = 1; number <= gpt->entry_count; number++)
		if (!is_used(gpt, number))
			return number;
	return 0;
}

static void encode_entry(
	const struct gpt *gpt, const struct gpt_partition *partition, const uint16_t *units, size_t count)
{
	uint8_t *entry = entry_at(gpt, partition->number);

	uuid_to_gpt(&partition->type, entry + GPT_ENTRY_TYPE);
	uuid_to_gpt(&partition->id, entry + GPT_ENTRY_ID);
	write_le64(entry + GPT_ENTRY_FIRST, partition->offset / gpt->sector_size);
	write_le64(entry + GPT_ENTRY_LAST, (partition->offset + partition->size) / gpt->sector_size - 1);
	write_le64(entry + GPT_ENTRY_ATTRIBUTES, partition->attributes);
	for (size_t i = 0; i < GPT_LABEL_UNITS; i++)
		write_le16(entry + GPT_ENTRY_LABEL + 2 * i, i < count ? units[i] : 0);
}

int gpt_put(struct gpt *gpt, struct gpt_partition *partition, struct error **err)
{
	uint16_t units[GPT_LABEL_UNITS];
	size_t count;
	int r;

	if (partition->number > gpt->entry_count)
		return error_set(err, -EINVAL, "partition '%s': the table has %u entries, none of number %u",
			partition->label, gpt->entry_count, partition->number);
	if (utf16_from_utf8(partition->label, units, GPT_LABEL_UNITS, &count) < 0)
		return error_set(err, -EINVAL,
			"partition label '%s' is no UTF-8 text of up to %d UTF-16 units", partition->label,
			GPT_LABEL_UNITS);
	r = check_identity(gpt, partition, err);
	if (r < 0)
		return r;
	r = check_range(gpt, partition, err);
	if (r < 0)
		return r;
	if (partition->number == 0)
		partition->number = first_free(gpt);
	if (partition->number == 0)
		return error_set(err, -ENOSPC, "partition '%s': all %u entries of the table are in use",
			partition->label, gpt->entry_count);
	encode_entry(gpt, partition, units, count);
	return 0;
}

/* The last byte + 1 that partitions may use. */
static uint64_t usable_end(const struct gpt *gpt)
{
	return (gpt->last_usable + 1) * gpt->sector_size;
}

int gpt_end_gap(const struct gpt *gpt, uint64_t min, uint64_t *ret_offset, uint64_t *ret_size)
{
	uint64_t begin = gpt->first_usable * gpt->sector_size;
	uint64_t end = usable_end(gpt) & ~(GPT_ALIGN - 1);
	struct gpt_partition partition = {};

	while (gpt_next(gpt, &partition))
		begin = MAX(begin, partition.offset + partition.size);
	begin = round_up_u64(begin, GPT_ALIGN);
	if (begin >= end || end - begin < min)
		return -ENOSPC;
	*ret_offset = begin;
	*ret_size = end - begin;
	return 0;
}

uint64_t gpt_room(const struct gpt *gpt, const struct gpt_partition *partition)
{
	uint64_t end = usable_end(gpt);
	struct gpt_partition other = {};

	while (gpt_next(gpt, &other))
		if (other.offset > partition->offset)
			end = MIN(end, other.offset);
	if (end <= partition->offset)
		return 0;
	return (end - partition->offset) & ~(GPT_ALIGN - 1);
}

int gpt_resize(struct gpt *gpt, uint64_t disk_size, struct error **err)
{
	uint64_t sectors = disk_size / gpt->sector_size, last_usable;
	struct gpt_partition partition = {};

	if (!last_usable_of(gpt, sectors, &last_usable))
		return error_set(err, -ENOSPC, "a disk of %ju bytes has no room for the partition table",
			(uintmax_t)disk_size);
	while (gpt_next(gpt, &partition))
		if (partition.offset / gpt->sector_size + (partition.size / gpt->sector_size) - 1 >
			last_usable)
			return error_set(err, -ENOSPC,
				"partition %u ('%s') does not fit on a disk of %ju bytes", partition.number,
				partition.label, (uintmax_t)disk_size);
	gpt->sectors = sectors;
	gpt->last_usable = last_usable;
	return 0;
}
