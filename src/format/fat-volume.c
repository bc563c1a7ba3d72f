/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A FAT32 file system open for changes: the boot sector, the allocation tables and FSINFO.
 *
 * Of several tables, the first is the one that is read: so do Linux and EDK II. The others get the same bytes
 * between the same two flushes, and nothing depends on whether these arrive.
 */
#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "format/fat-volume.h"

int fat_volume_read_at(
	const struct fat_volume *volume, uint64_t at, void *data, size_t size, struct error **err)
{
	int r = block_read(&volume->io, at, data, size);

	return r < 0 ? error_set_errno(err, r, "reading at byte %ju", (uintmax_t)at) : 0;
}

int fat_volume_write_at(
	const struct fat_volume *volume, uint64_t at, const void *data, size_t size, struct error **err)
{
	int r = block_write(&volume->io, at, data, size);

	return r < 0 ? error_set_errno(err, r, "writing at byte %ju", (uintmax_t)at) : 0;
}

int fat_volume_flush(const struct fat_volume *volume, struct error **err)
{
	int r = block_flush(&volume->io);

	return r < 0 ? error_set_errno(err, r, "flushing") : 0;
}

int fat_table_get(struct fat_volume *volume, uint32_t cluster, uint32_t *ret, struct error **err)
{
	uint64_t at = (uint64_t)cluster * 4, window = at - at % TABLE_WINDOW;

	if (volume->window_at != window) {
		int r;

		volume->window_at = UINT64_MAX;
		r = fat_volume_read_at(volume, volume->geometry.table + window, volume->window,
			(size_t)MIN(TABLE_WINDOW, volume->geometry.table_size - window), err);
		if (r < 0)
			return r;
		volume->window_at = window;
	}
	*ret = read_le32(volume->window + at % TABLE_WINDOW) & FAT32_END;
	return 0;
}

int fat_chain_next(struct fat_volume *volume, uint32_t *cluster, struct error **err)
{
	uint32_t next;
	int r = fat_table_get(volume, *cluster, &next, err);

	if (r < 0)
		return r;
	if (next >= FAT32_END_MIN)
		next = FAT32_END;
	else if (!fat_geometry_has(&volume->geometry, next))
		return error_set(err, -EBADMSG, "cluster %u leads to %u, which %s", *cluster, next,
			next == 0 ? "says that it is free" : "does not exist");
	*cluster = next;
	return 0;
}

int fat_table_write(struct fat_table_edit *edit, struct error **err)
{
	struct fat_volume *volume = edit->volume;
	const struct fat_geometry *geometry = &volume->geometry;
	uint64_t at = edit->at, window = volume->window_at;

	edit->at = UINT64_MAX;
	if (at == UINT64_MAX)
		return 0;
	volume->window_at = UINT64_MAX; /* where a write fails, nobody knows what it did */
	for (uint32_t i = 0; i < geometry->tables; i++) {
		int r = fat_volume_write_at(volume, geometry->table + i * geometry->table_size + at,
			edit->sector, sizeof(edit->sector), err);

		if (r < 0)
			return r;
	}
	volume->window_at = window;
	if (window == at - at % TABLE_WINDOW)
		memcpy(volume->window + at % TABLE_WINDOW, edit->sector, sizeof(edit->sector));
	return 0;
}

int fat_table_put(struct fat_table_edit *edit, uint32_t cluster, uint32_t value, struct error **err)
{
	uint64_t at = (uint64_t)cluster * 4, sector = at - at % BLOCK_SECTOR;
	uint8_t *entry = edit->sector + at % BLOCK_SECTOR;

	if (edit->at != sector) {
		uint32_t old;
		int r = fat_table_write(edit, err);

		if (r >= 0)
			r = fat_table_get(edit->volume, cluster, &old, err);
		if (r < 0)
			return r;
		memcpy(edit->sector, edit->volume->window + sector % TABLE_WINDOW, BLOCK_SECTOR);
		edit->at = sector;
	}
	/* The upper four bits are reserved and stay as they are. */
	write_le32(entry, (read_le32(entry) & ~(uint32_t)FAT32_END) | value);
	return 0;
}

/* Sets or clears the bit of cluster 1's entry. */
static int mark_clean(struct fat_volume *volume, bool clean, struct error **err)
{
	struct fat_table_edit edit = {.volume = volume, .at = UINT64_MAX};
	uint32_t value;
	int r = fat_table_get(volume, 1, &value, err);

	if (r < 0)
		return r;
	value = clean ? value | FAT32_CLEAN : value & ~(uint32_t)FAT32_CLEAN;
	r = fat_table_put(&edit, 1, value, err);
	return r < 0 ? r : fat_table_write(&edit, err);
}

static int write_fsinfo(struct fat_volume *volume, uint32_t free, uint32_t next, struct error **err)
{
	if (volume->fsinfo_at == 0)
		return 0;
	write_le32(volume->fsinfo + FSINFO_FREE, free);
	write_le32(volume->fsinfo + FSINFO_NEXT, next);
	return fat_volume_write_at(volume, volume->fsinfo_at, volume->fsinfo, sizeof(volume->fsinfo), err);
}

int fat_begin(struct fat_volume *volume, struct error **err)
{
	int r = 0;

	volume->changing = true;
	if (volume->clean)
		r = mark_clean(volume, false, err);
	if (r >= 0)
		r = write_fsinfo(volume, FSINFO_UNKNOWN, volume->last, err);
	return r < 0 ? r : fat_volume_flush(volume, err);
}

int fat_finish(struct fat_volume *volume, struct error **err)
{
	int r = fat_volume_flush(volume, err);

	if (r >= 0)
		r = write_fsinfo(volume, volume->table_free, volume->last, err);
	if (r >= 0 && volume->clean)
		r = mark_clean(volume, true, err);
	if (r >= 0)
		r = fat_volume_flush(volume, err);
	if (r >= 0)
		volume->changing = false;
	return r;
}

static int read_fsinfo(struct fat_volume *volume, const uint8_t *boot, struct error **err)
{
	uint32_t number = read_le16(boot + BOOT_FSINFO);
	uint64_t at = (uint64_t)number * volume->geometry.sector_size;
	int r;

	volume->last = FSINFO_UNKNOWN;
	if (number == 0 || at >= volume->geometry.table)
		return 0;
	r = fat_volume_read_at(volume, at, volume->fsinfo, sizeof(volume->fsinfo), err);
	if (r < 0)
		return r;
	if (read_le32(volume->fsinfo + FSINFO_HEAD) != 0x41615252 ||
		read_le32(volume->fsinfo + FSINFO_SIGNATURE) != 0x61417272 ||
		read_le32(volume->fsinfo + FSINFO_TAIL) != 0xaa550000)
		return 0;
	volume->fsinfo_at = at;
	if (fat_geometry_has(&volume->geometry, read_le32(volume->fsinfo + FSINFO_NEXT)))
		volume->last = read_le32(volume->fsinfo + FSINFO_NEXT);
	return 0;
}

static int check_kind(const struct fat_volume *volume, const uint8_t *boot, struct error **err)
{
	const struct fat_geometry *geometry = &volume->geometry;

	if (geometry->bits != 32)
		return error_set(err, -EMEDIUMTYPE, "a file system of FAT%u, not FAT32", geometry->bits);
	if (read_le16(boot + BOOT_VERSION) != 0)
		return error_set(
			err, -ENOTSUP, "FAT32 of version %u.%u", boot[BOOT_VERSION + 1], boot[BOOT_VERSION]);
	if (read_le16(boot + BOOT_EXT_FLAGS) & EXT_FLAGS_NO_MIRROR)
		return error_set(err, -ENOTSUP,
			"only one of its allocation tables is kept up, and drivers disagree which one");
	if (geometry->clusters > VOLUME_CLUSTERS_MAX)
		return error_set(err, -ENOTSUP, "%u clusters are more than %u", geometry->clusters,
			VOLUME_CLUSTERS_MAX);
	if (!fat_geometry_has(geometry, geometry->root_cluster))
		return error_set(
			err, -EBADMSG, "the root folder's cluster %u does not exist", geometry->root_cluster);
	return 0;
}

static int read_volume(struct fat_volume *volume, struct error **err)
{
	_cleanup_fat_survey_ struct fat_survey survey = {};
	uint8_t boot[BLOCK_SECTOR];
	uint32_t state;
	int r;

	if (volume->io.size < sizeof(boot))
		return error_set(err, -EMEDIUMTYPE, "too small for a FAT file system");
	r = fat_volume_read_at(volume, 0, boot, sizeof(boot), err);
	if (r >= 0)
		r = fat_geometry_parse(boot, volume->io.size, &volume->geometry, err);
	if (r >= 0)
		r = check_kind(volume, boot, err);
	if (r >= 0)
		r = read_fsinfo(volume, boot, err);
	if (r >= 0)
		r = fat_table_get(volume, 1, &state, err);
	if (r < 0)
		return r;
	volume->clean = state & FAT32_CLEAN;
	r = fat_survey_run(volume, NULL, NULL, &survey, err);
	if (r >= 0)
		fat_survey_apply(&survey, volume);
	return r;
}

int fat_volume_open(const struct block_io *io, struct fat_volume **ret, struct error **err)
{
	_cleanup_fat_volume_ struct fat_volume *volume = calloc(1, sizeof(*volume));
	int r;

	if (!volume)
		return error_set_errno(err, -ENOMEM, "FAT");
	volume->io = *io;
	volume->window_at = UINT64_MAX;
	r = read_volume(volume, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(volume);
	return 0;
}

struct fat_volume *fat_volume_free(struct fat_volume *volume)
{
	if (!volume)
		return NULL;
	free(volume->reached);
	free(volume->shared);
	free(volume);
	return NULL;
}

bool fat_volume_is_clean(const struct fat_volume *volume)
{
	return volume->clean;
}

uint64_t fat_volume_free_bytes(const struct fat_volume *volume)
{
	return (uint64_t)volume->free * volume->geometry.cluster_size;
}
