/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/verity-builder.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "format/verity.h"

#define DIGESTS_PER_BLOCK (VERITY_BLOCK_SIZE / SHA256_SIZE)

/* The block of one level that is being filled. */
struct filling {
	uint64_t digests; /* of the level, so far */
	uint8_t data[VERITY_BLOCK_SIZE];
};

struct verity_builder {
	struct verity_options options;
	struct verity_shape shape;
	uint64_t blocks, added; /* of data */
	verity_block_fn fn;
	void *userdata;
	struct sha256 *context;
	uint8_t root[SHA256_SIZE];
	struct filling levels[VERITY_LEVELS_MAX];
};

int verity_builder_new(const struct verity_options *options, uint64_t blocks, verity_block_fn fn,
	void *userdata, struct verity_builder **ret, struct error **err)
{
	_cleanup_verity_builder_ struct verity_builder *builder = calloc(1, sizeof(*builder));

	assert(blocks > 0 && blocks <= VERITY_BLOCKS_MAX);
	if (builder)
		builder->context = sha256_new();
	if (!builder || !builder->context)
		return error_set_errno(err, -ENOMEM, "verity");
	builder->options = *options;
	builder->shape = verity_shape(blocks);
	builder->blocks = blocks;
	builder->fn = fn;
	builder->userdata = userdata;
	*ret = TAKE_PTR(builder);
	return 0;
}

struct verity_builder *verity_builder_free(struct verity_builder *builder)
{
	if (builder) {
		sha256_free(builder->context);
		free(builder);
	}
	return NULL;
}

static int add_digest(
	struct verity_builder *builder, unsigned level, const uint8_t *digest, struct error **err);

/* Hands out the block of *level* that is being filled, and adds its digest above. */
static int close_block(struct verity_builder *builder, unsigned level, struct error **err)
{
	struct filling *filling = &builder->levels[level];
	uint64_t block = (filling->digests - 1) / DIGESTS_PER_BLOCK;
	uint8_t digest[SHA256_SIZE];
	int r = 0;

	if (builder->fn)
		r = builder->fn(builder->shape.start[level] + block, filling->data, builder->userdata, err);
	if (r < 0)
		return r;
	verity_digest(&builder->options, builder->context, filling->data, digest);
	memset(filling->data, 0, sizeof(filling->data));
	return add_digest(builder, level + 1, digest, err);
}

/* Adds a digest to *level*; above the top, it is the root hash. */
static int add_digest(
	struct verity_builder *builder, unsigned level, const uint8_t *digest, struct error **err)
{
	struct filling *filling = &builder->levels[level];

	if (level == builder->shape.levels) {
		memcpy(builder->root, digest, SHA256_SIZE);
		return 0;
	}
	memcpy(filling->data + filling->digests % DIGESTS_PER_BLOCK * SHA256_SIZE, digest, SHA256_SIZE);
	filling->digests++;
	return filling->digests % DIGESTS_PER_BLOCK == 0 ? close_block(builder, level, err) : 0;
}

int verity_builder_add(
	struct verity_builder *builder, const uint8_t *digests, size_t count, struct error **err)
{
	int r = 0;

	assert(count <= builder->blocks - builder->added);
	builder->added += count;
	for (size_t i = 0; i < count && r >= 0; i++)
		r = add_digest(builder, 0, digests + i * SHA256_SIZE, err);
	return r;
}

int verity_builder_finish(struct verity_builder *builder, uint8_t ret_root[SHA256_SIZE], struct error **err)
{
	assert(builder->added == builder->blocks);
	for (unsigned level = 0; level < builder->shape.levels; level++) {
		int r;

		if (builder->levels[level].digests % DIGESTS_PER_BLOCK == 0)
			continue;
		r = close_block(builder, level, err);
		if (r < 0)
			return r;
	}
	memcpy(ret_root, builder->root, SHA256_SIZE);
	return 0;
}
