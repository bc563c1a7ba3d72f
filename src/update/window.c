/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "update/window.h"

#include <errno.h>
#include <stdlib.h>

#define MINUTES_PER_DAY 1440
#define SEARCH_DAYS 3660
#define EPOCH_MONDAY 4 /* 1970-01-05 */

static const unsigned intervals_max[] = {
	[WINDOW_DAILY] = 366,
	[WINDOW_WEEKLY] = 52,
	[WINDOW_ABSOLUTE_MONTHLY] = 12,
	[WINDOW_RELATIVE_MONTHLY] = 12,
};

void window_release(struct window *window)
{
	window->zone = time_zone_free(window->zone);
	free(window->forbidden);
	window->forbidden = NULL;
	window->forbidden_count = 0;
}

static bool has_weekdays(const struct window *window)
{
	return window->schedule == WINDOW_WEEKLY || window->schedule == WINDOW_RELATIVE_MONTHLY;
}

int window_check(const struct window *window, struct error **err)
{
	if (window->interval < 1 || window->interval > intervals_max[window->schedule])
		return error_set(err, -EINVAL, "an interval of %u is not 1 to %u", window->interval,
			intervals_max[window->schedule]);
	if (has_weekdays(window) && (window->weekdays == 0 || window->weekdays >= 1U << DAYS_PER_WEEK))
		return error_set(err, -EINVAL, "no day of the week");
	if (window->schedule == WINDOW_ABSOLUTE_MONTHLY && (window->day < 1 || window->day > 31))
		return error_set(err, -EINVAL, "a day of the month of %u is not 1 to 31", window->day);
	if (window->schedule == WINDOW_RELATIVE_MONTHLY &&
		(window->week < 1 || window->week > WINDOW_WEEK_LAST))
		return error_set(err, -EINVAL, "a week of %u is not First to Fourth or Last", window->week);
	if (window->minute >= MINUTES_PER_DAY)
		return error_set(err, -EINVAL, "the start is not a time of the day");
	if (window->hours < 1 || window->hours > WINDOW_HOURS_MAX)
		return error_set(err, -EINVAL, "a duration of %u hours is not 1 to %d", window->hours,
			WINDOW_HOURS_MAX);
	if (!window->zone)
		return error_set(err, -EINVAL, "no time zone");
	for (size_t i = 0; i < window->forbidden_count; i++)
		if (date_to_days(window->forbidden[i].last) < date_to_days(window->forbidden[i].first))
			return error_set(err, -EINVAL, "a range of forbidden dates ends before it begins");
	return 0;
}

static int64_t first_day(const struct window *window)
{
	return window->start.year ? date_to_days(window->start) : EPOCH_MONDAY;
}

static int64_t month_of(struct date date)
{
	return (int64_t)date.year * 12 + date.month;
}

static bool is_of_weekdays(const struct window *window, int64_t day)
{
	return window->weekdays >> weekday_of(day) & 1;
}

/* Whether *day* is the window's week's among those weekdays of its month. */
static bool is_of_week(const struct window *window, struct date date)
{
	if (window->week == WINDOW_WEEK_LAST)
		return date.day + DAYS_PER_WEEK > days_in_month(date.year, date.month);
	return (date.day - 1) / DAYS_PER_WEEK + 1 == window->week;
}

/* Whether the schedule has a window that begins on that day, forbidden or not. */
static bool begins_on(const struct window *window, int64_t day)
{
	int64_t start = first_day(window), monday = start - weekday_of(start);
	struct date date = date_from_days(day);
	unsigned length = days_in_month(date.year, date.month);

	if (day < start)
		return false;
	switch (window->schedule) {
	case WINDOW_DAILY:
		return (day - start) % window->interval == 0;
	case WINDOW_WEEKLY:
		return (day - monday) / DAYS_PER_WEEK % window->interval == 0 && is_of_weekdays(window, day);
	case WINDOW_ABSOLUTE_MONTHLY:
	case WINDOW_RELATIVE_MONTHLY:
		break;
	}
	if ((month_of(date) - month_of(date_from_days(start))) % window->interval != 0)
		return false;
	if (window->schedule == WINDOW_ABSOLUTE_MONTHLY)
		return date.day == (window->day < length ? window->day : length);
	return is_of_weekdays(window, day) && is_of_week(window, date);
}

static bool is_forbidden(const struct window *window, int64_t day)
{
	for (size_t i = 0; i < window->forbidden_count; i++)
		if (day >= date_to_days(window->forbidden[i].first) &&
			day <= date_to_days(window->forbidden[i].last))
			return true;
	return false;
}

static struct window_span span_of(const struct window *window, int64_t day)
{
	int64_t begin = time_zone_instant(window->zone, day * SECONDS_PER_DAY + window->minute * 60);
	int64_t end = begin + (int64_t)window->hours * 3600, midnight;

	/* At most 24 hours long: it reaches one more day at the most, or two where a night is shorter. */
	for (int64_t next = day + 1; next <= day + 2; next++) {
		midnight = time_zone_instant(window->zone, next * SECONDS_PER_DAY);
		if (midnight < end && is_forbidden(window, next))
			end = midnight;
	}
	return (struct window_span){.begin = begin, .end = end};
}

int window_next(const struct window *window, int64_t instant, struct window_span *ret)
{
	int64_t today = div_floor(instant + time_zone_offset(window->zone, instant), SECONDS_PER_DAY);

	/* A window of the day before yesterday can't be open any more, but clocks are put forward and back.
	 */
	for (int64_t day = today - 2; day < today + SEARCH_DAYS; day++) {
		struct window_span span;

		if (!begins_on(window, day) || is_forbidden(window, day))
			continue;
		span = span_of(window, day);
		if (span.end > instant && span.end > span.begin) {
			*ret = span;
			return 0;
		}
	}
	return -ENOENT;
}
