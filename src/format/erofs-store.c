/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/erofs-store.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "format/erofs.h"

/* docs/formats/cache.md, "Compressed contents". */
enum {
	PACKED_SEGMENTS = 0, /* 32: how many */
	PACKED_LAST = 4,     /* 32: last_size */
	PACKED_SIZE = 8,

	SEGMENT_CLUSTERS = 0, /* 32: how many */
	SEGMENT_BLOCKS = 4,   /* 32: on disk */
	SEGMENT_SIZE = 8,

	CLUSTER_AT = 0,	    /* 64 */
	CLUSTER_BLOCKS = 8, /* 32, and whether it is plain */
	CLUSTER_SIZE = 12,
};
#define CLUSTER_PLAIN (UINT32_C(1) << 31)

static void save_segment(const struct erofs_segment *segment, struct buffer *to)
{
	buffer_append_le32(to, (uint32_t)segment->count);
	buffer_append_le32(to, (uint32_t)segment->blocks);
	for (size_t i = 0; i < segment->count; i++) {
		const struct erofs_cluster *cluster = &segment->clusters[i];

		buffer_append_le64(to, cluster->at);
		buffer_append_le32(to, cluster->blocks | (cluster->is_plain ? CLUSTER_PLAIN : 0));
	}
	buffer_append(to, segment->data, segment->blocks * EROFS_BLOCK_SIZE);
}

void erofs_packed_save(const struct erofs_packed *packed, struct buffer *to)
{
	buffer_append_le32(to, (uint32_t)packed->segment_count);
	buffer_append_le32(to, packed->last_size);
	for (size_t i = 0; i < packed->segment_count; i++)
		save_segment(&packed->segments[i], to);
}

/* What is still to be read. */
struct input {
	const uint8_t *at;
	size_t left;
};

/* The next *size* bytes; NULL where there are not as many. */
static const uint8_t *take(struct input *input, uint64_t size)
{
	const uint8_t *at = input->at;

	if (size > input->left)
		return NULL;
	input->at += size;
	input->left -= (size_t)size;
	return at;
}

/* The first cluster begins at *at*, the others behind each other and before *end*; their blocks are the
 * segment's. */
static int load_clusters(struct erofs_segment *segment, const uint8_t *from, uint64_t at, uint64_t end)
{
	uint64_t blocks = 0;

	for (size_t i = 0; i < segment->count; i++, from += CLUSTER_SIZE) {
		struct erofs_cluster *cluster = &segment->clusters[i];
		uint32_t word = read_le32(from + CLUSTER_BLOCKS);

		*cluster = (struct erofs_cluster){.at = read_le64(from + CLUSTER_AT),
			.blocks = word & ~CLUSTER_PLAIN,
			.is_plain = (word & CLUSTER_PLAIN) != 0};
		if (cluster->at != at && (i == 0 || cluster->at < at))
			return -EBADMSG;
		if (cluster->at >= end || cluster->blocks == 0 ||
			cluster->blocks > (cluster->is_plain ? 1U : EROFS_CLUSTER_BLOCKS))
			return -EBADMSG;
		at = cluster->at + 1;
		blocks += cluster->blocks;
	}
	return blocks == segment->blocks ? 0 : -EBADMSG;
}

static int load_segment(struct input *input, uint64_t begin, uint64_t end, struct erofs_segment *segment)
{
	const uint8_t *head = take(input, SEGMENT_SIZE), *clusters, *data;

	if (!head)
		return -EBADMSG;
	segment->count = read_le32(head + SEGMENT_CLUSTERS);
	segment->blocks = read_le32(head + SEGMENT_BLOCKS);
	clusters = take(input, (uint64_t)segment->count * CLUSTER_SIZE);
	data = take(input, segment->blocks * EROFS_BLOCK_SIZE);
	if (!clusters || !data || segment->count == 0)
		return -EBADMSG;
	segment->capacity = segment->count;
	segment->clusters = calloc(segment->count, sizeof(*segment->clusters));
	segment->data = malloc(segment->blocks * EROFS_BLOCK_SIZE + 1);
	if (!segment->clusters || !segment->data)
		return -ENOMEM;
	memcpy(segment->data, data, segment->blocks * EROFS_BLOCK_SIZE);
	return load_clusters(segment, clusters, begin, end);
}

static int load(struct erofs_packed *packed, struct input *input)
{
	const uint8_t *head = take(input, PACKED_SIZE);
	const struct erofs_segment *last;
	size_t count;

	if (!head)
		return -EBADMSG;
	packed->last_size = read_le32(head + PACKED_LAST);
	count = read_le32(head + PACKED_SEGMENTS);
	if (count != div_round_up_u64(packed->size, EROFS_SEGMENT))
		return -EBADMSG;
	packed->segments = calloc(count, sizeof(*packed->segments));
	if (!packed->segments)
		return -ENOMEM;
	packed->segment_count = count;
	for (size_t i = 0; i < count; i++) {
		int r = load_segment(input, i * EROFS_SEGMENT, MIN((i + 1) * EROFS_SEGMENT, packed->size),
			&packed->segments[i]);

		if (r < 0)
			return r;
		packed->blocks += packed->segments[i].blocks;
	}
	last = &packed->segments[count - 1];
	if (input->left > 0 || packed->last_size > EROFS_BLOCK_SIZE ||
		(packed->last_size > 0 && last->clusters[last->count - 1].blocks != 1))
		return -EBADMSG;
	return 0;
}

int erofs_packed_load(struct erofs_packed *packed, const uint8_t *data, size_t size)
{
	struct erofs_packed loaded = {.content = packed->content, .size = packed->size};
	int r = load(&loaded, &(struct input){.at = data, .left = size});

	if (r < 0) {
		erofs_packed_release(&loaded);
		return r;
	}
	packed->segments = loaded.segments;
	packed->segment_count = loaded.segment_count;
	packed->blocks = loaded.blocks;
	packed->last_size = loaded.last_size;
	return 0;
}
