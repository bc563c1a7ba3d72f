/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "build/image-parts.h"

#include <errno.h>

#include "base/encoding.h"
#include "base/work.h"
#include "build/disk.h"
#include "build/initrd.h"
#include "format/uki.h"

/* The name space of the UUIDs that an image has in it. May never change. */
static const struct uuid image_space = {.bytes = {0x6f, 0x72, 0x6c, 0x6f, 0x70, 0x2d, 0x40, 0x69, 0x8d, 0x61,
						0x67, 0x65, 0x2d, 0x6e, 0x73, 0x31}};

/* The partition for the tree is large enough for any image that goes into the other one, see
 * definition_check(). */
static int check_slot(const struct image *image, struct error **err)
{
	char room[SIZE_TEXT_MAX], needed[SIZE_TEXT_MAX];

	if (image->usr.image_size <= image->definition->disk.usr)
		return 0;
	return definition_error(image->definition, "disk: usr", NULL, err,
		"a slot of %s has no room for this /usr, which takes %s",
		format_size(image->definition->disk.usr, room), format_size(image->usr.image_size, needed));
}

static int write_usr(struct image *image, const struct usr_image_options *options, struct error **err)
{
	int r = usr_image_write(tree_lookup(image->tree, "usr"), options, image->outputs[OUTPUT_USR].path,
		image->outputs[OUTPUT_VERITY].path, &image->usr, err);

	if (r < 0)
		return r;
	hex_encode(image->usr.root_hash, SHA256_SIZE, image->root_hash);
	memcpy(image->outputs[OUTPUT_USR].digest, image->usr.image_digest, SHA256_SIZE);
	memcpy(image->outputs[OUTPUT_VERITY].digest, image->usr.hash_digest, SHA256_SIZE);
	image->outputs[OUTPUT_USR].size = image->usr.image_size;
	image->outputs[OUTPUT_VERITY].size = image->usr.hash_size;
	return check_slot(image, err);
}

/* The file of the disk gets the image at once, while it is at hand; but not where it is made later. */
static int open_disk(struct image *image, struct usr_image_options *options, struct error **err)
{
	options->copy = -1;
	options->copy_offset = disk_image_usr(image->definition->disk.esp);
	if (image->options->sign_later)
		return 0;
	int r = atomic_file_open(&image->disk, image->outputs[OUTPUT_DISK].path, 0644, err);

	options->copy = image->disk.fd;
	return r;
}

/* ---- Compressed contents, from build to build ---- */

struct packed_cache {
	struct cache *cache;
	char kind[64]; /* of the objects: how they were compressed, and by what */
};

static int load_packed(void *userdata, struct content *content, struct buffer *ret)
{
	_cleanup_cache_object_ struct cache_object object = {};
	struct packed_cache *packed = userdata;
	const struct digests *digests;
	int r = content_digests(content, &digests);

	if (r >= 0)
		r = cache_derived_read(packed->cache, packed->kind, digests->sha256, &object);
	if (r > 0) {
		ret->data = TAKE_PTR(object.data);
		ret->size = ret->capacity = object.size;
	}
	return r;
}

static void save_packed(void *userdata, struct content *content, const struct buffer *data)
{
	struct packed_cache *packed = userdata;
	const struct digests *digests;

	if (content_digests(content, &digests) >= 0)
		cache_derived_write(packed->cache, packed->kind, digests->sha256,
			&(struct cache_object){.data = data->data, .size = data->size});
}

/* The first number is another one whenever the same library is used in another way. Level 0 is the
 * algorithm's usual one, as the number that it stands for. */
static void name_packed(const struct compression *compression, struct packed_cache *ret)
{
	struct compression_library library = compression_library(compression->algorithm);
	int least, most, usual;

	compression_levels(compression->algorithm, &least, &most, &usual);
	(void)snprintf(ret->kind, sizeof(ret->kind), "packed-2-%s-%d-%s",
		compression_name(compression->algorithm), compression->level ? compression->level : usual,
		library.version);
}

/* The usr image and its hash tree. Their UUIDs never change, and there is no salt: unchanged content has
 * unchanged blocks and digests. */
static int write_usr_image(struct image *image, struct error **err)
{
	struct usr_image_options options = {
		.erofs = {.label = "orlop-usr",
			.build_time = (uint64_t)image->time,
			.threads = image->options->threads},
		.threads = image->options->threads,
		.progress = image->options->progress,
	};
	const char *compression = image->definition->compression;
	struct packed_cache cache = {.cache = image->cache};
	const struct erofs_store store = {.load = load_packed, .save = save_packed, .userdata = &cache};
	struct uuid erofs, verity;
	int r;

	if (uuid_from_name(&image_space, "usr", 3, &erofs) < 0 ||
		uuid_from_name(&image_space, "verity", 6, &verity) < 0)
		return error_set_errno(err, -ENOMEM, "usr image");
	memcpy(options.erofs.uuid, erofs.bytes, sizeof(erofs.bytes));
	memcpy(options.verity.uuid, verity.bytes, sizeof(verity.bytes));
	r = compression ? compression_parse(compression, &options.erofs.compression, err) : 0;
	if (r >= 0 && options.erofs.compression.algorithm != COMPRESSION_NONE) {
		name_packed(&options.erofs.compression, &cache);
		options.erofs.store = &store;
	}
	if (r >= 0)
		r = survey_tree(image->tree, &image->survey, err);
	if (r >= 0)
		r = open_disk(image, &options, err);
	return r < 0 ? r : write_usr(image, &options, err);
}

/* The kernel's command line: the definition's arguments, and which /usr it is. */
int image_make_command_line(struct image *image, struct error **err)
{
	_cleanup_buffer_ struct buffer line = {};
	_cleanup_strv_ struct strv arguments = {};
	int r = definition_arguments(image->definition, image->options->architecture, &arguments, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < arguments.count; i++)
		buffer_printf(&line, "%s ", arguments.items[i]);
	buffer_printf(&line, "usrhash=%s", image->root_hash);
	image->command_line = buffer_take(&line, NULL);
	return image->command_line ? 0 : error_set_errno(err, -ENOMEM, "command line");
}

/* A module that the initrd can't have is one of two lists. */
static int blame_initrd(const struct image *image, int code, struct error **err)
{
	const struct definition *definition = image->definition;
	bool device = err && *err && (*err)->subject &&
		      !strv_contains(&definition->initrd.modules, (*err)->subject);

	return definition_blame(definition, device ? "initrd: devices" : "initrd: modules", code, err);
}

/* Nobody looks at it there, and kernel images of one kernel shall differ as little as can be. */
#define INITRD_TIME 0

/* The modules that are always loaded: the definition's, and what makes a block device of a file. */
static int list_modules(
	const struct image *image, enum initrd_netboot netboot, struct strv *ret, struct error **err)
{
	const struct strv *modules = &image->definition->initrd.modules;
	int r = 0;

	for (size_t i = 0; i < modules->count && r >= 0; i++)
		r = strv_add(ret, modules->items[i]);
	if (r >= 0 && netboot != INITRD_NETBOOT_NONE && !strv_contains(modules, "loop"))
		r = strv_add(ret, "loop");
	return r < 0 ? error_set_errno(err, r, "initrd") : 0;
}

/* All of it that does not depend on what /usr is. */
static int write_initrd_rest(
	const struct image *image, enum initrd_netboot netboot, struct buffer *ret, struct error **err)
{
	_cleanup_strv_ struct strv always = {};
	int r = list_modules(image, netboot, &always, err);

	if (r < 0)
		return r;
	r = initrd_write_rest(
		&(struct initrd_options){
			.init = image->options->init,
			.modules = image->modules,
			.always = &always,
			.devices = &image->definition->initrd.devices,
			.mtime = INITRD_TIME,
		},
		ret, err);
	return r < 0 ? blame_initrd(image, r, err) : 0;
}

static int write_initrd_settings(
	const struct image *image, enum initrd_netboot netboot, struct buffer *ret, struct error **err)
{
	_cleanup_free_ char *settings = NULL;
	int r = initrd_settings(image->definition, image->options->architecture, image->command_line, netboot,
		&settings, err);

	return r < 0 ? r : initrd_write_settings(settings, INITRD_TIME, ret, err);
}

int image_make_initrd(struct image *image, struct error **err)
{
	int r = write_initrd_settings(image, INITRD_NETBOOT_NONE, &image->initrd, err);

	if (r < 0)
		return r;
	buffer_append(&image->initrd, image->initrd_rest.data, image->initrd_rest.size);
	buffer_release(&image->initrd_rest);
	return buffer_failed(&image->initrd) ? error_set_errno(err, -ENOMEM, "initrd") : 0;
}

int image_build_netboot_initrd(
	struct image *image, const struct initrd_carried *carried, struct buffer *ret, struct error **err)
{
	enum initrd_netboot netboot = image->options->netboot;
	int r = write_initrd_settings(image, netboot, ret, err);

	if (r >= 0)
		r = initrd_write_carried(carried, INITRD_TIME, ret, err);
	return r < 0 ? r : write_initrd_rest(image, netboot, ret, err);
}

/* ---- What needs nothing but the tree ---- */

static int make_initrd_rest(struct image *image, struct error **err)
{
	return write_initrd_rest(image, INITRD_NETBOOT_NONE, &image->initrd_rest, err);
}

static int use_tree(size_t index, void *userdata, struct error **err)
{
	static int (*const steps[])(struct image * image, struct error * *err) = {
		write_usr_image, make_initrd_rest, image_make_sboms};

	return steps[index](userdata, err);
}

/* The usr image keeps all processors busy for most of the time, but not for all of it. */
int image_use_tree(struct image *image, struct error **err)
{
	return work_run(image->options->threads, 3, use_tree, image, err);
}

int image_build_kernel(
	struct image *image, const struct buffer *initrd, struct buffer *ret, struct error **err)
{
	const struct tree_inode *osrel = tree_resolve(image->tree, "usr/lib/os-release");
	_cleanup_free_ char *sbat =
		string_format("orlop,1,Orlop,%s,%s,\n", image->definition->name, image->options->version);

	if (!sbat)
		return error_set_errno(err, -ENOMEM, "kernel image");
	if (!osrel || !S_ISREG(osrel->mode))
		return error_set(err, -ENOENT, "no package has /usr/lib/os-release");
	return uki_build(
		&(struct uki_parts){
			.stub = {content_data(image->stub), content_size(image->stub)},
			.kernel = {content_data(image->kernel), content_size(image->kernel)},
			.initrd = {initrd->data, initrd->size},
			.cmdline = image->command_line,
			.osrel = {content_data(osrel->content), content_size(osrel->content)},
			.uname = image->modules->version,
			.sbat = sbat,
			.ucode = {image->microcode.data, image->microcode.size},
		},
		ret, err);
}

/* The UKI, not signed yet. */
int image_make_kernel_image(struct image *image, struct error **err)
{
	return image_build_kernel(image, &image->initrd, &image->unsigned_uki, err);
}
