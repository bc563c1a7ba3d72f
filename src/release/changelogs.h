/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Debian changelogs as the packages of a release bring them: out of the .deb files in the package cache,
 * through the links by which one package's folder in usr/share/doc is another's.
 */
#pragma once

#include "base/buffer.h"
#include "base/error.h"
#include "source/cache.h"
#include "source/package.h"

/*
 * Appends the changelog of *package*, one of *set*, to *ret*; *cache* may be NULL: it holds nothing. Packages
 * are hashed before they are read.
 *
 * Returns 0; -ENOENT where the .deb that has it is not in the cache; -ENODATA where the package, or who it
 * links to, has no Debian changelog, or that is not in the set; -ENOMEM; another negative errno with *err*
 * set where it can't be read.
 */
int changelogs_read(struct cache *cache, const struct package_list *set, const struct package *package,
	struct buffer *ret, struct error **err);
