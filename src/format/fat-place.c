/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* New names in a FAT folder: their entries, and a place for them within one sector. */
#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "format/fat-change.h"

#define NUMBERS_MAX FOLDER_ENTRIES_MAX

/* A set that is passed over; its entries count as free. NULL: none. */
static bool is_of(const struct fat_set *set, size_t index)
{
	return set && index >= set->first && index <= set->last;
}

/* The numbers behind "~" that aliases of this basis have already. */
static void note_numbers(const struct fat_folder *folder, const struct fat_set *but,
	const uint8_t basis[SHORT_NAME_SIZE], uint8_t *taken)
{
	struct fat_set set;

	for (size_t at = 0; fat_folder_next(folder, &at, &set);) {
		const uint8_t *tilde = memchr(set.entry, '~', 8);
		uint8_t same[SHORT_NAME_SIZE];
		unsigned number = 0;

		if (!tilde || is_of(but, set.last))
			continue;
		while (++tilde < set.entry + 8 && *tilde >= '0' && *tilde <= '9')
			number = 10 * number + (unsigned)(*tilde - '0');
		if (number == 0 || number > NUMBERS_MAX)
			continue;
		fat_short_number(basis, number, same);
		if (memcmp(same, set.entry, SHORT_NAME_SIZE) == 0)
			taken[number / 8] = (uint8_t)(taken[number / 8] | 1u << number % 8);
	}
}

/* The short name: one that nobody in the folder has, apart from *but*. */
static int choose_alias(const struct fat_folder *folder, const struct fat_set *but, const char *name,
	uint8_t ret[SHORT_NAME_SIZE], bool *ret_exact, struct error **err)
{
	_cleanup_free_ uint8_t *taken = NULL;
	uint8_t basis[SHORT_NAME_SIZE];
	bool whole = fat_short_name(name, basis, ret_exact);

	memcpy(ret, basis, SHORT_NAME_SIZE);
	if (whole) /* whoever had that alias would have been found by the name */
		return 0;
	taken = calloc(1, NUMBERS_MAX / 8 + 1);
	if (!taken)
		return error_set_errno(err, -ENOMEM, "FAT");
	*ret_exact = false;
	note_numbers(folder, but, basis, taken);
	for (unsigned number = 1; number <= NUMBERS_MAX; number++)
		if (!(taken[number / 8] >> number % 8 & 1)) {
			fat_short_number(basis, number, ret);
			return 0;
		}
	return error_set(err, -ENOSPC, "no short name is free for '%s'", name);
}

int fat_set_encode(const struct fat_folder *folder, const struct fat_set *but, const char *name,
	const uint8_t entry[ENTRY_SIZE], struct fat_new_set *ret, struct error **err)
{
	uint16_t units[LONG_NAME_MAX];
	uint8_t alias[SHORT_NAME_SIZE];
	size_t count, parts;
	bool exact;
	int r = fat_long_name(name, units, &count, err);

	if (r < 0)
		return r;
	if (!fat_name_is_component(name))
		return error_set(err, -EINVAL, "'%s' can't be a name", name);
	if (count > FAT_EDIT_NAME_MAX)
		return error_set(err, -ENAMETOOLONG,
			"a name of %zu UTF-16 units does not go into one sector, which %d do", count,
			FAT_EDIT_NAME_MAX);
	r = choose_alias(folder, but, name, alias, &exact, err);
	if (r < 0)
		return r;
	parts = exact ? 0 : div_round_up_u64(count, LONG_UNITS);
	for (size_t part = parts; part > 0; part--)
		fat_long_part_encode(ret->entries + (parts - part) * ENTRY_SIZE, units, count, part, alias);
	memcpy(ret->entries + parts * ENTRY_SIZE, entry, ENTRY_SIZE);
	memcpy(ret->entries + parts * ENTRY_SIZE, alias, SHORT_NAME_SIZE);
	ret->entries[parts * ENTRY_SIZE + ENTRY_CASE] = 0;
	ret->count = parts + 1;
	return 0;
}

bool fat_place_run(const struct fat_folder *folder, const struct fat_set *but, size_t from, size_t to,
	size_t count, size_t *ret)
{
	size_t run = 0, end = fat_folder_end(folder);

	for (size_t i = from; i < to; i++) {
		bool is_free = i >= end || folder->data[i * ENTRY_SIZE] == ENTRY_FREE || is_of(but, i);

		run = (i % SECTOR_ENTRIES == 0 ? 0 : run) + 1;
		if (!is_free)
			run = 0;
		if (run == count) {
			*ret = i + 1 - count;
			return true;
		}
	}
	return false;
}

int fat_place_find(const struct fat_volume *volume, const struct fat_folder *folder, size_t count,
	struct fat_place *ret, struct error **err)
{
	ret->end = fat_folder_end(folder);
	ret->grow = !fat_place_run(folder, NULL, 0, folder->count, count, &ret->index);
	if (!ret->grow)
		return 0;
	ret->index = folder->count;
	if (folder->count + volume->geometry.cluster_size / ENTRY_SIZE > FOLDER_ENTRIES_MAX)
		return error_set(err, -ENOSPC, "the folder can't grow any more");
	return 0;
}

void fat_entry_set_cluster(uint8_t entry[ENTRY_SIZE], uint32_t cluster)
{
	write_le16(entry + ENTRY_CLUSTER_HIGH, (uint16_t)(cluster >> 16));
	write_le16(entry + ENTRY_CLUSTER_LOW, (uint16_t)cluster);
}

int fat_folder_write(
	struct fat_volume *volume, const struct fat_folder *folder, size_t index, struct error **err)
{
	return fat_volume_write_at(volume, fat_folder_sector_at(volume, folder, index),
		folder->data + index * BLOCK_SECTOR, BLOCK_SECTOR, err);
}

void fat_folder_free(struct fat_folder *folder, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		folder->data[i * ENTRY_SIZE] = ENTRY_FREE;
}

/* Clears a sector behind the end mark, where it holds anything. */
static int clear_sector(
	struct fat_volume *volume, struct fat_folder *folder, size_t index, bool *wrote, struct error **err)
{
	static const uint8_t zeros[BLOCK_SECTOR];
	uint8_t *data = folder->data + index * BLOCK_SECTOR;

	if (memcmp(data, zeros, sizeof(zeros)) == 0)
		return 0;
	memset(data, 0, BLOCK_SECTOR);
	*wrote = true;
	return fat_folder_write(volume, folder, index, err);
}

/* Moves the end mark from the sector in which it is to the beginning of the next one, which is clear. */
static int move_end(struct fat_volume *volume, struct fat_folder *folder, const struct fat_place *place,
	struct error **err)
{
	int r = fat_volume_flush(volume, err);

	fat_folder_free(folder, place->end, place->index);
	return r < 0 ? r : fat_folder_write(volume, folder, place->end / SECTOR_ENTRIES, err);
}

int fat_place_put(struct fat_volume *volume, struct fat_folder *folder, const struct fat_place *place,
	const struct fat_new_set *set, struct error **err)
{
	const size_t end = place->index + set->count, sector = place->index / SECTOR_ENTRIES;
	const bool moves = end > place->end, behind = place->index > place->end;
	bool wrote = behind;
	int r = 0;

	if (behind)
		r = clear_sector(volume, folder, sector, &wrote, err);
	if (r >= 0 && moves && end % SECTOR_ENTRIES == 0 && end < folder->count)
		r = clear_sector(volume, folder, sector + 1, &wrote, err);
	if (r >= 0 && behind)
		r = move_end(volume, folder, place, err);
	if (r >= 0 && wrote)
		r = fat_volume_flush(volume, err);
	if (r < 0)
		return r;
	memcpy(folder->data + place->index * ENTRY_SIZE, set->entries, set->count * ENTRY_SIZE);
	if (moves)
		memset(folder->data + end * ENTRY_SIZE, 0,
			((sector + 1) * SECTOR_ENTRIES - end) * ENTRY_SIZE);
	return fat_folder_write(volume, folder, sector, err);
}

int fat_folder_write_rest(struct fat_volume *volume, const struct fat_folder *folder,
	const struct fat_set *set, struct error **err)
{
	int r = 0;

	for (size_t i = set->first / SECTOR_ENTRIES; r >= 0 && i < set->last / SECTOR_ENTRIES; i++)
		r = fat_folder_write(volume, folder, i, err);
	return r;
}
