/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/string-util.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>

char *string_free(char *string)
{
	free(string);
	return NULL;
}

char *string_format(const char *format, ...)
{
	char *text;
	va_list args;
	int n;

	va_start(args, format);
	n = vasprintf(&text, format, args);
	va_end(args);
	return n < 0 ? NULL : text;
}

/* Reads digits up to *end* of the string or to a character that is none, which *ret_end* then points to. */
static int parse_digits(const char *string, const char **ret_end, uint64_t *ret)
{
	uint64_t value = 0;
	const char *at = string;

	for (; isdigit((unsigned char)*at); at++)
		if (!checked_mul(value, 10, &value) || !checked_add(value, (uint64_t)(*at - '0'), &value))
			return -ERANGE;
	if (at == string)
		return -EINVAL;
	*ret_end = at;
	*ret = value;
	return 0;
}

int parse_u64(const char *string, uint64_t *ret)
{
	const char *end;
	uint64_t value;
	int r = parse_digits(string, &end, &value);

	if (r < 0)
		return r;
	if (*end)
		return -EINVAL;
	*ret = value;
	return 0;
}

int parse_size(const char *string, uint64_t *ret)
{
	static const char units[] = "KMGT";
	const char *end, *unit;
	uint64_t value;
	int r = parse_digits(string, &end, &value);

	if (r < 0)
		return r;
	if (*end) {
		unit = strchr(units, *end);
		if (!unit || (end[1] && !streq(end + 1, "iB")))
			return -EINVAL;
		if (!checked_mul(value, (uint64_t)1 << (10 * (unit - units + 1)), &value))
			return -ERANGE;
	}
	*ret = value;
	return 0;
}

bool string_has_control(const char *string)
{
	for (; *string; string++)
		if ((unsigned char)*string < ' ' || *string == 127)
			return true;
	return false;
}

char *format_size(uint64_t bytes, char ret[SIZE_TEXT_MAX])
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	double value = (double)bytes;
	size_t unit = 0;

	while (value >= 1023.95 && unit + 1 < ARRAY_SIZE(units)) {
		value /= 1024;
		unit++;
	}
	(void)snprintf(ret, SIZE_TEXT_MAX, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
	return ret;
}

void strv_release(struct strv *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i]);
	free(list->items);
	*list = (struct strv){};
}

int strv_push(struct strv *list, char *string)
{
	char **items;

	if (!string)
		return -ENOMEM;
	/* Room for the NULL behind the last one; capacities are the powers of two. */
	if (list->count == 0 || is_power_of_two_u64(list->count + 1)) {
		items = reallocarray(list->items, 2 * (list->count + 1), sizeof(*items));
		if (!items) {
			free(string);
			return -ENOMEM;
		}
		list->items = items;
	}
	list->items[list->count++] = string;
	list->items[list->count] = NULL;
	return 0;
}

int strv_add(struct strv *list, const char *string)
{
	return strv_push(list, strdup(string));
}

int strv_addf(struct strv *list, const char *format, ...)
{
	char *text;
	va_list args;
	int n;

	va_start(args, format);
	n = vasprintf(&text, format, args);
	va_end(args);
	return strv_push(list, n < 0 ? NULL : text);
}

bool strv_contains(const struct strv *list, const char *string)
{
	for (size_t i = 0; i < list->count; i++)
		if (streq(list->items[i], string))
			return true;
	return false;
}

static int compare_strings(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void strv_sort_unique(struct strv *list)
{
	size_t kept = 0;

	if (list->count == 0)
		return;
	qsort(list->items, list->count, sizeof(*list->items), compare_strings);
	for (size_t i = 1; i < list->count; i++) {
		if (streq(list->items[kept], list->items[i]))
			free(list->items[i]);
		else
			list->items[++kept] = list->items[i];
	}
	list->count = kept + 1;
	list->items[list->count] = NULL;
}
