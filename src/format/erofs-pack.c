/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/erofs-pack.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/work.h"
#include "format/erofs-store.h"
#include "format/erofs.h"

#define STORE_MIN KiB(16) /* to compress less costs no more than to find it again */
#define STORE_BATCH 64	  /* contents that a thread loads at a time */
#define CLUSTER_SIZE ((size_t)EROFS_CLUSTER_BLOCKS * EROFS_BLOCK_SIZE)

_Static_assert(COMPRESSION_GRAIN == EROFS_BLOCK_SIZE, "clusters take whole blocks");

/* One segment of one content. */
struct piece {
	struct erofs_packed *packed;
	size_t index;
};

/* What a thread does at a time, with one compressor: about a segment's worth. */
struct batch {
	size_t first, end; /* of the pieces */
};

struct packing {
	struct erofs_packed *contents;
	size_t count;
	const struct compression *compression;
	const struct erofs_store *store;
	struct erofs_packed **todo; /* those that the store did not have */
	size_t todo_count;
	struct piece *pieces;
	struct batch *batches;
	size_t batch_count;
};

/* A segment being packed. Its buffer has room for all of it as it is. */
struct filling {
	struct erofs_segment *segment;
	const uint8_t *data;
	size_t size, at;
	uint64_t offset; /* of the segment in the content */
	size_t most;	 /* blocks that the buffer has room for */
};

static int add_cluster(struct filling *filling, uint32_t blocks, bool is_plain, size_t used)
{
	struct erofs_segment *segment = filling->segment;

	if (segment->count == segment->capacity) {
		size_t capacity = segment->capacity > 0 ? 2 * segment->capacity : 8;
		struct erofs_cluster *clusters = reallocarray(segment->clusters, capacity, sizeof(*clusters));

		if (!clusters)
			return -ENOMEM;
		segment->clusters = clusters;
		segment->capacity = capacity;
	}
	segment->clusters[segment->count++] = (struct erofs_cluster){
		.at = filling->offset + filling->at, .blocks = blocks, .is_plain = is_plain};
	segment->blocks += blocks;
	filling->at += used;
	return 0;
}

/*
 * Stores what comes before *end* as it is, in blocks of which none crosses a multiple of 4 KiB of the
 * content: the kernel refuses one that does at the end of a file, and can read the others straight into
 * place.
 */
static int add_plain(struct filling *filling, size_t end)
{
	struct erofs_segment *segment = filling->segment;
	int r = 0;

	while (r >= 0 && filling->at < end) {
		size_t used = MIN(end - filling->at, EROFS_BLOCK_SIZE - filling->at % EROFS_BLOCK_SIZE);

		assert(segment->blocks < filling->most);
		memcpy(segment->data + segment->blocks * EROFS_BLOCK_SIZE, filling->data + filling->at, used);
		r = add_cluster(filling, 1, true, used);
	}
	return r;
}

/* Adds what was compressed to *size* bytes, which stand at the end of their blocks, behind zeros. */
static int add_compressed(struct filling *filling, const uint8_t *data, size_t size, size_t used)
{
	uint32_t blocks = (uint32_t)div_round_up_u64(size, EROFS_BLOCK_SIZE);
	uint8_t *end = filling->segment->data + (filling->segment->blocks + blocks) * EROFS_BLOCK_SIZE;

	assert(filling->segment->blocks + blocks <= filling->most);
	memcpy(end - size, data, size);
	return add_cluster(filling, blocks, false, used);
}

/*
 * Packs the next cluster; *ret_size* is what it was compressed to, 0 where it stays as it is. One that holds
 * no more than its blocks would plainly is not worth the time that it takes to read. Since each holds more
 * than a block, no two begin in the same 4 KiB of the content, which is what the index can tell apart.
 */
static int pack_next(struct compressor *compressor, struct filling *filling, uint8_t *room, size_t *ret_size)
{
	const uint8_t *data = filling->data + filling->at;
	size_t left = filling->size - filling->at, used = 0, end;
	int n = compressor_fit(compressor, data, left, room, CLUSTER_SIZE, &used);
	bool is_gain = n > 0 && used > round_up_u64((uint64_t)n, EROFS_BLOCK_SIZE);

	/* A small file may be all in one cluster that goes behind its inode, where every byte counts. */
	if (n > 0 && used == left && filling->offset + filling->at == 0)
		is_gain = true;
	*ret_size = is_gain ? (size_t)n : 0;
	if (n < 0)
		return n;
	if (is_gain)
		return add_compressed(filling, room, (size_t)n, used);
	if (used == left)
		return add_plain(filling, filling->size);
	end = (filling->at + MAX(used, (size_t)EROFS_BLOCK_SIZE)) / EROFS_BLOCK_SIZE * EROFS_BLOCK_SIZE;
	return add_plain(filling, MIN(end, filling->size));
}

/* Gives back what the buffer has too much. */
static void trim(struct erofs_segment *segment)
{
	uint8_t *data =
		segment->blocks > 0 ? realloc(segment->data, segment->blocks * EROFS_BLOCK_SIZE) : NULL;

	if (data)
		segment->data = data;
}

/* A compressed cluster takes fewer blocks than its content would; behind each, a plain one may begin within a
 * block. */
static size_t blocks_max(size_t size)
{
	return size / EROFS_BLOCK_SIZE + size / CLUSTER_SIZE + 2;
}

static int pack_segment(struct compressor *compressor, const struct piece *piece, uint8_t *room)
{
	struct erofs_packed *packed = piece->packed;
	struct filling filling = {
		.segment = &packed->segments[piece->index], .offset = piece->index * EROFS_SEGMENT};
	size_t last = 0;
	int r = 0;

	filling.data = packed->content + filling.offset;
	filling.size = (size_t)MIN((uint64_t)EROFS_SEGMENT, packed->size - filling.offset);
	filling.most = blocks_max(filling.size);
	filling.segment->data = calloc(filling.most, EROFS_BLOCK_SIZE);
	if (!filling.segment->data)
		return -ENOMEM;
	compressor_reset(compressor);
	while (r >= 0 && filling.at < filling.size)
		r = pack_next(compressor, &filling, room, &last);
	if (r < 0)
		return r;
	if (piece->index + 1 == packed->segment_count && last <= EROFS_BLOCK_SIZE)
		packed->last_size = (uint32_t)last;
	trim(filling.segment);
	return 0;
}

static int pack_batch(size_t index, void *userdata, struct error **err)
{
	const struct packing *packing = userdata;
	const struct batch *batch = &packing->batches[index];
	_cleanup_compressor_ struct compressor *compressor = NULL;
	_cleanup_free_ uint8_t *room = malloc(CLUSTER_SIZE);
	int r = room ? compressor_new(packing->compression, &compressor) : -ENOMEM;

	for (size_t i = batch->first; r >= 0 && i < batch->end; i++)
		r = pack_segment(compressor, &packing->pieces[i], room);
	return r < 0 ? error_set_errno(err, r, "erofs: compression") : 0;
}

/* ---- What a store has ---- */

static bool is_for_store(const struct packing *packing, const struct erofs_packed *packed)
{
	return packing->store && packed->size >= STORE_MIN;
}

/* What cannot be read as it was written is compressed anew. */
static int load_batch(size_t index, void *userdata, struct error **err)
{
	const struct packing *packing = userdata;
	size_t end = MIN((index + 1) * STORE_BATCH, packing->count);
	int r = 0;

	for (size_t i = index * STORE_BATCH; i < end && r >= 0; i++) {
		struct erofs_packed *packed = &packing->contents[i];
		_cleanup_buffer_ struct buffer data = {};

		if (is_for_store(packing, packed))
			r = packing->store->load(packing->store->userdata, packed->origin, &data);
		if (r > 0 && is_for_store(packing, packed))
			r = erofs_packed_load(packed, data.data, data.size);
		if (r == -EBADMSG)
			r = 0;
	}
	return r < 0 ? error_set_errno(err, r, "erofs: compression") : 0;
}

static int save_new(size_t index, void *userdata, struct error **err)
{
	const struct packing *packing = userdata;
	const struct erofs_packed *packed = packing->todo[index];
	_cleanup_buffer_ struct buffer data = {};

	(void)err;
	if (!is_for_store(packing, packed))
		return 0;
	erofs_packed_save(packed, &data);
	if (!buffer_failed(&data))
		packing->store->save(packing->store->userdata, packed->origin, &data);
	return 0;
}

/* ---- What is to be compressed ---- */

/* Lists what was not loaded, and makes room for its segments. Returns how many those are, or -ENOMEM. */
static ssize_t make_segments(struct packing *packing)
{
	size_t pieces = 0;

	packing->todo = calloc(packing->count + 1, sizeof(*packing->todo));
	if (!packing->todo)
		return -ENOMEM;
	for (size_t i = 0; i < packing->count; i++) {
		struct erofs_packed *packed = &packing->contents[i];

		if (packed->segments)
			continue;
		packing->todo[packing->todo_count++] = packed;
		packed->segment_count = (size_t)div_round_up_u64(packed->size, EROFS_SEGMENT);
		packed->segments = calloc(packed->segment_count, sizeof(*packed->segments));
		if (!packed->segments)
			return -ENOMEM;
		pieces += packed->segment_count;
	}
	return (ssize_t)pieces;
}

/* Lists the segments of those that are small, or of those that are not, behind the *n* pieces that there are;
 * returns how many there are then. */
static size_t list_pieces(struct packing *packing, bool small, size_t n)
{
	for (size_t i = 0; i < packing->todo_count; i++) {
		struct erofs_packed *packed = packing->todo[i];

		assert(packed);
		if ((packed->size < EROFS_SEGMENT) != small)
			continue;
		for (size_t j = 0; j < packed->segment_count; j++)
			packing->pieces[n++] = (struct piece){.packed = packed, .index = j};
	}
	return n;
}

/* Lists what there is to do, whole segments first: they take longest. */
static int plan_batches(struct packing *packing)
{
	ssize_t pieces = make_segments(packing);
	uint64_t bytes = EROFS_SEGMENT;
	size_t n;

	packing->pieces = pieces >= 0 ? calloc((size_t)pieces + 1, sizeof(*packing->pieces)) : NULL;
	packing->batches = pieces >= 0 ? calloc((size_t)pieces + 1, sizeof(*packing->batches)) : NULL;
	if (!packing->pieces || !packing->batches)
		return -ENOMEM;
	n = list_pieces(packing, false, 0);
	n = list_pieces(packing, true, n);
	for (size_t i = 0; i < n; i++) {
		if (bytes >= EROFS_SEGMENT) {
			packing->batches[packing->batch_count++].first = i;
			bytes = 0;
		}
		bytes += MIN(packing->pieces[i].packed->size, (uint64_t)EROFS_SEGMENT);
		packing->batches[packing->batch_count - 1].end = i + 1;
	}
	return 0;
}

static void sum_up(struct erofs_packed *packed)
{
	packed->blocks = 0;
	for (size_t i = 0; i < packed->segment_count; i++)
		packed->blocks += packed->segments[i].blocks;
}

static int compress(struct packing *packing, unsigned threads, struct error **err)
{
	int r = plan_batches(packing);

	r = r < 0 ? error_set_errno(err, r, "erofs: compression")
		  : work_run(threads, packing->batch_count, pack_batch, packing, err);
	for (size_t i = 0; r >= 0 && i < packing->todo_count; i++)
		sum_up(packing->todo[i]);
	return r;
}

int erofs_pack(struct erofs_packed *contents, size_t count, const struct compression *compression,
	const struct erofs_store *store, unsigned threads, struct error **err)
{
	struct packing packing = {
		.contents = contents, .count = count, .compression = compression, .store = store};
	int r = store ? work_run(threads, (size_t)div_round_up_u64(count, STORE_BATCH), load_batch, &packing,
				err)
		      : 0;

	if (r >= 0)
		r = compress(&packing, threads, err);
	if (r >= 0 && store)
		r = work_run(threads, packing.todo_count, save_new, &packing, err);
	free(packing.todo);
	free(packing.pieces);
	free(packing.batches);
	return r;
}

void erofs_packed_release(struct erofs_packed *packed)
{
	for (size_t i = 0; packed->segments && i < packed->segment_count; i++) {
		free(packed->segments[i].clusters);
		free(packed->segments[i].data);
	}
	free(packed->segments);
	packed->segments = NULL;
	packed->segment_count = 0;
}

const uint8_t *erofs_packed_last(const struct erofs_packed *packed)
{
	const struct erofs_segment *segment = &packed->segments[packed->segment_count - 1];

	return segment->data + segment->blocks * EROFS_BLOCK_SIZE - packed->last_size;
}
