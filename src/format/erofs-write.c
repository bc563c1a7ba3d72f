/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/crc32c.h"
#include "format/erofs-disk.h"
#include "format/erofs-plan.h"

/*
 * The partial last block of a file that has whole blocks too goes behind its inode where it is at most this
 * long. The inode holds the address of the whole blocks, so it changes whenever an earlier file grows, and
 * the tail would have to be fetched again with it: short tails save most of the space for little of that
 * price.
 */
#define TAIL_MAX 1024

/* How many unfilled blocks are looked at for a place: see place_nodes(). */
#define WINDOW_MAX 1024

static void forget_numbers(struct tree_inode *inode)
{
	inode->number = 0;
	for (size_t i = 0; i < inode->entry_count; i++)
		forget_numbers(inode->entries[i].inode);
}

static int add_node(struct erofs_plan *plan, struct tree_inode *inode, uint64_t parent, uint32_t number,
	struct error **err)
{
	if (plan->node_count == plan->node_capacity) {
		size_t capacity = plan->node_capacity > 0 ? 2 * plan->node_capacity : 1024;
		struct erofs_node *nodes = reallocarray(plan->nodes, capacity, sizeof(*nodes));

		if (!nodes)
			return error_set_errno(err, -ENOMEM, "erofs: %zu inodes", capacity);
		plan->nodes = nodes;
		plan->node_capacity = capacity;
	}
	plan->nodes[plan->node_count++] = (struct erofs_node){
		.inode = inode, .parent = parent, .number = number, .links = S_ISDIR(inode->mode) ? 2 : 1};
	inode->number = plan->node_count;
	return 0;
}

/* Adds what is in the folder with the index *parent*: its names in order, each folder's own behind its name.
 */
static int collect(struct erofs_plan *plan, size_t parent, struct error **err)
{
	const struct tree_inode *folder = plan->nodes[parent].inode;
	uint32_t prefix = crc32c(plan->nodes[parent].number, "/", 1);
	int r;

	for (size_t i = 0; i < folder->entry_count; i++) {
		const struct tree_entry *entry = &folder->entries[i];

		if (entry->inode->number > 0) {
			plan->nodes[entry->inode->number - 1].links++;
			continue;
		}
		r = add_node(
			plan, entry->inode, parent, crc32c(prefix, entry->name, strlen(entry->name)), err);
		if (r >= 0 && S_ISDIR(entry->inode->mode)) {
			plan->nodes[parent].links++;
			r = collect(plan, plan->node_count - 1, err);
		}
		if (r < 0)
			return r;
	}
	return 0;
}

static uint64_t content_length(const struct tree_inode *inode)
{
	if (S_ISDIR(inode->mode))
		return erofs_folder_size(inode);
	return S_ISLNK(inode->mode) ? strlen(inode->target) : content_size(inode->content);
}

static uint64_t tail_max(const struct erofs_plan *plan)
{
	return plan->options.layout == EROFS_STABLE ? TAIL_MAX : EROFS_BLOCK_SIZE;
}

/* Decides an inode's form: its size, and what of its content stands behind it and what in blocks. */
static int shape_node(struct erofs_plan *plan, struct erofs_node *node, struct error **err)
{
	uint64_t tail, head;
	int r;

	r = erofs_xattrs_size(node->inode, &node->xattr_size, err);
	if (r < 0)
		return r;
	node->size = content_length(node->inode);
	node->extended = !erofs_fits_compact(&plan->options, node);
	node->block_count = node->size / EROFS_BLOCK_SIZE;
	tail = node->size % EROFS_BLOCK_SIZE;
	head = erofs_inode_size(node) + node->xattr_size;
	if (head + tail <= EROFS_BLOCK_SIZE &&
		(tail <= tail_max(plan) || node->block_count == 0 || S_ISDIR(node->inode->mode)))
		node->tail = (uint32_t)tail;
	else
		node->block_count++;
	return 0;
}

/*
 * True for what changes only with itself: it holds no address. Links and small files, kept apart from the
 * inodes and folders whose addresses change with every release.
 */
static bool is_small(const struct erofs_plan *plan, const struct erofs_node *node)
{
	return plan->options.layout == EROFS_STABLE && node->block_count == 0 && !S_ISDIR(node->inode->mode);
}

/* The metadata blocks that still take inodes: the last *window* ones that were begun. */
struct open_blocks {
	uint64_t free[WINDOW_MAX]; /* offset of the next place in each; a block's end where there is none */
	size_t window;
	size_t oldest; /* which the next block replaces */
	uint64_t end;  /* where the next block begins */
};

/* The open block in which *size* bytes leave the least room; NULL where they fit into none. */
static uint64_t *find_room(struct open_blocks *blocks, uint64_t size)
{
	uint64_t least = EROFS_BLOCK_SIZE, *best = NULL;

	for (size_t i = 0; i < blocks->window; i++) {
		uint64_t used = blocks->free[i] % EROFS_BLOCK_SIZE;

		if (used > 0 && used + size <= EROFS_BLOCK_SIZE && EROFS_BLOCK_SIZE - used - size < least) {
			best = &blocks->free[i];
			least = EROFS_BLOCK_SIZE - used - size;
		}
	}
	return best;
}

/*
 * Gives an inode a place. Nothing crosses a block's end (a tail must not), but attributes that are longer
 * than a block.
 */
static void place_node(struct open_blocks *blocks, struct erofs_node *node)
{
	uint64_t size = erofs_node_size(node);
	uint64_t *room = find_room(blocks, size);

	if (!room) {
		room = &blocks->free[blocks->oldest];
		blocks->oldest = (blocks->oldest + 1) % blocks->window;
		*room = blocks->end;
		blocks->end = round_up_u64(blocks->end + size, EROFS_BLOCK_SIZE);
	}
	node->offset = *room;
	*room = round_up_u64(*room + size, EROFS_SLOT);
}

/*
 * Places the small inodes or the others from *at* on, and returns the end of their last block.
 *
 * Addresses change with every release, so the blocks that hold them are packed as densely as may be, from a
 * wide window. The blocks of small inodes should stay: with a window of one they are again what they were,
 * behind a change, as soon as a block begins with the same inode as before.
 */
static uint64_t place_nodes(struct erofs_plan *plan, uint64_t at, bool small)
{
	struct open_blocks blocks = {.window = small ? 1 : WINDOW_MAX};

	blocks.free[0] = at;
	blocks.oldest = 1 % blocks.window;
	blocks.end = round_up_u64(at, EROFS_BLOCK_SIZE);
	for (size_t i = 0; i < plan->node_count; i++)
		if (is_small(plan, &plan->nodes[i]) == small)
			place_node(&blocks, &plan->nodes[i]);
	return blocks.end;
}

static uint64_t place_folders(struct erofs_plan *plan, uint64_t block)
{
	for (size_t i = 0; i < plan->node_count; i++) {
		struct erofs_node *node = &plan->nodes[i];

		if (S_ISDIR(node->inode->mode) && node->block_count > 0) {
			node->block = block;
			block += node->block_count;
		}
	}
	return block;
}

static bool has_extent(const struct erofs_node *node)
{
	return !S_ISDIR(node->inode->mode) && node->block_count > 0 && !node->packed;
}

int erofs_compare_nodes(const void *a, const void *b)
{
	const struct erofs_node *left = *(struct erofs_node *const *)a,
				*right = *(struct erofs_node *const *)b;
	const uint8_t *left_data = erofs_node_data(left), *right_data = erofs_node_data(right);
	int order;

	if (left->size != right->size)
		return left->size < right->size ? -1 : 1;
	order = left_data == right_data ? 0 : memcmp(left_data, right_data, left->size);
	if (order != 0)
		return order;
	if (left->block_count != right->block_count)
		return left->block_count < right->block_count ? -1 : 1;
	return left < right ? -1 : left > right;
}

bool erofs_same_content(const struct erofs_node *a, const struct erofs_node *b)
{
	return a->size == b->size && (erofs_node_data(a) == erofs_node_data(b) ||
					     memcmp(erofs_node_data(a), erofs_node_data(b), a->size) == 0);
}

static void add_extent(struct erofs_plan *plan, struct erofs_node *node)
{
	node->block = plan->blocks;
	plan->extents[plan->extent_count++] = (struct erofs_extent){.block = plan->blocks,
		.block_count = node->block_count,
		.data = erofs_node_data(node),
		.size = node->size - node->tail};
	plan->blocks += node->block_count;
}

/* The same for a compressed content, unless another file has placed it. */
static void add_packed(struct erofs_plan *plan, struct erofs_node *node)
{
	struct erofs_packed *packed = node->packed;

	if (packed->first_block > 0) {
		plan->statistics.shared_blocks += node->block_count;
		return;
	}
	packed->first_block = plan->blocks;
	for (size_t i = 0; i < packed->segment_count; i++) {
		const struct erofs_segment *segment = &packed->segments[i];
		uint64_t count = segment->blocks - (packed->is_inline && i + 1 == packed->segment_count);

		if (count == 0)
			continue;
		plan->extents[plan->extent_count++] = (struct erofs_extent){.block = plan->blocks,
			.block_count = count,
			.data = segment->data,
			.size = count * EROFS_BLOCK_SIZE};
		plan->blocks += count;
	}
}

static size_t count_segments(const struct erofs_plan *plan)
{
	size_t count = 0;

	for (size_t i = 0; i < plan->packed_count; i++)
		count += plan->packed[i].segment_count;
	return count;
}

/* Places the data of files in the order of the walk; files with the same content share their blocks. */
static int place_data(struct erofs_plan *plan, struct error **err)
{
	_cleanup_free_ struct erofs_node **sorted = calloc(plan->node_count + 1, sizeof(struct erofs_node *));
	_cleanup_free_ struct erofs_node **first = calloc(plan->node_count + 1, sizeof(struct erofs_node *));
	size_t count = 0;

	plan->extents = calloc(plan->node_count + count_segments(plan) + 1, sizeof(*plan->extents));
	if (!sorted || !first || !plan->extents)
		return error_set_errno(err, -ENOMEM, "erofs: layout of %zu inodes", plan->node_count);
	for (size_t i = 0; i < plan->node_count; i++)
		if (has_extent(&plan->nodes[i]))
			sorted[count++] = &plan->nodes[i];
	qsort(sorted, count, sizeof(struct erofs_node *), erofs_compare_nodes);
	for (size_t i = 0; i < count; i++) {
		bool shared = i > 0 && sorted[i - 1]->block_count == sorted[i]->block_count &&
			      erofs_same_content(sorted[i - 1], sorted[i]);
		struct erofs_node *original = shared ? first[sorted[i - 1] - plan->nodes] : sorted[i];

		first[sorted[i] - plan->nodes] = original;
	}
	for (size_t i = 0; i < plan->node_count; i++) {
		struct erofs_node *node = &plan->nodes[i];

		if (node->packed) {
			add_packed(plan, node);
			continue;
		}
		if (!has_extent(node))
			continue;
		if (first[i] == node) {
			add_extent(plan, node);
		} else {
			node->block = first[i]->block;
			plan->statistics.shared_blocks += node->block_count;
		}
	}
	return 0;
}

static int lay_out(struct erofs_plan *plan, struct error **err)
{
	uint64_t super_size = EROFS_SUPER_SIZE, end;
	int r;

	for (size_t i = 0; i < plan->node_count; i++) {
		r = shape_node(plan, &plan->nodes[i], err);
		if (r < 0)
			return r;
	}
	if (plan->options.compression.algorithm != COMPRESSION_NONE) {
		r = erofs_compress_nodes(plan, tail_max(plan), err);
		if (r < 0)
			return r;
		super_size += EROFS_CONFIGURATIONS_SIZE;
	}
	end = place_nodes(plan, EROFS_SUPER_OFFSET + super_size, false);
	plan->statistics.metadata_blocks = place_folders(plan, end / EROFS_BLOCK_SIZE);
	end = place_nodes(plan, plan->statistics.metadata_blocks * EROFS_BLOCK_SIZE, true);
	plan->blocks = plan->metadata_blocks = end / EROFS_BLOCK_SIZE;
	plan->statistics.small_blocks = plan->blocks - plan->statistics.metadata_blocks;
	r = place_data(plan, err);
	if (r < 0)
		return r;
	plan->statistics.data_blocks = plan->blocks - plan->metadata_blocks;
	plan->statistics.inodes = plan->node_count;
	if (plan->blocks > UINT32_MAX)
		return error_set(err, -E2BIG,
			"erofs: an image of %llu blocks is larger than the format allows",
			(unsigned long long)plan->blocks);
	return 0;
}

static int encode(struct erofs_plan *plan, struct error **err)
{
	plan->metadata = calloc(plan->metadata_blocks, EROFS_BLOCK_SIZE);
	if (!plan->metadata)
		return error_set_errno(err, -ENOMEM, "erofs: %llu blocks of metadata",
			(unsigned long long)plan->metadata_blocks);
	for (size_t i = 0; i < plan->node_count; i++)
		if (erofs_encode_node(plan, i) < 0)
			return error_set_errno(err, -ENOMEM, "erofs: index");
	erofs_encode_super(plan);
	return 0;
}

static int check_options(struct erofs_plan *plan, struct error **err)
{
	const char *label = plan->options.label ? plan->options.label : "";

	if (strlen(label) > EROFS_LABEL_MAX)
		return error_set(err, -EINVAL, "erofs: label \"%.64s\" is longer than %d bytes", label,
			EROFS_LABEL_MAX);
	memcpy(plan->label, label, strlen(label));
	plan->options.label = NULL;
	return 0;
}

int erofs_plan_new(struct tree_inode *folder, const struct erofs_options *options, struct erofs_plan **ret,
	struct error **err)
{
	_cleanup_erofs_plan_ struct erofs_plan *plan = calloc(1, sizeof(*plan));
	int r;

	assert(S_ISDIR(folder->mode));
	if (!plan)
		return error_set_errno(err, -ENOMEM, "erofs");
	plan->options = *options;
	r = check_options(plan, err);
	if (r < 0)
		return r;
	forget_numbers(folder);
	r = add_node(plan, folder, 0, 0, err);
	if (r >= 0)
		r = collect(plan, 0, err);
	if (r >= 0)
		r = lay_out(plan, err);
	if (r >= 0)
		r = encode(plan, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(plan);
	return 0;
}

struct erofs_plan *erofs_plan_free(struct erofs_plan *plan)
{
	if (plan) {
		free(plan->nodes);
		for (size_t i = 0; i < plan->packed_count; i++)
			erofs_packed_release(&plan->packed[i]);
		free(plan->packed);
		free(plan->extents);
		free(plan->metadata);
		free(plan);
	}
	return NULL;
}

uint64_t erofs_plan_blocks(const struct erofs_plan *plan)
{
	return plan->blocks;
}

void erofs_plan_statistics(const struct erofs_plan *plan, struct erofs_statistics *ret)
{
	*ret = plan->statistics;
}

/* The extent that holds *block*, which lies behind the metadata. */
static const struct erofs_extent *find_extent(const struct erofs_plan *plan, uint64_t block)
{
	size_t low = 0, high = plan->extent_count;

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (plan->extents[middle].block <= block)
			low = middle;
		else
			high = middle;
	}
	return &plan->extents[low];
}

/* Writes up to *count* blocks of one extent from *block* on; returns how many. */
static size_t fill_extent(const struct erofs_extent *extent, uint64_t block, size_t count, uint8_t *ret)
{
	uint64_t at = block - extent->block;
	size_t blocks = (size_t)MIN((uint64_t)count, extent->block_count - at);
	size_t bytes = blocks * EROFS_BLOCK_SIZE;
	size_t have = (size_t)MIN((uint64_t)bytes, extent->size - at * EROFS_BLOCK_SIZE);

	memcpy(ret, extent->data + at * EROFS_BLOCK_SIZE, have);
	memset(ret + have, 0, bytes - have);
	return blocks;
}

void erofs_plan_fill(const struct erofs_plan *plan, uint64_t first, size_t count, uint8_t *ret)
{
	const struct erofs_extent *extent = NULL;

	assert(first <= plan->blocks && count <= plan->blocks - first);
	while (count > 0) {
		size_t done;

		if (first < plan->metadata_blocks) {
			done = (size_t)MIN((uint64_t)count, plan->metadata_blocks - first);
			memcpy(ret, plan->metadata + first * EROFS_BLOCK_SIZE, done * EROFS_BLOCK_SIZE);
		} else {
			extent = extent ? extent + 1 : find_extent(plan, first);
			done = fill_extent(extent, first, count, ret);
		}
		first += done;
		count -= done;
		ret += done * EROFS_BLOCK_SIZE;
	}
}
