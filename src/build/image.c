/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "build/image.h"

#include <errno.h>

#include "base/file.h"
#include "build/esp.h"
#include "build/keys.h"
#include "build/platform.h"
#include "build/stage.h"
#include "build/unpack.h"
#include "build/usr-image.h"
#include "build/version.h"
#include "source/source.h"

/* Everything that is there between two steps. Each step fills what the next ones read. */
struct image {
	const struct image_options *options;
	const struct definition *definition;
	const struct platform *platform;
	int64_t time; /* of every file in the image: the version's day */
	char *base;   /* "orlop-container-linux_202611.23.0_amd64" */
	struct keys keys;
	struct stage *stage;

	struct package_list packages, boot_packages;
	struct unpacked unpacked;
	struct tree *tree; /* the whole root, then the content of /usr alone */
	struct tree *boot; /* of the boot packages */
};

static void image_release(struct image *image)
{
	free(image->base);
	keys_release(&image->keys);
	stage_close(image->stage);
	package_list_release(&image->packages);
	package_list_release(&image->boot_packages);
	unpacked_release(&image->unpacked);
	tree_free(image->tree);
	tree_free(image->boot);
}

static int prepare(struct image *image, struct error **err)
{
	const struct image_options *options = image->options;
	int r;

	image->platform = platform_find(options->architecture);
	if (!image->platform)
		return error_set(err, -EINVAL, "architecture \"%s\" is not amd64 or arm64", options->architecture);
	r = version_time(options->version, &image->time, err);
	if (r < 0)
		return r;
	image->base = string_format(
		"orlop-%s_%s_%s", image->definition->name, options->version, options->architecture);
	if (!image->base)
		return error_set_errno(err, -ENOMEM, "image");
	/* What can be known to fail fails now, and not after the download. */
	r = keys_open(options->keys, &image->keys, err);
	return r < 0 ? r : stage_open(options->output, &image->stage, err);
}

static int resolve(struct source *source, const struct image *image, const struct strv *names,
	const struct strv *absent, struct package_list *ret, struct error **err)
{
	_cleanup_strv_ struct strv wanted = {};
	int r;

	r = definition_expand(names, image->options->architecture, &wanted, err);
	return r < 0 ? r : source_resolve(source, &wanted, absent, ret, err);
}

static uint64_t total_size(const struct package_list *packages)
{
	uint64_t total = 0;

	for (size_t i = 0; i < packages->count; i++)
		total += packages->items[i].size;
	return total;
}

/* Finds the packages and gets them into the cache. */
static int get_packages(struct image *image, struct error **err)
{
	const struct image_options *options = image->options;
	const struct definition *definition = image->definition;
	_cleanup_source_ struct source *source = NULL;
	char size[SIZE_TEXT_MAX];
	int r;

	r = source_open(
		&(struct source_options){
			.mirror = options->mirror,
			.keyring = options->keyring,
			.suite = options->suite ? options->suite : definition->suite,
			.architecture = options->architecture,
			.components = (const char *const *)definition->components.items,
			.cache = options->cache,
			.offline = options->offline,
			.now = options->now,
			.progress = options->progress,
		},
		&source, err);
	if (r >= 0)
		r = resolve(source, image, &definition->packages, &definition->absent, &image->packages, err);
	if (r >= 0)
		r = resolve(source, image, &definition->boot_packages, NULL, &image->boot_packages, err);
	if (r < 0)
		return r;
	progress_note(options->progress, "%zu packages, %s", image->packages.count,
		format_size(total_size(&image->packages), size));
	r = source_fetch(source, &image->packages, err);
	return r < 0 ? r : source_fetch(source, &image->boot_packages, err);
}

/* Unpacks packages into a tree of their own, leaving out what the definition excludes. */
static int unpack_list(const struct image *image, const struct package_list *packages, const struct strv *exclude,
	struct tree **ret, struct unpacked *ret_unpacked, struct error **err)
{
	_cleanup_free_ struct unpack_package *list = calloc(packages->count + 1, sizeof(*list));

	if (!list)
		return error_set_errno(err, -ENOMEM, "unpacking");
	for (size_t i = 0; i < packages->count; i++) {
		const struct package *package = &packages->items[i];

		list[i] = (struct unpack_package){.name = package->name, .path = package->path, .size = package->size};
		memcpy(list[i].sha256, package->sha256, SHA256_SIZE);
	}
	return unpack(list, packages->count,
		&(struct unpack_options){
			.exclude = exclude,
			.threads = image->options->threads,
			.progress = image->options->progress,
		},
		ret, ret_unpacked, err);
}

static int unpack_packages(struct image *image, struct error **err)
{
	int r;

	r = unpack_list(image, &image->packages, &image->definition->exclude, &image->tree, &image->unpacked, err);
	return r < 0 ? r : unpack_list(image, &image->boot_packages, NULL, &image->boot, NULL, err);
}

int image_build(const struct image_options *options, struct image_result *ret, struct error **err)
{
	_cleanup_(image_release) struct image image = {.options = options, .definition = options->definition};
	int r;

	r = prepare(&image, err);
	if (r >= 0)
		r = get_packages(&image, err);
	if (r >= 0)
		r = unpack_packages(&image, err);
	(void)ret;
	return r;
}
void image_result_release(struct image_result *result)
{
	free(result->raw);
	free(result->erofs);
	free(result->verity);
	free(result->uki);
	free(result->manifest);
	free(result->root_hash);
	*result = (struct image_result){};
}
