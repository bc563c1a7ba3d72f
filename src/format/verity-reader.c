/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/verity-reader.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "format/verity.h"

#define DIGESTS_PER_BLOCK (VERITY_BLOCK_SIZE / SHA256_SIZE)
#define NOTHING UINT64_MAX

/* The block of one level that is held: checked, but for one that is being read. */
struct level {
	uint64_t block; /* in its level; NOTHING where none is held */
	uint8_t *data;	/* aligned to VERITY_BLOCK_SIZE */
};

struct verity_reader {
	struct block_io hash;
	struct verity_options options;
	struct verity_shape shape;
	uint64_t blocks; /* of data */
	uint8_t root[SHA256_SIZE];
	struct sha256 *context;
	struct level levels[VERITY_LEVELS_MAX];
};

static int make_levels(struct verity_reader *reader)
{
	for (unsigned i = 0; i < reader->shape.levels; i++) {
		void *data;

		if (posix_memalign(&data, VERITY_BLOCK_SIZE, VERITY_BLOCK_SIZE) != 0)
			return -ENOMEM;
		reader->levels[i] = (struct level){.block = NOTHING, .data = data};
	}
	return 0;
}

int verity_reader_new(const struct block_io *hash, const struct verity_options *options, uint64_t blocks,
	const uint8_t root[SHA256_SIZE], struct verity_reader **ret, struct error **err)
{
	_cleanup_verity_reader_ struct verity_reader *reader = calloc(1, sizeof(*reader));

	if (blocks == 0 || blocks > VERITY_BLOCKS_MAX)
		return error_set(
			err, -EINVAL, "verity: no tree has %llu data blocks", (unsigned long long)blocks);
	if (reader)
		reader->context = sha256_new();
	if (!reader || !reader->context)
		return error_set_errno(err, -ENOMEM, "verity");
	reader->hash = *hash;
	reader->options = *options;
	reader->shape = verity_shape(blocks);
	reader->blocks = blocks;
	memcpy(reader->root, root, SHA256_SIZE);
	if (reader->shape.blocks > hash->size / VERITY_BLOCK_SIZE)
		return error_set(err, -ENOSPC,
			"verity: a hash tree of %llu blocks does not fit the %llu bytes for it",
			(unsigned long long)reader->shape.blocks, (unsigned long long)hash->size);
	if (make_levels(reader) < 0)
		return error_set_errno(err, -ENOMEM, "verity");
	*ret = TAKE_PTR(reader);
	return 0;
}

struct verity_reader *verity_reader_free(struct verity_reader *reader)
{
	if (reader) {
		for (unsigned i = 0; i < VERITY_LEVELS_MAX; i++)
			free(reader->levels[i].data);
		sha256_free(reader->context);
		free(reader);
	}
	return NULL;
}

static int load(struct verity_reader *reader, unsigned level, uint64_t block, struct error **err);

/* The digest of block *block* of *level*, from the level above. */
static int digest_above(
	struct verity_reader *reader, unsigned level, uint64_t block, const uint8_t **ret, struct error **err)
{
	int r;

	if (level + 1 == reader->shape.levels) {
		*ret = reader->root;
		return 0;
	}
	r = load(reader, level + 1, block / DIGESTS_PER_BLOCK, err);
	if (r >= 0)
		*ret = reader->levels[level + 1].data + block % DIGESTS_PER_BLOCK * SHA256_SIZE;
	return r;
}

/* Compares a hash block with its digest in the level above. */
static int check(
	struct verity_reader *reader, unsigned level, uint64_t block, const uint8_t *data, struct error **err)
{
	uint8_t digest[SHA256_SIZE];
	const uint8_t *expected;
	int r = digest_above(reader, level, block, &expected, err);

	if (r < 0)
		return r;
	verity_digest(&reader->options, reader->context, data, digest);
	if (memcmp(digest, expected, SHA256_SIZE) == 0)
		return 0;
	return error_set(err, -EBADMSG,
		"verity: block %llu of the hash tree is not the one that the root hash "
		"stands for",
		(unsigned long long)(reader->shape.start[level] + block));
}

/* Makes *block* the one that is held of *level*. */
static int load(struct verity_reader *reader, unsigned level, uint64_t block, struct error **err)
{
	struct level *held = &reader->levels[level];
	uint64_t at = reader->shape.start[level] + block;
	int r;

	if (held->block == block)
		return 0;
	held->block = NOTHING;
	r = block_read(&reader->hash, at * VERITY_BLOCK_SIZE, held->data, VERITY_BLOCK_SIZE);
	if (r < 0)
		return error_set_errno(
			err, r, "verity: reading block %llu of the hash tree", (unsigned long long)at);
	r = check(reader, level, block, held->data, err);
	if (r >= 0)
		held->block = block;
	return r;
}

int verity_reader_digest(
	struct verity_reader *reader, uint64_t block, const uint8_t **ret, struct error **err)
{
	int r;

	assert(block < reader->blocks);
	if (reader->shape.levels == 0) {
		*ret = reader->root;
		return 0;
	}
	r = load(reader, 0, block / DIGESTS_PER_BLOCK, err);
	if (r >= 0)
		*ret = reader->levels[0].data + block % DIGESTS_PER_BLOCK * SHA256_SIZE;
	return r;
}

int verity_reader_accept(
	struct verity_reader *reader, uint64_t block, const uint8_t *data, struct error **err)
{
	const struct verity_shape *shape = &reader->shape;

	for (unsigned level = 0; level < shape->levels; level++)
		if (block >= shape->start[level] && block - shape->start[level] < shape->count[level])
			return check(reader, level, block - shape->start[level], data, err);
	return error_set(
		err, -EBADMSG, "verity: block %llu is no block of the hash tree", (unsigned long long)block);
}
