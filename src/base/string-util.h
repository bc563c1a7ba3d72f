/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Small string helpers, and `struct strv`, a list of strings that owns them.
 */
#pragma once

#include <string.h>
#include <strings.h>

#include "base/macro.h"

static inline bool streq(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

/* Where *string* begins with *prefix*, what follows it; NULL otherwise. */
static inline const char *startswith(const char *string, const char *prefix)
{
	size_t length = strlen(prefix);

	return strncmp(string, prefix, length) == 0 ? string + length : NULL;
}

static inline bool endswith(const char *string, const char *suffix)
{
	size_t length = strlen(string), tail = strlen(suffix);

	return length >= tail && streq(string + length - tail, suffix);
}

/* The same, with upper and lower case of ASCII taken as equal, as FAT takes names. */
static inline const char *startswith_nocase(const char *string, const char *prefix)
{
	size_t length = strlen(prefix);

	return strncasecmp(string, prefix, length) == 0 ? string + length : NULL;
}

static inline bool endswith_nocase(const char *string, const char *suffix)
{
	size_t length = strlen(string), tail = strlen(suffix);

	return length >= tail && strcasecmp(string + length - tail, suffix) == 0;
}

/* Frees and returns NULL. */
char *string_free(char *string);

/* A formatted, malloc()ed string; NULL where memory is out. */
char *string_format(const char *format, ...) _printf_(1, 2);

/*
 * Reads an unsigned decimal number that fills the whole string: no sign, no space. Returns 0, -EINVAL or
 * -ERANGE.
 */
int parse_u64(const char *string, uint64_t *ret);

/* A size in bytes: a decimal number with an optional suffix K, M, G or T (powers of 1024, with or without
 * "iB"). */
int parse_size(const char *string, uint64_t *ret);

/* "3.4 MiB" and the like into *ret*, which is returned. */
#define SIZE_TEXT_MAX 32
char *format_size(uint64_t bytes, char ret[SIZE_TEXT_MAX]);

/* Whether a control character of ASCII is in a string. */
bool string_has_control(const char *string);

/* A list of strings. Initialise with `= {}`. The array is always followed by NULL once something was added.
 */
struct strv {
	char **items;
	size_t count;
};

void strv_release(struct strv *list);
#define _cleanup_strv_ _cleanup_(strv_release)

/* Each returns 0 or -ENOMEM. strv_push() takes the string over, also when it fails; NULL is then -ENOMEM. */
int strv_add(struct strv *list, const char *string);
int strv_push(struct strv *list, char *string);
int strv_addf(struct strv *list, const char *format, ...) _printf_(2, 3);

bool strv_contains(const struct strv *list, const char *string);

/* Sorts by byte value and drops repetitions. */
void strv_sort_unique(struct strv *list);
