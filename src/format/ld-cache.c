/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/ld-cache.h"

#include <errno.h>

#define MAGIC "glibc-ld.so.cache1.1"
#define LITTLE_ENDIAN_FLAG 2
#define HEADER_SIZE 48
#define ENTRY_SIZE 24
#define HWCAPS_ENTRY (UINT64_C(1) << 62) /* the low half is an index into the list of hwcaps names */

#define EXTENSION_MAGIC UINT32_C(0xeaa42174)
#define EXTENSION_HEADER_SIZE 8
#define EXTENSION_SECTION_SIZE 16
#define TAG_GENERATOR 0
#define TAG_HWCAPS 1

void ld_cache_release(struct ld_cache *cache)
{
	for (size_t i = 0; i < cache->count; i++) {
		free(cache->entries[i].name);
		free(cache->entries[i].path);
		free(cache->entries[i].hwcaps);
	}
	free(cache->entries);
	strv_release(&cache->hwcaps);
	free(cache->generator);
	*cache = (struct ld_cache){};
}

int ld_cache_add(struct ld_cache *cache, const struct ld_cache_entry *entry)
{
	_cleanup_free_ char *name = strdup(entry->name), *path = strdup(entry->path), *hwcaps = NULL;

	if (entry->hwcaps)
		hwcaps = strdup(entry->hwcaps);
	if (!name || !path || (entry->hwcaps && !hwcaps))
		return -ENOMEM;
	if (cache->count == 0 || is_power_of_two_u64(cache->count)) {
		struct ld_cache_entry *entries =
			reallocarray(cache->entries, cache->count ? 2 * cache->count : 1, sizeof(*entries));

		if (!entries)
			return -ENOMEM;
		cache->entries = entries;
	}
	cache->entries[cache->count++] = (struct ld_cache_entry){
		.name = TAKE_PTR(name),
		.path = TAKE_PTR(path),
		.flags = entry->flags,
		.hwcaps = TAKE_PTR(hwcaps),
		.isa_level = entry->isa_level,
	};
	return 0;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* The loader's numbers are ints that wrap around; names with such large ones don't exist. */
static uint32_t take_number(const char **at)
{
	uint32_t value = 0;

	for (; is_digit(**at); (*at)++)
		value = value * 10 + (uint32_t)(**at - '0');
	return value;
}

int ld_cache_compare(const char *a, const char *b)
{
	while (*a) {
		if (is_digit(*a) && is_digit(*b)) {
			uint32_t one = take_number(&a), other = take_number(&b);

			if (one != other)
				return one < other ? -1 : 1;
			continue;
		}
		if (is_digit(*a) != is_digit(*b))
			return is_digit(*a) ? 1 : -1;
		if (*a != *b)
			return *a < *b ? -1 : 1;
		a++;
		b++;
	}
	return *b ? -1 : 0;
}

/* From the highest name to the lowest; of one name, those in hwcaps folders first, for the loader stops at
 * another. */
static int compare_entries(const struct ld_cache_entry *a, const struct ld_cache_entry *b)
{
	int order = ld_cache_compare(b->name, a->name);

	if (order)
		return order;
	if (a->flags != b->flags)
		return a->flags > b->flags ? -1 : 1;
	if (!a->hwcaps != !b->hwcaps)
		return a->hwcaps ? -1 : 1;
	return a->hwcaps ? strcmp(a->hwcaps, b->hwcaps) : 0;
}

/* Sorts without changing the order of what is alike. */
static void sort_entries(struct ld_cache *cache)
{
	for (size_t i = 1; i < cache->count; i++) {
		struct ld_cache_entry entry = cache->entries[i];
		size_t at = i;

		for (; at > 0 && compare_entries(&cache->entries[at - 1], &entry) > 0; at--)
			cache->entries[at] = cache->entries[at - 1];
		cache->entries[at] = entry;
	}
}

/* A string with its place in the string table. */
struct placed {
	const char *string;
	size_t length;
	uint64_t offset;
};

/* Compares from the end, descending, so that a string stands directly behind those that end with it. */
static int compare_tails(const void *a, const void *b)
{
	const struct placed *one = a, *other = b;
	size_t common = MIN(one->length, other->length);

	for (size_t i = 1; i <= common; i++) {
		uint8_t c = (uint8_t)one->string[one->length - i],
			d = (uint8_t)other->string[other->length - i];

		if (c != d)
			return c > d ? -1 : 1;
	}
	return one->length > other->length ? -1 : one->length < other->length;
}

struct strings {
	struct placed *items; /* in the order of compare_tails(), none twice */
	size_t count;
	uint64_t size;
};

static void strings_release(struct strings *strings)
{
	free(strings->items);
}

static void strings_add(struct strings *strings, const char *string)
{
	strings->items[strings->count++] = (struct placed){.string = string, .length = strlen(string)};
}

/* Gives each string its place; one that another one ends with needs none of its own. */
static void strings_place(struct strings *strings)
{
	struct placed *items = strings->items;
	size_t kept = 0;

	qsort(items, strings->count, sizeof(*items), compare_tails);
	for (size_t i = 0; i < strings->count; i++) {
		struct placed *last = kept > 0 ? &items[kept - 1] : NULL;

		if (last && compare_tails(last, &items[i]) == 0)
			continue;
		if (last && endswith(last->string, items[i].string)) {
			items[i].offset = last->offset + last->length - items[i].length;
		} else {
			items[i].offset = strings->size;
			strings->size += items[i].length + 1;
		}
		items[kept++] = items[i];
	}
	strings->count = kept;
}

static int strings_collect(const struct ld_cache *cache, struct strings *ret)
{
	ret->items = calloc(2 * cache->count + cache->hwcaps.count + 1, sizeof(*ret->items));
	if (!ret->items)
		return -ENOMEM;
	for (size_t i = 0; i < cache->count; i++) {
		strings_add(ret, cache->entries[i].name);
		strings_add(ret, cache->entries[i].path);
	}
	for (size_t i = 0; i < cache->hwcaps.count; i++)
		strings_add(ret, cache->hwcaps.items[i]);
	strings_place(ret);
	return 0;
}

static uint32_t offset_of(const struct ld_cache *cache, const struct strings *strings, const char *string)
{
	struct placed key = {.string = string, .length = strlen(string)};
	const struct placed *found =
		bsearch(&key, strings->items, strings->count, sizeof(*strings->items), compare_tails);

	return (uint32_t)(HEADER_SIZE + cache->count * ENTRY_SIZE + (found ? found->offset : 0));
}

static void write_strings(struct buffer *to, const struct strings *strings)
{
	for (size_t i = 0; i < strings->count; i++)
		if (i == 0 || !endswith(strings->items[i - 1].string, strings->items[i].string))
			buffer_append(to, strings->items[i].string, strings->items[i].length + 1);
}

/* The names of the hwcaps folders that hold libraries, sorted. */
static int used_hwcaps(const struct ld_cache *cache, struct strv *ret)
{
	for (size_t i = 0; i < cache->count; i++)
		if (cache->entries[i].hwcaps && strv_add(ret, cache->entries[i].hwcaps) < 0)
			return -ENOMEM;
	strv_sort_unique(ret);
	return 0;
}

static void write_entry(struct buffer *to, const struct ld_cache *cache, const struct ld_cache_entry *entry,
	const struct strings *strings, const struct strv *hwcaps)
{
	uint64_t value = 0;

	for (size_t i = 0; entry->hwcaps && i < hwcaps->count; i++)
		if (streq(hwcaps->items[i], entry->hwcaps))
			value = HWCAPS_ENTRY | (uint64_t)entry->isa_level << 32 | i;
	buffer_append_le32(to, (uint32_t)entry->flags);
	buffer_append_le32(to, offset_of(cache, strings, entry->name));
	buffer_append_le32(to, offset_of(cache, strings, entry->path));
	buffer_append_le32(to, 0); /* a version of the kernel, once */
	buffer_append_le64(to, value);
}

static void write_section(struct buffer *to, uint32_t tag, size_t offset, size_t size)
{
	buffer_append_le32(to, tag);
	buffer_append_le32(to, 0); /* flags */
	buffer_append_le32(to, (uint32_t)offset);
	buffer_append_le32(to, (uint32_t)size);
}

static void write_extension(struct buffer *to, const struct ld_cache *cache, const struct strings *strings,
	const struct strv *hwcaps)
{
	uint32_t sections = hwcaps->count > 0 ? 2 : 1;
	size_t names = to->size + EXTENSION_HEADER_SIZE + sections * EXTENSION_SECTION_SIZE;
	size_t names_size = hwcaps->count * sizeof(uint32_t);

	buffer_append_le32(to, EXTENSION_MAGIC);
	buffer_append_le32(to, sections);
	write_section(to, TAG_GENERATOR, names + names_size, strlen(cache->generator));
	if (hwcaps->count > 0)
		write_section(to, TAG_HWCAPS, names, names_size);
	for (size_t i = 0; i < hwcaps->count; i++)
		buffer_append_le32(to, offset_of(cache, strings, hwcaps->items[i]));
	buffer_append_string(to, cache->generator);
}

static void write_header(struct buffer *to, const struct ld_cache *cache, uint64_t strings_size)
{
	uint64_t extension = round_up_u64(
		HEADER_SIZE + (uint64_t)cache->count * ENTRY_SIZE + strings_size, sizeof(uint32_t));

	buffer_append_string(to, MAGIC);
	buffer_append_le32(to, (uint32_t)cache->count);
	buffer_append_le32(to, (uint32_t)strings_size);
	buffer_append_u8(to, LITTLE_ENDIAN_FLAG);
	buffer_append_zeros(to, 3);
	buffer_append_le32(to, (uint32_t)extension);
	buffer_append_zeros(to, 12);
}

int ld_cache_write(struct ld_cache *cache, struct buffer *to, struct error **err)
{
	_cleanup_(strings_release) struct strings strings = {};
	_cleanup_buffer_ struct buffer out = {};
	_cleanup_strv_ struct strv hwcaps = {};

	sort_entries(cache);
	if (strings_collect(cache, &strings) < 0 || used_hwcaps(cache, &hwcaps) < 0)
		return error_set_errno(err, -ENOMEM, "ld.so.cache");
	if (strings.size > UINT32_MAX / 4 || cache->count > UINT32_MAX / 4 / ENTRY_SIZE)
		return error_set(err, -EFBIG, "ld.so.cache: %zu libraries are too many", cache->count);
	write_header(&out, cache, strings.size);
	for (size_t i = 0; i < cache->count; i++)
		write_entry(&out, cache, &cache->entries[i], &strings, &hwcaps);
	write_strings(&out, &strings);
	buffer_align(&out, sizeof(uint32_t));
	write_extension(&out, cache, &strings, &hwcaps);
	if (!buffer_failed(&out))
		buffer_append(to, out.data, out.size);
	if (buffer_failed(&out) || buffer_failed(to))
		return error_set_errno(err, -ENOMEM, "ld.so.cache");
	return 0;
}
