/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/erofs-unpack.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/file.h"
#include "format/erofs-disk.h"

#define CLUSTER_BLOCKS_MAX 256 /* the kernel's limit */

/* One logical cluster as the index has it. */
struct entry {
	unsigned type;
	uint32_t number; /* where in the 4 KiB its cluster begins; or its distance from there, or blocks */
	uint64_t block;	 /* of a beginning */
};

struct index {
	enum compression_algorithm algorithm;
	unsigned advice;
	uint32_t inline_size;
	uint64_t inline_at; /* bytes from the image's beginning */
	struct entry *entries;
	uint64_t count;
};

int erofs_source_read(
	const struct erofs_source *source, uint64_t offset, size_t size, void *ret, struct error **err)
{
	int r;

	if (offset > source->size || size > source->size - offset)
		return error_set(err, -EBADMSG, "%zu bytes at %llu lie outside the image", size,
			(unsigned long long)offset);
	if (source->data) {
		memcpy(ret, source->data + offset, size);
		return 0;
	}
	r = pread_full(source->fd, ret, size, source->offset + offset);
	return r < 0 ? error_set_errno(err, r, "reading at %llu", (unsigned long long)offset) : 0;
}

static int read_header(
	const struct erofs_source *source, uint64_t at, struct index *index, struct error **err)
{
	uint8_t header[INDEX_HEADER_SIZE];
	int r = erofs_source_read(source, at, sizeof(header), header, err);

	if (r < 0)
		return r;
	index->advice = read_le16(header + INDEX_ADVICE);
	index->inline_size = read_le16(header + INDEX_INLINE_SIZE);
	if (index->advice & ~(INDEX_LARGE_GROUPS | INDEX_LARGE_CLUSTERS | INDEX_INLINE) ||
		header[INDEX_CLUSTER_BITS] != 0)
		return error_set(err, -ENOTSUP, "compressed data of an unknown form (0x%x, 0x%x)",
			index->advice, header[INDEX_CLUSTER_BITS]);
	switch (header[INDEX_ALGORITHM] & 15) {
	case ALGORITHM_LZ4:
		index->algorithm = COMPRESSION_LZ4;
		return 0;
	case ALGORITHM_ZSTD:
		index->algorithm = COMPRESSION_ZSTD;
		return 0;
	default:
		return error_set(err, -ENOTSUP,
			"data is compressed by an algorithm that is not known here (%u)",
			header[INDEX_ALGORITHM] & 15);
	}
}

static bool is_beginning(const struct entry *entry)
{
	return entry->type != LCLUSTER_INSIDE;
}

/*
 * Gives the beginnings of a group their blocks. With clusters of several blocks the group's address is that
 * of the first one that it says the size of; else it is the block before the group's first.
 */
static void place_group(struct entry *entries, size_t count, uint64_t block, bool large_clusters)
{
	if (!large_clusters)
		block++;
	for (size_t i = 0; i < count; i++) {
		if (!is_beginning(&entries[i])) {
			if (large_clusters && entries[i].number & LCLUSTER_HAS_BLOCKS)
				block += entries[i].number & ~LCLUSTER_HAS_BLOCKS;
			continue;
		}
		entries[i].block = block;
		if (!large_clusters || (i + 1 < count && is_beginning(&entries[i + 1])))
			block++;
	}
}

/* Decodes a group of *room* entries, of which *count* are there. */
static void decode_group(
	const uint8_t *from, size_t count, size_t room, bool large_clusters, struct entry *to)
{
	size_t size = room == EROFS_GROUP_LARGE ? 32 : 8, bits = (size - 4) * 8 / room;

	for (size_t i = 0; i < count; i++) {
		uint32_t value = read_le32(from + i * bits / 8) >> (i * bits % 8);

		to[i] = (struct entry){.type = value >> LCLUSTER_NUMBER_BITS & 3,
			.number = value & ((1u << LCLUSTER_NUMBER_BITS) - 1)};
	}
	place_group(to, count, read_le32(from + size - 4), large_clusters);
}

static int read_entries(const struct erofs_source *source, const struct erofs_packed_file *file,
	struct index *index, struct error **err)
{
	bool large_clusters = index->advice & INDEX_LARGE_CLUSTERS;
	uint64_t start = round_up_u64(file->place, 8) + INDEX_HEADER_SIZE, at = start;
	uint64_t small = MIN((round_up_u64(start, 32) - start) / 4, index->count);
	uint64_t large = index->advice & INDEX_LARGE_GROUPS
				 ? (index->count - small) / EROFS_GROUP_LARGE * EROFS_GROUP_LARGE
				 : 0;

	for (uint64_t i = 0; i < index->count;) {
		bool is_large = i >= small && i < small + large;
		size_t room = is_large ? EROFS_GROUP_LARGE : EROFS_GROUP_SMALL, size = is_large ? 32 : 8;
		uint64_t end = i < small ? small : i < small + large ? small + large : index->count;
		size_t count = (size_t)MIN(end - i, (uint64_t)room);
		uint8_t group[32 + 4] = {}; /* as much as is looked at from its last entry on */
		int r = erofs_source_read(source, at, size, group, err);

		if (r < 0)
			return r;
		decode_group(group, count, room, large_clusters, index->entries + i);
		at += size;
		i += count;
	}
	index->inline_at = at;
	return 0;
}

/* Whole blocks, of which a compressed cluster fills the end: what is zero before does not belong to it. */
static int decode_cluster(enum compression_algorithm algorithm, bool is_plain, const uint8_t *data,
	size_t size, uint8_t *to, size_t length, struct error **err)
{
	size_t skip = 0;
	int r;

	if (is_plain && length > size)
		return error_set(err, -EBADMSG, "a cluster is longer than its blocks");
	if (is_plain) {
		memcpy(to, data, length);
		return 0;
	}
	while (skip < size && skip < EROFS_BLOCK_SIZE && data[skip] == 0)
		skip++;
	r = compression_decode(algorithm, data + skip, size - skip, to, length);
	if (r == -EBADMSG)
		return error_set(err, r, "a cluster can't be decompressed");
	return r < 0 ? error_set_errno(err, r, "decompression") : 0;
}

static int read_cluster(const struct erofs_source *source, const struct index *index,
	const struct entry *first, uint32_t blocks, bool is_last, uint8_t *to, size_t length,
	struct error **err)
{
	bool is_inline = is_last && index->advice & INDEX_INLINE;
	size_t size = is_inline ? index->inline_size : (size_t)blocks * EROFS_BLOCK_SIZE;
	uint64_t at = is_inline ? index->inline_at : first->block * EROFS_BLOCK_SIZE;
	_cleanup_free_ uint8_t *data = NULL;
	int r;

	if (size == 0 || size > CLUSTER_BLOCKS_MAX * EROFS_BLOCK_SIZE)
		return error_set(err, -EBADMSG, "a cluster of %zu bytes", size);
	if (is_inline && at % EROFS_BLOCK_SIZE + size > EROFS_BLOCK_SIZE)
		return error_set(err, -EBADMSG, "a cluster behind its inode crosses the end of a block");
	data = malloc(size);
	if (!data)
		return error_set_errno(err, -ENOMEM, "a cluster");
	r = erofs_source_read(source, at, size, data, err);
	return r < 0 ? r
		     : decode_cluster(
			       index->algorithm, first->type == LCLUSTER_PLAIN, data, size, to, length, err);
}

/* The blocks of the cluster that begins at entry *at*. */
static int count_blocks(const struct index *index, uint64_t at, uint32_t *ret, struct error **err)
{
	const struct entry *next = at + 1 < index->count ? &index->entries[at + 1] : NULL;

	*ret = 1;
	if (!(index->advice & INDEX_LARGE_CLUSTERS) || !next || is_beginning(next))
		return 0;
	if (!(next->number & LCLUSTER_HAS_BLOCKS))
		return error_set(err, -EBADMSG, "a cluster does not say how many blocks it has");
	*ret = next->number & ~LCLUSTER_HAS_BLOCKS;
	return 0;
}

static int read_clusters(const struct erofs_source *source, const struct index *index, uint64_t size,
	uint8_t *to, struct error **err)
{
	uint64_t at = 0;

	if (!is_beginning(&index->entries[0]) || index->entries[0].number != 0)
		return error_set(err, -EBADMSG, "no cluster begins where the content does");
	while (at < index->count) {
		const struct entry *first = &index->entries[at];
		uint64_t next = at + 1, start = at * EROFS_BLOCK_SIZE + first->number, end = size;
		uint32_t blocks;
		int r = count_blocks(index, at, &blocks, err);

		/* mkfs.erofs has a beginning at the content's end as well. */
		if (start == size && next == index->count)
			return r;
		while (next < index->count && !is_beginning(&index->entries[next]))
			next++;
		if (next < index->count)
			end = next * EROFS_BLOCK_SIZE + index->entries[next].number;
		if (r >= 0 && (first->type > LCLUSTER_INSIDE || first->number >= EROFS_BLOCK_SIZE ||
				      end <= start || end > size))
			r = error_set(err, first->type > LCLUSTER_INSIDE ? -ENOTSUP : -EBADMSG,
				"the index of compressed data is damaged, or of a second algorithm");
		if (r >= 0)
			r = read_cluster(source, index, first, blocks, end == size, to + start,
				(size_t)(end - start), err);
		if (r < 0)
			return r;
		at = next;
	}
	return 0;
}

int erofs_unpack(const struct erofs_source *source, const struct erofs_packed_file *file, uint8_t *to,
	struct error **err)
{
	struct index index = {.count = div_round_up_u64(file->size, EROFS_BLOCK_SIZE)};
	_cleanup_free_ struct entry *entries = NULL;
	int r;

	if (file->size == 0)
		return 0;
	r = read_header(source, round_up_u64(file->place, 8), &index, err);
	if (r < 0)
		return r;
	entries = calloc((size_t)index.count, sizeof(*entries));
	if (!entries)
		return error_set_errno(err, -ENOMEM, "index of %ju entries", (uintmax_t)index.count);
	index.entries = entries;
	r = read_entries(source, file, &index, err);
	return r < 0 ? r : read_clusters(source, &index, file->size, to, err);
}
