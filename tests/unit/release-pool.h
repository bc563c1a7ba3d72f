/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Builds of releases that follow each other, for tests that publish them and bring them into slots: small
 * images with signed kernel images, in folders as `orlop build` leaves them.
 */
#pragma once

#include "base/buffer.h"
#include "format/signer.h"
#include "release-files.h"

#define POOL_RELEASES 8
#define POOL_EDITION "container-linux"

#define POOL_STRANGE 5 /* one that somebody has signed whom no node's firmware knows */

struct pool_release {
	char version[16];
	const struct signer *signer;
	struct test_image image;
	struct buffer uki;
	char *folder; /* of the build */
};

struct release_pool {
	struct signer *db, *stranger;
	struct pool_release items[POOL_RELEASES];
};

/* Makes all of it, below *folder*. Fails the test where it can't. */
void release_pool_make(struct release_pool *pool, const char *folder);
void release_pool_release(struct release_pool *pool);

/* Which one has this version; POOL_RELEASES: none. */
size_t release_pool_find(const struct release_pool *pool, const char *version);
