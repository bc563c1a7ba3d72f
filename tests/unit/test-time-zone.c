/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/bytes.h"
#include "base/file.h"
#include "base/string-util.h"
#include "format/time-zone.h"

#define DAY 86400

/* Zones that differ in what is hard: the south, half an hour of summer, a footer without and with summer, a
 * negative summer (Dublin), no transitions, a change of the date line, Ramadan, rules that begin at odd
 * hours. */
static const char *const zones[] = {"UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe",
	"Asia/Kathmandu", "Europe/Dublin", "Pacific/Apia", "Africa/Casablanca", "America/Santiago",
	"Asia/Tehran", "America/Godthab", "Antarctica/Troll", "Pacific/Chatham", "America/Caracas",
	"Etc/GMT+12"};

static struct time_zone *load(const char *name)
{
	_cleanup_free_ char *path = string_format("/usr/share/zoneinfo/%s", name), *data = NULL;
	_cleanup_error_ struct error *err = NULL;
	struct time_zone *zone = NULL;
	size_t size;

	assert_ok(file_read(path, MiB(1), &data, &size, &err), err);
	assert_ok(time_zone_parse((const uint8_t *)data, size, &zone, &err), err);
	return zone;
}

static void assert_offset(const struct time_zone *zone, const char *name, time_t instant)
{
	struct tm tm;

	assert_non_null(localtime_r(&instant, &tm));
	if (time_zone_offset(zone, instant) != tm.tm_gmtoff)
		fail_msg("%s at %lld: %d, libc says %ld", name, (long long)instant,
			time_zone_offset(zone, instant), tm.tm_gmtoff);
}

/* Every six hours and a bit for two centuries, and the seconds around every transition of it. */
static void offsets_are_those_of_libc(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(zones); i++) {
		_cleanup_time_zone_ struct time_zone *zone = load(zones[i]);
		int32_t last = 0;

		assert_int_equal(setenv("TZ", zones[i], 1), 0);
		tzset();
		for (int64_t instant = -2000000000; instant < 4300000000; instant += 6 * 3600 + 11) {
			int32_t offset = time_zone_offset(zone, instant);

			assert_offset(zone, zones[i], (time_t)instant);
			for (int64_t low = instant - 6 * 3600 - 11, high = instant; offset != last;) {
				if (high - low == 1) {
					assert_offset(zone, zones[i], (time_t)low);
					assert_offset(zone, zones[i], (time_t)high);
					break;
				}
				if (time_zone_offset(zone, low + (high - low) / 2) == offset)
					high = low + (high - low) / 2;
				else
					low = low + (high - low) / 2;
			}
			last = offset;
		}
	}
}

/* What a wall clock shows at the instant is what was asked for, unless no clock shows it; and it is the
 * first. */
static void instants_show_what_was_asked_for(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(zones); i++) {
		_cleanup_time_zone_ struct time_zone *zone = load(zones[i]);

		for (int64_t local = 1700000100; local < 1700000100 + 800 * DAY; local += 1800) {
			int64_t instant = time_zone_instant(zone, local);
			bool shown = false;

			for (int64_t other = local - 15 * 3600; other <= local + 15 * 3600; other += 900)
				if (other + time_zone_offset(zone, other) == local) {
					if (!shown)
						assert_int_equal(instant, other);
					shown = true;
				}
			if (!shown)
				assert_int_equal(instant + time_zone_offset(zone, instant - 3 * 3600), local);
		}
	}
}

/* Berlin, 2026: forward on 29 March at 01:00 UTC, back on 25 October at 01:00 UTC. */
static void summer_time_skips_an_hour_and_repeats_one(void **state)
{
	_cleanup_time_zone_ struct time_zone *zone = load("Europe/Berlin");
	const int64_t march = 1774742400, october = 1792886400; /* midnights UTC of these days */

	(void)state;
	assert_int_equal(time_zone_instant(zone, march + 5400), march + 1800);	   /* 01:30 CET */
	assert_int_equal(time_zone_instant(zone, march + 9000), march + 5400);	   /* 02:30 is none */
	assert_int_equal(time_zone_instant(zone, march + 12600), march + 5400);	   /* 03:30 CEST */
	assert_int_equal(time_zone_instant(zone, october + 9000), october + 1800); /* 02:30 CEST */
	assert_int_equal(time_zone_instant(zone, october + 12600), october + 12600 - 3600); /* 03:30 CET */
}

static void a_fixed_offset_is_what_it_says(void **state)
{
	_cleanup_time_zone_ struct time_zone *zone = time_zone_fixed(-5400);

	(void)state;
	assert_non_null(zone);
	assert_int_equal(time_zone_offset(zone, 0), -5400);
	assert_int_equal(time_zone_instant(zone, 1000), 6400);
}

static void expect(const void *data, size_t size, int code, const char *message)
{
	struct time_zone *zone = NULL;
	struct error *err = NULL;

	assert_error(time_zone_parse(data, size, &zone, &err), code, err, message);
	assert_null(zone);
}

static void what_is_cut_anywhere_is_refused(void **state)
{
	_cleanup_free_ char *data = NULL;
	_cleanup_error_ struct error *read_err = NULL;
	size_t size;

	(void)state;
	assert_ok(file_read("/usr/share/zoneinfo/Europe/Berlin", MiB(1), &data, &size, &read_err), read_err);
	for (size_t cut = 0; cut < size; cut++) {
		_cleanup_free_ char *copy = malloc(cut + 1);

		assert_non_null(copy);
		memcpy(copy, data, cut);
		expect(copy, cut, -EBADMSG, "time zone: ");
	}
}

/* A file of version 2 with one type, *count* transitions and a footer. */
static size_t make(uint8_t file[512], uint32_t count, const int64_t *instants, const char *footer)
{
	uint8_t *at = file;

	memset(file, 0, 512);
	for (int block = 0; block < 2; block++) {
		memcpy(at, "TZif2", 5);
		write_be32(at + 20 + 12, block ? count : 0);
		write_be32(at + 20 + 16, 1);
		write_be32(at + 20 + 20, 4);
		at += 44;
		for (uint32_t i = 0; block && i < count; i++, at += 8)
			write_be64(at, (uint64_t)instants[i]);
		at += block ? count : 0; /* all of type 0 */
		write_be32(at, 3600);
		memcpy(at + 6, "ABC", 4);
		at += 10;
	}
	at += sprintf((char *)at, "\n%s\n", footer);
	return (size_t)(at - file);
}

static void contradictions_are_refused(void **state)
{
	static const char *const footers[] = {"A-1", "ABC", "ABC-25", "ABC-1DEF", "ABC-1DEF,M3.5.0",
		"ABC-1DEF,M13.5.0,M1.1.0", "ABC-1DEF,M3.6.0,M1.1.0", "ABC-1DEF,M3.1.7,M1.1.0",
		"ABC-1DEF,J0,J1", "ABC-1DEF,J366,J1", "ABC-1DEF,366,1", "ABC-1DEF,1/168,2", "<ABC-1",
		"ABC-1DEF,1,2x", "ABC-1:60", "ABC-1DEF-2,M3.5.0/,1"};
	const int64_t backwards[] = {5, 4}, twice[] = {5, 5};
	_cleanup_time_zone_ struct time_zone *zone = NULL;
	_cleanup_error_ struct error *err = NULL;
	uint8_t file[512];
	size_t size = make(file, 2, (const int64_t[]){4, 5}, "ABC-1");

	(void)state;
	assert_ok(time_zone_parse(file, size, &zone, &err), err);
	expect(file, make(file, 2, backwards, ""), -EBADMSG, "transition 1 does not come later");
	expect(file, make(file, 2, twice, ""), -EBADMSG, "transition 1 does not come later");
	for (size_t i = 0; i < ARRAY_SIZE(footers); i++)
		expect(file, make(file, 0, NULL, footers[i]), -EBADMSG, footers[i]);
	size = make(file, 1, (const int64_t[]){4}, "");
	file[54 + 44 + 8] = 1;
	expect(file, size, -EBADMSG, "to type 1 of 1");
	size = make(file, 0, NULL, "");
	write_be32(file + 54 + 44, 100000);
	expect(file, size, -EBADMSG, "an offset of 100000 seconds");
	size = make(file, 0, NULL, "");
	write_be32(file + 54 + 20 + 16, 0);
	expect(file, size, -EBADMSG, "no local time");
	size = make(file, 0, NULL, "");
	write_be32(file + 20, UINT32_MAX);
	expect(file, size, -EBADMSG, "cut");
	size = make(file, 0, NULL, "");
	file[4] = 0;
	expect(file, size, -ENOTSUP, "version 1");
	expect("nonsense", 8, -EBADMSG, "no TZif file");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(offsets_are_those_of_libc),
		cmocka_unit_test(instants_show_what_was_asked_for),
		cmocka_unit_test(summer_time_skips_an_hour_and_repeats_one),
		cmocka_unit_test(a_fixed_offset_is_what_it_says),
		cmocka_unit_test(what_is_cut_anywhere_is_refused),
		cmocka_unit_test(contradictions_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
