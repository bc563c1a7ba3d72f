/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reader and builder, with verity.c as their judge: what it makes, veritysetup makes as well. */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "format/verity-builder.h"
#include "format/verity-reader.h"
#include "format/verity.h"

static const struct verity_options options = {.salt = {1, 2, 3}, .salt_size = 32};
static const uint64_t sizes[] = {1, 2, 127, 128, 129, 300, 128 * 128, 128 * 128 + 1};

struct tree {
	struct verity *verity;
	uint8_t *file;
	uint64_t size, blocks;
	uint8_t root[SHA256_SIZE];
	uint8_t *digests;
};

static void tree_make(struct tree *tree, uint64_t blocks)
{
	_cleanup_sha256_ struct sha256 *context = sha256_new();
	uint8_t block[VERITY_BLOCK_SIZE] = {};
	const uint8_t *file;

	*tree = (struct tree){.blocks = blocks, .digests = calloc(blocks, SHA256_SIZE)};
	assert_int_equal(verity_new(&options, blocks, &tree->verity, NULL), 0);
	for (uint64_t i = 0; i < blocks; i++) {
		write_le64(block, i);
		verity_hash(tree->verity, context, i, block, 1);
		verity_digest(&options, context, block, tree->digests + i * SHA256_SIZE);
	}
	assert_int_equal(verity_finish(tree->verity, &file, tree->root), 0);
	tree->size = verity_size(tree->verity);
	tree->file = malloc(tree->size);
	memcpy(tree->file, file, tree->size);
}

static void tree_release(struct tree *tree)
{
	verity_free(tree->verity);
	free(tree->file);
	free(tree->digests);
}

static int reader_of(const struct tree *tree, struct verity_reader **ret, struct error **err)
{
	struct block_io io = block_io_bytes(tree->file, tree->size);

	return verity_reader_new(&io, &options, tree->blocks, tree->root, ret, err);
}

static void reads_every_digest_in_any_order(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		_cleanup_verity_reader_ struct verity_reader *reader = NULL;
		_cleanup_(tree_release) struct tree tree;
		_cleanup_error_ struct error *err = NULL;
		const uint8_t *digest;

		tree_make(&tree, sizes[i]);
		assert_ok(reader_of(&tree, &reader, &err), err);
		for (uint64_t j = 0; j < 2 * tree.blocks; j++) {
			/* First in order, then to and fro. */
			uint64_t block = j < tree.blocks ? j : j * 7919 % tree.blocks;

			assert_ok(verity_reader_digest(reader, block, &digest, &err), err);
			assert_memory_equal(digest, tree.digests + block * SHA256_SIZE, SHA256_SIZE);
		}
	}
}

/* A wrong byte in any hash block: the digests below it are refused, the others are not. */
static void wrong_hash_blocks_are_refused(void **state)
{
	_cleanup_(tree_release) struct tree tree;
	struct verity_shape shape = verity_shape(128 * 128 + 1);

	(void)state;
	tree_make(&tree, 128 * 128 + 1);
	for (uint64_t block = 1; block < shape.blocks; block++) {
		_cleanup_verity_reader_ struct verity_reader *reader = NULL;
		_cleanup_error_ struct error *err = NULL;
		uint8_t *byte = tree.file + block * VERITY_BLOCK_SIZE + 4000;
		uint64_t leaf = block - shape.start[0];
		const uint8_t *digest;

		*byte ^= 1;
		assert_ok(reader_of(&tree, &reader, &err), err);
		if (block >= shape.start[0]) {
			assert_error(verity_reader_digest(reader, leaf * 128, &digest, &err), -EBADMSG, err,
				"hash tree");
			assert_int_equal(
				verity_reader_digest(reader, leaf == 5 ? 128 * 6 : 128 * 5, &digest, &err),
				0);
		} else {
			assert_error(verity_reader_digest(reader, block == shape.start[1] + 1 ? 128 * 128 : 0,
					     &digest, &err),
				-EBADMSG, err, "hash tree");
		}
		*byte ^= 1;
	}
}

static void accepts_a_tree_from_the_top_down(void **state)
{
	_cleanup_verity_reader_ struct verity_reader *reader = NULL;
	_cleanup_(tree_release) struct tree tree;
	_cleanup_error_ struct error *err = NULL;
	uint8_t block[VERITY_BLOCK_SIZE];

	(void)state;
	tree_make(&tree, 300);
	assert_ok(reader_of(&tree, &reader, &err), err);
	for (uint64_t i = 1; i < tree.size / VERITY_BLOCK_SIZE; i++) {
		memcpy(block, tree.file + i * VERITY_BLOCK_SIZE, sizeof(block));
		assert_ok(verity_reader_accept(reader, i, block, &err), err);
		block[17] ^= 1;
		assert_error(verity_reader_accept(reader, i, block, &err), -EBADMSG, err, "root hash");
	}
	assert_error(verity_reader_accept(reader, 0, tree.file, &err), -EBADMSG, err, "no block of the hash");
	assert_error(verity_reader_accept(reader, tree.size / VERITY_BLOCK_SIZE, block, &err), -EBADMSG, err,
		"no block of the hash");
}

static void refuses_what_does_not_fit(void **state)
{
	_cleanup_verity_reader_ struct verity_reader *reader = NULL;
	_cleanup_(tree_release) struct tree tree;
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	tree_make(&tree, 300);
	tree.size--;
	assert_error(reader_of(&tree, &reader, &err), -ENOSPC, err, "does not fit");
	tree.blocks = 0;
	assert_error(reader_of(&tree, &reader, &err), -EINVAL, err, "0 data blocks");
	tree.blocks = UINT64_MAX;
	assert_error(reader_of(&tree, &reader, &err), -EINVAL, err, "data blocks");
}

static int put_block(uint64_t block, const uint8_t *data, void *userdata, struct error **err)
{
	(void)err;
	memcpy((uint8_t *)userdata + block * VERITY_BLOCK_SIZE, data, VERITY_BLOCK_SIZE);
	return 0;
}

static void builds_the_same_tree(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		_cleanup_verity_builder_ struct verity_builder *builder = NULL;
		_cleanup_(tree_release) struct tree tree;
		_cleanup_free_ uint8_t *file = NULL;
		_cleanup_error_ struct error *err = NULL;
		uint8_t root[SHA256_SIZE];

		tree_make(&tree, sizes[i]);
		file = calloc(1, tree.size);
		assert_ok(verity_builder_new(&options, tree.blocks, put_block, file, &builder, &err), err);
		for (uint64_t at = 0; at < tree.blocks;) {
			size_t count = (size_t)MIN(tree.blocks - at, at % 200 + 1);

			assert_ok(verity_builder_add(builder, tree.digests + at * SHA256_SIZE, count, &err),
				err);
			at += count;
		}
		assert_ok(verity_builder_finish(builder, root, &err), err);
		assert_memory_equal(root, tree.root, SHA256_SIZE);
		/* All but the superblock, which is the caller's. */
		assert_memory_equal(file + VERITY_BLOCK_SIZE, tree.file + VERITY_BLOCK_SIZE,
			tree.size - VERITY_BLOCK_SIZE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_every_digest_in_any_order),
		cmocka_unit_test(wrong_hash_blocks_are_refused),
		cmocka_unit_test(accepts_a_tree_from_the_top_down),
		cmocka_unit_test(refuses_what_does_not_fit),
		cmocka_unit_test(builds_the_same_tree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
