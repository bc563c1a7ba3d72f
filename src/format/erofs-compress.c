/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "format/erofs-index.h"
#include "format/erofs-plan.h"

/* Shorter contents have hardly anything to give away. */
#define SIZE_MIN 128

static bool is_candidate(const struct erofs_node *node)
{
	return S_ISREG(node->inode->mode) && node->size >= SIZE_MIN;
}

/* Gives each content a place in plan->packed, and its nodes a pointer to that. */
static int find_contents(struct erofs_plan *plan, struct error **err)
{
	_cleanup_free_ struct erofs_node **sorted = calloc(plan->node_count, sizeof(struct erofs_node *));
	size_t count = 0;

	plan->packed = calloc(plan->node_count, sizeof(*plan->packed));
	if (!sorted || !plan->packed)
		return error_set_errno(err, -ENOMEM, "erofs: contents of %zu inodes", plan->node_count);
	for (size_t i = 0; i < plan->node_count; i++)
		if (is_candidate(&plan->nodes[i]))
			sorted[count++] = &plan->nodes[i];
	qsort(sorted, count, sizeof(struct erofs_node *), erofs_compare_nodes);
	for (size_t i = 0; i < count; i++) {
		if (i == 0 || !erofs_same_content(sorted[i - 1], sorted[i]))
			plan->packed[plan->packed_count++] =
				(struct erofs_packed){.origin = sorted[i]->inode->content,
					.content = erofs_node_data(sorted[i]),
					.size = sorted[i]->size};
		sorted[i]->packed = &plan->packed[plan->packed_count - 1];
	}
	return 0;
}

static uint64_t head_size(const struct erofs_node *node)
{
	return erofs_inode_size(node) + node->xattr_size;
}

/*
 * Decides which contents have their last cluster behind the inode: those of which all inodes have room for
 * it, since they share the blocks. Like the tails of other files, see erofs-write.c.
 */
static void choose_inline(struct erofs_plan *plan, uint64_t tail_max)
{
	for (size_t i = 0; i < plan->packed_count; i++) {
		struct erofs_packed *packed = &plan->packed[i];

		packed->is_inline =
			packed->last_size > 0 && (packed->blocks == 1 || packed->last_size <= tail_max);
	}
	for (size_t i = 0; i < plan->node_count; i++) {
		const struct erofs_node *node = &plan->nodes[i];

		if (node->packed && erofs_index_end(head_size(node), node->size) + node->packed->last_size >
					    EROFS_BLOCK_SIZE)
			node->packed->is_inline = false;
	}
}

/* Takes a node's compressed form, unless the other one is as small. */
static void choose_form(struct erofs_node *node)
{
	const struct erofs_packed *packed = node->packed;
	uint64_t index = erofs_index_end(head_size(node), node->size) - head_size(node);
	uint64_t blocks = erofs_packed_blocks(packed), tail = packed->is_inline ? packed->last_size : 0;

	if (blocks * EROFS_BLOCK_SIZE + index + tail >= node->block_count * EROFS_BLOCK_SIZE + node->tail) {
		node->packed = NULL;
		return;
	}
	node->index_size = (uint32_t)index;
	node->tail = (uint32_t)tail;
	node->block_count = blocks;
	node->block = 0;
}

int erofs_compress_nodes(struct erofs_plan *plan, uint64_t tail_max, struct error **err)
{
	int r = find_contents(plan, err);

	if (r >= 0)
		r = erofs_pack(plan->packed, plan->packed_count, &plan->options.compression,
			plan->options.store, plan->options.threads, err);
	if (r < 0)
		return r;
	choose_inline(plan, tail_max);
	for (size_t i = 0; i < plan->node_count; i++) {
		if (!plan->nodes[i].packed)
			continue;
		choose_form(&plan->nodes[i]);
		plan->statistics.compressed += plan->nodes[i].packed != NULL;
	}
	return 0;
}
