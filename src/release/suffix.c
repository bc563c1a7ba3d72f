/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "release/suffix.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/*
 * A sort under way, after *depth* bytes. Suffixes that are equal so far stand together in *order* as a group,
 * whose number is the index of its last member; *group* has the number of each suffix's. A group of one is
 * sorted, and runs of those are skipped: the first has minus their number in place of its suffix.
 */
struct sorting {
	int32_t *order, *group;
	int32_t depth;
};

/* What suffixes of one group are told apart by: the groups of what follows them *depth* bytes on. */
static int32_t key(const struct sorting *s, int32_t index)
{
	return s->group[s->order[index] + s->depth];
}

static void swap(int32_t *a, int32_t *b)
{
	int32_t value = *a;

	*a = *b;
	*b = value;
}

/* The members from *begin* to *end* are equal: one group, or sorted where there is only one. */
static void make_group(struct sorting *s, int32_t begin, int32_t end)
{
	for (int32_t i = begin; i < end; i++)
		s->group[s->order[i]] = end - 1;
	if (end - begin == 1)
		s->order[begin] = -1;
}

static int32_t median_key(const struct sorting *s, int32_t begin, int32_t end)
{
	int32_t a = key(s, begin), b = key(s, begin + (end - begin) / 2), c = key(s, end - 1);

	if (a < b)
		return b < c ? b : MAX(a, c);
	return a < c ? a : MAX(b, c);
}

/*
 * Sorts the members from *begin* to *end* of a group by their keys and splits it. Groups must be made from
 * the lowest to the highest: keys of later ones may be numbers of these, and must not sink below what they
 * were.
 */
static void split(struct sorting *s, int32_t begin, int32_t end)
{
	while (end - begin > 1) {
		int32_t pivot = median_key(s, begin, end), less = begin, more = end, i = begin;

		while (i < more) {
			int32_t k = key(s, i);

			if (k < pivot)
				swap(&s->order[less++], &s->order[i++]);
			else if (k > pivot)
				swap(&s->order[i], &s->order[--more]);
			else
				i++;
		}
		split(s, begin, less);
		make_group(s, less, more);
		begin = more;
	}
	if (end - begin == 1)
		make_group(s, begin, end);
}

/* Sorts by the first byte; the empty suffix comes before all. */
static void sort_first(struct sorting *s, const uint8_t *data, int32_t size)
{
	int32_t ends[257] = {};

	for (int32_t i = 0; i < size; i++)
		ends[data[i] + 1]++;
	for (size_t i = 1; i < ARRAY_SIZE(ends); i++)
		ends[i] += ends[i - 1];
	/* ends[b] is now where the suffixes that begin with b begin, and is moved on with each. */
	s->order[0] = size;
	for (int32_t i = 0; i < size; i++)
		s->order[1 + ends[data[i]]++] = i;
	s->group[size] = 0;
	for (int32_t begin = 1, b = 0; b < 256; b++) {
		for (int32_t i = begin; i < 1 + ends[b]; i++)
			s->group[s->order[i]] = ends[b];
		if (ends[b] == begin)
			s->order[begin] = -1;
		begin = 1 + ends[b];
	}
	s->order[0] = -1;
}

/* Splits all groups by the next *depth* bytes; joins what is sorted. False where all is. */
static bool split_all(struct sorting *s, int32_t count)
{
	int32_t sorted = 0;

	for (int32_t i = 0; i < count;) {
		int32_t end;

		if (s->order[i] < 0) {
			sorted -= s->order[i];
			i -= s->order[i];
			continue;
		}
		if (sorted > 0)
			s->order[i - sorted] = -sorted;
		sorted = 0;
		end = s->group[s->order[i]] + 1;
		split(s, i, end);
		i = end;
	}
	if (sorted > 0)
		s->order[count - sorted] = -sorted;
	return sorted < count;
}

int suffixes_init(const uint8_t *data, size_t size, struct suffixes *ret)
{
	struct sorting sorting = {.depth = 1};
	int32_t count = (int32_t)size + 1;

	assert(size <= SUFFIX_SIZE_MAX);
	sorting.order = calloc((size_t)count, sizeof(int32_t));
	sorting.group = calloc((size_t)count, sizeof(int32_t));
	if (!sorting.order || !sorting.group) {
		free(sorting.order);
		free(sorting.group);
		return -ENOMEM;
	}
	sort_first(&sorting, data, (int32_t)size);
	while (split_all(&sorting, count))
		sorting.depth *= 2;
	/* Each suffix is its own group now, whose number is its place. */
	for (int32_t i = 0; i < count; i++)
		sorting.order[sorting.group[i]] = i;
	free(sorting.group);
	*ret = (struct suffixes){.data = data, .size = size, .order = sorting.order};
	return 0;
}

void suffixes_release(struct suffixes *suffixes)
{
	free(suffixes->order);
	*suffixes = (struct suffixes){};
}

static size_t common(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size)
{
	size_t size = MIN(a_size, b_size), i = 0;

	while (i < size && a[i] == b[i])
		i++;
	return i;
}

size_t suffixes_find(const struct suffixes *suffixes, const uint8_t *text, size_t size, size_t *ret)
{
	size_t low = 0, high = suffixes->size, best = 0;

	*ret = 0;
	/* The neighbours of where *text* would stand have the longest beginning in common with it. */
	while (low <= high) {
		size_t middle = low + (high - low) / 2, at = (size_t)suffixes->order[middle];
		size_t length = common(suffixes->data + at, suffixes->size - at, text, size);

		if (length > best) {
			best = length;
			*ret = at;
		}
		if (length == size)
			break;
		if (at + length == suffixes->size || suffixes->data[at + length] < text[length])
			low = middle + 1;
		else if (middle == 0)
			break;
		else
			high = middle - 1;
	}
	return best;
}
