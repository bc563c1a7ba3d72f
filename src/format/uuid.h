/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Universally unique identifiers (RFC 9562), with the byte order that GPT gives them (UEFI 2.10, appendix A)
 * and the two ways in which a build makes them without chance: from a name, and from a root hash.
 *
 * All but uuid_from_name(), which has a file of its own (uuid-name.c, it needs SHA-256), is free of
 * libraries.
 */
#pragma once

#include <string.h>

#include "base/macro.h"

#define UUID_SIZE 16
#define UUID_TEXT_SIZE 37 /* 36 characters and the NUL */

/* The bytes stand in the order of the text: what RFC 9562 calls network byte order. */
struct uuid {
	uint8_t bytes[UUID_SIZE];
};

/* Reads exactly 36 characters, of either case. Returns 0 or -EINVAL; *ret is written on success alone. */
int uuid_parse(const char *text, struct uuid *ret);

/* Lower-case text with its NUL into *ret*, which is returned. */
char *uuid_format(const struct uuid *uuid, char ret[UUID_TEXT_SIZE]);

/* To and from GPT, whose first three fields are little-endian. */
void uuid_to_gpt(const struct uuid *uuid, uint8_t ret[UUID_SIZE]);
struct uuid uuid_from_gpt(const uint8_t bytes[UUID_SIZE]);

/*
 * The first and the last 128 bits of a root hash of *size* bytes, at least 16: what the Discoverable
 * Partitions Specification wants as the unique ids of a data partition and of its hash tree. The bits stay as
 * they are: no version and no variant is written into them.
 */
struct uuid uuid_from_root_hash_first(const uint8_t *root_hash, size_t size);
struct uuid uuid_from_root_hash_last(const uint8_t *root_hash, size_t size);

/*
 * The UUID of *name* (*size* bytes) in *space*: version 8, custom, made as RFC 9562's appendix B.2 does: the
 * first 128 bits of SHA-256 over the space and the name. Equal names give equal UUIDs, in every build.
 * Returns 0 or -ENOMEM.
 */
int uuid_from_name(const struct uuid *space, const void *name, size_t size, struct uuid *ret);

static inline bool uuid_equal(const struct uuid *a, const struct uuid *b)
{
	return memcmp(a->bytes, b->bytes, UUID_SIZE) == 0;
}

static inline bool uuid_is_zero(const struct uuid *uuid)
{
	return uuid_equal(uuid, &(const struct uuid){});
}
