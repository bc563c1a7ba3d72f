/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "update/node-kernel.h"

#include <errno.h>
#include <fcntl.h>

#include "base/file.h"
#include "base/string-util.h"
#include "format/verity.h"

/* A file, and a descriptor for the worker, who must not have one that can be written to. */
struct place {
	struct block_file file;
	struct worker_place read;
};

#define PLACE_INIT                           \
	{                                    \
		.file.fd = -1, .read.fd = -1 \
	}

static void place_release(struct place *place)
{
	cleanup_closep(&place->file.fd);
	cleanup_closep(&place->read.fd);
}

/* Opens the file of *fd*, which the place owns from now on, a second time. */
static int place_open(struct place *place, int fd, uint64_t size, struct error **err)
{
	char path[32];

	place->file.fd = fd;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	place->read = (struct worker_place){.fd = open(path, O_RDONLY | O_CLOEXEC), .size = size};
	return place->read.fd < 0 ? error_set_errno(err, -errno, "%s", path) : 0;
}

static int place_scratch(struct place *place, const char *folder, uint64_t size, struct error **err)
{
	int fd = file_open_scratch(folder, err);
	int r = fd < 0 ? fd : place_open(place, fd, size, err);

	if (r >= 0 && ftruncate(fd, (off_t)size) < 0)
		r = error_set_errno(err, -errno, "%s", folder);
	return r;
}

/* A kernel image as blocks, and its hash tree. */
struct kernel_places {
	struct place data, hash;
	uint64_t blocks;
	uint8_t root[SHA256_SIZE];
};

#define KERNEL_PLACES_INIT                             \
	{                                              \
		.data = PLACE_INIT, .hash = PLACE_INIT \
	}

static void kernel_places_release(struct kernel_places *places)
{
	place_release(&places->data);
	place_release(&places->hash);
}

static uint64_t tree_size(uint64_t blocks)
{
	return verity_shape(blocks).blocks * VERITY_BLOCK_SIZE;
}

/* ---- The running release's ---- */

struct writing {
	int fd;
	uint64_t size;
};

static int write_piece(const uint8_t *data, size_t size, void *userdata, struct error **err)
{
	struct writing *writing = userdata;
	int r = write_full(writing->fd, data, size);

	writing->size += size;
	return r < 0 ? error_set_errno(err, r, "a copy of the running kernel image") : 0;
}

/*
 * Copies the running release's kernel image from the boot partition to where the worker can read it, and
 * hashes it as the new one is hashed: what of it is in the new one is found by that.
 */
static int open_running(struct node *node, const char *folder, const struct verity_options *verity,
	struct kernel_places *ret, struct error **err)
{
	struct install install;
	struct writing writing = {};
	int r = place_scratch(&ret->data, folder, 0, err);

	if (r >= 0)
		r = node_open_disk(node, false, err);
	if (r < 0)
		return r;
	install = node_install(node, 0);
	writing.fd = ret->data.file.fd;
	r = install_read_running(&install, write_piece, &writing, err);
	if (r >= 0 && writing.size == 0)
		r = error_set(err, -ENODATA, "the running kernel image is empty");
	if (r < 0)
		return r;
	ret->blocks = div_round_up_u64(writing.size, VERITY_BLOCK_SIZE);
	ret->data.read.size = ret->blocks * VERITY_BLOCK_SIZE;
	if (ftruncate(writing.fd, (off_t)ret->data.read.size) < 0)
		return error_set_errno(err, -errno, "%s", folder);
	r = place_scratch(&ret->hash, folder, tree_size(ret->blocks), err);
	return r < 0 ? r : verity_write(writing.fd, ret->blocks, verity, ret->hash.file.fd, ret->root, err);
}

/* ---- Block by block ---- */

static int open_target(const struct kernel_file *file, const char *folder, const struct image_files *image,
	struct kernel_places *ret, struct error **err)
{
	int fd = fcntl(file->fd, F_DUPFD_CLOEXEC, 0);
	int r = fd < 0 ? error_set_errno(err, -errno, "%s", file->path)
		       : place_open(&ret->data, fd, image->blocks * VERITY_BLOCK_SIZE, err);

	return r < 0 ? r : place_scratch(&ret->hash, folder, tree_size(image->blocks), err);
}

static int bring_image(struct node_releases *releases, const struct image_files *image, const char *url,
	struct kernel_places *target, const struct kernel_places *running, struct error **err)
{
	const struct usr_slot slot = {.data = block_io_file(&target->data.file, target->data.read.size),
		.hash = block_io_file(&target->hash.file, target->hash.read.size)};
	struct remote_http_options source = releases->source;
	struct worker_bring how = {.image = image,
		.source = &source,
		.target = &slot,
		.target_data = target->data.read,
		.target_hash = target->hash.read};
	struct usr_update_result ignored;

	source.url = url;
	if (running->blocks > 0) {
		how.active_data = running->data.read;
		how.active_hash = running->hash.read;
		how.active_root = running->root;
	}
	return worker_bring(releases->worker, &how, &ignored, err);
}

/* Without the running release's, all blocks are fetched: its absence is no reason to have no update. */
static int bring_blocks(struct node *node, struct node_releases *releases, const struct release_info *info,
	struct kernel_file *file, struct error **err)
{
	_cleanup_(kernel_places_release) struct kernel_places target = KERNEL_PLACES_INIT,
							      running = KERNEL_PLACES_INIT;
	_cleanup_free_ char *folder = node_path(node, NODE_STATE),
			    *path = release_path(info->edition, info->version, info->architecture, ""),
			    *url = path ? string_format("%s/%s", releases->targets_url, path) : NULL;
	_cleanup_error_ struct error *ignored = NULL;
	int r = folder && url ? kernel_file_resize(file, info->uki.blocks * VERITY_BLOCK_SIZE, err)
			      : error_set_errno(err, -ENOMEM, "kernel image");

	if (r >= 0)
		r = open_target(file, folder, &info->uki, &target, err);
	if (r < 0)
		return r;
	if (open_running(node, folder, &info->uki.verity, &running, &ignored) < 0) {
		kernel_places_release(&running);
		running = (struct kernel_places)KERNEL_PLACES_INIT;
	}
	r = bring_image(releases, &info->uki, url, &target, &running, err);
	if (r >= 0)
		r = kernel_file_resize(file, info->uki_size, err);
	return r < 0 ? r : kernel_file_flush(file, err);
}

/* ---- Whole ---- */

static bool is_there(const struct tuf_target_info *target, const struct kernel_file *file)
{
	return kernel_file_is(file, target->length, target->hashes.sha256);
}

static int bring_whole(struct node_releases *releases, const struct tuf_target_info *target,
	struct kernel_file *file, struct error **err)
{
	int r = kernel_file_begin(file, err);

	if (r >= 0)
		r = node_releases_fetch(releases, target, kernel_file_add, file, err);
	if (r >= 0)
		r = kernel_file_end(file, err);
	if (r >= 0 && !is_there(target, file))
		r = error_set(err, -EIO, "%s does not keep what is written to it (is the disk failing?)",
			file->path);
	/* Others need the room that there is; and blocks of the disk that are bad are not to be used again.
	 */
	if (r == -ENOSPC || r == -EIO)
		kernel_file_remove(file);
	return r;
}

static void add_counts(const struct worker *worker, struct remote_counts *ret)
{
	struct remote_counts counts;

	worker_counts(worker, &counts);
	remote_counts_add(&counts, ret);
}

/* What ends the update, whichever way the kernel image comes. All else may be a matter of the blocks, or of
 * the room for two kernel images: without them it may yet come. */
static bool is_final(int r)
{
	return r == -ENOMEM || r == -ECANCELED || r == -EINTR;
}

int node_kernel_bring(struct node *node, struct node_releases *releases, const struct release_info *info,
	struct kernel_file *ret, struct remote_counts *counts, struct error **err)
{
	_cleanup_free_ char *name =
		release_path(info->edition, info->version, info->architecture, "orlop.efi");
	_cleanup_tuf_target_info_ struct tuf_target_info target = {};
	int r = name ? node_releases_target(releases, name, RELEASE_UKI_MAX, &target, err)
		     : error_set_errno(err, -ENOMEM, "kernel image");

	if (r >= 0)
		r = kernel_file_open(node, ret, err);
	if (r < 0 || is_there(&target, ret))
		return r;
	if (info->uki.blocks > 0) {
		_cleanup_error_ struct error *fault = NULL;

		r = bring_blocks(node, releases, info, ret, &fault);
		add_counts(releases->worker, counts);
		if (r >= 0 && is_there(&target, ret))
			return 0;
		if (is_final(r)) {
			error_move(err, TAKE_PTR(fault));
			return error_wrap(err, "kernel image"), r;
		}
	}
	r = bring_whole(releases, &target, ret, err);
	add_counts(releases->worker, counts);
	return r < 0 ? (error_wrap(err, "kernel image"), r) : 0;
}
