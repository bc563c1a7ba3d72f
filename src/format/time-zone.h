/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Time zones as the IANA database has them: which offset from UTC is in force when, and which instant a wall
 * clock means. libc knows that for one zone at a time, which is the process's.
 *
 * Format: RFC 9636 (TZif), versions 2 to 4, and the POSIX TZ string in its footer (3.3.1) for what comes
 * after the last transition. docs/formats/time-zone.md.
 */
#pragma once

#include "base/error.h"

struct time_zone;

/*
 * Reads a TZif file. Returns 0; -EBADMSG with *err* set where it is none or contradicts itself; -ENOTSUP for
 * version 1, which ends in 2037; -ENOMEM.
 */
int time_zone_parse(const uint8_t *data, size_t size, struct time_zone **ret, struct error **err);

/* A zone that is *offset* seconds east of UTC, always. NULL where memory is out. */
struct time_zone *time_zone_fixed(int32_t offset);

struct time_zone *time_zone_free(struct time_zone *zone);
DEFINE_CLEANUP(struct time_zone *, time_zone_free);
#define _cleanup_time_zone_ _cleanup_(time_zone_freep)

/* Seconds east of UTC at an instant, in Unix seconds. */
int32_t time_zone_offset(const struct time_zone *zone, int64_t instant);

/*
 * The instant at which a clock on the wall shows *local*, the seconds since 1970-01-01 00:00 on that clock.
 * Where clocks are put back and show it twice, the first time; where they are put forward and don't show it,
 * the instant at which it would have come had they not been.
 */
int64_t time_zone_instant(const struct time_zone *zone, int64_t local);
