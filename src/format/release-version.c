/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "format/release-index.h"

/* Letters and digits of ASCII, whatever the locale. */
static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_part(char c)
{
	return is_digit(c) || is_letter(c) || (c != 0 && strchr("-.~^", c));
}

bool release_version_is_valid(const char *text)
{
	size_t length = 0;

	if (!is_digit(text[0]) && !is_letter(text[0]))
		return false;
	while (is_part(text[length]) || text[length] == '_')
		length++;
	return length <= RELEASE_NAME_MAX && text[length] == 0;
}

static int order(ptrdiff_t a, ptrdiff_t b)
{
	return (a > b) - (a < b);
}

static size_t run_of(const char *text, bool (*is)(char))
{
	size_t length = 0;

	while (is(text[length]))
		length++;
	return length;
}

/* Takes one leading *mark* off both; where just one has it, that one is the lower. */
static int compare_mark(const char **a, const char **b, char mark)
{
	bool in_a = **a == mark, in_b = **b == mark;

	*a += in_a;
	*b += in_b;
	return in_b - in_a;
}

/* Numbers of any length: without leading zeros, the longer one is the larger. */
static int compare_numbers(const char **a, const char **b)
{
	size_t digits_a = run_of(*a, is_digit), digits_b = run_of(*b, is_digit);
	int r = order(digits_a > 0, digits_b > 0);

	for (; r == 0 && **a == '0'; digits_a--)
		(*a)++;
	for (; r == 0 && **b == '0'; digits_b--)
		(*b)++;
	if (r == 0)
		r = order((ptrdiff_t)digits_a, (ptrdiff_t)digits_b);
	if (r == 0)
		r = strncmp(*a, *b, digits_a);
	*a += digits_a;
	*b += digits_b;
	return r;
}

static int compare_letters(const char **a, const char **b)
{
	size_t letters_a = run_of(*a, is_letter), letters_b = run_of(*b, is_letter);
	int r = strncmp(*a, *b, MIN(letters_a, letters_b));

	*a += letters_a;
	*b += letters_b;
	return r != 0 ? r : order((ptrdiff_t)letters_a, (ptrdiff_t)letters_b);
}

static const char *skip_others(const char *text)
{
	while (*text && !is_part(*text))
		text++;
	return text;
}

int release_version_compare(const char *a, const char *b)
{
	for (;;) {
		int r;

		a = skip_others(a);
		b = skip_others(b);
		r = compare_mark(&a, &b, '~');
		/* Behind "~" and before the others: an end is above "~" and below all else. */
		if (r == 0 && (*a == 0 || *b == 0))
			return order(*a != 0, *b != 0);
		for (const char *mark = "-^."; r == 0 && *mark; mark++)
			r = compare_mark(&a, &b, *mark);
		if (r == 0)
			r = is_digit(*a) || is_digit(*b) ? compare_numbers(&a, &b) : compare_letters(&a, &b);
		if (r != 0)
			return r;
	}
}
