/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which parts of an old image are like some new bytes. Windows of 16 bytes that are picked by their hash, the
 * same ones wherever they lie, are looked up; the segments of the old image with most of them in common are
 * most alike. Needs to know nothing of files: one that moved, or was renamed, is found as well.
 */
#pragma once

#include "base/error.h"
#include "format/patch.h"

struct similar;

/*
 * Reads the first *blocks* blocks of *fd* into an index, on up to *threads* threads. Returns 0, -ENOMEM or
 * the errors of reading. The index may be asked by several threads at once.
 */
int similar_new(int fd, uint64_t blocks, unsigned threads, struct similar **ret, struct error **err);
struct similar *similar_free(struct similar *similar);
DEFINE_CLEANUP(struct similar *, similar_free);
#define _cleanup_similar_ _cleanup_(similar_freep)

/*
 * Finds up to *max* blocks of the old image that are like *data*: *ret* is a malloc()ed array of ascending
 * runs, which the caller frees. Returns 0 or -ENOMEM.
 */
int similar_find(const struct similar *similar, const uint8_t *data, size_t size, uint32_t max,
	struct patch_run **ret, size_t *ret_count);
