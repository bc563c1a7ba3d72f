/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Work spread over threads: the one place where Orlop makes any.
 *
 * work_run() calls a function once for each index of a range, on several threads. Each call owns what belongs
 * to its index; what all calls share is read only, or the caller's own to lock. Results are put together
 * afterwards, in the order of the indexes, so that they do not depend on the number of threads.
 */
#pragma once

#include "base/error.h"

/* Does item *index*. Returns 0 or a negative errno with *err* set. */
typedef int (*work_fn)(size_t index, void *userdata, struct error **err);

/* The number of processors that this process may use, at least 1. */
unsigned work_processors(void);

/*
 * Calls *fn* for 0 … *count* - 1 on up to *threads* threads (0: one for each processor), handing out lower
 * indexes first. After a failure no new item is begun; of the failed items' errors, that of the lowest index
 * is returned.
 */
int work_run(unsigned threads, size_t count, work_fn fn, void *userdata, struct error **err);
