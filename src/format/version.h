/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Release versions: YYYYMM.DD.N, the day and the number of the release on that day ("202611.23.0").
 */
#pragma once

#include <time.h>

#include "base/error.h"

#define VERSION_MAX 32

/*
 * The time that everything in a release of that version bears: midnight UTC of its day, in seconds since
 * 1970. -EINVAL where *version* is none.
 */
int version_time(const char *version, int64_t *ret, struct error **err);

/* The first version of the day that *now* is in. */
void version_of_day(time_t now, char ret[VERSION_MAX]);
