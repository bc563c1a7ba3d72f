/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The inside of the package cache, for cache.c and cache-derived.c.
 */
#pragma once

#include "source/cache.h"

struct cache {
	char *path;
	int lock; /* shared, on the folder; -1 where its file system has no locks */
};

/* Makes a folder in the cache. */
int cache_make_folder(struct cache *cache, const char *name, struct error **err);

/* Removes what is derived and was last used before *before*, then what was used longest ago until the rest is
 * within its limit, and temporary files. Nobody else is at work in the cache. */
void cache_prune_derived(struct cache *cache, time_t before, struct cache_pruned *pruned);
