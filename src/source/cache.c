/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "source/cache.h"

#include <errno.h>
#include <fcntl.h>

#include "base/encoding.h"
#include "base/file.h"
#include "base/string-util.h"

struct cache {
	char *path;
};

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
		free(cache->path);
		free(cache);
	}
	return NULL;
}

static int make_folder(struct cache *cache, const char *name, struct error **err)
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
	static const char *const folders[] = {"sha256", "release", "solv"};
	_cleanup_cache_ struct cache *cache = calloc(1, sizeof(*cache));
	int r;

	if (!cache || !(cache->path = strdup(path)))
		return error_set_errno(err, -ENOMEM, "cache %s", path);
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		r = make_folder(cache, folders[i], err);
		if (r < 0)
			return r;
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
	r = make_folder(cache, folder, err);
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
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_set_errno(err, -errno, "cache: %s (make it readable, or remove it)", path);
	if ((uint64_t)st.st_size == size) {
		r = sha256_file(fd, found, NULL);
		if (r < 0)
			return error_set_errno(err, r, "cache: %s (remove it)", path);
		if (memcmp(found, sha256, SHA256_SIZE) == 0)
			return 1;
	}
	if (unlink(path) < 0 && errno != ENOENT)
		return error_set_errno(err, -errno, "cache: %s is damaged and can't be removed", path);
	return 0;
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
