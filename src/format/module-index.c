/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/module-index.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"

#define INDEX_MAGIC 0xB007F457
#define INDEX_VERSION 0x00020001 /* 2.1 */

/* The high bits of a node's offset say what the node has. */
#define NODE_HAS_PREFIX UINT32_C(0x80000000)
#define NODE_HAS_VALUES UINT32_C(0x40000000)
#define NODE_HAS_CHILDREN UINT32_C(0x20000000)
#define NODE_OFFSET_MAX UINT32_C(0x0fffffff)

void module_index_release(struct module_index *index)
{
	for (size_t i = 0; i < index->count; i++) {
		free(index->entries[i].key);
		free(index->entries[i].value);
	}
	free(index->entries);
	*index = (struct module_index){};
}

int module_index_add(struct module_index *index, const char *key, const char *value, uint32_t priority)
{
	_cleanup_free_ char *key_copy = strdup(key), *value_copy = strdup(value);

	if (!key_copy || !value_copy)
		return -ENOMEM;
	if (index->count == 0 || is_power_of_two_u64(index->count)) {
		struct module_index_entry *entries =
			reallocarray(index->entries, index->count ? 2 * index->count : 1, sizeof(*entries));

		if (!entries)
			return -ENOMEM;
		index->entries = entries;
	}
	index->entries[index->count++] = (struct module_index_entry){
		.key = TAKE_PTR(key_copy), .value = TAKE_PTR(value_copy), .priority = priority};
	return 0;
}

/* An entry while it is sorted: of equal ones, the later one comes first. */
struct place {
	const struct module_index_entry *entry;
	size_t index;
};

static int compare_places(const void *a, const void *b)
{
	const struct place *one = a, *other = b;
	int order = strcmp(one->entry->key, other->entry->key);

	if (order)
		return order;
	if (one->entry->priority != other->entry->priority)
		return one->entry->priority < other->entry->priority ? -1 : 1;
	return one->index > other->index ? -1 : one->index < other->index;
}

/* The entries of one node and of all below it: those that share the first *depth* characters. */
struct range {
	const struct place *begin, *end;
	size_t depth;
};

static const char *key_at(const struct place *place, size_t depth)
{
	return place->entry->key + depth;
}

/* How many characters more all keys of the range share: as they are sorted, the first and the last one tell.
 */
static size_t common_prefix(const struct range *range)
{
	const char *first = key_at(range->begin, range->depth), *last = key_at(range->end - 1, range->depth);
	size_t length = 0;

	while (first[length] && first[length] == last[length])
		length++;
	return length;
}

static void write_values(struct buffer *to, const struct place *begin, const struct place *end)
{
	buffer_append_be32(to, (uint32_t)(end - begin));
	for (; begin < end; begin++) {
		buffer_append_be32(to, begin->entry->priority);
		buffer_append(to, begin->entry->value, strlen(begin->entry->value) + 1);
	}
}

/* The part of the range whose keys go on with the same character as that of *begin*. */
static struct range next_child(const struct place *begin, const struct place *end, size_t depth)
{
	const struct place *at = begin;

	while (at < end && *key_at(at, depth) == *key_at(begin, depth))
		at++;
	return (struct range){.begin = begin, .end = at, .depth = depth + 1};
}

/*
 * Writes a node with all below it and returns its offset with its flags. The tree is as deep as the longest
 * key at most. The root has no prefix, even where all keys begin with the same characters.
 */
static uint32_t write_node(struct buffer *to, struct range range, bool is_root)
{
	uint32_t offset = (uint32_t)to->size;
	size_t prefix = is_root || range.begin == range.end ? 0 : common_prefix(&range), table = 0;
	const struct place *children = range.begin;
	uint8_t first = 0;

	if (prefix > 0) {
		buffer_append(to, key_at(range.begin, range.depth), prefix);
		buffer_append_u8(to, 0);
		offset |= NODE_HAS_PREFIX;
	}
	range.depth += prefix;
	while (children < range.end && !*key_at(children, range.depth))
		children++;
	if (children < range.end) {
		uint8_t last = (uint8_t)*key_at(range.end - 1, range.depth);

		first = (uint8_t)*key_at(children, range.depth);
		buffer_append_u8(to, first);
		buffer_append_u8(to, last);
		table = to->size;
		buffer_append_zeros(to, 4 * ((size_t)last - first + 1));
		offset |= NODE_HAS_CHILDREN;
	}
	if (children > range.begin) {
		write_values(to, range.begin, children);
		offset |= NODE_HAS_VALUES;
	}
	while (children < range.end) {
		struct range child = next_child(children, range.end, range.depth);
		size_t slot = table + 4 * (size_t)((uint8_t)*key_at(children, range.depth) - first);
		uint32_t at = write_node(to, child, false);

		if (!buffer_failed(to))
			write_be32(to->data + slot, at);
		children = child.end;
	}
	return offset;
}

/* Bytes that the format can't hold, and a bound for the size that needs no writing. */
static int check_entries(const struct module_index *index, struct error **err)
{
	for (size_t i = 0; i < index->count; i++) {
		const struct module_index_entry *entry = &index->entries[i];

		for (const char *at = entry->key; *at; at++)
			if ((uint8_t)*at > 127)
				return error_set(err, -EINVAL,
					"\"%s\" has a character beyond ASCII, which a module index can't "
					"hold",
					entry->key);
	}
	return 0;
}

int module_index_write(const struct module_index *index, struct buffer *to, struct error **err)
{
	_cleanup_free_ struct place *places = calloc(index->count + 1, sizeof(*places));
	_cleanup_buffer_ struct buffer out = {};
	uint32_t root;
	int r;

	if (!places)
		return error_set_errno(err, -ENOMEM, "module index");
	r = check_entries(index, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < index->count; i++)
		places[i] = (struct place){.entry = &index->entries[i], .index = i};
	qsort(places, index->count, sizeof(*places), compare_places);
	buffer_append_be32(&out, INDEX_MAGIC);
	buffer_append_be32(&out, INDEX_VERSION);
	buffer_append_be32(&out, 0);
	root = write_node(&out, (struct range){.begin = places, .end = places + index->count}, true);
	if (out.size > NODE_OFFSET_MAX)
		return error_set(err, -EFBIG, "module index of %zu bytes", out.size);
	if (!buffer_failed(&out)) {
		write_be32(out.data + 8, root);
		buffer_append(to, out.data, out.size);
	}
	if (buffer_failed(&out) || buffer_failed(to))
		return error_set_errno(err, -ENOMEM, "module index");
	return 0;
}
