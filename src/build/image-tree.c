/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "build/image-parts.h"

#include <errno.h>

#include "build/depmod.h"
#include "build/firmware.h"
#include "build/image-packages.h"
#include "build/layout.h"
#include "build/ldcache.h"
#include "build/overlay.h"
#include "build/own.h"
#include "build/presets.h"
#include "build/programs.h"
#include "build/settings.h"

/* Unpacks packages into a tree of their own. */
static int unpack_list(const struct package_list *packages, const struct unpack_options *options,
	struct tree **ret, struct unpacked *ret_unpacked, struct error **err)
{
	_cleanup_free_ struct unpack_package *list = calloc(packages->count + 1, sizeof(*list));

	if (!list)
		return error_set_errno(err, -ENOMEM, "unpacking");
	for (size_t i = 0; i < packages->count; i++)
		list[i] = unpack_package_of(&packages->items[i]);
	return unpack(list, packages->count, options, ret, ret_unpacked, err);
}

int image_unpack_packages(struct image *image, struct error **err)
{
	const struct strv *exclude = &image->definition->exclude, *keep = &image->definition->keep;
	_cleanup_strv_ struct strv plain_exclude = {}, plain_keep = {};
	struct unpack_options options = {.threads = image->options->threads,
		.aside = sbom_wants,
		.cache = image->cache,
		.progress = image->options->progress};
	int r;

	r = unpack_list(&image->boot_packages, &options, &image->boot, &image->boot_unpacked, err);
	if (r >= 0)
		r = definition_plain(exclude, &plain_exclude, err);
	if (r >= 0)
		r = definition_plain(keep, &plain_keep, err);
	if (r < 0)
		return r;
	options.exclude = plain_exclude;
	options.keep = plain_keep;
	r = unpack_list(&image->packages, &options, &image->tree, &image->unpacked, err);
	if (r >= 0)
		r = image_warn_of_idle(image->options, "exclude", exclude, &image->unpacked.idle_exclude,
			"no package has a path that matches", err);
	if (r >= 0)
		r = image_warn_of_idle(image->options, "keep", keep, &image->unpacked.idle_keep,
			"nothing that is excluded matches", err);
	return r;
}

/* The kernel's modules: read once, for the initrd, and reduced to what a node can use. */
int image_select_modules(struct image *image, struct error **err)
{
	int r;

	progress_begin(image->options->progress, "Kernel modules", 0, PROGRESS_ITEMS);
	r = kernel_modules_read(image->tree, image->cache, image->options->threads, &image->modules, err);
	if (r >= 0)
		r = definition_blame(image->definition, "kernel: modules",
			kernel_modules_keep(
				image->modules, image->tree, &image->definition->kernel.modules, err),
			err);
	if (r >= 0)
		progress_end(image->options->progress, "of %s", image->modules->version);
	return r;
}

/* Microcode goes into the kernel image; of all other firmware what the modules that stay ask for. */
int image_select_firmware(struct image *image, struct error **err)
{
	const struct definition *definition = image->definition;
	int r = microcode_write(image->tree, &image->microcode, err);

	return r < 0 ? r
		     : definition_blame(definition, "kernel: firmware",
			       firmware_keep(image->modules, image->tree, &definition->kernel.firmware, err),
			       err);
}

static int add_links(struct image *image, struct error **err)
{
	const struct definition *definition = image->definition;

	for (size_t i = 0; i < definition->links.count; i++) {
		const struct pair *link = &definition->links.items[i];
		const struct tree_attributes attributes = {.mtime = image->time, .origin = OWN_ORIGIN};
		int r = tree_add_symlink(image->tree, link->name, &attributes, link->value, NULL, err);

		if (r < 0) {
			(void)definition_wrap(definition, "links", link->name, err);
			return r;
		}
	}
	return 0;
}

/* That no package has files which the build makes itself. */
static int check_packages(const struct image *image, struct error **err)
{
	static const char *const made[] = {
		"etc/group", "etc/gshadow", "etc/ld.so.cache", "etc/passwd", "etc/shadow"};

	for (size_t i = 0; i < ARRAY_SIZE(made); i++) {
		const struct tree_inode *inode = tree_lookup(image->tree, made[i]);

		if (inode)
			return error_set(err, -EEXIST, "package %s has /%s, which the build makes",
				inode->origin, made[i]);
	}
	return 0;
}

static int add_files(struct image *image, struct error **err)
{
	const struct definition *definition = image->definition;
	int r = 0;

	for (size_t i = 0; i < definition->overlays.count && r >= 0; i++)
		r = overlay_add(image->tree, definition->overlays.items[i], &definition->left_out,
			image->time, OWN_ORIGIN, err);
	return r < 0 ? (definition_wrap(definition, "files", NULL, err), r) : 0;
}

/* What an edition adds to its packages: files, programs of ours and whom they trust, settings, and links. */
int image_add_own_files(struct image *image, struct error **err)
{
	const struct definition *definition = image->definition;
	int r = check_packages(image, err);

	if (r >= 0)
		r = add_files(image, err);
	if (r >= 0)
		r = programs_add(
			image->tree, definition, image->options->programs, image->platform, image->time, err);
	if (r >= 0 && image->root)
		r = programs_add_root(image->tree, definition, image->root, image->time, err);
	if (r >= 0)
		r = settings_add(definition, image->tree, image->time, err);
	return r < 0 ? r : add_links(image, err);
}

static int read_boot_file(const struct tree *tree, const char *path, struct content **ret, struct error **err)
{
	const struct tree_inode *inode = tree_resolve(tree, path);

	if (!inode || !S_ISREG(inode->mode))
		return error_set(err, -ENOENT, "no package has /%s, which the image is started with", path);
	*ret = content_ref(inode->content);
	return 0;
}

/* The kernel's path: beside its modules since Debian 14, in /boot before. */
static int find_kernel(const struct image *image, char **ret, struct error **err)
{
	_cleanup_free_ char *path = string_format("usr/lib/modules/%s/vmlinuz", image->modules->version);

	if (path && !tree_lookup(image->tree, path)) {
		free(path);
		path = string_format("boot/vmlinuz-%s", image->modules->version);
	}
	if (!path)
		return error_set_errno(err, -ENOMEM, "boot");
	*ret = TAKE_PTR(path);
	return 0;
}

/* Takes the kernel, the boot loader and the stub out of the trees. */
int image_take_boot_files(struct image *image, struct error **err)
{
	_cleanup_free_ char *kernel = NULL;
	int r = find_kernel(image, &kernel, err);

	if (r < 0)
		return r;
	r = read_boot_file(image->tree, kernel, &image->kernel, err);
	if (r >= 0)
		r = read_boot_file(image->boot, image->platform->stub, &image->stub, err);
	if (r >= 0)
		r = read_boot_file(image->boot, image->platform->loader, &image->loader, err);
	return r < 0 ? r : tree_remove(image->tree, kernel, err);
}

static int finish_scripts(struct image *image, struct finish *finish, struct error **err)
{
	const struct definition *definition = image->definition;
	const struct finish_options options = {
		.ids = &definition->ids,
		.unpacked = &image->unpacked,
		.name = definition->name,
		.title = definition->title,
		.version = image->options->version,
	};

	int r = definition_blame(definition, "ids", finish_run(finish, &options, err), err);

	return r < 0 ? r
		     : definition_blame(
			       definition, "users", settings_check_users(definition, image->tree, err), err);
}

static int finish_libraries(struct image *image, struct finish *finish, struct error **err)
{
	(void)image;
	return finish_ldcache(finish, err);
}

static int finish_modules(struct image *image, struct finish *finish, struct error **err)
{
	(void)image;
	return finish_depmod(finish, err);
}

static int finish_units(struct image *image, struct finish *finish, struct error **err)
{
	const struct definition *definition = image->definition;
	_cleanup_strv_ struct strv enabled = {}, disabled = {}, masked = {};
	int r = settings_units(definition, "enable", &enabled, err);

	if (r >= 0)
		r = settings_units(definition, "disable", &disabled, err);
	if (r >= 0)
		r = settings_units(definition, "mask", &masked, err);
	if (r >= 0)
		r = finish_presets(finish, err);
	if (r >= 0)
		r = definition_blame(definition, "units", finish_check_enabled(finish, &enabled, err), err);
	if (r >= 0)
		r = definition_blame(definition, "units", finish_check_units(finish, &disabled, err), err);
	if (r >= 0)
		r = definition_blame(definition, "units", finish_masks(finish, &masked, err), err);
	return r < 0 ? r : finish_default_target(finish, "multi-user.target", err);
}

static int finish_layout(struct image *image, struct finish *finish, struct error **err)
{
	return definition_blame(
		image->definition, "setuid", layout_usr(finish, &image->definition->setuid, NULL, err), err);
}

/* From the unpacked packages to /usr: first what maintainer scripts would have done. */
static const struct {
	struct finisher_about about;
	int (*run)(struct image *image, struct finish *finish, struct error **err);
} finish_steps[] = {
	{{}, finish_scripts},
	{{"ld-cache", "ld.so.cache, as ldconfig(8) makes it"}, finish_libraries},
	{{"modules", "modules.dep and its like, as depmod(8) makes them"}, finish_modules},
	{{"units", "what presets enable; units that are masked; the default target"}, finish_units},
	{{"layout", "one /usr: /etc and /var as it brings them to a node, no setuid but what is named"},
		finish_layout},
};

int image_finish_tree(struct image *image, struct error **err)
{
	struct finish finish = {.tree = image->tree,
		.architecture = image->options->architecture,
		.mtime = image->time,
		.definition = image->definition};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(finish_steps) && r >= 0; i++)
		r = finish_steps[i].run(image, &finish, err);
	return r;
}

const struct finisher_about *image_finisher(size_t index)
{
	size_t scripts = 0;

	while (finish_about(scripts))
		scripts++;
	if (index < scripts)
		return finish_about(index);
	index -= scripts - 1;
	return index < ARRAY_SIZE(finish_steps) ? &finish_steps[index].about : NULL;
}
