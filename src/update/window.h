/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Maintenance windows: when a node may restart into another release. The schema is the one that managed
 * clusters have (daily, weekly, absoluteMonthly, relativeMonthly; start time, duration, forbidden dates),
 * with a set of weekdays where theirs has one, and IANA time zones beside fixed offsets. docs/window.md.
 *
 * Days, intervals and forbidden dates are those of the window's own time zone. A window belongs to the day on
 * which it begins, also where it reaches past midnight. It begins when the clock on the wall says so: where
 * clocks are put forward over that time, an hour later on the wall, and where they are put back, the first
 * time. Its duration is real time.
 */
#pragma once

#include "base/calendar.h"
#include "base/error.h"
#include "format/time-zone.h"

enum window_schedule {
	WINDOW_DAILY,
	WINDOW_WEEKLY,
	WINDOW_ABSOLUTE_MONTHLY, /* on a day of the month; the last one in months that are shorter */
	WINDOW_RELATIVE_MONTHLY, /* on the n-th such weekday of the month */
};

#define WINDOW_WEEK_LAST 5
#define WINDOW_HOURS_MAX 24

struct window_dates {
	struct date first, last; /* both belong to it */
};

struct window {
	enum window_schedule schedule;
	unsigned interval; /* every so many days, weeks or months, counted from *start* */
	unsigned weekdays; /* WEEKLY, RELATIVE_MONTHLY: bit 0 is Monday; at least one */
	unsigned day;	   /* ABSOLUTE_MONTHLY: 1 to 31 */
	unsigned week;	   /* RELATIVE_MONTHLY: 1 to 4, or WINDOW_WEEK_LAST */
	struct date start; /* nothing before; a year of 0: always was, counted from 1970-01-05, a Monday */
	unsigned minute;   /* of the day on which it begins, 0 to 1439 */
	unsigned hours;	   /* 1 to WINDOW_HOURS_MAX */
	struct time_zone *zone;
	struct window_dates *forbidden; /* a window ends where a forbidden day begins */
	size_t forbidden_count;
};

struct window_span {
	int64_t begin, end; /* Unix seconds; *end* does not belong to it */
};

/* Frees what the window points to. */
void window_release(struct window *window);
#define _cleanup_window_ _cleanup_(window_release)

/* Whether all is set, within its limits and without contradiction. 0, or -EINVAL with *err* set. */
int window_check(const struct window *window, struct error **err);

/*
 * The first span that ends after *instant* (Unix seconds, of the years 1970 to 9000): the one that is open
 * then, or the next one. Returns 0, or -ENOENT where none comes in the ten years from then on.
 */
int window_next(const struct window *window, int64_t instant, struct window_span *ret);
