/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The inside of a planned image: what the layout (erofs-write.c) decides and the encoder (erofs-encode.c)
 * turns into bytes.
 */
#pragma once

#include "format/erofs-pack.h"
#include "format/erofs.h"

/* An inode to be written. Sizes in bytes, offsets from the image's beginning. */
struct erofs_node {
	struct tree_inode *inode;
	uint64_t parent; /* index of a folder's parent, its own for the root */
	uint64_t size;	 /* of the content: file, link target, folder entries */
	uint64_t offset; /* of the inode: a multiple of EROFS_SLOT */
	uint64_t block;	 /* first data block, 0 where there is none */
	uint64_t block_count;
	uint32_t links;
	uint32_t number;     /* the inode number that is noted: a hash of the path, so that it stays */
	uint32_t xattr_size; /* with its header; 0 where there are no attributes */
	uint32_t tail;	     /* bytes of content behind the inode, compressed where *packed* is there */
	struct erofs_packed *packed; /* NULL: the content stays as it is */
	uint32_t index_size;	     /* bytes between attributes and tail: of *packed* */
	bool extended;
};

/* Data blocks of one or more files with the same content. */
struct erofs_extent {
	uint64_t block, block_count;
	const uint8_t *data;
	uint64_t size; /* bytes of *data*, at most block_count × EROFS_BLOCK_SIZE; zeros follow */
};

struct erofs_plan {
	struct erofs_options options;
	char label[EROFS_LABEL_MAX];
	struct erofs_node *nodes; /* in the order of a walk; the root is the first */
	size_t node_count, node_capacity;
	struct erofs_extent *extents; /* in the order of their blocks */
	size_t extent_count;
	struct erofs_packed *packed; /* one for each content that was compressed */
	size_t packed_count;
	uint8_t *metadata; /* the image's first blocks: superblock, inodes, folders, small files */
	uint64_t metadata_blocks;
	uint64_t blocks;
	struct erofs_statistics statistics;
};

static inline size_t erofs_inode_size(const struct erofs_node *node)
{
	return node->extended ? 64 : 32;
}

/* What stands at its place, with all that is behind it. */
static inline uint64_t erofs_node_size(const struct erofs_node *node)
{
	return erofs_inode_size(node) + node->xattr_size + node->index_size + node->tail;
}

static inline bool erofs_fits_compact(const struct erofs_options *options, const struct erofs_node *node)
{
	const struct tree_inode *inode = node->inode;

	return inode->uid <= UINT16_MAX && inode->gid <= UINT16_MAX && node->size <= UINT32_MAX &&
	       node->links <= UINT16_MAX &&
	       (!options->keep_times || inode->mtime == (int64_t)options->build_time);
}

/* The size of an inode's attributes with their header, a multiple of 4; 0 where it has none. */
int erofs_xattrs_size(const struct tree_inode *inode, uint32_t *ret, struct error **err);

/* The size in bytes of a folder's entries, "." and ".." included. */
uint64_t erofs_folder_size(const struct tree_inode *folder);

/* The content of a file or link. */
static inline const uint8_t *erofs_node_data(const struct erofs_node *node)
{
	return S_ISLNK(node->inode->mode) ? (const uint8_t *)node->inode->target
					  : content_data(node->inode->content);
}

/*
 * Compresses the contents of files, and decides which of them are better so: their nodes get *packed*, and
 * other sizes. Up to *tail_max* bytes of a content that has blocks too may stand behind its inode.
 */
int erofs_compress_nodes(struct erofs_plan *plan, uint64_t tail_max, struct error **err);

/* Orders pointers to nodes by content, equal contents by their number of blocks and then their place in the
 * walk. */
int erofs_compare_nodes(const void *a, const void *b);
bool erofs_same_content(const struct erofs_node *a, const struct erofs_node *b);

/* Writes inode, attributes, index, tail and, of a folder, its blocks into the metadata. Returns 0 or -ENOMEM.
 */
int erofs_encode_node(struct erofs_plan *plan, size_t index);
void erofs_encode_super(struct erofs_plan *plan);
