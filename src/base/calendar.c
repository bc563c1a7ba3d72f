/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/calendar.h"

#include <stddef.h>

/* Days from the year 0's 1st of March to 1970-01-01. */
#define EPOCH 719468
#define DAYS_PER_ERA 146097 /* of 400 years */

bool is_leap_year(int year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

unsigned days_in_month(int year, unsigned month)
{
	static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	return days[month - 1] + (month == 2 && is_leap_year(year));
}

/*
 * A year that begins in March has its leap day at its end, so that the days before each month don't depend
 * on the year: 153 days in any five months from March on.
 */
int64_t date_to_days(struct date date)
{
	int64_t year = date.month > 2 ? date.year : date.year - 1;
	int64_t era = div_floor(year, 400), of_era = year - era * 400;
	int64_t month = date.month > 2 ? date.month - 3 : date.month + 9;
	int64_t of_year = (153 * month + 2) / 5 + date.day - 1;

	return era * DAYS_PER_ERA + of_era * 365 + of_era / 4 - of_era / 100 + of_year - EPOCH;
}

struct date date_from_days(int64_t days)
{
	int64_t era = div_floor(days + EPOCH, DAYS_PER_ERA), day = days + EPOCH - era * DAYS_PER_ERA;
	int64_t of_era = (day - day / 1460 + day / 36524 - day / (DAYS_PER_ERA - 1)) / 365;
	int64_t of_year = day - (of_era * 365 + of_era / 4 - of_era / 100);
	int64_t month = (5 * of_year + 2) / 153;
	struct date date = {
		.year = (int)(era * 400 + of_era + (month >= 10)),
		.month = (unsigned)(month < 10 ? month + 3 : month - 9),
		.day = (unsigned)(of_year - (153 * month + 2) / 5 + 1),
	};

	return date;
}

unsigned weekday_of(int64_t days)
{
	int64_t day = days + 3; /* 1970-01-01 was a Thursday */

	return (unsigned)(day - div_floor(day, DAYS_PER_WEEK) * DAYS_PER_WEEK);
}

/* *count* digits of *text*; -1 where one is none. */
static int digits(const char *text, unsigned count)
{
	int value = 0;

	for (unsigned i = 0; i < count; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -1;
		value = value * 10 + (text[i] - '0');
	}
	return value;
}

bool date_parse(const char *text, struct date *ret)
{
	int year = digits(text, 4), month, day;

	if (year < 1 || text[4] != '-')
		return false;
	month = digits(text + 5, 2);
	if (month < 1 || month > 12 || text[7] != '-')
		return false;
	day = digits(text + 8, 2);
	if (day < 1 || day > (int)days_in_month(year, (unsigned)month) || text[10])
		return false;
	*ret = (struct date){.year = year, .month = (unsigned)month, .day = (unsigned)day};
	return true;
}
