/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/time-zone.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/calendar.h"

#define OFFSET_MAX (26 * 3600) /* seconds; RFC 9636, 3.2: -25 to 26 hours */
#define RULE_TIME_MAX (167 * 3600)
#define FOOTER_MAX 256

enum {
	HEADER_SIZE = 44,
	HEADER_VERSION = 4,
	HEADER_COUNTS = 20, /* six of 32 bits */
	TYPE_SIZE = 6,	    /* offset (32 bits), daylight saving, name */
};

/* When in a year something changes: POSIX.1-2017, 8.3, TZ. */
struct rule {
	enum { RULE_JULIAN, RULE_DAY, RULE_WEEKDAY } kind;
	unsigned day;	      /* JULIAN: 1 to 365, 29 February never counts; DAY: 0 to 365 */
	unsigned month, week; /* WEEKDAY: 1 to 12; 1 to 5, 5 is the last */
	unsigned weekday;     /* 0 is Sunday */
	int32_t time;	      /* seconds of the wall clock from midnight, also negative */
};

struct footer {
	bool daylight;
	int32_t standard, saving; /* seconds east of UTC */
	struct rule begin, end;
};

struct time_zone {
	uint32_t count;
	int64_t *instants; /* of the transitions, ascending */
	int32_t *offsets;  /* from that instant on */
	int32_t first;	   /* before the first one */
	bool has_footer;
	struct footer footer;
};

/* ---- The footer ---- */

static bool parse_number(const char **at, int most, int *ret)
{
	int value = 0;

	if (**at < '0' || **at > '9')
		return false;
	for (; **at >= '0' && **at <= '9'; (*at)++) {
		value = value * 10 + (**at - '0');
		if (value > most)
			return false;
	}
	*ret = value;
	return true;
}

/* [+-]hh[:mm[:ss]] in seconds. */
static bool parse_time(const char **at, int hours, int32_t *ret)
{
	int sign = **at == '-' ? -1 : 1, hour, minute = 0, second = 0;

	*at += **at == '-' || **at == '+';
	if (!parse_number(at, hours, &hour))
		return false;
	if (**at == ':') {
		(*at)++;
		if (!parse_number(at, 59, &minute))
			return false;
		if (**at == ':') {
			(*at)++;
			if (!parse_number(at, 59, &second))
				return false;
		}
	}
	*ret = sign * (hour * 3600 + minute * 60 + second);
	return true;
}

/* Skips a zone's abbreviation: letters, or anything but ">" between "<" and ">". */
static bool skip_name(const char **at)
{
	const char *begin = *at;

	if (**at == '<') {
		*at += strcspn(*at, ">");
		return *(*at)++ == '>';
	}
	while ((**at >= 'a' && **at <= 'z') || (**at >= 'A' && **at <= 'Z'))
		(*at)++;
	return *at - begin >= 3;
}

static bool parse_weekday_rule(const char **at, struct rule *ret)
{
	int month, week, weekday;

	if (!parse_number(at, 12, &month) || month < 1 || *(*at)++ != '.' || !parse_number(at, 5, &week) ||
		week < 1 || *(*at)++ != '.' || !parse_number(at, 6, &weekday))
		return false;
	ret->month = (unsigned)month;
	ret->week = (unsigned)week;
	ret->weekday = (unsigned)weekday;
	return true;
}

static bool parse_rule(const char **at, struct rule *ret)
{
	int day = 0;
	bool good;

	*ret = (struct rule){.kind = **at == 'M'   ? RULE_WEEKDAY
				     : **at == 'J' ? RULE_JULIAN
						   : RULE_DAY,
		.time = 2 * 3600};
	*at += ret->kind != RULE_DAY;
	if (ret->kind == RULE_WEEKDAY)
		good = parse_weekday_rule(at, ret);
	else
		good = parse_number(at, 365, &day) && (day > 0 || ret->kind == RULE_DAY);
	ret->day = (unsigned)day;
	if (!good || **at != '/')
		return good;
	(*at)++;
	return parse_time(at, RULE_TIME_MAX / 3600, &ret->time);
}

static bool parse_footer(const char *at, struct footer *ret)
{
	struct footer footer = {};

	if (!skip_name(&at) || !parse_time(&at, 24, &footer.standard))
		return false;
	footer.standard = -footer.standard; /* POSIX counts to the west */
	if (*at) {
		footer.daylight = true;
		footer.saving = footer.standard + 3600;
		if (!skip_name(&at))
			return false;
		if (*at && *at != ',') {
			if (!parse_time(&at, 24, &footer.saving))
				return false;
			footer.saving = -footer.saving;
		}
		if (*at++ != ',' || !parse_rule(&at, &footer.begin) || *at++ != ',' ||
			!parse_rule(&at, &footer.end))
			return false;
	}
	*ret = footer;
	return !*at;
}

/* Days since 1970 of the rule's day in a year. */
static int64_t rule_day(const struct rule *rule, int year)
{
	int64_t january = date_to_days((struct date){year, 1, 1}), first;
	unsigned day, length;

	if (rule->kind == RULE_DAY)
		return january + rule->day;
	if (rule->kind == RULE_JULIAN)
		return january + rule->day - 1 + (is_leap_year(year) && rule->day > 59);
	first = date_to_days((struct date){year, rule->month, 1});
	length = days_in_month(year, rule->month);
	/* The rule's weekdays begin on Sunday, weekday_of()'s on Monday. */
	day = (rule->weekday + 6 + DAYS_PER_WEEK - weekday_of(first)) % DAYS_PER_WEEK;
	day += (rule->week - 1) * DAYS_PER_WEEK;
	return first + (day < length ? day : day - DAYS_PER_WEEK);
}

static int32_t footer_offset(const struct footer *footer, int64_t instant)
{
	int year;
	int64_t begin, end;
	bool saving;

	if (!footer->daylight)
		return footer->standard;
	year = date_from_days(div_floor(instant + footer->standard, SECONDS_PER_DAY)).year;
	begin = rule_day(&footer->begin, year) * SECONDS_PER_DAY + footer->begin.time - footer->standard;
	end = rule_day(&footer->end, year) * SECONDS_PER_DAY + footer->end.time - footer->saving;
	/* In the south, summer is at both ends of the year. */
	saving = begin < end ? instant >= begin && instant < end : instant >= begin || instant < end;
	return saving ? footer->saving : footer->standard;
}

/* ---- The file ---- */

struct counts {
	uint32_t ut, standard, leap, time, type, character;
};

static int parse_header(const uint8_t *data, size_t size, struct counts *ret, struct error **err)
{
	if (size < HEADER_SIZE || memcmp(data, "TZif", 4) != 0)
		return error_set(err, -EBADMSG, "time zone: no TZif file");
	if (data[HEADER_VERSION] < '2')
		return error_set(
			err, -ENOTSUP, "time zone: TZif version 1 ends in 2037; version 2 is needed");
	*ret = (struct counts){
		.ut = read_be32(data + HEADER_COUNTS),
		.standard = read_be32(data + HEADER_COUNTS + 4),
		.leap = read_be32(data + HEADER_COUNTS + 8),
		.time = read_be32(data + HEADER_COUNTS + 12),
		.type = read_be32(data + HEADER_COUNTS + 16),
		.character = read_be32(data + HEADER_COUNTS + 20),
	};
	return 0;
}

/* Bytes of a data block whose times have *width* bytes. No overflow: six counts of 32 bits. */
static uint64_t block_size(const struct counts *counts, unsigned width)
{
	return (uint64_t)counts->time * (width + 1) + (uint64_t)counts->type * TYPE_SIZE + counts->character +
	       (uint64_t)counts->leap * (width + 4) + counts->standard + counts->ut;
}

static int read_transitions(
	struct time_zone *zone, const struct counts *counts, const uint8_t *block, struct error **err)
{
	const uint8_t *indices = block + (size_t)counts->time * 8, *types = indices + counts->time;

	zone->count = counts->time;
	zone->first = (int32_t)read_be32(types);
	zone->instants = calloc(counts->time + 1UL, sizeof(*zone->instants));
	zone->offsets = calloc(counts->time + 1UL, sizeof(*zone->offsets));
	if (!zone->instants || !zone->offsets)
		return error_set_errno(err, -ENOMEM, "time zone");
	for (uint32_t i = 0; i < counts->type; i++) {
		int32_t offset = (int32_t)read_be32(types + (size_t)i * TYPE_SIZE);

		if (offset < -OFFSET_MAX || offset > OFFSET_MAX)
			return error_set(err, -EBADMSG, "time zone: an offset of %d seconds", offset);
	}
	for (uint32_t i = 0; i < counts->time; i++) {
		if (indices[i] >= counts->type)
			return error_set(err, -EBADMSG, "time zone: transition %u is to type %u of %u", i,
				indices[i], counts->type);
		zone->instants[i] = (int64_t)read_be64(block + (size_t)i * 8);
		zone->offsets[i] = (int32_t)read_be32(types + (size_t)indices[i] * TYPE_SIZE);
		if (i > 0 && zone->instants[i] <= zone->instants[i - 1])
			return error_set(err, -EBADMSG,
				"time zone: transition %u does not come later than "
				"the one before it",
				i);
	}
	return 0;
}

static int read_footer(struct time_zone *zone, const uint8_t *data, size_t size, struct error **err)
{
	char text[FOOTER_MAX];
	const uint8_t *end;
	size_t length;

	if (size < 2 || data[0] != '\n' || !(end = memchr(data + 1, '\n', size - 1)))
		return error_set(err, -EBADMSG, "time zone: no footer");
	length = (size_t)(end - data) - 1;
	if (length == 0)
		return 0;
	if (length >= sizeof(text) || memchr(data + 1, 0, length))
		return error_set(err, -EBADMSG, "time zone: the footer is no TZ string");
	memcpy(text, data + 1, length);
	text[length] = 0;
	zone->has_footer = parse_footer(text, &zone->footer);
	return zone->has_footer ? 0
				: error_set(err, -EBADMSG, "time zone: footer '%s' is no TZ string", text);
}

int time_zone_parse(const uint8_t *data, size_t size, struct time_zone **ret, struct error **err)
{
	_cleanup_time_zone_ struct time_zone *zone = calloc(1, sizeof(*zone));
	struct counts counts;
	uint64_t skip;
	int r;

	if (!zone)
		return error_set_errno(err, -ENOMEM, "time zone");
	r = parse_header(data, size, &counts, err);
	if (r < 0)
		return r;
	/* The first block is for readers of version 1; a header and a block with times of 64 bits follow. */
	skip = HEADER_SIZE + block_size(&counts, 4);
	if (skip > size)
		return error_set(err, -EBADMSG, "time zone: the file is cut");
	data += skip;
	size -= skip;
	r = parse_header(data, size, &counts, err);
	if (r < 0)
		return r;
	if (counts.type == 0 || counts.type > 256 || block_size(&counts, 8) > size - HEADER_SIZE)
		return error_set(err, -EBADMSG, "time zone: the file is cut, or has no local time");
	r = read_transitions(zone, &counts, data + HEADER_SIZE, err);
	if (r < 0)
		return r;
	skip = HEADER_SIZE + block_size(&counts, 8);
	r = read_footer(zone, data + skip, size - skip, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(zone);
	return 0;
}

struct time_zone *time_zone_fixed(int32_t offset)
{
	struct time_zone *zone = calloc(1, sizeof(*zone));

	if (zone)
		zone->first = offset;
	return zone;
}

struct time_zone *time_zone_free(struct time_zone *zone)
{
	if (zone) {
		free(zone->instants);
		free(zone->offsets);
		free(zone);
	}
	return NULL;
}

int32_t time_zone_offset(const struct time_zone *zone, int64_t instant)
{
	uint32_t low = 0, high = zone->count;

	/* The number of transitions that have happened. */
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (zone->instants[middle] <= instant)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == zone->count && zone->has_footer)
		return footer_offset(&zone->footer, instant);
	return low == 0 ? zone->first : zone->offsets[low - 1];
}

int64_t time_zone_instant(const struct time_zone *zone, int64_t local)
{
	/* No zone changes its offset twice within two days; one of these two is in force at that time. */
	int32_t before = time_zone_offset(zone, local - SECONDS_PER_DAY - OFFSET_MAX / 2);
	int32_t after = time_zone_offset(zone, local + SECONDS_PER_DAY + OFFSET_MAX / 2);

	/* Put back, a time that comes twice comes first by the offset of before. */
	if (time_zone_offset(zone, local - before) == before)
		return local - before;
	if (time_zone_offset(zone, local - after) == after)
		return local - after;
	return local - before;
}
