/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/verity.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "base/bytes.h"
#include "base/file.h"
#include "base/work.h"

#define RANGE_BLOCKS 256 /* of data, hashed at a time */
#define TREE_MAX GiB(1)	 /* a tree to verify is held in memory; this one is of 128 GiB of data */

struct verity {
	struct verity_options options;
	struct verity_shape shape;
	uint64_t data_blocks;
	uint8_t *file;
	uint8_t only_digest[SHA256_SIZE]; /* of an image of one block, which has no tree: it is the root */
};

int verity_new(const struct verity_options *options, uint64_t blocks, struct verity **ret, struct error **err)
{
	_cleanup_verity_ struct verity *verity = calloc(1, sizeof(*verity));

	if (options->salt_size > VERITY_SALT_MAX)
		return error_set(err, -EINVAL, "verity: a salt of %zu bytes is longer than %d",
			options->salt_size, VERITY_SALT_MAX);
	if (blocks == 0)
		return error_set(err, -EINVAL, "verity: an empty image can't be verified");
	if (blocks > VERITY_BLOCKS_MAX)
		return error_set(err, -E2BIG, "verity: %llu blocks are too many", (unsigned long long)blocks);
	if (!verity)
		return error_set_errno(err, -ENOMEM, "verity");
	verity->options = *options;
	verity->data_blocks = blocks;
	verity->shape = verity_shape(blocks);
	verity->file = calloc(verity->shape.blocks, VERITY_BLOCK_SIZE);
	if (!verity->file)
		return error_set_errno(err, -ENOMEM, "verity: tree of %llu blocks",
			(unsigned long long)verity->shape.blocks);
	verity_header_write(options, blocks, verity->file);
	*ret = TAKE_PTR(verity);
	return 0;
}

struct verity *verity_free(struct verity *verity)
{
	if (verity) {
		free(verity->file);
		free(verity);
	}
	return NULL;
}

void verity_digest(const struct verity_options *options, struct sha256 *context, const uint8_t *block,
	uint8_t ret[SHA256_SIZE])
{
	sha256_update(context, options->salt, options->salt_size);
	sha256_update(context, block, VERITY_BLOCK_SIZE);
	sha256_final(context, ret);
}

static void hash_blocks(const struct verity_options *options, struct sha256 *context, const uint8_t *blocks,
	uint64_t count, uint8_t *digests)
{
	for (; count > 0; count--) {
		verity_digest(options, context, blocks, digests);
		blocks += VERITY_BLOCK_SIZE;
		digests += SHA256_SIZE;
	}
}

static uint8_t *level_at(const struct verity *verity, unsigned level)
{
	return verity->file + verity->shape.start[level] * VERITY_BLOCK_SIZE;
}

void verity_hash(
	struct verity *verity, struct sha256 *context, uint64_t first, const uint8_t *blocks, size_t count)
{
	uint8_t *digests = verity->shape.levels > 0 ? level_at(verity, 0) : verity->only_digest;

	assert(first <= verity->data_blocks && count <= verity->data_blocks - first);
	hash_blocks(&verity->options, context, blocks, count, digests + first * SHA256_SIZE);
}

const uint8_t *verity_leaves(const struct verity *verity)
{
	return verity->shape.levels > 0 ? level_at(verity, 0) : verity->only_digest;
}

uint64_t verity_size(const struct verity *verity)
{
	return verity->shape.blocks * VERITY_BLOCK_SIZE;
}

int verity_finish(struct verity *verity, const uint8_t **ret_file, uint8_t ret_root[SHA256_SIZE])
{
	_cleanup_sha256_ struct sha256 *context = sha256_new();
	const struct verity_shape *shape = &verity->shape;

	if (!context)
		return -ENOMEM;
	for (unsigned level = 1; level < shape->levels; level++)
		hash_blocks(&verity->options, context, level_at(verity, level - 1), shape->count[level - 1],
			level_at(verity, level));
	if (shape->levels > 0)
		hash_blocks(&verity->options, context, level_at(verity, shape->levels - 1), 1, ret_root);
	else
		memcpy(ret_root, verity->only_digest, SHA256_SIZE);
	*ret_file = verity->file;
	return 0;
}

static int hash_file(struct verity *verity, int fd, struct error **err)
{
	_cleanup_sha256_ struct sha256 *context = sha256_new();
	_cleanup_free_ uint8_t *blocks = malloc(RANGE_BLOCKS * VERITY_BLOCK_SIZE);
	int r = context && blocks ? 0 : -ENOMEM;

	for (uint64_t first = 0; first < verity->data_blocks && r >= 0; first += RANGE_BLOCKS) {
		size_t count = (size_t)MIN(verity->data_blocks - first, (uint64_t)RANGE_BLOCKS);

		r = pread_full(fd, blocks, count * VERITY_BLOCK_SIZE, first * VERITY_BLOCK_SIZE);
		if (r >= 0)
			verity_hash(verity, context, first, blocks, count);
	}
	return r < 0 ? error_set_errno(err, r, "hashing a file") : 0;
}

int verity_write(int data_fd, uint64_t blocks, const struct verity_options *options, int hash_fd,
	uint8_t ret_root[SHA256_SIZE], struct error **err)
{
	_cleanup_verity_ struct verity *verity = NULL;
	const uint8_t *file;
	int r = verity_new(options, blocks, &verity, err);

	if (r >= 0)
		r = hash_file(verity, data_fd, err);
	if (r < 0)
		return r;
	r = verity_finish(verity, &file, ret_root);
	if (r >= 0)
		r = pwrite_full(hash_fd, file, verity_size(verity), 0);
	return r < 0 ? error_set_errno(err, r, "writing a hash tree") : 0;
}

/* A verification under way. The tree is read once and checked from its root down before any of it is used. */
struct check {
	const struct verity_range *data, *hash;
	struct verity tree;
	atomic_uint_least64_t bad; /* lowest bad block so far */
};

static void note_bad(struct check *check, uint64_t block)
{
	uint_least64_t lowest = atomic_load(&check->bad);

	while (block < lowest && !atomic_compare_exchange_weak(&check->bad, &lowest, block))
		;
}

/* Reads from a range, whose end is not passed. */
static int range_read(const struct verity_range *range, void *data, size_t size, uint64_t at)
{
	if (at > range->size || size > range->size - at)
		return -ENODATA;
	return pread_full(range->fd, data, size, range->offset + at);
}

static int read_header(const struct verity_range *hash, struct verity_header *ret, struct error **err)
{
	uint8_t super[VERITY_HEADER_SIZE];
	int r = range_read(hash, super, sizeof(super), 0);

	if (r < 0)
		return error_set_errno(err, r, "verity: reading the superblock of the hash tree");
	r = verity_header_parse(super, sizeof(super), ret, err);
	if (r < 0)
		return r;
	if (ret->size > hash->size)
		return error_set(err, -ENODATA,
			"verity: the hash tree has %llu bytes, its superblock says %llu",
			(unsigned long long)hash->size, (unsigned long long)ret->size);
	if (ret->size > TREE_MAX)
		return error_set(err, -EFBIG, "verity: a hash tree of %llu bytes is too large to verify here",
			(unsigned long long)ret->size);
	return 0;
}

/* The digests that the blocks of *level* must have. */
static const uint8_t *digests_above(const struct verity *tree, unsigned level, const uint8_t *root)
{
	return level + 1 < tree->shape.levels ? level_at(tree, level + 1) : root;
}

static int check_tree(struct check *check, const uint8_t *root, struct error **err)
{
	_cleanup_sha256_ struct sha256 *context = sha256_new();
	const struct verity *tree = &check->tree;
	uint8_t digest[SHA256_SIZE];

	if (!context)
		return error_set_errno(err, -ENOMEM, "verity");
	for (unsigned level = tree->shape.levels; level-- > 0;) {
		const uint8_t *expected = digests_above(tree, level, root);

		for (uint64_t i = 0; i < tree->shape.count[level]; i++) {
			const uint8_t *block = level_at(tree, level) + i * VERITY_BLOCK_SIZE;

			hash_blocks(&tree->options, context, block, 1, digest);
			if (memcmp(digest, expected + i * SHA256_SIZE, SHA256_SIZE) == 0)
				continue;
			check->bad = tree->shape.start[level] + i;
			return error_set(err, -EBADMSG, "verity: block %llu of the hash tree is corrupted%s",
				(unsigned long long)check->bad,
				level + 1 == tree->shape.levels ? ", or the root hash is another tree's"
								: "");
		}
	}
	return 0;
}

static int check_range(size_t index, void *userdata, struct error **err)
{
	struct check *check = userdata;
	_cleanup_sha256_ struct sha256 *context = sha256_new();
	_cleanup_free_ uint8_t *blocks = malloc(RANGE_BLOCKS * VERITY_BLOCK_SIZE);
	uint64_t first = (uint64_t)index * RANGE_BLOCKS;
	size_t count = (size_t)MIN((uint64_t)RANGE_BLOCKS, check->tree.data_blocks - first);
	const uint8_t *expected =
		(check->tree.shape.levels > 0 ? level_at(&check->tree, 0) : check->tree.only_digest) +
		first * SHA256_SIZE;
	uint8_t digest[SHA256_SIZE];
	int r;

	if (!context || !blocks)
		return error_set_errno(err, -ENOMEM, "verity");
	r = range_read(check->data, blocks, count * VERITY_BLOCK_SIZE, first * VERITY_BLOCK_SIZE);
	if (r < 0)
		return error_set_errno(
			err, r, "verity: reading the data from block %llu on", (unsigned long long)first);
	for (size_t i = 0; i < count; i++) {
		hash_blocks(&check->tree.options, context, blocks + i * VERITY_BLOCK_SIZE, 1, digest);
		if (memcmp(digest, expected + i * SHA256_SIZE, SHA256_SIZE) != 0) {
			note_bad(check, first + i);
			return error_set(err, -EBADMSG, "verity: data block %llu is corrupted",
				(unsigned long long)(first + i));
		}
	}
	return 0;
}

static int load_tree(
	struct check *check, const struct verity_header *header, const uint8_t *root, struct error **err)
{
	int r;

	check->tree.options = header->options;
	check->tree.data_blocks = header->blocks;
	check->tree.shape = verity_shape(header->blocks);
	memcpy(check->tree.only_digest, root, SHA256_SIZE);
	check->tree.file = malloc(header->size);
	if (!check->tree.file)
		return error_set_errno(err, -ENOMEM, "verity: hash tree");
	r = range_read(check->hash, check->tree.file, header->size, 0);
	if (r < 0)
		return error_set_errno(err, r, "verity: reading the hash tree");
	return 0;
}

int verity_verify_ranges(const struct verity_range *data, const struct verity_range *hash,
	const uint8_t root[SHA256_SIZE], unsigned threads, struct verity_fault *ret_fault, struct error **err)
{
	struct check check = {.data = data, .hash = hash, .bad = UINT64_MAX};
	struct verity_header header;
	bool in_tree = true;
	int r;

	r = read_header(hash, &header, err);
	if (r < 0)
		return r;
	r = load_tree(&check, &header, root, err);
	if (r >= 0)
		r = check_tree(&check, root, err);
	if (r >= 0) {
		in_tree = false;
		r = work_run(
			threads, div_round_up_u64(header.blocks, RANGE_BLOCKS), check_range, &check, err);
	}
	free(check.tree.file);
	if (r == -EBADMSG && ret_fault)
		*ret_fault = (struct verity_fault){.in_tree = in_tree, .block = check.bad};
	return r;
}

/* The whole of a file. */
static int whole_file(int fd, struct verity_range *ret, struct error **err)
{
	off_t end = lseek(fd, 0, SEEK_END);

	if (end < 0)
		return error_set_errno(err, -errno, "verity: the size of a file");
	*ret = (struct verity_range){.fd = fd, .size = (uint64_t)end};
	return 0;
}

int verity_verify(int data_fd, int hash_fd, const uint8_t root[SHA256_SIZE], unsigned threads,
	struct verity_fault *ret_fault, struct error **err)
{
	struct verity_range data, hash;
	int r = whole_file(data_fd, &data, err);

	if (r >= 0)
		r = whole_file(hash_fd, &hash, err);
	return r < 0 ? r : verity_verify_ranges(&data, &hash, root, threads, ret_fault, err);
}

int verity_check_root(const struct verity_range *data, const struct verity_range *hash,
	const uint8_t root[SHA256_SIZE], struct error **err)
{
	_cleanup_sha256_ struct sha256 *context = sha256_new();
	uint8_t block[VERITY_BLOCK_SIZE], digest[SHA256_SIZE];
	struct verity_header header;
	struct verity_shape shape;
	int r = context ? read_header(hash, &header, err) : error_set_errno(err, -ENOMEM, "verity");

	if (r < 0)
		return r;
	shape = verity_shape(header.blocks);
	if (shape.levels > 0)
		r = range_read(hash, block, sizeof(block), shape.start[shape.levels - 1] * VERITY_BLOCK_SIZE);
	else
		r = range_read(data, block, sizeof(block), 0);
	if (r < 0)
		return error_set_errno(err, r, "verity: reading the top of the hash tree");
	hash_blocks(&header.options, context, block, 1, digest);
	if (memcmp(digest, root, SHA256_SIZE) != 0)
		return error_set(err, -EBADMSG, "verity: the hash tree is not that of the root hash");
	return 0;
}
