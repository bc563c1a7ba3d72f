/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/utf16.h"

#include <errno.h>

#define REPLACEMENT 0xfffdu

static bool is_high_surrogate(uint32_t unit)
{
	return unit >= 0xd800 && unit < 0xdc00;
}

static bool is_low_surrogate(uint32_t unit)
{
	return unit >= 0xdc00 && unit < 0xe000;
}

/* Reads one character and moves *text behind it. A sequence has one right length only (RFC 3629, section 3).
 */
static int decode_utf8(const uint8_t **text, uint32_t *ret)
{
	static const uint32_t smallest[] = {0, 0x80, 0x800, 0x10000};
	const uint8_t *at = *text;
	uint32_t value = *at++;
	unsigned more;

	if (value < 0x80)
		more = 0;
	else if (value >= 0xc2 && value < 0xe0)
		more = 1, value &= 0x1f;
	else if (value >= 0xe0 && value < 0xf0)
		more = 2, value &= 0x0f;
	else if (value >= 0xf0 && value < 0xf5)
		more = 3, value &= 0x07;
	else
		return -EILSEQ;
	for (unsigned i = 0; i < more; i++, at++) {
		if ((*at & 0xc0) != 0x80)
			return -EILSEQ;
		value = value << 6 | (*at & 0x3fu);
	}
	if (value < smallest[more] || value > 0x10ffff || is_high_surrogate(value) || is_low_surrogate(value))
		return -EILSEQ;
	*text = at;
	*ret = value;
	return 0;
}

bool utf8_is_valid(const char *text)
{
	const uint8_t *at = (const uint8_t *)text;
	uint32_t value;

	while (*at)
		if (decode_utf8(&at, &value) < 0)
			return false;
	return true;
}

int utf16_from_utf8(const char *text, uint16_t *ret, size_t max, size_t *ret_count)
{
	const uint8_t *at = (const uint8_t *)text;
	size_t count = 0;

	while (*at) {
		uint32_t value;
		int r = decode_utf8(&at, &value);

		if (r < 0)
			return r;
		if (max - count < (value < 0x10000 ? 1 : 2))
			return -ENAMETOOLONG;
		if (value < 0x10000) {
			ret[count++] = (uint16_t)value;
		} else {
			ret[count++] = (uint16_t)(0xd800 + ((value - 0x10000) >> 10));
			ret[count++] = (uint16_t)(0xdc00 + ((value - 0x10000) & 0x3ff));
		}
	}
	*ret_count = count;
	return 0;
}

static char *encode_utf8(uint32_t value, char *at)
{
	if (value < 0x80) {
		*at++ = (char)value;
	} else if (value < 0x800) {
		*at++ = (char)(0xc0 | value >> 6);
		*at++ = (char)(0x80 | (value & 0x3f));
	} else if (value < 0x10000) {
		*at++ = (char)(0xe0 | value >> 12);
		*at++ = (char)(0x80 | (value >> 6 & 0x3f));
		*at++ = (char)(0x80 | (value & 0x3f));
	} else {
		*at++ = (char)(0xf0 | value >> 18);
		*at++ = (char)(0x80 | (value >> 12 & 0x3f));
		*at++ = (char)(0x80 | (value >> 6 & 0x3f));
		*at++ = (char)(0x80 | (value & 0x3f));
	}
	return at;
}

bool utf16_to_utf8(const uint16_t *units, size_t count, char *ret)
{
	bool whole = true;

	for (size_t i = 0; i < count && units[i]; i++) {
		uint32_t value = units[i];

		if (is_high_surrogate(value) && i + 1 < count && is_low_surrogate(units[i + 1])) {
			value = 0x10000 + ((value - 0xd800) << 10) + (units[++i] - 0xdc00u);
		} else if (is_high_surrogate(value) || is_low_surrogate(value)) {
			value = REPLACEMENT;
			whole = false;
		}
		ret = encode_utf8(value, ret);
	}
	*ret = 0;
	return whole;
}
