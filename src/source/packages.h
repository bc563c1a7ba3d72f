/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Packages indexes: which of the compressed forms that a Release names to fetch, from where, and what is in
 * it.
 */
#pragma once

#include "base/buffer.h"
#include "base/error.h"
#include "source/release.h"

struct packages_index {
	const struct release_file *packed; /* the form to fetch; belongs to the release */
	const struct release_file *plain;  /* what it unpacks to */
};

/*
 * Finds the index of *component* for *architecture*, .xz before .gz before the plain file. -ENOENT where the
 * Release has none, or does not say what it unpacks to.
 */
int packages_find(const struct release *release, const char *component, const char *architecture,
	struct packages_index *ret, struct error **err);

/*
 * Where to fetch it: below *suite_url* (the URL of the suite's folder), by its digest where the Release says
 * that this works. A malloc()ed string, NULL where memory is out.
 */
char *packages_url(const struct release *release, const struct release_file *file, const char *suite_url);

/*
 * Unpacks the index, whose packed form the caller has checked, and checks size and SHA-256 of what comes out;
 * never unpacks more than the signed size. Appends to *ret*. -EBADMSG where it does not match.
 */
int packages_unpack(const struct packages_index *index, const void *packed, size_t size, struct buffer *ret,
	struct error **err);
