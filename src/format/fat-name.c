/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names of FAT: what may be one, and the short alias that every long name has. */
#include <errno.h>
#include <string.h>

#include "base/utf16.h"
#include "format/fat-layout.h"

size_t fat_long_unit_offset(size_t i)
{
	/* Five units, six and two, around the fields that a short entry has there. */
	return i < 5 ? 1 + 2 * i : i < 11 ? 14 + 2 * (i - 5) : 28 + 2 * (i - 11);
}

uint8_t fat_short_checksum(const uint8_t name[SHORT_NAME_SIZE])
{
	uint8_t sum = 0;

	for (size_t i = 0; i < SHORT_NAME_SIZE; i++)
		sum = (uint8_t)((sum >> 1) + (sum << 7) + name[i]);
	return sum;
}

int fat_long_name(const char *name, uint16_t *ret, size_t *ret_count, struct error **err)
{
	size_t length = strlen(name);
	int r;

	for (const char *at = name; *at; at++)
		if ((unsigned char)*at < 0x20 || strchr("\"*/:<>?\\|", *at) || *at == 0x7f)
			return error_set(err, -EINVAL, "%s: FAT names can't have the character '%c' (0x%02x)",
				name, *at, (unsigned char)*at);
	if (length == 0 || name[length - 1] == '.' || name[length - 1] == ' ')
		return error_set(
			err, -EINVAL, "'%s': FAT names can't be empty or end in a dot or space", name);
	r = utf16_from_utf8(name, ret, LONG_NAME_MAX, ret_count);
	if (r == -ENAMETOOLONG)
		return error_set(
			err, -EINVAL, "%s: FAT names have at most %d UTF-16 units", name, LONG_NAME_MAX);
	return r < 0 ? error_set(err, -EINVAL, "%s: the name is not UTF-8", name) : 0;
}

/* A character of a short name, 0 where it has none for *c*. */
static uint8_t short_character(char c)
{
	if (c >= 'a' && c <= 'z')
		return (uint8_t)(c - 'a' + 'A');
	if ((c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr("$%'-_@~`!(){}^#&", c)))
		return (uint8_t)c;
	return 0;
}

/* Puts the characters up to *end* into *size* bytes. Returns false where some are lost. */
static bool shorten(const char *at, const char *end, uint8_t *ret, size_t size)
{
	bool whole = true;
	size_t count = 0;

	for (; at < end; at++) {
		uint8_t c = short_character(*at);

		if (((uint8_t)*at & 0xc0) == 0x80) /* goes on with a character that got its "_" already */
			continue;
		if (!c)
			whole = false;
		if (*at == ' ' || *at == '.')
			continue;
		if (count == size)
			return false;
		ret[count++] = c ? c : '_';
	}
	return whole;
}

bool fat_short_name(const char *name, uint8_t ret[SHORT_NAME_SIZE], bool *ret_exact)
{
	const char *begin = name + strspn(name, "."), *dot = strrchr(begin, '.'), *end = name + strlen(name);
	bool whole = begin == name;

	memset(ret, ' ', SHORT_NAME_SIZE);
	whole &= shorten(begin, dot ? dot : end, ret, 8);
	if (dot)
		whole &= shorten(dot + 1, end, ret + 8, 3);
	if (ret[0] == ' ') { /* nothing is left, as of "+" */
		ret[0] = '_';
		whole = false;
	}
	*ret_exact = whole;
	for (const char *at = name; *at; at++)
		if (*at >= 'a' && *at <= 'z')
			*ret_exact = false;
	return whole;
}

void fat_short_number(const uint8_t basis[SHORT_NAME_SIZE], unsigned number, uint8_t ret[SHORT_NAME_SIZE])
{
	char tail[16];
	size_t length = (size_t)snprintf(tail, sizeof(tail), "~%u", number), keep = 0;

	memcpy(ret, basis, SHORT_NAME_SIZE);
	while (keep < 8 - length && basis[keep] != ' ')
		keep++;
	memset(ret + keep, ' ', 8 - keep);
	memcpy(ret + keep, tail, length);
}
