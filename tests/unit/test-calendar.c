/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <time.h>

#include "base/calendar.h"

/* libc's gmtime_r() is the judge, over 400 years and more, which is the calendar's period. */
static void days_are_those_of_libc(void **state)
{
	(void)state;
	for (int64_t days = -200 * 366; days < 500 * 366; days++) {
		time_t instant = (time_t)(days * SECONDS_PER_DAY);
		struct date date = date_from_days(days);
		struct tm tm;

		assert_non_null(gmtime_r(&instant, &tm));
		assert_int_equal(date.year, tm.tm_year + 1900);
		assert_int_equal(date.month, tm.tm_mon + 1);
		assert_int_equal(date.day, tm.tm_mday);
		assert_int_equal(weekday_of(days), (tm.tm_wday + 6) % 7);
		assert_int_equal(date_to_days(date), days);
	}
}

static void months_have_their_lengths(void **state)
{
	(void)state;
	assert_int_equal(days_in_month(2023, 2), 28);
	assert_int_equal(days_in_month(2024, 2), 29);
	assert_int_equal(days_in_month(2100, 2), 28);
	assert_int_equal(days_in_month(2000, 2), 29);
	assert_int_equal(days_in_month(2026, 4), 30);
	assert_int_equal(days_in_month(2026, 12), 31);
}

static void dates_are_read_and_others_are_not(void **state)
{
	static const char *const wrong[] = {"", "2026", "2026-1-01", "2026-13-01", "2026-00-10", "2026-02-29",
		"2026-04-31", "2026-04-00", "2026-04-1", "2026-04-011", "2026-04-01 ", "0000-01-01",
		"+026-01-01", "2026/04/01"};
	struct date date;

	(void)state;
	assert_true(date_parse("2024-02-29", &date));
	assert_int_equal(date.year, 2024);
	assert_int_equal(date.month, 2);
	assert_int_equal(date.day, 29);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		assert_false(date_parse(wrong[i], &date));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(days_are_those_of_libc),
		cmocka_unit_test(months_have_their_lengths),
		cmocka_unit_test(dates_are_read_and_others_are_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
