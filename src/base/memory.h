/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Hints about memory. */
#pragma once

#include <sys/mman.h>

#include "base/macro.h"

#define MEMORY_HUGE MiB(4) /* from here on huge pages are worth it */

/*
 * Says that a large malloc()ed array is about to be filled from one end to the other: the kernel may give it
 * huge pages, of which clearing and mapping cost a fraction of small ones'. Only a hint; small arrays need
 * none.
 */
static inline void memory_will_be_filled(void *data, size_t size)
{
	size_t before = -(uintptr_t)data & (KiB(4) - 1); /* its first page */

	if (size >= MEMORY_HUGE)
		(void)madvise((uint8_t *)data + before, size - before, MADV_HUGEPAGE);
}
