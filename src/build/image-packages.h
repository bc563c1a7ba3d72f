/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From a definition to its packages: resolved and noted in a lock, or taken from one (source/lock.h).
 */
#pragma once

#include "build/image.h"

/* Finds the packages of a build and gets them into the cache. The errors of source.h, with their places in
 * the definition; -ESTALE where a lock is not of this build. */
int image_packages_get(const struct image_options *options, struct image_plan *ret, struct error **err);

/*
 * Tells of entries of a definition that do nothing, unless the definition's list, *said*, has them with a "-"
 * in front. That is no error, but most likely a mistake.
 */
int image_warn_of_idle(const struct image_options *options, const char *key, const struct strv *said,
	const struct strv *idle, const char *why, struct error **err);
