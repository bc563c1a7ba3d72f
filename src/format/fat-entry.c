/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Entries of FAT's folders: what they say, and new ones. */
#include <string.h>
#include <time.h>

#include "base/bytes.h"
#include "base/string-util.h"
#include "format/fat-layout.h"

void fat_long_parts_take(struct fat_long_parts *parts, const uint8_t entry[ENTRY_SIZE])
{
	unsigned order = entry[LONG_ORDER] & ~LONG_LAST;

	if (entry[LONG_ORDER] & LONG_LAST) {
		parts->open = order >= 1 && order <= ARRAY_SIZE(parts->units) / LONG_UNITS;
		parts->checksum = entry[LONG_CHECKSUM];
		parts->count = order * LONG_UNITS;
	} else if (order != parts->next || entry[LONG_CHECKSUM] != parts->checksum || order == 0) {
		parts->open = false;
	}
	if (!parts->open)
		return;
	for (size_t i = 0; i < LONG_UNITS; i++)
		parts->units[(order - 1) * LONG_UNITS + i] = read_le16(entry + fat_long_unit_offset(i));
	parts->next = order - 1;
}

bool fat_long_parts_belong(const struct fat_long_parts *parts, const uint8_t entry[ENTRY_SIZE])
{
	return parts->open && parts->next == 0 && parts->checksum == fat_short_checksum(entry);
}

/* Appends the characters of a short name's part. Bytes beyond ASCII are of a code page that nothing names. */
static char *append_short(char *at, const uint8_t *part, size_t size, bool lower)
{
	while (size > 0 && part[size - 1] == ' ')
		size--;
	for (size_t i = 0; i < size; i++) {
		uint8_t c = part[i];

		if (c < 0x20 || c >= 0x7f)
			c = '_';
		*at++ = (char)(lower && c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
	}
	return at;
}

void fat_entry_short_name(const uint8_t entry[ENTRY_SIZE], char ret[SHORT_TEXT_SIZE])
{
	uint8_t letters[SHORT_NAME_SIZE];
	char *at = ret;

	memcpy(letters, entry, sizeof(letters));
	if (letters[0] == 0x05) /* stands for 0xe5, which would mark a free entry */
		letters[0] = 0xe5;
	at = append_short(at, letters, 8, entry[ENTRY_CASE] & 8);
	if (letters[8] != ' ') {
		*at++ = '.';
		at = append_short(at, letters + 8, 3, entry[ENTRY_CASE] & 16);
	}
	*at = 0;
}

void fat_entry_name(const struct fat_long_parts *parts, const uint8_t entry[ENTRY_SIZE],
	char ret[UTF8_SIZE(LONG_NAME_MAX)])
{
	if (fat_long_parts_belong(parts, entry))
		(void)utf16_to_utf8(parts->units, MIN(parts->count, (size_t)LONG_NAME_MAX), ret);
	else
		fat_entry_short_name(entry, ret);
}

bool fat_name_is_component(const char *name)
{
	return *name && !strchr(name, '/') && !streq(name, ".") && !streq(name, "..");
}

int64_t fat_entry_time(const uint8_t entry[ENTRY_SIZE])
{
	uint16_t date = read_le16(entry + ENTRY_DATE), time = read_le16(entry + ENTRY_TIME);
	struct tm tm = {
		.tm_year = (date >> 9) + 80,
		.tm_mon = MAX(date >> 5 & 15, 1) - 1,
		.tm_mday = MAX(date & 31, 1),
		.tm_hour = time >> 11,
		.tm_min = time >> 5 & 63,
		.tm_sec = 2 * (time & 31),
	};

	return timegm(&tm);
}

/* FAT counts years from 1980 to 2107 and seconds in twos. */
static void put_time(int64_t mtime, uint8_t *entry)
{
	const int64_t first = 315532800, last = 4354819198;
	time_t seconds = (time_t)MAX(first, MIN(last, mtime));
	uint16_t date, time;
	struct tm tm;

	(void)gmtime_r(&seconds, &tm);
	date = (uint16_t)((tm.tm_year - 80) << 9 | (tm.tm_mon + 1) << 5 | tm.tm_mday);
	time = (uint16_t)(tm.tm_hour << 11 | tm.tm_min << 5 | tm.tm_sec / 2);
	write_le16(entry + ENTRY_CREATED_TIME, time);
	write_le16(entry + ENTRY_CREATED_DATE, date);
	write_le16(entry + ENTRY_ACCESSED_DATE, date);
	write_le16(entry + ENTRY_TIME, time);
	write_le16(entry + ENTRY_DATE, date);
}

void fat_entry_encode(uint8_t ret[ENTRY_SIZE], const uint8_t name[SHORT_NAME_SIZE], uint8_t attributes,
	uint32_t cluster, uint32_t size, int64_t mtime)
{
	memset(ret, 0, ENTRY_SIZE);
	memcpy(ret, name, SHORT_NAME_SIZE);
	ret[ENTRY_ATTRIBUTES] = attributes;
	put_time(mtime, ret);
	write_le16(ret + ENTRY_CLUSTER_HIGH, (uint16_t)(cluster >> 16));
	write_le16(ret + ENTRY_CLUSTER_LOW, (uint16_t)cluster);
	write_le32(ret + ENTRY_FILE_SIZE, size);
}

/* Behind the name stand a NUL, then ones. */
void fat_long_part_encode(uint8_t ret[ENTRY_SIZE], const uint16_t *units, size_t count, size_t part,
	const uint8_t name[SHORT_NAME_SIZE])
{
	memset(ret, 0, ENTRY_SIZE);
	ret[LONG_ORDER] = (uint8_t)(part | (part == div_round_up_u64(count, LONG_UNITS) ? LONG_LAST : 0));
	ret[ENTRY_ATTRIBUTES] = ATTRIBUTE_LONG_NAME;
	ret[LONG_CHECKSUM] = fat_short_checksum(name);
	for (size_t i = 0; i < LONG_UNITS; i++) {
		size_t at = (part - 1) * LONG_UNITS + i;

		write_le16(ret + fat_long_unit_offset(i), at < count ? units[at] : at == count ? 0 : 0xffff);
	}
}
