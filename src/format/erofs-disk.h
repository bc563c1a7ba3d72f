/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * EROFS on disk: what writer and reader share. All numbers are little-endian. Offsets are those of fields in
 * their record; the names are those of the kernel's erofs_fs.h.
 */
#pragma once

#include "base/macro.h"

#define EROFS_SUPER_OFFSET 1024
#define EROFS_SUPER_SIZE 128
#define EROFS_MAGIC 0xE0F5E1E2u

enum {
	SUPER_MAGIC = 0,	      /* 32 bits */
	SUPER_CHECKSUM = 4,	      /* 32: CRC-32C from here to the block's end, this field zero */
	SUPER_FEATURE_COMPAT = 8,     /* 32 */
	SUPER_BLOCK_BITS = 12,	      /* 8: log2 of the block size */
	SUPER_EXTENSION_SLOTS = 13,   /* 8: 16-byte slots after the 128 bytes */
	SUPER_ROOT_NID = 14,	      /* 16 */
	SUPER_INODES = 16,	      /* 64 */
	SUPER_BUILD_TIME = 24,	      /* 64: seconds */
	SUPER_BUILD_NANOSECONDS = 32, /* 32 */
	SUPER_BLOCKS = 36,	      /* 32 */
	SUPER_META_BLOCK = 40,	      /* 32: where nid 0 would be */
	SUPER_XATTR_BLOCK = 44,	      /* 32: where shared attribute 0 would be */
	SUPER_UUID = 48,	      /* 16 bytes */
	SUPER_LABEL = 64,	      /* 16 bytes */
	SUPER_FEATURE_INCOMPAT = 80,  /* 32 */
	SUPER_ALGORITHMS = 84,	      /* 16: a bit for each ALGORITHM_… that is used */
	SUPER_DIRBLOCK_BITS = 90,     /* 8: log2 of folder block size over block size */
	SUPER_PREFIX_COUNT = 91,      /* 8: long attribute prefixes */
};

#define FEATURE_COMPAT_CHECKSUM 0x1u
#define FEATURE_COMPAT_MTIME 0x2u
#define FEATURE_INCOMPAT_ZERO_PADDING 0x1u   /* says something of compressed data only */
#define FEATURE_INCOMPAT_CONFIGURATIONS 0x2u /* of algorithms; clusters may have several blocks */
#define FEATURE_INCOMPAT_CHUNKS 0x4u
#define FEATURE_INCOMPAT_INLINE_CLUSTERS 0x10u

/* Behind the superblock and its extension slots, for each bit of SUPER_ALGORITHMS, at multiples of 4: 16 bits
 * of length, then that many bytes. */
enum {
	LZ4_DISTANCE = 0,	/* 16: bytes that a match goes back at most */
	LZ4_CLUSTER_BLOCKS = 2, /* 16: most blocks of a cluster, of any algorithm's */
	LZ4_CONFIGURATION_SIZE = 14,

	ZSTD_FORMAT = 0,     /* 8: 0 */
	ZSTD_WINDOW_LOG = 1, /* 8: log2 of the window, less 10 */
	ZSTD_CONFIGURATION_SIZE = 6,
};
#define ZSTD_WINDOW_LOG_BASE 10
#define EROFS_CONFIGURATIONS_SIZE \
	32 /* what the writer leaves room for: those of both, at a multiple of EROFS_SLOT */

enum { ALGORITHM_LZ4 = 0, ALGORITHM_ZSTD = 3 };

/* An inode lies at meta block + 32 × nid. */
#define EROFS_SLOT 32

enum {
	INODE_FORMAT = 0,      /* 16: bit 0 extended, bits 1 to 3 the data layout */
	INODE_XATTR_COUNT = 2, /* 16: 0, or 1 + the 4-byte units of attributes after their header */
	INODE_MODE = 4,	       /* 16 */
	INODE_SIZE = 8,	       /* 32 in a compact inode, 64 in an extended one */
	INODE_BLOCK = 16,      /* 32: first data block; of a compressed file, how many blocks it has */
	INODE_NUMBER = 20,     /* 32: a number that no reader of today uses */

	COMPACT_LINKS = 6, /* 16 */
	COMPACT_UID = 24,  /* 16 */
	COMPACT_GID = 26,  /* 16 */
	COMPACT_INODE_SIZE = 32,

	EXTENDED_UID = 24,	   /* 32 */
	EXTENDED_GID = 28,	   /* 32 */
	EXTENDED_MTIME = 32,	   /* 64 */
	EXTENDED_NANOSECONDS = 40, /* 32 */
	EXTENDED_LINKS = 44,	   /* 32 */
	EXTENDED_INODE_SIZE = 64,
};

#define INODE_EXTENDED 1
#define INODE_LAYOUT_SHIFT 1
#define INODE_LAYOUT_MASK 7

enum {
	LAYOUT_PLAIN = 0, /* all data in blocks */
	LAYOUT_COMPRESSED_OLD = 1,
	LAYOUT_INLINE = 2, /* the last, partial block behind the inode and its attributes */
	LAYOUT_COMPRESSED = 3,
	LAYOUT_CHUNKS = 4,
};

/* LAYOUT_CHUNKS: INODE_BLOCK holds how chunks are noted, and the notes stand behind the attributes. */
#define CHUNK_BITS_MASK 0x1fu /* log2 of chunk size over block size */
#define CHUNK_INDEXES                                                                         \
	0x20u /* notes of 8 bytes with the block in the last 4, aligned to 8; else of 4 bytes \
	       */
#define CHUNK_KNOWN (CHUNK_BITS_MASK | CHUNK_INDEXES)
#define CHUNK_HOLE UINT32_MAX

/* The index of a compressed file, at a multiple of 8 behind its attributes: a header, then entries. */
enum {
	INDEX_INLINE_SIZE = 2,	/* 16: bytes of the cluster behind the index */
	INDEX_ADVICE = 4,	/* 16 */
	INDEX_ALGORITHM = 6,	/* 8: bits 0 to 3 of LCLUSTER_HEAD, 4 to 7 of a second kind */
	INDEX_CLUSTER_BITS = 7, /* 8: bits 0 to 2, log2 of a logical cluster's size over that of a block */
	INDEX_HEADER_SIZE = 8,
};

/* INDEX_ADVICE */
#define INDEX_LARGE_GROUPS 0x1u
#define INDEX_LARGE_CLUSTERS 0x6u /* two bits, one for each kind of beginning */
#define INDEX_INLINE 0x8u

/* An entry of an index: its type above 12 bits of a number. */
enum { LCLUSTER_PLAIN = 0, LCLUSTER_HEAD = 1, LCLUSTER_INSIDE = 2 };
/* How many entries a group has, of the two sizes: 32 bytes and 8. */
#define EROFS_GROUP_LARGE 16
#define EROFS_GROUP_SMALL 2

#define LCLUSTER_NUMBER_BITS 12
#define LCLUSTER_HAS_BLOCKS \
	0x800u /* LCLUSTER_INSIDE: the number is that of the cluster's blocks, no distance */
#define LCLUSTER_DISTANCE_MAX 0x7ffu

/* Attributes behind an inode: a header (with 4-byte numbers of shared ones), then entries, each aligned to 4.
 */
enum {
	XATTR_HEADER_SHARED_COUNT = 4, /* 8 */
	XATTR_HEADER_SIZE = 12,

	XATTR_NAME_LENGTH = 0, /* 8 */
	XATTR_PREFIX = 1,      /* 8 */
	XATTR_VALUE_SIZE = 2,  /* 16 */
	XATTR_ENTRY_SIZE = 4,
};

/* A folder's block: entries, then the names; a name ends where the next begins, the last one at a NUL or at
 * the block's end. */
enum {
	DIRENT_NID = 0, /* 64 */
	DIRENT_NAME =
		8, /* 16: offset of the name in the block; the first entry's tells the number of entries */
	DIRENT_TYPE = 10, /* 8 */
	DIRENT_SIZE = 12,
};

enum {
	DIRENT_TYPE_FILE = 1,
	DIRENT_TYPE_FOLDER = 2,
	DIRENT_TYPE_SYMLINK = 7,
};

/* What stands for the beginning of an attribute's name: the index, the prefix. Ended by a NULL prefix. */
struct erofs_prefix {
	uint8_t index;
	bool whole; /* the prefix is the whole name */
	const char *prefix;
};
extern const struct erofs_prefix erofs_prefixes[];

/* The checksum of a superblock: over *size* bytes from EROFS_SUPER_OFFSET to the end of its block. */
uint32_t erofs_super_checksum(const uint8_t *super, size_t size);
