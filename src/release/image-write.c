/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "release/image-write.h"

#include <errno.h>
#include <string.h>

#include "base/encoding.h"
#include "base/file.h"
#include "base/string-util.h"
#include "format/tree-delta.h"
#include "format/verity.h"
#include "release/blocks-write.h"
#include "release/patch-write.h"
#include "release/tree-write.h"

/* The files that are being made. */
struct making {
	const char *folder;
	const struct image_source *image;
	const struct image_write_options *options;
	char tree_name[IMAGE_NAME_MAX], image_name[IMAGE_NAME_MAX];
	struct hash_file hash; /* of the new image */
	struct image_files files;
};

static void making_release(struct making *making)
{
	hash_file_release(&making->hash);
	image_files_release(&making->files);
}

static int write_bytes(const struct making *making, const struct buffer *bytes, const char *name,
	struct image_file *ret, struct error **err)
{
	_cleanup_free_ char *path = string_format("%s/%s", making->folder, name);
	int r;

	if (!path)
		return error_set_errno(err, -ENOMEM, "%s", name);
	r = file_write_atomic(path, bytes->data, bytes->size, 0644, err);
	if (r < 0)
		return r;
	(void)snprintf(ret->name, sizeof(ret->name), "%s", name);
	ret->size = bytes->size;
	return 0;
}

static int make_tree(struct making *making, struct error **err)
{
	_cleanup_buffer_ struct buffer bytes = {};
	int r = tree_write(&making->hash, &bytes, err);

	return r < 0 ? r : write_bytes(making, &bytes, making->tree_name, &making->files.tree, err);
}

static int make_image(struct making *making, struct error **err)
{
	_cleanup_free_ char *path = string_format("%s/%s", making->folder, making->image_name);
	_cleanup_atomic_file_ struct atomic_file file = ATOMIC_FILE_INIT;
	const struct blocks_write_options options = {.frame_size = making->options->frame_size,
		.level = making->options->level,
		.threads = making->options->threads,
		.progress = making->options->progress};
	uint64_t size = making->files.blocks * VERITY_BLOCK_SIZE;
	struct blocks_write_result result;
	int r;

	if (!path)
		return error_set_errno(err, -ENOMEM, "%s", making->image_name);
	r = atomic_file_open(&file, path, 0644, err);
	if (r < 0)
		return r;
	progress_begin(making->options->progress, "compressed image", size, PROGRESS_BYTES);
	r = blocks_write(making->image->image_fd, size, file.fd, &options, &result, err);
	if (r < 0)
		return error_wrap(err, "%s", path);
	r = atomic_file_commit(&file, err);
	if (r < 0)
		return r;
	progress_end(making->options->progress, NULL);
	making->files.image = (struct image_file){.size = result.size, .index = result.index_size};
	memcpy(making->files.image.name, making->image_name, sizeof(making->image_name));
	return 0;
}

/* A tree delta is worth its while only where it is smaller than the tree. */
static int make_tree_delta(struct making *making, const struct hash_file *old, const char *name,
	struct image_file *ret, struct error **err)
{
	_cleanup_error_ struct error *fault = NULL;
	_cleanup_buffer_ struct buffer bytes = {};
	int r = tree_delta_write(old->digests, old->header.blocks, making->hash.digests,
		making->hash.header.blocks, &bytes, &fault);

	if (r == -EFBIG || (r >= 0 && bytes.size >= making->files.tree.size))
		return 0;
	if (r < 0) {
		error_move(err, TAKE_PTR(fault));
		return r;
	}
	return write_bytes(making, &bytes, name, ret, err);
}

static int make_patch(struct making *making, const struct image_source *old, const struct hash_file *old_hash,
	const char *name, struct image_file *ret, struct error **err)
{
	const struct patch_write_options options = {
		.threads = making->options->threads, .progress = making->options->progress};
	const struct patch_images images = {.old_fd = old->image_fd,
		.old_blocks = old_hash->header.blocks,
		.old_digests = old_hash->digests,
		.new_fd = making->image->image_fd,
		.new_blocks = making->hash.header.blocks,
		.new_digests = making->hash.digests};
	_cleanup_buffer_ struct buffer bytes = {};
	_cleanup_error_ struct error *fault = NULL;
	uint64_t index;
	int r = patch_write(&images, &options, &bytes, &index, &fault);

	if (r == -EFBIG || (r >= 0 && (index == 0 || bytes.size >= making->files.image.size)))
		return 0;
	if (r < 0) {
		error_move(err, TAKE_PTR(fault));
		return r;
	}
	r = write_bytes(making, &bytes, name, ret, err);
	ret->index = index;
	return r;
}

/* What leads from an old release to this one: nothing, where the salts differ, since then no digest matches.
 */
static int make_delta(struct making *making, const struct image_source *old, struct error **err)
{
	struct image_delta *delta = &making->files.deltas[making->files.delta_count];
	const struct verity_options *options = &making->files.verity;
	_cleanup_hash_file_ struct hash_file hash = {};
	char root[SHA256_HEX_SIZE], name[IMAGE_NAME_MAX];
	int r;

	if (memcmp(old->root, making->files.root, SHA256_SIZE) == 0 ||
		image_files_delta(&making->files, old->root))
		return 0;
	r = hash_file_read(old->hash_fd, &hash, err);
	if (r < 0)
		return r;
	if (hash.header.blocks < 2 || making->hash.header.blocks < 2 ||
		hash.header.options.salt_size != options->salt_size ||
		memcmp(hash.header.options.salt, options->salt, options->salt_size) != 0)
		return 0;
	memcpy(delta->from, old->root, SHA256_SIZE);
	delta->from_blocks = hash.header.blocks;
	hex_encode(old->root, SHA256_SIZE, root);
	(void)snprintf(name, sizeof(name), "from-%s.tree", root);
	r = make_tree_delta(making, &hash, name, &delta->tree, err);
	(void)snprintf(name, sizeof(name), "from-%s.patch", root);
	if (r >= 0 && !making->options->no_patch)
		r = make_patch(making, old, &hash, name, &delta->patch, err);
	if (r >= 0 && (delta->tree.name[0] || delta->patch.name[0]))
		making->files.delta_count++;
	return r;
}

/* Whether an image is the one of its tree and root hash. */
static int check_image(const struct image_source *image, unsigned threads, struct error **err)
{
	return verity_verify(image->image_fd, image->hash_fd, image->root, threads, NULL, err);
}

static int making_init(struct making *making, struct error **err)
{
	const char *name = making->options->name ? making->options->name : "usr";
	int r = check_image(making->image, making->options->threads, err);

	(void)snprintf(making->tree_name, sizeof(making->tree_name), "%s.verity.zst", name);
	(void)snprintf(making->image_name, sizeof(making->image_name), "%s.blocks.zst", name);
	return r < 0 ? r : hash_file_read(making->image->hash_fd, &making->hash, err);
}

int image_write(const char *folder, const struct image_source *image, const struct image_source *old,
	size_t count, const struct image_write_options *options, struct image_files *ret, struct error **err)
{
	_cleanup_(making_release) struct making making = {
		.folder = folder, .image = image, .options = options};
	int r = making_init(&making, err);

	if (r < 0)
		return r;
	if (making.hash.header.blocks > IMAGE_BLOCKS_MAX || count > IMAGE_DELTAS_MAX)
		return error_set(err, -EFBIG, "an image of %llu blocks, or %zu old ones: too many",
			(unsigned long long)making.hash.header.blocks, count);
	making.files.blocks = making.hash.header.blocks;
	making.files.verity = making.hash.header.options;
	memcpy(making.files.root, image->root, SHA256_SIZE);
	making.files.deltas = calloc(count + 1, sizeof(*making.files.deltas));
	if (!making.files.deltas)
		return error_set_errno(err, -ENOMEM, "release");
	r = make_tree(&making, err);
	if (r >= 0)
		r = make_image(&making, err);
	for (size_t i = 0; i < count && r >= 0; i++) {
		r = check_image(&old[i], options->threads, err);
		if (r >= 0)
			r = make_delta(&making, &old[i], err);
	}
	if (r < 0)
		return r;
	*ret = making.files;
	making.files = (struct image_files){};
	return 0;
}
