/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/encoding.h"

#include <errno.h>
#include <string.h>

static const char hex_digits[] = "0123456789abcdef";
static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void hex_encode(const void *data, size_t size, char *ret)
{
	const uint8_t *bytes = data;

	for (size_t i = 0; i < size; i++) {
		ret[2 * i] = hex_digits[bytes[i] >> 4];
		ret[2 * i + 1] = hex_digits[bytes[i] & 15];
	}
	ret[2 * size] = 0;
}

char *hex_encode_new(const void *data, size_t size)
{
	char *text = malloc(2 * size + 1);

	if (text)
		hex_encode(data, size, text);
	return text;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int hex_decode(const char *text, void *ret, size_t size)
{
	uint8_t *bytes = ret;

	for (size_t i = 0; i < size; i++) {
		int high = hex_value(text[2 * i]), low;

		if (high < 0)
			return -EINVAL;
		low = hex_value(text[2 * i + 1]);
		if (low < 0)
			return -EINVAL;
		bytes[i] = (uint8_t)(high << 4 | low);
	}
	return 0;
}

char *base64_encode_new(const void *data, size_t size)
{
	const uint8_t *bytes = data;
	char *text = malloc((size + 2) / 3 * 4 + 1), *at = text;

	if (!text)
		return NULL;
	for (size_t i = 0; i < size; i += 3) {
		uint32_t group = (uint32_t)bytes[i] << 16;

		if (i + 1 < size)
			group |= (uint32_t)bytes[i + 1] << 8;
		if (i + 2 < size)
			group |= bytes[i + 2];
		*at++ = base64_digits[group >> 18];
		*at++ = base64_digits[group >> 12 & 63];
		*at++ = i + 1 < size ? base64_digits[group >> 6 & 63] : '=';
		*at++ = i + 2 < size ? base64_digits[group & 63] : '=';
	}
	*at = 0;
	return text;
}

static int base64_value(char c)
{
	const char *at = c ? strchr(base64_digits, c) : NULL;

	return at ? (int)(at - base64_digits) : -1;
}

/* Decodes one group of four characters, of which *pad* at the end are padding; returns the group's 24 bits.
 */
static int64_t base64_group(const char *text, unsigned pad)
{
	uint32_t group = 0;

	for (unsigned i = 0; i < 4; i++) {
		int value = i >= 4 - pad ? 0 : base64_value(text[i]);

		if (value < 0)
			return -EINVAL;
		group = group << 6 | (uint32_t)value;
	}
	if ((pad >= 1 && (group & 0xff)) || (pad == 2 && (group & 0xffff)))
		return -EINVAL;
	return group;
}

int base64_decode(const char *text, size_t length, struct buffer *ret)
{
	if (length % 4)
		return -EINVAL;
	for (size_t i = 0; i < length; i += 4) {
		unsigned pad = 0;
		int64_t group;
		uint8_t bytes[3];

		if (i + 4 == length)
			pad = text[i + 3] != '=' ? 0 : text[i + 2] != '=' ? 1 : 2;
		group = base64_group(text + i, pad);
		if (group < 0)
			return -EINVAL;
		bytes[0] = (uint8_t)(group >> 16);
		bytes[1] = (uint8_t)(group >> 8);
		bytes[2] = (uint8_t)group;
		buffer_append(ret, bytes, 3 - pad);
	}
	return buffer_failed(ret) ? -ENOMEM : 0;
}
