/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A file that is still being fetched: PATH.part, hashed as it grows, taken up again where the last run left
 * it.
 */
#pragma once

#include "base/error.h"
#include "base/sha256.h"

struct partial {
	int fd;
	char *path;	     /* PATH.part */
	bool temporary;	     /* a name of its own, since another process holds PATH.part: not kept */
	struct sha256 *hash; /* of the *size* bytes that are there */
	uint64_t size;
};
#define PARTIAL_INIT     \
	{                \
		.fd = -1 \
	}

/*
 * Opens and locks *path*.part and hashes what it holds; where that is more than *max* bytes it is emptied.
 * The lock lasts until partial_release().
 */
int partial_open(struct partial *partial, const char *path, uint64_t max, struct error **err);

/* Adds bytes at the end. Returns 0 or a negative errno. */
int partial_append(struct partial *partial, const void *data, size_t size);

/* Empties it, to begin again. Returns 0 or a negative errno. */
int partial_restart(struct partial *partial);

/* The digest of what it holds. Nothing may be appended afterwards. */
void partial_digest(struct partial *partial, uint8_t ret[SHA256_SIZE]);

/* Gives the file its final name, *path*. */
int partial_commit(struct partial *partial, const char *path, struct error **err);

/* Closes it. An empty one and one under a temporary name are removed, others stay for the next run. */
void partial_release(struct partial *partial);
