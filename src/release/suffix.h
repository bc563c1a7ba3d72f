/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A suffix array: all suffixes of some bytes in their order, so that the longest piece that other bytes have
 * in common with them is found in a few steps.
 */
#pragma once

#include "base/macro.h"

#define SUFFIX_SIZE_MAX MiB(256) /* bytes */

struct suffixes {
	const uint8_t *data; /* the caller's, who keeps it */
	size_t size;
	int32_t *order; /* size + 1 of them: where the suffixes begin, the empty one first */
};

/*
 * Sorts the suffixes of *data* (Larsson and Sadakane, "Faster suffix sorting", 1999): time grows with n log n
 * whatever the bytes. Returns 0 or -ENOMEM; the caller releases *ret*.
 */
int suffixes_init(const uint8_t *data, size_t size, struct suffixes *ret);
void suffixes_release(struct suffixes *suffixes);

/* The longest beginning of *text* that *data* holds somewhere: returns its length, *ret* is where it is. */
size_t suffixes_find(const struct suffixes *suffixes, const uint8_t *text, size_t size, size_t *ret);
