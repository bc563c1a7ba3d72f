/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/encoding.h"
#include "base/file.h"
#include "base/string-util.h"
#include "source/cache-part.h"

#define DERIVED_MAX GiB(4) /* of all of it that stays after a build */
#define OBJECT_MAX GiB(2)

/* docs/formats/cache.md */
static const char magic[] = "orlop-derived-1\n";
#define MAGIC_SIZE (sizeof(magic) - 1)
#define HEADER_SIZE (MAGIC_SIZE + SHA256_SIZE)

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

/* Kind and key are part of it: an object that stands in another one's place is damaged, too. */
static int object_digest(const char *kind, const uint8_t key[SHA256_SIZE], const void *data, size_t size,
	uint8_t ret[SHA256_SIZE])
{
	_cleanup_sha256_ struct sha256 *context = sha256_new();

	if (!context)
		return -ENOMEM;
	sha256_update(context, kind, strlen(kind) + 1);
	sha256_update(context, key, SHA256_SIZE);
	sha256_update(context, data, size);
	sha256_final(context, ret);
	return 0;
}

/* Reads what follows the header. Returns -EBADMSG for what is no such object. */
static int read_object(int fd, const char *kind, const uint8_t key[SHA256_SIZE], void **ret, size_t *ret_size)
{
	uint8_t header[HEADER_SIZE], digest[SHA256_SIZE];
	_cleanup_free_ uint8_t *data = NULL;
	struct stat st;
	size_t size;
	int r;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size < (off_t)HEADER_SIZE || st.st_size > (off_t)OBJECT_MAX)
		return -EBADMSG;
	size = (size_t)st.st_size - HEADER_SIZE;
	data = malloc(size + 1);
	r = data ? pread_full(fd, header, sizeof(header), 0) : -ENOMEM;
	if (r >= 0)
		r = pread_full(fd, data, size, HEADER_SIZE);
	if (r >= 0)
		r = object_digest(kind, key, data, size, digest);
	if (r < 0)
		return r;
	if (memcmp(header, magic, MAGIC_SIZE) != 0 || memcmp(header + MAGIC_SIZE, digest, SHA256_SIZE) != 0)
		return -EBADMSG;
	data[size] = 0;
	*ret = TAKE_PTR(data);
	*ret_size = size;
	return 0;
}

int cache_derived_read(
	struct cache *cache, const char *kind, const uint8_t key[SHA256_SIZE], void **ret, size_t *ret_size)
{
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
	r = read_object(fd, kind, key, ret, ret_size);
	if (r == -ENOMEM)
		return r;
	if (r < 0) {
		(void)unlink(path);
		return 0;
	}
	(void)futimens(fd, NULL);
	return 1;
}

static int write_object(
	int fd, const char *kind, const uint8_t key[SHA256_SIZE], const void *data, size_t size)
{
	uint8_t header[HEADER_SIZE];
	int r;

	memcpy(header, magic, MAGIC_SIZE);
	r = object_digest(kind, key, data, size, header + MAGIC_SIZE);
	if (r >= 0)
		r = write_full(fd, header, sizeof(header));
	if (r >= 0)
		r = write_full(fd, data, size);
	return r < 0 ? r : fchmod(fd, 0644);
}

void cache_derived_write(
	struct cache *cache, const char *kind, const uint8_t key[SHA256_SIZE], const void *data, size_t size)
{
	_cleanup_free_ char *path = NULL, *temporary = NULL;
	_cleanup_close_ int fd = -1;
	const char *name;

	if (!cache || size > OBJECT_MAX - HEADER_SIZE || object_path(cache, kind, key, true, &path) < 0)
		return;
	name = strrchr(path, '/') + 1;
	temporary = string_format("%.*s.%s.XXXXXX.tmp", (int)(name - path), path, name);
	fd = temporary ? mkostemps(temporary, strlen(".tmp"), O_CLOEXEC) : -1;
	if (fd < 0)
		return;
	if (write_object(fd, kind, key, data, size) < 0 || rename(temporary, path) < 0)
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
