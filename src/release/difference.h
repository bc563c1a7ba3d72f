/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One array of bytes told as the difference to another: runs of the other one with something added to each
 * byte, which is nearly always 0, and new bytes between them. In programs that were compiled again, most of
 * what changes are addresses within code that did not: they differ, often all by the same number, and the
 * rest is 0 (Percival, "Naive differences of executable code", 2003).
 */
#pragma once

#include "base/buffer.h"
#include "format/patch.h"

struct difference {
	struct patch_step *steps;
	size_t step_count, step_capacity;
	struct buffer added, literals;
};
void difference_release(struct difference *difference);
#define _cleanup_difference_ _cleanup_(difference_release)

/* Finds how *target* differs from *source*. Returns 0 or -ENOMEM; the caller releases *ret*. */
int difference_make(const uint8_t *source, size_t source_size, const uint8_t *target, size_t target_size,
	struct difference *ret);
