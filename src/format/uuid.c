/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/uuid.h"

#include <assert.h>
#include <errno.h>

#include "base/encoding.h"

/* Bytes in each of the five groups of digits. */
static const size_t groups[] = {4, 2, 2, 2, 6};

int uuid_parse(const char *text, struct uuid *ret)
{
	struct uuid uuid;
	size_t done = 0;

	if (strnlen(text, UUID_TEXT_SIZE) != UUID_TEXT_SIZE - 1)
		return -EINVAL;
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
		if (i > 0 && *text++ != '-')
			return -EINVAL;
		if (hex_decode(text, uuid.bytes + done, groups[i]) < 0)
			return -EINVAL;
		done += groups[i];
		text += 2 * groups[i];
	}
	*ret = uuid;
	return 0;
}

char *uuid_format(const struct uuid *uuid, char ret[UUID_TEXT_SIZE])
{
	size_t done = 0;
	char *at = ret;

	for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
		if (i > 0)
			*at++ = '-';
		hex_encode(uuid->bytes + done, groups[i], at);
		done += groups[i];
		at += 2 * groups[i];
	}
	return ret;
}

/* The same permutation leads there and back. */
static void swap_fields(const uint8_t *from, uint8_t *to)
{
	static const uint8_t order[UUID_SIZE] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};

	for (size_t i = 0; i < UUID_SIZE; i++)
		to[i] = from[order[i]];
}

void uuid_to_gpt(const struct uuid *uuid, uint8_t ret[UUID_SIZE])
{
	swap_fields(uuid->bytes, ret);
}

struct uuid uuid_from_gpt(const uint8_t bytes[UUID_SIZE])
{
	struct uuid uuid;

	swap_fields(bytes, uuid.bytes);
	return uuid;
}

struct uuid uuid_from_root_hash_first(const uint8_t *root_hash, size_t size)
{
	struct uuid uuid;

	assert(size >= UUID_SIZE);
	memcpy(uuid.bytes, root_hash, UUID_SIZE);
	return uuid;
}

struct uuid uuid_from_root_hash_last(const uint8_t *root_hash, size_t size)
{
	assert(size >= UUID_SIZE);
	return uuid_from_root_hash_first(root_hash + size - UUID_SIZE, UUID_SIZE);
}
