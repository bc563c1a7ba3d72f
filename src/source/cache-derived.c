/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "base/encoding.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/string-util.h"
#include "source/cache-part.h"

#define DERIVED_MAX GiB(4) /* of all of it that stays after a build */
#define OBJECT_MAX GiB(2)
#define PARTS_MAX 1000000

/* docs/formats/cache.md */
static const char magic[] = "orlop-derived-2\n";
#define MAGIC_SIZE (sizeof(magic) - 1)
enum {
	HEADER_DIGEST = MAGIC_SIZE,
	HEADER_PARTS = HEADER_DIGEST + SHA256_SIZE, /* 64: how many */
	HEADER_SIZE = HEADER_PARTS + 8,

	PART_OFFSET = 0, /* 64 */
	PART_BYTES = 8,	 /* 64 */
	PART_SHA256 = 16,
	PART_SHA1 = PART_SHA256 + SHA256_SIZE,
	PART_SIZE = PART_SHA1 + SHA1_SIZE,
};

static int object_path(
	struct cache *cache, const char *kind, const uint8_t key[SHA256_SIZE], bool make, char **ret)
{
	_cleanup_free_ char *folder = NULL;
	char hex[SHA256_HEX_SIZE];

	hex_encode(key, SHA256_SIZE, hex);
	folder = string_format("derived/%s/%.2s", kind, hex);
	if (!folder || (make && cache_make_folder(cache, folder, NULL) < 0))
		return -ENOMEM;
	*ret = string_format("%s/%s/%s", cache->path, folder, hex);
	return *ret ? 0 : -ENOMEM;
}

void cache_object_release(struct cache_object *object)
{
	free(object->data);
	free(object->parts);
	*object = (struct cache_object){};
}

const struct cache_part *cache_object_part(const struct cache_object *object, uint64_t offset, uint64_t size)
{
	size_t low = 0, high = object->part_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (object->parts[middle].offset < offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low < object->part_count && object->parts[low].offset == offset &&
			       object->parts[low].size == size
		       ? &object->parts[low]
		       : NULL;
}

/* ---- Digests ---- */

/*
 * Of all but the bytes of the parts, for which their digests stand. Kind and key are part of it: an object
 * that stands in another one's place is damaged, too.
 */
static void object_digest(struct sha256 *context, const char *kind, const uint8_t key[SHA256_SIZE],
	const uint8_t *table, const struct cache_object *object, uint8_t ret[SHA256_SIZE])
{
	uint64_t at = 0;

	sha256_update(context, kind, strlen(kind) + 1);
	sha256_update(context, key, SHA256_SIZE);
	sha256_update(context, table, object->part_count * PART_SIZE);
	for (size_t i = 0; i < object->part_count; i++) {
		const struct cache_part *part = &object->parts[i];

		sha256_update(context, object->data + at, part->offset - at);
		at = part->offset + part->size;
	}
	sha256_update(context, object->data + at, object->size - at);
	sha256_final(context, ret);
}

static bool parts_are_right(struct sha256 *context, const struct cache_object *object)
{
	for (size_t i = 0; i < object->part_count; i++) {
		const struct cache_part *part = &object->parts[i];
		uint8_t digest[SHA256_SIZE];

		sha256_update(context, object->data + part->offset, part->size);
		sha256_final(context, digest);
		if (memcmp(digest, part->digests.sha256, SHA256_SIZE) != 0)
			return false;
	}
	return true;
}

/* ---- Reading ---- */

static int parse_parts(const uint8_t *table, struct cache_object *object)
{
	uint64_t end = 0;

	object->parts = calloc(object->part_count + 1, sizeof(*object->parts));
	if (!object->parts)
		return -ENOMEM;
	for (size_t i = 0; i < object->part_count; i++) {
		const uint8_t *at = table + i * PART_SIZE;
		struct cache_part *part = &object->parts[i];

		part->offset = read_le64(at + PART_OFFSET);
		part->size = read_le64(at + PART_BYTES);
		memcpy(part->digests.sha256, at + PART_SHA256, SHA256_SIZE);
		memcpy(part->digests.sha1, at + PART_SHA1, SHA1_SIZE);
		if (part->offset < end || part->offset > object->size || part->size == 0 ||
			part->size > object->size - part->offset)
			return -EBADMSG;
		end = part->offset + part->size;
	}
	return 0;
}

/* Reads table and bytes, whose sizes are plausible. */
static int load(int fd, uint8_t **ret_table, struct cache_object *object)
{
	size_t table_size = object->part_count * PART_SIZE;
	int r;

	*ret_table = malloc(table_size + 1);
	object->data = malloc(object->size + 1);
	if (!*ret_table || !object->data)
		return -ENOMEM;
	memory_will_be_filled(object->data, object->size + 1);
	r = pread_full(fd, *ret_table, table_size, HEADER_SIZE);
	if (r >= 0)
		r = pread_full(fd, object->data, object->size, HEADER_SIZE + table_size);
	object->data[object->size] = 0;
	return r < 0 ? r : parse_parts(*ret_table, object);
}

/* Returns -EBADMSG for what is no such object. */
static int read_object(int fd, const char *kind, const uint8_t key[SHA256_SIZE], struct cache_object *object)
{
	_cleanup_sha256_ struct sha256 *context = sha256_new();
	uint8_t header[HEADER_SIZE], digest[SHA256_SIZE];
	_cleanup_free_ uint8_t *table = NULL;
	uint64_t size, parts;
	struct stat st;
	int r;

	if (!context)
		return -ENOMEM;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size < (off_t)HEADER_SIZE || st.st_size > (off_t)OBJECT_MAX)
		return -EBADMSG;
	size = (uint64_t)st.st_size - HEADER_SIZE;
	r = pread_full(fd, header, sizeof(header), 0);
	if (r < 0)
		return r;
	parts = read_le64(header + HEADER_PARTS);
	if (memcmp(header, magic, MAGIC_SIZE) != 0 || parts > MIN(size / PART_SIZE, (uint64_t)PARTS_MAX))
		return -EBADMSG;
	object->part_count = (size_t)parts;
	object->size = (size_t)(size - parts * PART_SIZE);
	r = load(fd, &table, object);
	if (r < 0)
		return r;
	object_digest(context, kind, key, table, object, digest);
	return memcmp(header + HEADER_DIGEST, digest, SHA256_SIZE) == 0 && parts_are_right(context, object)
		       ? 0
		       : -EBADMSG;
}

int cache_derived_read(
	struct cache *cache, const char *kind, const uint8_t key[SHA256_SIZE], struct cache_object *ret)
{
	_cleanup_cache_object_ struct cache_object object = {};
	_cleanup_free_ char *path = NULL;
	_cleanup_close_ int fd = -1;
	int r;

	if (!cache)
		return 0;
	r = object_path(cache, kind, key, false, &path);
	if (r < 0)
		return r;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	r = read_object(fd, kind, key, &object);
	if (r == -ENOMEM)
		return r;
	if (r < 0) {
		(void)unlink(path);
		return 0;
	}
	(void)futimens(fd, NULL);
	*ret = object;
	object = (struct cache_object){};
	return 1;
}

/* ---- Writing ---- */

static uint8_t *make_table(const struct cache_object *object)
{
	uint8_t *table = malloc(object->part_count * PART_SIZE + 1);

	for (size_t i = 0; table && i < object->part_count; i++) {
		const struct cache_part *part = &object->parts[i];
		uint8_t *at = table + i * PART_SIZE;

		write_le64(at + PART_OFFSET, part->offset);
		write_le64(at + PART_BYTES, part->size);
		memcpy(at + PART_SHA256, part->digests.sha256, SHA256_SIZE);
		memcpy(at + PART_SHA1, part->digests.sha1, SHA1_SIZE);
	}
	return table;
}

static int write_object(
	int fd, const char *kind, const uint8_t key[SHA256_SIZE], const struct cache_object *object)
{
	_cleanup_sha256_ struct sha256 *context = sha256_new();
	_cleanup_free_ uint8_t *table = make_table(object);
	uint8_t header[HEADER_SIZE];
	int r;

	if (!context || !table)
		return -ENOMEM;
	memcpy(header, magic, MAGIC_SIZE);
	object_digest(context, kind, key, table, object, header + HEADER_DIGEST);
	write_le64(header + HEADER_PARTS, object->part_count);
	r = write_full(fd, header, sizeof(header));
	if (r >= 0)
		r = write_full(fd, table, object->part_count * PART_SIZE);
	if (r >= 0)
		r = write_full(fd, object->data, object->size);
	return r < 0 ? r : fchmod(fd, 0644);
}

void cache_derived_write(struct cache *cache, const char *kind, const uint8_t key[SHA256_SIZE],
	const struct cache_object *object)
{
	_cleanup_free_ char *path = NULL, *temporary = NULL;
	_cleanup_close_ int fd = -1;
	const char *name;

	if (!cache || object->part_count > PARTS_MAX ||
		object->size > OBJECT_MAX - HEADER_SIZE - object->part_count * PART_SIZE ||
		object_path(cache, kind, key, true, &path) < 0)
		return;
	name = strrchr(path, '/') + 1;
	temporary = string_format("%.*s.%s.XXXXXX.tmp", (int)(name - path), path, name);
	fd = temporary ? mkostemps(temporary, strlen(".tmp"), O_CLOEXEC) : -1;
	if (fd < 0)
		return;
	if (write_object(fd, kind, key, object) < 0 || rename(temporary, path) < 0)
		(void)unlink(temporary);
}

/* ---- What nobody uses any more ---- */

struct derived_file {
	char *path; /* from the cache's folder on */
	struct timespec used;
	uint64_t size;
};

struct derived_files {
	struct derived_file *items;
	size_t count;
	uint64_t bytes;
};

static void derived_files_release(struct derived_files *files)
{
	for (size_t i = 0; i < files->count; i++)
		free(files->items[i].path);
	free(files->items);
}

/* Takes an object into the list. Where memory is out it is not pruned this time. */
static void note_file(struct derived_files *files, const char *path, const struct stat *st)
{
	struct derived_file *grown = files->items;

	if (files->count == 0 || is_power_of_two_u64(files->count))
		grown = reallocarray(files->items, files->count ? 2 * files->count : 1, sizeof(*grown));
	if (!grown)
		return;
	files->items = grown;
	grown[files->count] = (struct derived_file){
		.path = strdup(path), .used = st->st_mtim, .size = (uint64_t)st->st_size};
	if (!grown[files->count].path)
		return;
	files->bytes += grown[files->count].size;
	files->count++;
}

static void remove_file(
	const struct cache *cache, const char *path, uint64_t size, struct cache_pruned *pruned)
{
	if (unlinkat(cache->lock, path, 0) < 0)
		return;
	pruned->files++;
	pruned->bytes += size;
}

/* Walks a folder of *depth* levels of folders, of which the last one has the objects. */
static void walk(const struct cache *cache, const char *path, unsigned depth, time_t before,
	struct derived_files *files, struct cache_pruned *pruned)
{
	int fd = openat(cache->lock, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;

	if (fd >= 0 && !dir)
		(void)close(fd);
	while (dir && (entry = readdir(dir))) {
		_cleanup_free_ char *inner = string_format("%s/%s", path, entry->d_name);
		bool temporary = entry->d_name[0] == '.' && endswith(entry->d_name, ".tmp");
		bool object = strspn(entry->d_name, "0123456789abcdef") == 2 * SHA256_SIZE &&
			      strlen(entry->d_name) == 2 * SHA256_SIZE;
		struct stat st;

		if (!inner || (entry->d_name[0] == '.' && !temporary))
			continue;
		if (depth > 0)
			walk(cache, inner, depth - 1, before, files, pruned);
		else if (fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
			continue;
		else if (temporary || (object && st.st_mtime < before))
			remove_file(cache, inner, (uint64_t)st.st_size, pruned);
		else if (object)
			note_file(files, inner, &st);
	}
	if (dir)
		(void)closedir(dir);
}

static int compare_use(const void *a, const void *b)
{
	const struct derived_file *left = a, *right = b;

	if (left->used.tv_sec != right->used.tv_sec)
		return left->used.tv_sec < right->used.tv_sec ? -1 : 1;
	return left->used.tv_nsec < right->used.tv_nsec ? -1 : left->used.tv_nsec > right->used.tv_nsec;
}

void cache_prune_derived(struct cache *cache, time_t before, struct cache_pruned *pruned)
{
	_cleanup_(derived_files_release) struct derived_files files = {};

	walk(cache, "derived", 2, before, &files, pruned);
	if (files.bytes <= DERIVED_MAX)
		return;
	qsort(files.items, files.count, sizeof(*files.items), compare_use);
	for (size_t i = 0; i < files.count && files.bytes > DERIVED_MAX; i++) {
		remove_file(cache, files.items[i].path, files.items[i].size, pruned);
		files.bytes -= files.items[i].size;
	}
}
