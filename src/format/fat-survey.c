/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who uses which cluster of a FAT32 file system. Each chain is followed until it ends or comes to a cluster
 * that was reached before, and each folder is read once: nothing that a file system can say makes it take
 * longer than its clusters are many.
 */
#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/string-util.h"
#include "format/fat-volume.h"

#define PATHS_MAX MiB(4) /* bytes of the paths of folders that are still to be read */

/* A folder to be read. */
struct waiting {
	uint32_t cluster;
	char *path; /* for messages */
};

struct surveyor {
	struct fat_volume *volume;
	struct fat_survey *survey;
	struct waiting *queue;
	size_t next, count, capacity;
	uint64_t path_bytes;
};

static void surveyor_release(struct surveyor *surveyor)
{
	for (size_t i = surveyor->next; i < surveyor->count; i++)
		free(surveyor->queue[i].path);
	free(surveyor->queue);
}

void fat_survey_release(struct fat_survey *survey)
{
	free(survey->reached);
	free(survey->shared);
	survey->damage = error_free(survey->damage);
}

/* Where *r* says that a chain is damaged, that is noted, and the survey goes on. */
static int note_damage(
	struct surveyor *surveyor, int r, struct error **damage, const char *path, struct error **err)
{
	if (r != -EBADMSG) {
		error_move(err, TAKE_PTR(*damage));
		return r;
	}
	(void)error_wrap(damage, "/%s", path);
	error_move(&surveyor->survey->damage, TAKE_PTR(*damage));
	return 0;
}

/* Notes the clusters of a chain. Sets *ret_count to how many there are. */
static int claim_chain(struct surveyor *surveyor, uint32_t cluster, uint64_t *ret_count, struct error **err)
{
	struct fat_survey *survey = surveyor->survey;
	uint64_t count = 0;
	int r;

	*ret_count = 0;
	if (!fat_geometry_has(&surveyor->volume->geometry, cluster))
		return error_set(err, -EBADMSG, "its cluster %u does not exist", cluster);
	while (cluster != FAT32_END) {
		if (bit_get(survey->reached, cluster)) {
			bit_set(survey->shared, cluster);
			return error_set(err, -EBADMSG,
				"cluster %u belongs to something else, too, or comes twice", cluster);
		}
		bit_set(survey->reached, cluster);
		count++;
		r = fat_chain_next(surveyor->volume, &cluster, err);
		if (r < 0)
			return r;
	}
	*ret_count = count;
	return 0;
}

static int enqueue(struct surveyor *surveyor, uint32_t cluster, const char *path, struct error **err)
{
	char *copy;

	surveyor->path_bytes += strlen(path) + 1;
	if (surveyor->path_bytes > PATHS_MAX)
		return error_set(err, -EBADMSG, "too many folders, or too deep");
	if (surveyor->count == surveyor->capacity) {
		size_t capacity = MAX(2 * surveyor->capacity, 16u);
		struct waiting *grown = reallocarray(surveyor->queue, capacity, sizeof(*grown));

		if (!grown)
			return error_set_errno(err, -ENOMEM, "FAT");
		surveyor->queue = grown;
		surveyor->capacity = capacity;
	}
	copy = strdup(path);
	if (!copy)
		return error_set_errno(err, -ENOMEM, "FAT");
	surveyor->queue[surveyor->count++] = (struct waiting){.cluster = cluster, .path = copy};
	return 0;
}

static int survey_entry(
	struct surveyor *surveyor, const struct fat_set *set, const char *path, struct error **err)
{
	bool is_folder = set->entry[ENTRY_ATTRIBUTES] & ATTRIBUTE_FOLDER;
	uint32_t cluster = fat_entry_cluster(set->entry);
	uint64_t size = is_folder ? 1 : read_le32(set->entry + ENTRY_FILE_SIZE), count;
	int r;

	if (size == 0 && cluster == 0)
		return 0;
	r = claim_chain(surveyor, cluster, &count, err);
	if (r < 0)
		return r;
	if (count * surveyor->volume->geometry.cluster_size < size)
		return error_set(err, -EBADMSG, "its %ju clusters are too few for %ju bytes",
			(uintmax_t)count, (uintmax_t)size);
	return is_folder ? enqueue(surveyor, cluster, path, err) : 0;
}

/* Linux would show it. */
static bool is_hidden(const struct fat_folder *folder)
{
	for (size_t i = fat_folder_end(folder); i < folder->count; i++)
		if (folder->data[i * ENTRY_SIZE] != ENTRY_END && folder->data[i * ENTRY_SIZE] != ENTRY_FREE)
			return true;
	return false;
}

static int survey_folder(struct surveyor *surveyor, const struct waiting *folder, fat_survey_fn fn,
	void *userdata, struct error **err)
{
	_cleanup_fat_folder_ struct fat_folder loaded = {};
	struct error *damage = NULL;
	struct fat_set set;
	int r = fat_folder_load(surveyor->volume, folder->cluster, &loaded, &damage);

	for (size_t at = 0; r >= 0 && fat_folder_next(&loaded, &at, &set);) {
		_cleanup_free_ char *path =
			string_format("%s%s%s", folder->path, *folder->path ? "/" : "", set.name);

		if (!path)
			return error_set_errno(err, -ENOMEM, "FAT");
		r = survey_entry(surveyor, &set, path, &damage);
		if (r < 0)
			r = note_damage(surveyor, r, &damage, path, err);
	}
	if (r < 0)
		return damage ? note_damage(surveyor, r, &damage, folder->path, err) : r;
	surveyor->survey->hidden |= is_hidden(&loaded);
	return fn ? fn(surveyor->volume, &loaded, userdata, err) : 0;
}

/* What the table says of clusters to which nothing leads. */
static int survey_table(struct surveyor *surveyor, struct error **err)
{
	struct fat_volume *volume = surveyor->volume;
	struct fat_survey *survey = surveyor->survey;

	for (uint32_t i = 0; i < volume->geometry.clusters; i++) {
		uint32_t value;
		int r = fat_table_get(volume, i + FAT_FIRST_CLUSTER, &value, err);

		if (r < 0)
			return r;
		survey->table_free += value == 0;
		survey->free += value == 0 && !bit_get(survey->reached, i + FAT_FIRST_CLUSTER);
	}
	return 0;
}

int fat_survey_run(struct fat_volume *volume, fat_survey_fn fn, void *userdata, struct fat_survey *ret,
	struct error **err)
{
	const size_t bytes = (size_t)div_round_up_u64(volume->geometry.clusters, 8);
	_cleanup_fat_survey_ struct fat_survey survey = {
		.reached = calloc(1, bytes), .shared = calloc(1, bytes)};
	_cleanup_(surveyor_release) struct surveyor surveyor = {.volume = volume, .survey = &survey};
	struct error *damage = NULL;
	uint64_t count;
	int r;

	if (!survey.reached || !survey.shared)
		return error_set_errno(err, -ENOMEM, "FAT");
	r = claim_chain(&surveyor, volume->geometry.root_cluster, &count, &damage);
	if (r < 0)
		r = note_damage(&surveyor, r, &damage, "", err);
	if (r >= 0 && !survey.damage)
		r = enqueue(&surveyor, volume->geometry.root_cluster, "", err);
	while (r >= 0 && surveyor.next < surveyor.count) {
		struct waiting folder = surveyor.queue[surveyor.next++];

		r = survey_folder(&surveyor, &folder, fn, userdata, err);
		surveyor.path_bytes -= strlen(folder.path) + 1;
		free(folder.path);
	}
	if (r >= 0)
		r = survey_table(&surveyor, err);
	if (r < 0)
		return r;
	*ret = survey;
	survey = (struct fat_survey){};
	return 0;
}

void fat_survey_apply(struct fat_survey *survey, struct fat_volume *volume)
{
	free(volume->reached);
	free(volume->shared);
	volume->reached = TAKE_PTR(survey->reached);
	volume->shared = TAKE_PTR(survey->shared);
	volume->free = survey->free;
	volume->table_free = survey->table_free;
}
