/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/string-util.h"
#include "update/window.h"

enum { MONDAY = 1, TUESDAY = 2, WEDNESDAY = 4, THURSDAY = 8, FRIDAY = 16, SATURDAY = 32, SUNDAY = 64 };

#define AT(hour, minute_of_it) ((hour)*60U + (minute_of_it))

/* "YYYY-MM-DD HH:MM" in UTC. */
static int64_t utc(const char *text)
{
	struct tm tm = {};
	const char *end = strptime(text, "%Y-%m-%d %H:%M", &tm);

	assert_true(end && !*end);
	return timegm(&tm);
}

static const char *text_of(int64_t instant, char text[20])
{
	time_t seconds = (time_t)instant;
	struct tm tm;

	assert_non_null(gmtime_r(&seconds, &tm));
	assert_int_not_equal(strftime(text, 20, "%Y-%m-%d %H:%M", &tm), 0);
	return text;
}

static struct time_zone *zone_of(const char *name)
{
	_cleanup_free_ char *path = string_format("/usr/share/zoneinfo/%s", name), *data = NULL;
	_cleanup_error_ struct error *err = NULL;
	struct time_zone *zone = NULL;
	size_t size;

	assert_ok(file_read(path, MiB(1), &data, &size, &err), err);
	assert_ok(time_zone_parse((const uint8_t *)data, size, &zone, &err), err);
	return zone;
}

struct example {
	const char *what, *zone;
	struct window window;
	struct window_dates forbidden[2];
	const char *from;     /* all times in UTC */
	const char *spans[5]; /* "begin - end", one after the other */
};

static const struct example examples[] = {
	{"every day", "UTC", {.schedule = WINDOW_DAILY, .interval = 1, .minute = AT(2, 30), .hours = 4}, {},
		"2026-11-24 06:29",
		{"2026-11-24 02:30 - 2026-11-24 06:30", "2026-11-25 02:30 - 2026-11-25 06:30"}},
	{"the end does not belong to it", "UTC",
		{.schedule = WINDOW_DAILY, .interval = 1, .minute = AT(2, 30), .hours = 4}, {},
		"2026-11-24 06:30", {"2026-11-25 02:30 - 2026-11-25 06:30"}},
	{"every third day from a date on", "UTC",
		{.schedule = WINDOW_DAILY, .interval = 3, .start = {2024, 2, 27}, .minute = 0, .hours = 24},
		{}, "2024-02-01 00:00",
		{"2024-02-27 00:00 - 2024-02-28 00:00", "2024-03-01 00:00 - 2024-03-02 00:00",
			"2024-03-04 00:00 - 2024-03-05 00:00"}},
	{"past midnight, in the window of the day before", "UTC",
		{.schedule = WINDOW_DAILY, .interval = 1, .minute = AT(23, 0), .hours = 4}, {},
		"2026-12-31 01:00",
		{"2026-12-30 23:00 - 2026-12-31 03:00", "2026-12-31 23:00 - 2027-01-01 03:00"}},
	{"a set of weekdays", "UTC",
		{.schedule = WINDOW_WEEKLY,
			.interval = 1,
			.weekdays = TUESDAY | THURSDAY | SUNDAY,
			.minute = 60,
			.hours = 5},
		{}, "2026-11-23 00:00", /* a Monday */
		{"2026-11-24 01:00 - 2026-11-24 06:00", "2026-11-26 01:00 - 2026-11-26 06:00",
			"2026-11-29 01:00 - 2026-11-29 06:00", "2026-12-01 01:00 - 2026-12-01 06:00"}},
	{"every second week, counted from the week of the start", "UTC",
		{.schedule = WINDOW_WEEKLY,
			.interval = 2,
			.weekdays = MONDAY | SATURDAY,
			.start = {2026, 11, 25},
			.hours = 4},
		{}, "2026-11-01 00:00",
		{"2026-11-28 00:00 - 2026-11-28 04:00", "2026-12-07 00:00 - 2026-12-07 04:00",
			"2026-12-12 00:00 - 2026-12-12 04:00"}},
	{"the 31st, or the last day of shorter months", "UTC",
		{.schedule = WINDOW_ABSOLUTE_MONTHLY, .interval = 1, .day = 31, .hours = 4}, {},
		"2024-01-31 12:00",
		{"2024-02-29 00:00 - 2024-02-29 04:00", "2024-03-31 00:00 - 2024-03-31 04:00",
			"2024-04-30 00:00 - 2024-04-30 04:00"}},
	{"the same where the year is none with 29 February", "UTC",
		{.schedule = WINDOW_ABSOLUTE_MONTHLY, .interval = 1, .day = 29, .hours = 4}, {},
		"2100-02-01 00:00",
		{"2100-02-28 00:00 - 2100-02-28 04:00", "2100-03-29 00:00 - 2100-03-29 04:00"}},
	{"every third month, over the end of the year", "UTC",
		{.schedule = WINDOW_ABSOLUTE_MONTHLY,
			.interval = 3,
			.day = 15,
			.start = {2026, 11, 20},
			.hours = 4},
		{}, "2026-11-01 00:00",
		{"2027-02-15 00:00 - 2027-02-15 04:00", "2027-05-15 00:00 - 2027-05-15 04:00"}},
	{"the second Tuesday", "UTC",
		{.schedule = WINDOW_RELATIVE_MONTHLY,
			.interval = 1,
			.weekdays = TUESDAY,
			.week = 2,
			.hours = 4},
		{}, "2026-11-01 00:00",
		{"2026-11-10 00:00 - 2026-11-10 04:00", "2026-12-08 00:00 - 2026-12-08 04:00"}},
	{"the last Friday, which may be the fourth or the fifth", "UTC",
		{.schedule = WINDOW_RELATIVE_MONTHLY,
			.interval = 1,
			.weekdays = FRIDAY,
			.week = WINDOW_WEEK_LAST,
			.hours = 4},
		{}, "2026-01-01 00:00",
		{"2026-01-30 00:00 - 2026-01-30 04:00", "2026-02-27 00:00 - 2026-02-27 04:00"}},
	{"the first Saturday and the first Sunday", "UTC",
		{.schedule = WINDOW_RELATIVE_MONTHLY,
			.interval = 1,
			.weekdays = SATURDAY | SUNDAY,
			.week = 1,
			.hours = 4},
		{}, "2026-11-01 00:00",
		{"2026-11-01 00:00 - 2026-11-01 04:00", "2026-11-07 00:00 - 2026-11-07 04:00",
			"2026-12-05 00:00 - 2026-12-05 04:00"}},
	{"in Berlin, where winter's midnight is an hour later", "Europe/Berlin",
		{.schedule = WINDOW_DAILY, .interval = 1, .minute = AT(0, 30), .hours = 4}, {},
		"2026-10-23 23:00",
		{"2026-10-23 22:30 - 2026-10-24 02:30", "2026-10-24 22:30 - 2026-10-25 02:30",
			"2026-10-25 23:30 - 2026-10-26 03:30"}},
	{"at a time that clocks skip", "Europe/Berlin",
		{.schedule = WINDOW_DAILY, .interval = 1, .minute = AT(2, 30), .hours = 4}, {},
		"2026-03-28 12:00",
		{"2026-03-29 01:30 - 2026-03-29 05:30", "2026-03-30 00:30 - 2026-03-30 04:30"}},
	{"at a time that clocks show twice: the first one", "Europe/Berlin",
		{.schedule = WINDOW_DAILY, .interval = 1, .minute = AT(2, 30), .hours = 1}, {},
		"2026-10-24 12:00",
		{"2026-10-25 00:30 - 2026-10-25 01:30", "2026-10-26 01:30 - 2026-10-26 02:30"}},
	{"the weekday is that of the zone", "Pacific/Auckland",
		{.schedule = WINDOW_WEEKLY,
			.interval = 1,
			.weekdays = MONDAY,
			.minute = AT(1, 0),
			.hours = 4},
		{}, "2026-06-01 00:00", {"2026-06-07 13:00 - 2026-06-07 17:00"}},
	{"forbidden days have none", "UTC",
		{.schedule = WINDOW_DAILY,
			.interval = 1,
			.minute = AT(1, 0),
			.hours = 4,
			.forbidden_count = 2},
		{{{2026, 12, 23}, {2027, 1, 1}}, {{2027, 1, 3}, {2027, 1, 3}}}, "2026-12-22 12:00",
		{"2027-01-02 01:00 - 2027-01-02 05:00", "2027-01-04 01:00 - 2027-01-04 05:00"}},
	{"a window ends where a forbidden day begins", "Europe/Berlin",
		{.schedule = WINDOW_DAILY,
			.interval = 1,
			.minute = AT(22, 0),
			.hours = 6,
			.forbidden_count = 1},
		{{{2026, 12, 24}, {2026, 12, 26}}}, "2026-12-23 12:00",
		{"2026-12-23 21:00 - 2026-12-23 23:00", "2026-12-27 21:00 - 2026-12-28 03:00"}},
};

static void windows_come_when_the_calendar_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(examples); i++) {
		const struct example *example = &examples[i];
		_cleanup_time_zone_ struct time_zone *zone = zone_of(example->zone);
		struct window window = example->window;
		_cleanup_error_ struct error *err = NULL;
		int64_t instant = utc(example->from);

		window.zone = zone;
		window.forbidden = (struct window_dates *)example->forbidden;
		assert_ok(window_check(&window, &err), err);
		for (size_t k = 0; k < ARRAY_SIZE(example->spans) && example->spans[k]; k++) {
			char seen[48], begin[20], end[20];
			struct window_span span;

			assert_int_equal(window_next(&window, instant, &span), 0);
			(void)snprintf(seen, sizeof(seen), "%s - %s", text_of(span.begin, begin),
				text_of(span.end, end));
			if (!streq(seen, example->spans[k]))
				fail_msg("%s: %s, expected %s", example->what, seen, example->spans[k]);
			instant = span.end;
		}
	}
}

/* Whatever the instant within a span or before it, the answer is that span. */
static void the_answer_does_not_depend_on_when_one_asks(void **state)
{
	_cleanup_time_zone_ struct time_zone *zone = zone_of("America/Santiago");
	const struct window window = {.schedule = WINDOW_WEEKLY,
		.interval = 1,
		.weekdays = SATURDAY | SUNDAY,
		.minute = AT(23, 30),
		.hours = 10,
		.zone = zone};
	struct window_span span = {}, next;

	(void)state;
	for (int64_t instant = utc("2026-01-01 00:00"); instant < utc("2028-01-01 00:00"); instant += 1200) {
		assert_int_equal(window_next(&window, instant, &next), 0);
		assert_true(next.end > instant);
		if (span.end > instant)
			assert_memory_equal(&next, &span, sizeof(span));
		else
			assert_true(next.begin >= span.end);
		span = next;
	}
}

static void a_window_that_never_comes_is_none(void **state)
{
	_cleanup_time_zone_ struct time_zone *zone = time_zone_fixed(0);
	struct window_dates always = {{2026, 1, 1}, {2099, 12, 31}};
	const struct window window = {.schedule = WINDOW_DAILY,
		.interval = 1,
		.hours = 4,
		.zone = zone,
		.forbidden = &always,
		.forbidden_count = 1};
	struct window_span span;

	(void)state;
	assert_int_equal(window_next(&window, utc("2026-06-01 00:00"), &span), -ENOENT);
}

static void settings_out_of_their_limits_are_refused(void **state)
{
	_cleanup_time_zone_ struct time_zone *zone = time_zone_fixed(0);
	struct window_dates backwards = {{2026, 1, 2}, {2026, 1, 1}};
	const struct window good = {.schedule = WINDOW_RELATIVE_MONTHLY,
		.interval = 1,
		.weekdays = MONDAY,
		.week = 1,
		.hours = 4,
		.zone = zone};
	struct {
		struct window window;
		const char *message;
	} cases[11];
	struct error *err = NULL;
	size_t n = 0;

	(void)state;
	assert_ok(window_check(&good, &err), err);
#define CASE(member, value, text)                 \
	do {                                      \
		cases[n].window = good;           \
		cases[n].window.member = (value); \
		cases[n++].message = (text);      \
	} while (0)
	CASE(interval, 0, "interval of 0");
	CASE(interval, 13, "not 1 to 12");
	CASE(weekdays, 0, "no day of the week");
	CASE(weekdays, 128, "no day of the week");
	CASE(week, 0, "week of 0");
	CASE(week, 6, "week of 6");
	CASE(minute, 1440, "not a time of the day");
	CASE(hours, 0, "duration of 0 hours");
	CASE(hours, 25, "duration of 25 hours");
	CASE(zone, NULL, "no time zone");
#undef CASE
	cases[n].window = good;
	cases[n].window.forbidden = &backwards;
	cases[n].window.forbidden_count = 1;
	cases[n++].message = "ends before it begins";
	for (size_t i = 0; i < n; i++)
		assert_error(window_check(&cases[i].window, &err), -EINVAL, err, cases[i].message);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(windows_come_when_the_calendar_says),
		cmocka_unit_test(the_answer_does_not_depend_on_when_one_asks),
		cmocka_unit_test(a_window_that_never_comes_is_none),
		cmocka_unit_test(settings_out_of_their_limits_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
