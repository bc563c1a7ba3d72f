/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * EROFS, the read-only file system of the usr image: written from and read into a `struct tree`.
 *
 * Format: the kernel's Documentation/filesystems/erofs.rst and the EROFS on-disk format core pages; what is
 * used of it, and how the writer lays an image out so that similar trees give similar images, stands in
 * docs/formats/erofs.md. Blocks are 4 KiB.
 *
 * Writing has two steps. erofs_plan_new() gives every inode and every file's data its place, and makes the
 * metadata. After that any range of blocks can be asked for, in any order and from several threads at once:
 * the caller writes them, hashes them for dm-verity, or both.
 */
#pragma once

#include "base/buffer.h"
#include "format/compressor.h"
#include "format/tree.h"

#define EROFS_BLOCK_SIZE 4096
#define EROFS_LABEL_MAX 16	 /* bytes; a label that long has no NUL on disk */
#define EROFS_XATTR_NAME_MAX 255 /* without the prefix that the format stores as a number */
#define EROFS_XATTR_VALUE_MAX 65535

enum erofs_layout {
	EROFS_STABLE, /* similar trees give images with most blocks in common */
	EROFS_DENSE,  /* smallest: about 0.7 % less, but each release changes three times as many blocks */
};

/*
 * Keeps contents as they were compressed, from one image to the next, each under its digest and what the
 * compression is. Several threads call at once. load() returns 1 and appends what was saved to *ret*; 0 where
 * there is nothing; -ENOMEM. save() does what it can.
 */
struct erofs_store {
	int (*load)(void *userdata, struct content *content, struct buffer *ret);
	void (*save)(void *userdata, struct content *content, const struct buffer *data);
	void *userdata;
};

struct erofs_options {
	uint8_t uuid[16];
	const char *label;   /* NULL: none; at most EROFS_LABEL_MAX bytes */
	uint64_t build_time; /* seconds since 1970: the time of every inode … */
	enum erofs_layout layout;
	struct compression compression;
	const struct erofs_store *store; /* NULL: there is none */
	unsigned threads;		 /* that compress: 0: one for each processor */
	bool keep_times;		 /* … but those whose own time differs, where this is set */
};

struct erofs_statistics {
	uint64_t inodes;
	uint64_t metadata_blocks; /* superblock, inodes and folders: change with most releases */
	uint64_t small_blocks;	  /* small files and links: change only where one of them does */
	uint64_t data_blocks;
	uint64_t shared_blocks; /* data blocks saved because another file has the same content */
	uint64_t compressed;	/* files */
};

struct erofs_plan;

/*
 * Lays out the image whose root is *folder*, and compresses what it is made of if that is asked for. The plan
 * refers to the tree: names, attributes and contents must stay as they are until erofs_plan_free(). Uses the
 * field *number* of the inodes. Names outside *folder* that lead to an inode in it do not count as links.
 *
 * Returns 0; -EINVAL for an extended attribute with a prefix that EROFS doesn't know or a label that is too
 * long, -E2BIG where attributes or the image exceed the format's limits, -ENOMEM.
 */
int erofs_plan_new(struct tree_inode *folder, const struct erofs_options *options, struct erofs_plan **ret,
	struct error **err);
struct erofs_plan *erofs_plan_free(struct erofs_plan *plan);
DEFINE_CLEANUP(struct erofs_plan *, erofs_plan_free);
#define _cleanup_erofs_plan_ _cleanup_(erofs_plan_freep)

/* The size of the image in blocks of EROFS_BLOCK_SIZE. */
uint64_t erofs_plan_blocks(const struct erofs_plan *plan);

void erofs_plan_statistics(const struct erofs_plan *plan, struct erofs_statistics *ret);

/*
 * Writes *count* blocks from block *first* on to *ret*, which holds *count* × EROFS_BLOCK_SIZE bytes. The
 * range must lie inside the image. Several threads may call it at once.
 */
void erofs_plan_fill(const struct erofs_plan *plan, uint64_t first, size_t count, uint8_t *ret);

/* Where an image is read from: *data* or, where that is NULL, *size* bytes of *fd* from *offset* on. */
struct erofs_source {
	const uint8_t *data;
	int fd;
	uint64_t offset, size; /* bytes */
};

/* What a superblock says. */
struct erofs_super {
	uint8_t uuid[16];
	char label[EROFS_LABEL_MAX + 1];
	uint64_t build_time; /* seconds since 1970 */
	uint64_t inodes;
	uint64_t blocks; /* the size of the image */
	uint32_t feature_compat, feature_incompat;
	uint64_t metadata, shared_xattrs; /* offsets in bytes */
	uint64_t root_nid;
};

/*
 * Reads and checks the superblock: magic, checksum where it has one, block size (4 KiB only), that the image
 * is as long as it says. Returns 0; -EBADMSG for what is no EROFS image or a damaged one, -ENODATA for one
 * that is cut short, -ENOTSUP where a feature is used that isn't known here; the errors of reading.
 */
int erofs_read_super(const struct erofs_source *source, struct erofs_super *ret, struct error **err);

/* The most that a reader takes in, whatever an image says. */
struct erofs_limits {
	uint64_t bytes; /* contents, link targets, folders and attributes; 0: 64 MiB + 4 × the image's size,
			   of a compressed one 16 × */
	uint64_t names; /* 0: 4 million */
};

/*
 * Reads a whole image into a new tree. Files that share their blocks share one content. A second
 * name of a symbolic link becomes a link of its own, as a tree knows hard links of files only. *limits* may
 * be NULL.
 *
 * Returns 0; -EBADMSG for an image that is damaged, with *err* naming path and fault; -ENOTSUP for forms of
 * compression that are not known here, device nodes and the like; -EFBIG beyond the limits; the errors of
 * erofs_read_super().
 */
int erofs_read_tree(const struct erofs_source *source, const struct erofs_limits *limits, struct tree **ret,
	struct error **err);
