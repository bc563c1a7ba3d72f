/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "source/cache-part.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>

#include "base/encoding.h"
#include "base/file.h"
#include "base/string-util.h"

#define DAY UINT64_C(86400)

static int advise(const struct cache *cache, struct error **err)
{
	return error_wrap(err,
		"cache %s can't be used (make it readable and writable for this user, or choose another "
		"folder with --cache)",
		cache->path);
}

struct cache *cache_close(struct cache *cache)
{
	if (cache) {
		cleanup_closep(&cache->lock);
		free(cache->path);
		free(cache);
	}
	return NULL;
}

int cache_make_folder(struct cache *cache, const char *name, struct error **err)
{
	_cleanup_free_ char *path = string_format("%s/%s", cache->path, name);

	if (!path)
		return error_set_errno(err, -ENOMEM, "%s", cache->path);
	if (mkdir_parents(path, err) < 0)
		return advise(cache, err);
	/* Better now than after a download of minutes. */
	if (access(path, R_OK | W_OK | X_OK) < 0) {
		(void)error_set_errno(err, -errno, "%s", path);
		return advise(cache, err);
	}
	return 0;
}

int cache_open(const char *path, struct cache **ret, struct error **err)
{
	static const char *const folders[] = {"sha256", "release", "solv", "derived"};
	_cleanup_cache_ struct cache *cache = calloc(1, sizeof(*cache));
	int r;

	if (!cache)
		return error_set_errno(err, -ENOMEM, "cache %s", path);
	cache->lock = -1;
	cache->path = strdup(path);
	if (!cache->path)
		return error_set_errno(err, -ENOMEM, "cache %s", path);
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		r = cache_make_folder(cache, folders[i], err);
		if (r < 0)
			return r;
	}
	/* Waits for one that prunes, which takes a moment. Where there are no locks nobody prunes. */
	cache->lock = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (cache->lock >= 0 && flock(cache->lock, LOCK_SH) < 0) {
		(void)close(cache->lock);
		cache->lock = -1;
	}
	*ret = TAKE_PTR(cache);
	return 0;
}

int cache_object_path(struct cache *cache, const uint8_t sha256[SHA256_SIZE], char **ret, struct error **err)
{
	char hex[SHA256_HEX_SIZE], folder[sizeof("sha256/ab")];
	int r;

	hex_encode(sha256, SHA256_SIZE, hex);
	(void)snprintf(folder, sizeof(folder), "sha256/%.2s", hex);
	r = cache_make_folder(cache, folder, err);
	if (r < 0)
		return r;
	*ret = string_format("%s/%s/%s", cache->path, folder, hex);
	return *ret ? 0 : error_set_errno(err, -ENOMEM, "cache %s", cache->path);
}

int cache_object_check(const char *path, const uint8_t sha256[SHA256_SIZE], uint64_t size, struct error **err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint8_t found[SHA256_SIZE];
	struct stat st;
	int r;

	if (fd < 0 && errno == ENOENT)
		return CACHE_MISSING;
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_set_errno(err, -errno, "cache: %s (make it readable, or remove it)", path);
	r = sha256_file(fd, found, NULL);
	if (r < 0)
		return error_set_errno(err, r, "cache: %s (remove it)", path);
	if (memcmp(found, sha256, SHA256_SIZE) == 0 && (uint64_t)st.st_size == size) {
		(void)futimens(fd, NULL);
		return CACHE_WHOLE;
	}
	if (memcmp(found, sha256, SHA256_SIZE) == 0)
		return error_set(err, -EBADMSG,
			"the file with that SHA-256 has %ju bytes, and not %ju: the lock or index that says "
			"so "
			"is wrong",
			(uintmax_t)st.st_size, (uintmax_t)size);
	if (unlink(path) < 0 && errno != ENOENT)
		return error_set_errno(err, -errno, "cache: %s is damaged and can't be removed", path);
	return CACHE_DAMAGED;
}

int cache_file_path(struct cache *cache, const char *folder, const char *name, char **ret, struct error **err)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-";
	_cleanup_free_ char *safe = strdup(name);

	if (!safe)
		return error_set_errno(err, -ENOMEM, "cache %s", cache->path);
	for (char *at = safe; *at; at++)
		if (!strchr(plain, *at))
			*at = '_';
	*ret = string_format("%s/%s/%s", cache->path, folder, safe);
	return *ret ? 0 : error_set_errno(err, -ENOMEM, "cache %s", cache->path);
}

/* ---- What nobody uses any more ---- */

void cache_mark_used(const char *path)
{
	/* Of another user's files it may be refused: they are fetched or made again, some day. */
	(void)utimensat(AT_FDCWD, path, NULL, 0);
}

/* What a name in the cache says of its file. */
enum file_kind {
	FILE_FOREIGN,
	FILE_KEPT_WHILE_USED,
	FILE_TEMPORARY, /* worth nothing without the process that made it */
};

/* DIGEST, DIGEST.part, or DIGEST.XXXXXX.part */
static enum file_kind kind_of_object(const char *name)
{
	const char *rest = name + strspn(name, "0123456789abcdef");

	if (rest != name + 2 * SHA256_SIZE)
		return FILE_FOREIGN;
	if (!*rest || streq(rest, ".part"))
		return FILE_KEPT_WHILE_USED;
	return *rest == '.' && strlen(rest) == strlen(".XXXXXX.part") && endswith(rest, ".part")
		       ? FILE_TEMPORARY
		       : FILE_FOREIGN;
}

static enum file_kind kind_of_parsed(const char *name)
{
	return endswith(name, ".solv") ? FILE_KEPT_WHILE_USED : FILE_FOREIGN;
}

struct pruning {
	time_t before; /* files that were last used before that go */
	struct cache_pruned pruned;
};

static void prune_file(struct pruning *pruning, int folder, const char *name, enum file_kind kind)
{
	struct stat st;

	if (kind == FILE_FOREIGN || fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		!S_ISREG(st.st_mode) || (kind == FILE_KEPT_WHILE_USED && st.st_mtime >= pruning->before) ||
		unlinkat(folder, name, 0) < 0)
		return;
	pruning->pruned.files++;
	pruning->pruned.bytes += (uint64_t)st.st_size;
}

static void closedirp(DIR **dir)
{
	if (*dir)
		(void)closedir(*dir);
}

/* What *kind_of* says of a name; NULL: all are foreign. Temporary ones are as file_write_atomic() makes them.
 */
static void prune_folder(
	struct pruning *pruning, int parent, const char *path, enum file_kind (*kind_of)(const char *name))
{
	int fd = openat(parent, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_(closedirp) DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;

	if (fd >= 0 && !dir)
		(void)close(fd);
	while (dir && (entry = readdir(dir))) {
		const char *name = entry->d_name;

		prune_file(pruning, fd, name,
			*name == '.' && endswith(name, ".tmp") ? FILE_TEMPORARY
			: kind_of			       ? kind_of(name)
							       : FILE_FOREIGN);
	}
}

void cache_prune(struct cache *cache, time_t now, uint64_t days, struct cache_pruned *ret)
{
	struct pruning pruning = {};
	uint64_t age;

	*ret = (struct cache_pruned){};
	/* This may let go of the shared lock without taking the other one. */
	if (cache->lock < 0 || flock(cache->lock, LOCK_EX | LOCK_NB) < 0)
		return;
	if (checked_mul(days, DAY, &age) && age < (uint64_t)now)
		pruning.before = now - (time_t)age;
	for (unsigned i = 0; i < 256; i++) {
		char folder[sizeof("sha256/ab")];

		(void)snprintf(folder, sizeof(folder), "sha256/%02x", i);
		prune_folder(&pruning, cache->lock, folder, kind_of_object);
	}
	prune_folder(&pruning, cache->lock, "solv", kind_of_parsed);
	prune_folder(&pruning, cache->lock, "release", NULL);
	cache_prune_derived(cache, pruning.before, &pruning.pruned);
	*ret = pruning.pruned;
}
