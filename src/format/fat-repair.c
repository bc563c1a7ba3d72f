/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a cut leaves behind in a FAT32 file system, put right. */
#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "format/fat-change.h"

/* Counts, or with *write* drops, the parts of long names that belong to nothing. */
struct parts_pass {
	bool write;
	uint32_t count;
};

static int pass_parts(
	struct fat_volume *volume, const struct fat_folder *folder, void *userdata, struct error **err)
{
	struct parts_pass *pass = userdata;
	const size_t end = fat_folder_end(folder);
	size_t at = 0, behind = 0, dirty = SIZE_MAX;
	struct fat_set set;
	int r = 0;

	while (behind < end && r >= 0) {
		bool found = fat_folder_next(folder, &at, &set);

		for (size_t i = behind; i < (found ? set.first : end) && r >= 0; i++) {
			uint8_t *entry = folder->data + i * ENTRY_SIZE;

			if (entry[0] == ENTRY_FREE ||
				(entry[ENTRY_ATTRIBUTES] & ATTRIBUTE_MASK) != ATTRIBUTE_LONG_NAME)
				continue;
			pass->count++;
			if (!pass->write)
				continue;
			entry[0] = ENTRY_FREE;
			if (dirty != SIZE_MAX && dirty != i / SECTOR_ENTRIES)
				r = fat_folder_write(volume, folder, dirty, err);
			dirty = i / SECTOR_ENTRIES;
		}
		behind = found ? set.last + 1 : end;
	}
	return r >= 0 && dirty != SIZE_MAX ? fat_folder_write(volume, folder, dirty, err) : r;
}

/* Makes one piece of a copy of the table what the first one is. */
static int copy_piece(struct fat_volume *volume, uint32_t table, uint64_t at, size_t size,
	const uint8_t *piece, uint8_t *other, uint32_t *ret_sectors, struct error **err)
{
	const struct fat_geometry *geometry = &volume->geometry;
	uint64_t begin = geometry->table + table * geometry->table_size + at;
	int r = fat_volume_read_at(volume, begin, other, size, err);

	for (size_t i = 0; r >= 0 && i < size; i += BLOCK_SECTOR) {
		if (memcmp(piece + i, other + i, BLOCK_SECTOR) == 0)
			continue;
		r = fat_volume_write_at(volume, begin + i, piece + i, BLOCK_SECTOR, err);
		++*ret_sectors;
	}
	return r;
}

static int copy_table(struct fat_volume *volume, uint32_t *ret_sectors, struct error **err)
{
	const struct fat_geometry *geometry = &volume->geometry;
	_cleanup_free_ uint8_t *pieces = malloc(2 * TABLE_WINDOW);

	if (!pieces)
		return error_set_errno(err, -ENOMEM, "FAT");
	for (uint64_t at = 0; at < geometry->table_size; at += TABLE_WINDOW) {
		size_t size = (size_t)MIN(TABLE_WINDOW, geometry->table_size - at);
		int r = fat_volume_read_at(volume, geometry->table + at, pieces, size, err);

		for (uint32_t i = 1; r >= 0 && i < geometry->tables; i++)
			r = copy_piece(volume, i, at, size, pieces, pieces + TABLE_WINDOW, ret_sectors, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int free_lost(struct fat_volume *volume, uint32_t *ret_count, struct error **err)
{
	struct fat_table_edit edit = {.volume = volume, .at = UINT64_MAX};

	for (uint32_t i = 0; i < volume->geometry.clusters; i++) {
		uint32_t cluster = i + FAT_FIRST_CLUSTER, value;
		int r;

		if (bit_get(volume->reached, cluster))
			continue;
		r = fat_table_get(volume, cluster, &value, err);
		if (r >= 0 && value != 0 && value != FAT32_BAD) {
			r = fat_table_put(&edit, cluster, 0, err);
			volume->free++;
			volume->table_free++;
			++*ret_count;
		}
		if (r < 0)
			return r;
	}
	return fat_table_write(&edit, err);
}

/* The bit that drivers keep in the boot sector. */
static int clear_state(struct fat_volume *volume, bool *ret_dirty, struct error **err)
{
	uint8_t boot[BLOCK_SECTOR];
	int r = fat_volume_read_at(volume, 0, boot, sizeof(boot), err);

	if (r < 0 || !(boot[BOOT_STATE] & STATE_DIRTY))
		return r;
	*ret_dirty = true;
	boot[BOOT_STATE] &= (uint8_t)~STATE_DIRTY;
	return fat_volume_write_at(volume, 0, boot, sizeof(boot), err);
}

static bool is_free_count_known(const struct fat_volume *volume)
{
	return volume->fsinfo_at == 0 || read_le32(volume->fsinfo + FSINFO_FREE) == volume->table_free;
}

static int put_right(
	struct fat_volume *volume, bool parts, bool hidden, struct fat_repair *ret, struct error **err)
{
	struct parts_pass pass = {.write = true};
	_cleanup_fat_survey_ struct fat_survey survey = {};
	int r = copy_table(volume, &ret->table_sectors, err);

	if (r >= 0 && !hidden)
		r = free_lost(volume, &ret->lost_clusters, err);
	if (r >= 0 && parts)
		r = fat_survey_run(volume, pass_parts, &pass, &survey, err);
	if (r >= 0)
		r = fat_volume_flush(volume, err);
	ret->name_parts = pass.count;
	ret->free_count = !is_free_count_known(volume);
	ret->dirty = !volume->clean;
	if (r >= 0)
		r = clear_state(volume, &ret->dirty, err);
	if (r < 0 || (!ret->free_count && !ret->dirty))
		return r;
	volume->clean = true;
	return fat_finish(volume, err);
}

static int repair(struct fat_volume *volume, struct fat_repair *ret, struct error **err)
{
	_cleanup_fat_survey_ struct fat_survey survey = {};
	struct parts_pass pass = {};
	uint32_t state;
	int r;

	volume->window_at = UINT64_MAX;
	r = fat_survey_run(volume, pass_parts, &pass, &survey, err);
	if (r >= 0)
		r = fat_table_get(volume, 1, &state, err);
	if (r >= 0 && volume->fsinfo_at > 0)
		r = fat_volume_read_at(
			volume, volume->fsinfo_at, volume->fsinfo, sizeof(volume->fsinfo), err);
	if (r < 0)
		return r;
	if (survey.damage) {
		error_move(err, TAKE_PTR(survey.damage));
		return -EBADMSG;
	}
	fat_survey_apply(&survey, volume);
	volume->clean = state & FAT32_CLEAN;
	volume->changing = true;
	r = put_right(volume, pass.count > 0, survey.hidden, ret, err);
	if (r >= 0)
		volume->changing = volume->failed = false;
	return r;
}

int fat_volume_repair(struct fat_volume *volume, struct fat_repair *ret, struct error **err)
{
	struct fat_repair found = {};
	int r = repair(volume, &found, err);

	if (volume->changing) {
		volume->changing = false;
		volume->failed = true;
	}
	if (r >= 0)
		*ret = found;
	return r;
}
