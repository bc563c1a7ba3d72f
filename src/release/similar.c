/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "release/similar.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/file.h"
#include "base/work.h"

#define WINDOW 16
#define SEGMENT_BLOCKS 8  /* voted for together */
#define ITEM_SEGMENTS 128 /* hashed at a time by one thread: 4 MiB */
#define BATCH_ITEMS 16
#define ENTRIES_MAX (32u << 20) /* 384 MiB; in a larger image fewer windows are picked */
#define PICK_BITS_LEAST 4	/* one window of 16 */
#define COMMON 8		/* a window in so many segments says nothing */
#define VOTE 840		/* a multiple of all numbers below COMMON + 1 */
#define VOTES_LEAST VOTE	/* of a segment that is taken */
#define NOTHING UINT32_MAX

/* A window of a segment, in a chain of those whose hashes end alike. */
struct entry {
	uint32_t hash, segment, next;
};

struct similar {
	uint64_t blocks;
	uint32_t segments;
	unsigned pick_bits;
	struct entry *entries;
	size_t count, capacity;
	uint32_t *chains;
	uint32_t mask;
};

static uint64_t hash_window(const uint8_t *data)
{
	uint64_t a = read_le64(data), b = read_le64(data + 8);
	uint64_t hash = a * UINT64_C(0x9e3779b97f4a7c15) ^ b * UINT64_C(0xc2b2ae3d27d4eb4f);

	hash ^= hash >> 29;
	hash *= UINT64_C(0xbf58476d1ce4e5b9);
	return hash ^ hash >> 32;
}

/*
 * Goes through the windows of *data* that are picked: the next one from *at* on. Returns its offset, *size*
 * where there is none. Windows of one byte repeated are everywhere, and never picked.
 */
static size_t next_window(
	const struct similar *similar, const uint8_t *data, size_t size, size_t at, uint32_t *ret_hash)
{
	uint64_t pick = (UINT64_C(1) << similar->pick_bits) - 1;

	for (; at + WINDOW <= size; at++) {
		uint64_t hash = hash_window(data + at);

		if ((hash & pick) != 0 || memcmp(data + at, data + at + 1, WINDOW - 1) == 0)
			continue;
		*ret_hash = (uint32_t)(hash >> 32);
		return at;
	}
	return size;
}

/* ---- Making it ---- */

/* The windows of some segments: 32 bits of hash, 32 of segment. */
struct found {
	uint64_t *windows;
	size_t count, capacity;
};

struct batch {
	const struct similar *similar;
	int fd;
	uint64_t first; /* segment */
	struct found items[BATCH_ITEMS];
};

static void batch_release(struct batch *batch)
{
	for (size_t i = 0; i < BATCH_ITEMS; i++)
		free(batch->items[i].windows);
}

static int add_found(struct found *found, uint32_t hash, uint64_t segment)
{
	if (found->count == found->capacity) {
		size_t capacity = found->capacity > 0 ? 2 * found->capacity : 4096;
		uint64_t *windows = reallocarray(found->windows, capacity, sizeof(*windows));

		if (!windows)
			return -ENOMEM;
		found->windows = windows;
		found->capacity = capacity;
	}
	found->windows[found->count++] = (uint64_t)hash << 32 | segment;
	return 0;
}

static int hash_item(size_t index, void *userdata, struct error **err)
{
	struct batch *batch = userdata;
	const size_t segment_size = (size_t)SEGMENT_BLOCKS * PATCH_BLOCK_SIZE;
	uint64_t first = batch->first + (uint64_t)index * ITEM_SEGMENTS;
	uint64_t begin = first * segment_size, end = batch->similar->blocks * PATCH_BLOCK_SIZE;
	size_t size = (size_t)MIN(end - begin, (uint64_t)ITEM_SEGMENTS * segment_size), at = 0;
	_cleanup_free_ uint8_t *data = malloc(size);
	uint32_t hash;
	int r = data ? pread_full(batch->fd, data, size, begin) : -ENOMEM;

	batch->items[index].count = 0;
	for (; r >= 0 && (at = next_window(batch->similar, data, size, at, &hash)) < size; at++)
		r = add_found(&batch->items[index], hash, first + at / segment_size);
	return r < 0 ? error_set_errno(err, r, "reading the old image at %llu", (unsigned long long)begin)
		     : 0;
}

/* How many segments have a window with this hash, and whether *segment* is one of them. */
static unsigned count_hash(const struct similar *similar, uint32_t hash, uint32_t segment, bool *ret_known)
{
	unsigned count = 0;

	*ret_known = false;
	for (uint32_t i = similar->chains[hash & similar->mask]; i != NOTHING; i = similar->entries[i].next) {
		if (similar->entries[i].hash != hash)
			continue;
		count++;
		*ret_known = *ret_known || similar->entries[i].segment == segment;
	}
	return count;
}

/* Adds windows, of which there may be as many as the index has room for. */
static void add_windows(struct similar *similar, const struct found *found)
{
	for (size_t i = 0; i < found->count && similar->count < similar->capacity; i++) {
		uint32_t hash = (uint32_t)(found->windows[i] >> 32), segment = (uint32_t)found->windows[i];
		uint32_t *chain = &similar->chains[hash & similar->mask];
		bool known;

		if (count_hash(similar, hash, segment, &known) >= COMMON || known)
			continue;
		similar->entries[similar->count] =
			(struct entry){.hash = hash, .segment = segment, .next = *chain};
		*chain = (uint32_t)similar->count++;
	}
}

static int make_tables(struct similar *similar)
{
	uint64_t bytes = similar->blocks * PATCH_BLOCK_SIZE;
	size_t chains = 1;

	similar->pick_bits = PICK_BITS_LEAST;
	while (bytes >> similar->pick_bits > ENTRIES_MAX)
		similar->pick_bits++;
	/* Half as much again as chance picks. */
	similar->capacity = (size_t)(bytes >> similar->pick_bits) * 3 / 2 + 64;
	while (chains < similar->capacity)
		chains *= 2;
	similar->mask = (uint32_t)(chains - 1);
	similar->entries = calloc(similar->capacity, sizeof(*similar->entries));
	similar->chains = malloc(chains * sizeof(*similar->chains));
	if (!similar->entries || !similar->chains)
		return -ENOMEM;
	memset(similar->chains, 0xff, chains * sizeof(*similar->chains));
	return 0;
}

int similar_new(int fd, uint64_t blocks, unsigned threads, struct similar **ret, struct error **err)
{
	_cleanup_similar_ struct similar *similar = calloc(1, sizeof(*similar));
	_cleanup_(batch_release) struct batch batch = {.similar = similar, .fd = fd};
	int r = 0;

	if (!similar)
		return error_set_errno(err, -ENOMEM, "index of the old image");
	similar->blocks = blocks;
	similar->segments = (uint32_t)div_round_up_u64(blocks, SEGMENT_BLOCKS);
	if (make_tables(similar) < 0)
		return error_set_errno(err, -ENOMEM, "index of the old image");
	for (; batch.first < similar->segments && r >= 0; batch.first += BATCH_ITEMS * ITEM_SEGMENTS) {
		size_t items = (size_t)MIN((uint64_t)BATCH_ITEMS,
			div_round_up_u64(similar->segments - batch.first, ITEM_SEGMENTS));

		r = work_run(threads, items, hash_item, &batch, err);
		for (size_t i = 0; i < items && r >= 0; i++)
			add_windows(similar, &batch.items[i]);
	}
	if (r < 0)
		return r;
	*ret = TAKE_PTR(similar);
	return 0;
}

struct similar *similar_free(struct similar *similar)
{
	if (similar) {
		free(similar->entries);
		free(similar->chains);
		free(similar);
	}
	return NULL;
}

/* ---- Asking it ---- */

/* A segment and how many windows speak for it. */
struct candidate {
	uint32_t segment, votes;
};

static void vote(const struct similar *similar, const uint8_t *data, size_t size, uint32_t *votes)
{
	uint32_t hash;

	for (size_t at = 0; (at = next_window(similar, data, size, at, &hash)) < size; at++) {
		uint32_t chain = similar->chains[hash & similar->mask];
		bool known;
		unsigned count = count_hash(similar, hash, NOTHING, &known);

		if (count == 0 || count >= COMMON)
			continue;
		for (uint32_t i = chain; i != NOTHING; i = similar->entries[i].next)
			if (similar->entries[i].hash == hash)
				votes[similar->entries[i].segment] += VOTE / count;
	}
}

/* Most votes first, then by place. */
static int compare_candidates(const void *a, const void *b)
{
	const struct candidate *left = a, *right = b;

	if (left->votes != right->votes)
		return left->votes > right->votes ? -1 : 1;
	return left->segment < right->segment ? -1 : left->segment > right->segment;
}

/* Marks the best segments, and then those between two of them, as far as there is room. */
static int choose(const struct similar *similar, const uint32_t *votes, size_t room, uint8_t *chosen)
{
	_cleanup_free_ struct candidate *candidates = NULL;
	size_t count = 0;

	for (uint32_t i = 0; i < similar->segments; i++)
		count += votes[i] >= VOTES_LEAST;
	candidates = calloc(count + 1, sizeof(*candidates));
	if (!candidates)
		return -ENOMEM;
	count = 0;
	for (uint32_t i = 0; i < similar->segments; i++)
		if (votes[i] >= VOTES_LEAST)
			candidates[count++] = (struct candidate){.segment = i, .votes = votes[i]};
	qsort(candidates, count, sizeof(*candidates), compare_candidates);
	for (size_t i = 0; i < count && room > 0; i++, room--)
		chosen[candidates[i].segment] = 1;
	for (uint32_t i = 1; i + 1 < similar->segments && room > 0; i++)
		if (!chosen[i] && chosen[i - 1] && chosen[i + 1]) {
			chosen[i] = 1;
			room--;
		}
	return 0;
}

static int make_runs(
	const struct similar *similar, const uint8_t *chosen, struct patch_run **ret, size_t *ret_count)
{
	struct patch_run *runs = NULL;
	size_t count = 0;

	for (uint32_t i = 0; i < similar->segments; i++)
		count += chosen[i] && (i == 0 || !chosen[i - 1]);
	runs = calloc(count + 1, sizeof(*runs));
	if (!runs)
		return -ENOMEM;
	count = 0;
	for (uint32_t i = 0; i < similar->segments; i++) {
		uint64_t first = (uint64_t)i * SEGMENT_BLOCKS;

		if (!chosen[i])
			continue;
		if (i == 0 || !chosen[i - 1])
			runs[count++].first = first;
		runs[count - 1].count += MIN(similar->blocks - first, (uint64_t)SEGMENT_BLOCKS);
	}
	*ret = runs;
	*ret_count = count;
	return 0;
}

int similar_find(const struct similar *similar, const uint8_t *data, size_t size, uint32_t max,
	struct patch_run **ret, size_t *ret_count)
{
	_cleanup_free_ uint32_t *votes = calloc(similar->segments, sizeof(*votes));
	_cleanup_free_ uint8_t *chosen = calloc(similar->segments, 1);
	int r;

	if (!votes || !chosen)
		return -ENOMEM;
	vote(similar, data, size, votes);
	r = choose(similar, votes, max / SEGMENT_BLOCKS, chosen);
	return r < 0 ? r : make_runs(similar, chosen, ret, ret_count);
}
