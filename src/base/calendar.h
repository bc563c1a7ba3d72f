/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Days of the proleptic Gregorian calendar, without time zones: the arithmetic that libc only does through
 * global state.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define SECONDS_PER_DAY 86400
#define DAYS_PER_WEEK 7

struct date {
	int year;
	unsigned month, day; /* 1 to 12, 1 to 31 */
};

bool is_leap_year(int year);
unsigned days_in_month(int year, unsigned month);

/* Days since 1970-01-01, and back. The date is one that exists, of the years 1 to 9999. */
int64_t date_to_days(struct date date);
struct date date_from_days(int64_t days);

/* 0: Monday … 6: Sunday (ISO 8601 counts from 1). */
unsigned weekday_of(int64_t days);

/* Reads "YYYY-MM-DD". False where the text is none, or there is no such day. */
bool date_parse(const char *text, struct date *ret);

/* The quotient rounded towards minus infinity. *divisor* is positive. */
static inline int64_t div_floor(int64_t value, int64_t divisor)
{
	return value / divisor - (value % divisor < 0);
}
