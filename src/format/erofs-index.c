/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/erofs-index.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "format/erofs-disk.h"
#include "format/erofs.h"

/* One logical cluster. */
struct entry {
	unsigned type;	 /* LCLUSTER_… */
	uint32_t offset; /* of a beginning: where in the 4 KiB */
	uint32_t back;	 /* else: how many entries ago its cluster began, … */
	uint32_t ahead;	 /* … in how many the next one begins, … */
	uint32_t blocks; /* … and for the first one after the beginning, the cluster's blocks on disk */
	uint64_t block;	 /* of a beginning: where on disk */
};

/* How entries are divided into groups: small ones up to a multiple of 32 bytes, large ones, small ones again.
 */
struct division {
	uint64_t start;		     /* of the first group, bytes from the inode's beginning */
	uint64_t small, large, rest; /* entries */
};

static struct division divide(uint64_t head, uint64_t size)
{
	uint64_t entries = div_round_up_u64(size, EROFS_BLOCK_SIZE), start;
	struct division division = {.start = round_up_u64(head, 8) + INDEX_HEADER_SIZE};

	start = division.start;
	division.small = MIN((round_up_u64(start, 32) - start) / 4, entries);
	division.large = (entries - division.small) / EROFS_GROUP_LARGE * EROFS_GROUP_LARGE;
	division.rest = entries - division.small - division.large;
	return division;
}

uint64_t erofs_index_end(uint64_t head, uint64_t size)
{
	struct division division = divide(head, size);

	return division.start + 4 * round_up_u64(division.small, EROFS_GROUP_SMALL) + 2 * division.large +
	       4 * round_up_u64(division.rest, EROFS_GROUP_SMALL);
}

/* What the entries from *first* to *end* say of one cluster, which begins in the first of them. */
static void describe(const struct erofs_cluster *cluster, uint64_t block, uint64_t end, struct entry *entries)
{
	uint64_t first = cluster->at / EROFS_BLOCK_SIZE;

	entries[first] = (struct entry){
		.type = cluster->is_plain ? LCLUSTER_PLAIN : LCLUSTER_HEAD,
		.offset = (uint32_t)(cluster->at % EROFS_BLOCK_SIZE),
		.block = block,
	};
	for (uint64_t i = first + 1; i < end; i++)
		entries[i] = (struct entry){
			.type = LCLUSTER_INSIDE,
			.back = (uint32_t)MIN(i - first, (uint64_t)LCLUSTER_DISTANCE_MAX),
			.ahead = (uint32_t)MIN(end - i, (uint64_t)LCLUSTER_DISTANCE_MAX),
			.blocks = i == first + 1 ? cluster->blocks : 0,
		};
}

static void list_entries(const struct erofs_packed *packed, uint64_t count, struct entry *entries)
{
	const struct erofs_cluster *last = NULL;
	uint64_t block = packed->first_block, last_block = 0;

	for (size_t i = 0; i < packed->segment_count; i++) {
		const struct erofs_segment *segment = &packed->segments[i];

		for (size_t j = 0; j < segment->count; j++) {
			if (last)
				describe(last, last_block, segment->clusters[j].at / EROFS_BLOCK_SIZE,
					entries);
			last = &segment->clusters[j];
			last_block = block;
			block += last->blocks;
		}
	}
	assert(last); /* a file without data is not compressed */
	describe(last, last_block, count, entries);
}

/* The number that an entry holds, which at the end of a group says how far it is to the next beginning. */
static uint32_t entry_number(const struct entry *entry, bool at_end)
{
	if (entry->type != LCLUSTER_INSIDE)
		return entry->offset;
	if (entry->blocks > 0)
		return LCLUSTER_HAS_BLOCKS | entry->blocks;
	return at_end ? entry->ahead : entry->back;
}

/*
 * The address that a group notes: that of the first cluster that readers count in it. They add up the blocks
 * of those which have their beginning in the group, or their number of blocks.
 */
static uint64_t group_block(const struct entry *entries, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (entries[i].type != LCLUSTER_INSIDE)
			return i > 0 && entries[0].type == LCLUSTER_INSIDE && entries[0].blocks > 0
				       ? entries[i].block - entries[0].blocks
				       : entries[i].block;
	}
	return 0;
}

/* Writes *count* entries as a group that has room for *room* of them. */
static void encode_group(const struct entry *entries, size_t count, size_t room, uint8_t *to)
{
	size_t size = room == EROFS_GROUP_LARGE ? 32 : 8, bits = (size - 4) * 8 / room;

	for (size_t i = 0; i < count; i++) {
		uint32_t value =
			entries[i].type << LCLUSTER_NUMBER_BITS | entry_number(&entries[i], i + 1 == room);
		uint8_t *at = to + i * bits / 8;

		/* Bits that are not set yet, within the group: its last four bytes come behind them. */
		write_le32(at, read_le32(at) | value << (i * bits % 8));
	}
	write_le32(to + size - 4, (uint32_t)group_block(entries, count));
}

static uint8_t *encode_groups(const struct entry *entries, uint64_t count, size_t room, uint8_t *to)
{
	for (uint64_t at = 0; at < count; at += room) {
		encode_group(entries + at, (size_t)MIN(count - at, (uint64_t)room), room, to);
		to += room == EROFS_GROUP_LARGE ? 32 : 8;
	}
	return to;
}

static void encode_header(
	const struct erofs_packed *packed, enum compression_algorithm algorithm, uint8_t *to)
{
	if (packed->is_inline)
		write_le16(to + INDEX_INLINE_SIZE, (uint16_t)packed->last_size);
	write_le16(to + INDEX_ADVICE, (uint16_t)(INDEX_LARGE_GROUPS | INDEX_LARGE_CLUSTERS |
						 (packed->is_inline ? INDEX_INLINE : 0)));
	to[INDEX_ALGORITHM] = algorithm == COMPRESSION_ZSTD ? ALGORITHM_ZSTD : ALGORITHM_LZ4;
}

int erofs_index_encode(const struct erofs_packed *packed, enum compression_algorithm algorithm, uint64_t head,
	uint8_t *inode)
{
	struct division division = divide(head, packed->size);
	uint64_t count = division.small + division.large + division.rest;
	_cleanup_free_ struct entry *entries = calloc(count, sizeof(*entries));
	uint8_t *at = inode + division.start;

	if (!entries)
		return -ENOMEM;
	list_entries(packed, count, entries);
	encode_header(packed, algorithm, at - INDEX_HEADER_SIZE);
	at = encode_groups(entries, division.small, EROFS_GROUP_SMALL, at);
	at = encode_groups(entries + division.small, division.large, EROFS_GROUP_LARGE, at);
	(void)encode_groups(entries + division.small + division.large, division.rest, EROFS_GROUP_SMALL, at);
	return 0;
}
