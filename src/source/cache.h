/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The package cache: a folder that several builds may use at once.
 *
 *     sha256/ab/abcdef…   a file by its SHA-256: packages and compressed indexes
 *     sha256/ab/….part    the same, still incomplete; locked with flock() while somebody fetches it
 *     release/NAME        the last verified InRelease of a suite, as it was signed
 *     solv/…              parsed indexes (resolve.h)
 *     derived/KIND/ab/…   what was made of such files, and can be made again
 *
 * Each user of the cache holds a shared lock on the folder until cache_close(): nothing is removed because
 * of its age while somebody else is at work.
 *
 * A file has its final name only when it is complete. Nothing is believed because it is in the cache: every
 * object is hashed when it is asked for, so files need no fsync() here; what a crash has damaged is fetched
 * again.
 */
#pragma once

#include <time.h>

#include "base/digests.h"
#include "base/error.h"

struct cache;

/* Opens the cache in folder *path* and makes what is missing of it. */
int cache_open(const char *path, struct cache **ret, struct error **err);
struct cache *cache_close(struct cache *cache);
DEFINE_CLEANUP(struct cache *, cache_close);
#define _cleanup_cache_ _cleanup_(cache_closep)

/* The path that the object of this digest has or would have; its folder exists. The caller frees it. */
int cache_object_path(struct cache *cache, const uint8_t sha256[SHA256_SIZE], char **ret, struct error **err);

enum {
	CACHE_MISSING,
	CACHE_DAMAGED, /* was there with another size or digest, and is removed */
	CACHE_WHOLE,   /* is there, and marked as used */
};

/*
 * Looks for an object and verifies it. Returns one of the above; a file that cannot be read is an error.
 */
int cache_object_check(
	const char *path, const uint8_t sha256[SHA256_SIZE], uint64_t size, struct error **err);

/*
 * The path of the named file in one of the cache's folders ("release", "solv"). Characters of *name* other
 * than letters, digits, "." and "-" become "_". The caller frees it.
 */
int cache_file_path(
	struct cache *cache, const char *folder, const char *name, char **ret, struct error **err);

/* Bytes of a derived object that are something by themselves, such as a file of a package. */
struct cache_part {
	uint64_t offset, size;
	struct digests digests;
};

/* What was made of something. */
struct cache_object {
	uint8_t *data;
	size_t size;
	struct cache_part *parts; /* none empty, in the order of their offsets, none over another */
	size_t part_count;
};

void cache_object_release(struct cache_object *object);
#define _cleanup_cache_object_ _cleanup_(cache_object_release)

/*
 * What was made of something with the digest *key*, such as a package's decompressed members: *kind* says
 * what it is, and in which version ("deb-1"); it is part of a path. Threads may do this at once. *cache* may
 * be NULL, which holds nothing.
 *
 * cache_derived_read() returns 1 with *ret*, whose malloc()ed bytes have a NUL behind them, after all of it
 * was found right, which is when the digests of its parts are as well; 0 where there is none, or was a
 * damaged one, which is removed; -ENOMEM. cache_derived_write() does what it can: where an object can't be
 * written it will be made again. It takes the digests of parts as they are.
 */
int cache_derived_read(
	struct cache *cache, const char *kind, const uint8_t key[SHA256_SIZE], struct cache_object *ret);
void cache_derived_write(struct cache *cache, const char *kind, const uint8_t key[SHA256_SIZE],
	const struct cache_object *object);

/* The part that is exactly there; NULL: there is none. */
const struct cache_part *cache_object_part(const struct cache_object *object, uint64_t offset, uint64_t size);

/* Marks a file as used now, for cache_prune(). */
void cache_mark_used(const char *path);

/* What cache_prune() has removed. */
struct cache_pruned {
	uint64_t files, bytes;
};

/*
 * Removes objects, parts of objects, parsed indexes and derived objects that were not used for *days* before
 * *now*, derived ones beyond 4 GiB, those that were used longest ago first, and whatever killed processes
 * left under temporary names. Files with other names, and all in release/, stay. Where another process uses
 * the cache nothing is removed: it, or the next one, will. The cache can't be used afterwards, only closed.
 */
void cache_prune(struct cache *cache, time_t now, uint64_t days, struct cache_pruned *ret);
