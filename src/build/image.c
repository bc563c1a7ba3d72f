/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "build/image.h"

#include <errno.h>

#include "build/image-packages.h"
#include "build/image-parts.h"
#include "build/programs.h"
#include "build/sign-later-parts.h"
#include "build/sign-later.h"
#include "format/version.h"

void image_release(struct image *image)
{
	cache_close(image->cache);
	stage_close(image->stage);
	for (size_t i = 0; i < OUTPUT_COUNT; i++) {
		free(image->outputs[i].name);
		free(image->outputs[i].path);
	}
	package_list_release(&image->packages);
	package_list_release(&image->boot_packages);
	sbom_release(&image->sbom);
	unpacked_release(&image->unpacked);
	unpacked_release(&image->boot_unpacked);
	free(image->distribution);
	tree_free(image->tree);
	tree_free(image->boot);
	kernel_modules_free(image->modules);
	buffer_release(&image->microcode);
	content_unref(image->root);
	content_unref(image->kernel);
	content_unref(image->stub);
	content_unref(image->loader);
	survey_release(&image->survey);
	usr_image_result_release(&image->usr);
	atomic_file_discard(&image->disk);
	free(image->command_line);
	buffer_release(&image->initrd_rest);
	buffer_release(&image->initrd);
	buffer_release(&image->unsigned_uki);
	buffer_release(&image->unsigned_netboot);
	signing_release(&image->signing);
	buffer_release(&image->signature);
	buffer_release(&image->uki);
	buffer_release(&image->netboot);
	buffer_release(&image->signed_loader);
	for (size_t i = 0; i < EFI_TRUST_VARIABLES; i++)
		buffer_release(&image->enrol[i]);
	json_decref(image->manifest);
	json_decref(image->provenance);
	signing_taken_free(image->taken);
	/* Requests point to the keys. */
	keys_release(&image->keys);
}

static int prepare(struct image *image, struct error **err)
{
	const struct image_options *options = image->options;
	int r;

	image->platform = platform_find(options->architecture);
	if (!image->platform)
		return error_set(
			err, -EINVAL, "architecture \"%s\" is not amd64 or arm64", options->architecture);
	r = version_time(options->version, &image->time, err);
	if (r < 0)
		return r;
	/* What can be known to fail fails now, and not after the download. */
	r = program_check_platform(options->init, image->platform, err);
	if (r >= 0)
		r = options->sign_later ? keys_open_certificates(options->keys, &image->keys, err)
					: keys_open(options->keys, options->secret, &image->keys, err);
	if (r >= 0 && options->definition->programs.count > 0)
		r = programs_read_root(options->keys, &image->root, err);
	if (r >= 0)
		r = options->sign_later ? sign_later_open(options->sign_later, &image->stage, err)
					: stage_open(options->output, &image->stage, err);
	return r < 0 ? r : image_name_outputs(image, err);
}

static int get_packages(struct image *image, struct error **err)
{
	struct image_plan plan = {};
	int r = cache_open(image->options->cache, &image->cache, err);

	if (r >= 0)
		r = image_packages_get(image->options, &plan, err);
	image->packages = plan.packages;
	image->boot_packages = plan.boot_packages;
	return r;
}

/* The build is done: what could go wrong here is no reason to fail. */
static int prune_cache(struct image *image, struct error **err)
{
	const struct image_options *options = image->options;
	struct cache_pruned pruned;
	char size[SIZE_TEXT_MAX];

	(void)err;
	cache_prune(image->cache, options->now, options->cache_days, &pruned);
	if (pruned.files > 0)
		progress_note(options->progress,
			"cache: removed %ju files that were not used for %ju days, %s",
			(uintmax_t)pruned.files, (uintmax_t)options->cache_days,
			format_size(pruned.bytes, size));
	return 0;
}

/* The outputs are there by now, so nothing of this may fail. */
static void make_result(struct image *image, struct image_result *ret)
{
	char **names[OUTPUT_COUNT] = {
		[OUTPUT_DISK] = &ret->raw,
		[OUTPUT_QCOW2] = &ret->formats[DISK_FORMAT_QCOW2],
		[OUTPUT_VHD] = &ret->formats[DISK_FORMAT_VHD],
		[OUTPUT_VHDX] = &ret->formats[DISK_FORMAT_VHDX],
		[OUTPUT_USR] = &ret->erofs,
		[OUTPUT_VERITY] = &ret->verity,
		[OUTPUT_UKI] = &ret->uki,
		[OUTPUT_NETBOOT] = &ret->netboot,
		[OUTPUT_SPDX] = &ret->spdx,
		[OUTPUT_CYCLONEDX] = &ret->cyclonedx,
		[OUTPUT_MANIFEST] = &ret->manifest,
		[OUTPUT_PROVENANCE] = &ret->provenance,
	};

	memcpy(ret->root_hash, image->root_hash, sizeof(ret->root_hash));
	memcpy(ret->left, image->left, sizeof(ret->left));
	for (size_t i = 0; i < OUTPUT_COUNT; i++)
		*names[i] = TAKE_PTR(image->outputs[i].name);
	ret->usr_size = image->usr.image_size;
	ret->packages = json_array_size(json_object_get(image->manifest, "packages"));
}

typedef int (*image_step)(struct image *image, struct error **err);

static int run(struct image *image, const image_step *steps, struct error **err)
{
	int r = 0;

	for (; r >= 0 && *steps; steps++)
		r = (*steps)(image, err);
	return r;
}

/* Up to the signatures, … */
static const image_step make[] = {
	prepare,
	get_packages,
	image_unpack_packages,
	image_note_distribution,
	image_select_modules,
	image_select_firmware,
	image_add_own_files,
	image_take_boot_files,
	image_finish_tree,
	image_use_tree,
	image_make_command_line,
	image_make_initrd,
	image_make_kernel_image,
	image_sign,
	image_make_netboot,
	image_describe,
	NULL,
};

/* … which are there, … */
static const image_step complete[] = {
	image_sign_netboot,
	image_describe_netboot,
	image_write_uki,
	image_write_disk,
	image_write_manifest,
	image_describe_provenance,
	image_write_provenance,
	image_show_outputs,
	prune_cache,
	NULL,
};

/* … or made later, … */
static const image_step leave[] = {
	image_describe_provenance,
	image_leave,
	prune_cache,
	NULL,
};

/* … and then taken up. */
static const image_step assemble[] = {
	image_take_up,
	image_complete_netboot,
	image_sign_netboot,
	image_ask_netboot,
	image_describe_netboot,
	image_write_uki,
	image_write_disk,
	image_write_manifest,
	image_write_provenance,
	NULL,
};
static const image_step finish[] = {image_assemble, image_ask_provenance, image_show_outputs, NULL};

int image_assemble(struct image *image, struct error **err)
{
	return run(image, assemble, err);
}

int image_build(const struct image_options *options, struct image_result *ret, struct error **err)
{
	_cleanup_image_ struct image image = IMAGE_INIT(options);
	int r = run(&image, make, err);

	if (r >= 0)
		r = run(&image, options->sign_later ? leave : complete, err);
	if (r >= 0)
		make_result(&image, ret);
	return r;
}

int image_finish(const struct image_options *options, struct image_result *ret, struct error **err)
{
	_cleanup_image_ struct image image = IMAGE_INIT(options);
	int r = run(&image, finish, err);

	if (r >= 0)
		make_result(&image, ret);
	return r;
}

void image_result_release(struct image_result *result)
{
	free(result->raw);
	for (size_t i = 0; i < DISK_FORMATS; i++)
		free(result->formats[i]);
	free(result->erofs);
	free(result->verity);
	free(result->uki);
	free(result->netboot);
	free(result->spdx);
	free(result->cyclonedx);
	free(result->manifest);
	free(result->provenance);
	*result = (struct image_result){};
}
