/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/fsverity.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "base/file.h"
#include "base/sparse.h"
#include "base/work.h"

#define BLOCK_SIZE FSVERITY_BLOCK_SIZE
#define BLOCK_DIGESTS (BLOCK_SIZE / SHA256_SIZE)
#define RANGE_BLOCKS 1024 /* read by one thread at a time … */
#define READ_BLOCKS 64	  /* … in pieces of so many */

/* struct fsverity_descriptor of the kernel's include/uapi/linux/fsverity.h. */
enum {
	DESCRIPTOR_VERSION = 0,	   /* 8: 1 */
	DESCRIPTOR_ALGORITHM = 1,  /* 8 */
	DESCRIPTOR_BLOCK_BITS = 2, /* 8: log2 of the block size */
	DESCRIPTOR_DATA_SIZE = 8,  /* 64: bytes of the file */
	DESCRIPTOR_ROOT_HASH = 16, /* 64 bytes */
	DESCRIPTOR_SIZE = 256,
};
#define ALGORITHM_SHA256 1

struct hashing {
	int fd;
	uint64_t size, blocks; /* of the file */
	struct fsverity_known known;
	uint8_t *leaves;
	uint8_t hole[SHA256_SIZE]; /* the digest of a block of zeros */
};

static void digest_blocks(struct sha256 *context, const uint8_t *blocks, uint64_t count, uint8_t *ret)
{
	for (uint64_t i = 0; i < count; i++) {
		sha256_update(context, blocks + i * BLOCK_SIZE, BLOCK_SIZE);
		sha256_final(context, ret + i * SHA256_SIZE);
	}
}

static void set_holes(struct hashing *hashing, uint64_t first, uint64_t end)
{
	for (; first < end; first++)
		memcpy(hashing->leaves + first * SHA256_SIZE, hashing->hole, SHA256_SIZE);
}

/* Hashes the blocks *first* to *end*, of which the file's last one may not be whole. */
static int hash_blocks(struct hashing *hashing, struct sha256 *context, uint64_t first, uint64_t end)
{
	_cleanup_free_ uint8_t *blocks = malloc(READ_BLOCKS * BLOCK_SIZE);

	if (!blocks)
		return -ENOMEM;
	while (first < end) {
		uint64_t count = MIN(end - first, (uint64_t)READ_BLOCKS);
		uint64_t bytes = MIN(count * BLOCK_SIZE, hashing->size - first * BLOCK_SIZE);
		int r = pread_full(hashing->fd, blocks, (size_t)bytes, first * BLOCK_SIZE);

		if (r < 0)
			return r;
		memset(blocks + bytes, 0, (size_t)(count * BLOCK_SIZE - bytes));
		digest_blocks(context, blocks, count, hashing->leaves + first * SHA256_SIZE);
		first += count;
	}
	return 0;
}

/* Hashes the blocks *at* to *end* without reading the holes among them. */
static int hash_span(struct hashing *hashing, struct sha256 *context, uint64_t at, uint64_t end)
{
	int r = 0;

	while (r >= 0 && at < end) {
		uint64_t begin = end, stop = end;

		/* -ENXIO: there is nothing but a hole. */
		r = sparse_next_data(
			hashing->fd, at * BLOCK_SIZE, MIN(end * BLOCK_SIZE, hashing->size), &begin, &stop);
		if (r == -ENXIO) {
			set_holes(hashing, at, end);
			return 0;
		}
		if (r < 0)
			break;
		begin /= BLOCK_SIZE;
		stop = div_round_up_u64(stop, BLOCK_SIZE);
		set_holes(hashing, at, begin);
		r = hash_blocks(hashing, context, begin, stop);
		at = stop;
	}
	return r;
}

/* What is before the known blocks, those, and what is behind them. */
static int hash_range(size_t index, void *userdata, struct error **err)
{
	struct hashing *hashing = userdata;
	_cleanup_sha256_ struct sha256 *context = sha256_new();
	uint64_t at = (uint64_t)index * RANGE_BLOCKS, end = MIN(at + RANGE_BLOCKS, hashing->blocks);
	uint64_t known = hashing->known.offset / BLOCK_SIZE;
	uint64_t begin = CLAMP(known, at, end), stop = CLAMP(known + hashing->known.blocks, at, end);
	int r = context ? hash_span(hashing, context, at, begin) : -ENOMEM;

	if (stop > begin)
		memcpy(hashing->leaves + begin * SHA256_SIZE,
			hashing->known.digests + (begin - known) * SHA256_SIZE,
			(size_t)(stop - begin) * SHA256_SIZE);
	if (r >= 0)
		r = hash_span(hashing, context, stop, end);
	return r < 0 ? error_set_errno(err, r, "fs-verity: reading") : 0;
}

/* Each level is written over the one that it is made of: it ends long before what is still to be read. */
static int hash_levels(struct hashing *hashing, uint8_t ret[SHA256_SIZE], struct error **err)
{
	_cleanup_sha256_ struct sha256 *context = sha256_new();
	uint64_t count = hashing->blocks;

	if (!context)
		return error_set_errno(err, -ENOMEM, "fs-verity");
	while (count > 1) {
		uint64_t blocks = div_round_up_u64(count, BLOCK_DIGESTS);

		memset(hashing->leaves + count * SHA256_SIZE, 0,
			(size_t)(blocks * BLOCK_SIZE - count * SHA256_SIZE));
		for (uint64_t i = 0; i < blocks; i++) {
			uint8_t digest[SHA256_SIZE];

			digest_blocks(context, hashing->leaves + i * BLOCK_SIZE, 1, digest);
			memcpy(hashing->leaves + i * SHA256_SIZE, digest, SHA256_SIZE);
		}
		count = blocks;
	}
	memcpy(ret, hashing->leaves, SHA256_SIZE);
	return 0;
}

/* The root hash of the tree: of a file that has one block its digest, of an empty one zeros. */
static int hash_tree(int fd, unsigned threads, uint64_t size, const struct fsverity_known *known,
	uint8_t ret[SHA256_SIZE], struct error **err)
{
	static const uint8_t zeros[BLOCK_SIZE];
	struct hashing hashing = {.fd = fd, .size = size, .blocks = div_round_up_u64(size, BLOCK_SIZE)};
	_cleanup_free_ uint8_t *leaves = NULL;
	int r;

	memset(ret, 0, SHA256_SIZE);
	if (size == 0)
		return 0;
	leaves = calloc(div_round_up_u64(hashing.blocks, BLOCK_DIGESTS), BLOCK_SIZE);
	if (!leaves || sha256_bytes(zeros, sizeof(zeros), hashing.hole) < 0)
		return error_set_errno(
			err, -ENOMEM, "fs-verity: a tree over %ju blocks", (uintmax_t)hashing.blocks);
	hashing.leaves = leaves;
	if (known)
		hashing.known = *known;
	assert(hashing.known.offset % BLOCK_SIZE == 0 && hashing.known.offset <= size &&
		hashing.known.blocks <= (size - hashing.known.offset) / BLOCK_SIZE);
	r = work_run(
		threads, (size_t)div_round_up_u64(hashing.blocks, RANGE_BLOCKS), hash_range, &hashing, err);
	return r < 0 ? r : hash_levels(&hashing, ret, err);
}

int fsverity_digest(int fd, unsigned threads, const struct fsverity_known *known, uint8_t ret[SHA256_SIZE],
	uint64_t *ret_size, struct error **err)
{
	uint8_t descriptor[DESCRIPTOR_SIZE] = {
		[DESCRIPTOR_VERSION] = 1,
		[DESCRIPTOR_ALGORITHM] = ALGORITHM_SHA256,
		[DESCRIPTOR_BLOCK_BITS] = 12,
	};
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return error_set_errno(err, -errno, "fs-verity");
	if (!S_ISREG(st.st_mode))
		return error_set(err, -EINVAL, "fs-verity: not a regular file");
	r = hash_tree(fd, threads, (uint64_t)st.st_size, known, descriptor + DESCRIPTOR_ROOT_HASH, err);
	if (r < 0)
		return r;
	write_le64(descriptor + DESCRIPTOR_DATA_SIZE, (uint64_t)st.st_size);
	r = sha256_bytes(descriptor, sizeof(descriptor), ret);
	if (r < 0)
		return error_set_errno(err, r, "fs-verity");
	if (ret_size)
		*ret_size = (uint64_t)st.st_size;
	return 0;
}
