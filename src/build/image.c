/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "build/image.h"

#include <errno.h>
#include <fcntl.h>

#include "base/encoding.h"
#include "base/file.h"
#include "build/depmod.h"
#include "build/disk.h"
#include "build/esp.h"
#include "build/image-packages.h"
#include "build/initrd.h"
#include "build/keys.h"
#include "build/layout.h"
#include "build/ldcache.h"
#include "build/manifest.h"
#include "build/overlay.h"
#include "build/platform.h"
#include "build/presets.h"
#include "build/programs.h"
#include "build/stage.h"
#include "build/survey.h"
#include "build/unpack.h"
#include "build/usr-image.h"
#include "build/version.h"
#include "format/authenticode.h"
#include "format/pcr.h"
#include "format/uki.h"
#include "format/verity-signature.h"
#include "source/cache.h"

/* The name space of the UUIDs that an image has in it, and the salt of its hash tree. Neither may ever
 * change. */
static const struct uuid image_space = {.bytes = {0x6f, 0x72, 0x6c, 0x6f, 0x70, 0x2d, 0x40, 0x69, 0x8d, 0x61,
						0x67, 0x65, 0x2d, 0x6e, 0x73, 0x31}};
static const char image_salt[] = "orlop: salt of every hash tree of /usr";

enum { OUTPUT_DISK, OUTPUT_USR, OUTPUT_VERITY, OUTPUT_UKI, OUTPUT_MANIFEST, OUTPUT_COUNT };

struct output {
	const char *kind;
	char *name, *path;
	uint64_t size;
	uint8_t sha256[SHA256_SIZE];
};

/* Everything that is there between two steps. Each step fills what the next ones read. */
struct image {
	const struct image_options *options;
	const struct definition *definition;
	const struct platform *platform;
	int64_t time; /* of every file in the image: the version's day */
	struct keys keys;
	struct cache *cache; /* open as long as packages are read from it */
	struct stage *stage;
	struct output outputs[OUTPUT_COUNT];

	struct package_list packages, boot_packages;
	struct unpacked unpacked;
	struct tree *tree; /* the whole root, from finish_tree() on only /usr */
	struct tree *boot; /* of the boot packages */
	struct kernel_modules *modules;
	struct content *kernel, *stub, *loader;

	struct survey survey;
	struct usr_image_result usr;
	char root_hash[SHA256_HEX_SIZE];
	struct buffer signature; /* content of the verity signature partition */
	char *command_line;
	struct buffer initrd, uki, signed_loader;
};

static void image_release(struct image *image)
{
	keys_release(&image->keys);
	cache_close(image->cache);
	stage_close(image->stage);
	for (size_t i = 0; i < OUTPUT_COUNT; i++) {
		free(image->outputs[i].name);
		free(image->outputs[i].path);
	}
	package_list_release(&image->packages);
	package_list_release(&image->boot_packages);
	unpacked_release(&image->unpacked);
	tree_free(image->tree);
	tree_free(image->boot);
	kernel_modules_free(image->modules);
	content_unref(image->kernel);
	content_unref(image->stub);
	content_unref(image->loader);
	survey_release(&image->survey);
	buffer_release(&image->signature);
	free(image->command_line);
	buffer_release(&image->initrd);
	buffer_release(&image->uki);
	buffer_release(&image->signed_loader);
}

/* The paths of the outputs while they are made. */
static int name_outputs(struct image *image, struct error **err)
{
	static const struct {
		const char *kind, *ending;
	} outputs[OUTPUT_COUNT] = {
		[OUTPUT_DISK] = {"disk", ".raw"},
		[OUTPUT_USR] = {"usr", ".usr.erofs"},
		[OUTPUT_VERITY] = {"verity", ".usr.verity"},
		[OUTPUT_UKI] = {"uki", ".efi"},
		[OUTPUT_MANIFEST] = {"manifest", ".manifest.json"},
	};

	for (size_t i = 0; i < OUTPUT_COUNT; i++) {
		struct output *output = &image->outputs[i];

		output->kind = outputs[i].kind;
		output->name = string_format("orlop-%s_%s_%s%s", image->definition->name,
			image->options->version, image->options->architecture, outputs[i].ending);
		output->path = output->name ? stage_path(image->stage, output->name) : NULL;
		if (!output->path)
			return error_set_errno(err, -ENOMEM, "outputs");
	}
	return 0;
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
		r = keys_open(options->keys, &image->keys, err);
	if (r >= 0)
		r = stage_open(options->output, &image->stage, err);
	return r < 0 ? r : name_outputs(image, err);
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

/* Unpacks packages into a tree of their own. */
static int unpack_list(const struct package_list *packages, const struct unpack_options *options,
	struct tree **ret, struct unpacked *ret_unpacked, struct error **err)
{
	_cleanup_free_ struct unpack_package *list = calloc(packages->count + 1, sizeof(*list));

	if (!list)
		return error_set_errno(err, -ENOMEM, "unpacking");
	for (size_t i = 0; i < packages->count; i++) {
		const struct package *package = &packages->items[i];

		list[i] = (struct unpack_package){
			.name = package->name, .path = package->path, .size = package->size};
		memcpy(list[i].sha256, package->sha256, SHA256_SIZE);
	}
	return unpack(list, packages->count, options, ret, ret_unpacked, err);
}

static int unpack_packages(struct image *image, struct error **err)
{
	struct unpack_options options = {
		.threads = image->options->threads, .progress = image->options->progress};
	int r;

	r = unpack_list(&image->boot_packages, &options, &image->boot, NULL, err);
	if (r < 0)
		return r;
	options.exclude = image->definition->exclude;
	options.keep = image->definition->keep;
	r = unpack_list(&image->packages, &options, &image->tree, &image->unpacked, err);
	if (r < 0)
		return r;
	image_warn_of_idle(image->options, "exclude", &image->unpacked.idle_exclude,
		"no package has a path that matches");
	image_warn_of_idle(
		image->options, "keep", &image->unpacked.idle_keep, "nothing that is excluded matches");
	return 0;
}

/* The kernel's modules: read once, for the initrd, and reduced to what a node can use. */
static int select_modules(struct image *image, struct error **err)
{
	int r;

	progress_begin(image->options->progress, "Kernel modules", 0, PROGRESS_ITEMS);
	r = kernel_modules_read(image->tree, image->options->threads, &image->modules, err);
	if (r >= 0)
		r = definition_blame(image->definition, "kernel: modules",
			kernel_modules_keep(
				image->modules, image->tree, &image->definition->kernel.modules, err),
			err);
	if (r >= 0)
		progress_end(image->options->progress, "of %s", image->modules->version);
	return r;
}

static int add_links(struct image *image, struct error **err)
{
	const struct definition *definition = image->definition;

	for (size_t i = 0; i < definition->links.count; i++) {
		const struct pair *link = &definition->links.items[i];
		const struct tree_attributes attributes = {.mtime = image->time, .origin = definition->name};
		int r = tree_add_symlink(image->tree, link->name, &attributes, link->value, NULL, err);

		if (r < 0) {
			(void)definition_wrap(definition, "links", link->name, err);
			return r;
		}
	}
	return 0;
}

/* What an edition adds to its packages: programs of ours and whom they trust, files, and links. */
static int add_own_files(struct image *image, struct error **err)
{
	const struct definition *definition = image->definition;
	int r = programs_add(image->tree, &definition->programs, image->options->programs, image->platform,
		image->time, err);

	if (r >= 0 && definition->programs.count > 0)
		r = programs_add_root(image->tree, image->options->keys, image->time, err);
	for (size_t i = 0; i < definition->overlays.count && r >= 0; i++) {
		r = overlay_add(
			image->tree, definition->overlays.items[i], image->time, definition->name, err);
		if (r < 0)
			(void)definition_wrap(definition, "files", NULL, err);
	}
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

/* Takes the kernel, the boot loader and the stub out of the trees. */
static int take_boot_files(struct image *image, struct error **err)
{
	_cleanup_free_ char *kernel = string_format("boot/vmlinuz-%s", image->modules->version);
	int r;

	if (!kernel)
		return error_set_errno(err, -ENOMEM, "boot");
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
		.accounts = &definition->accounts,
		.unpacked = &image->unpacked,
		.name = definition->name,
		.title = definition->title,
		.version = image->options->version,
	};

	return definition_blame(definition, "accounts", finish_run(finish, &options, err), err);
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
	int r = finish_presets(finish, err);

	if (r >= 0)
		r = definition_blame(
			image->definition, "mask", finish_masks(finish, &image->definition->mask, err), err);
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

static int finish_tree(struct image *image, struct error **err)
{
	struct finish finish = {
		.tree = image->tree, .architecture = image->options->architecture, .mtime = image->time};
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

/* The usr image and its hash tree. Salt and UUIDs never change: unchanged content has unchanged blocks and
 * digests. */
static int write_usr(struct image *image, struct error **err)
{
	struct usr_image_options options = {
		.erofs = {.label = "orlop-usr", .build_time = (uint64_t)image->time},
		.verity = {.salt_size = SHA256_SIZE},
		.threads = image->options->threads,
		.progress = image->options->progress,
	};
	struct uuid erofs, verity;
	int r;

	if (uuid_from_name(&image_space, "usr", 3, &erofs) < 0 ||
		uuid_from_name(&image_space, "verity", 6, &verity) < 0 ||
		sha256_bytes(image_salt, strlen(image_salt), options.verity.salt) < 0)
		return error_set_errno(err, -ENOMEM, "usr image");
	memcpy(options.erofs.uuid, erofs.bytes, sizeof(erofs.bytes));
	memcpy(options.verity.uuid, verity.bytes, sizeof(verity.bytes));
	r = survey_tree(image->tree, &image->survey, err);
	if (r >= 0)
		r = usr_image_write(tree_lookup(image->tree, "usr"), &options,
			image->outputs[OUTPUT_USR].path, image->outputs[OUTPUT_VERITY].path, &image->usr,
			err);
	if (r < 0)
		return r;
	hex_encode(image->usr.root_hash, SHA256_SIZE, image->root_hash);
	memcpy(image->outputs[OUTPUT_USR].sha256, image->usr.image_digest, SHA256_SIZE);
	memcpy(image->outputs[OUTPUT_VERITY].sha256, image->usr.hash_digest, SHA256_SIZE);
	image->outputs[OUTPUT_USR].size = image->usr.image_size;
	image->outputs[OUTPUT_VERITY].size = image->usr.hash_size;
	return 0;
}

/* What the usr-verity-sig partition holds. */
static int sign_root_hash(struct image *image, struct error **err)
{
	_cleanup_verity_signature_ struct verity_signature signature = {.has_fingerprint = true};
	int r;

	memcpy(signature.root_hash, image->usr.root_hash, SHA256_SIZE);
	signer_fingerprint(image->keys.db, signature.fingerprint);
	r = signer_pkcs7_detached(
		image->keys.db, image->root_hash, strlen(image->root_hash), &signature.signature, err);
	return r < 0 ? r : verity_signature_write(&signature, VERITY_SIGNATURE_SIZE, &image->signature, err);
}

/* The kernel's command line: the definition's arguments, and which /usr it is. */
static int make_command_line(struct image *image, struct error **err)
{
	_cleanup_buffer_ struct buffer line = {};
	const struct strv *arguments = &image->definition->kernel.command_line;

	for (size_t i = 0; i < arguments->count; i++)
		buffer_printf(&line, "%s ", arguments->items[i]);
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

static int make_initrd(struct image *image, struct error **err)
{
	const struct definition *definition = image->definition;
	_cleanup_free_ char *settings = NULL;
	int r;

	r = initrd_settings(definition, image->options->architecture, image->command_line, &settings, err);
	if (r < 0)
		return r;
	r = initrd_build(
		&(struct initrd_options){
			.init = image->options->init,
			.settings = settings,
			.modules = image->modules,
			.always = &definition->initrd.modules,
			.devices = &definition->initrd.devices,
			/* Nobody looks at it there, and kernel images of one kernel shall differ as little as
			   can be. */
			.mtime = 0,
		},
		&image->initrd, err);
	return r < 0 ? blame_initrd(image, r, err) : 0;
}

/* The UKI and the boot loader, both signed. */
static int make_boot_programs(struct image *image, struct error **err)
{
	const struct tree_inode *osrel = tree_resolve(image->tree, "usr/lib/os-release");
	_cleanup_buffer_ struct buffer unsigned_uki = {};
	_cleanup_free_ char *sbat =
		string_format("orlop,1,Orlop,%s,%s,\n", image->definition->name, image->options->version);
	int r;

	if (!sbat)
		return error_set_errno(err, -ENOMEM, "kernel image");
	if (!osrel || !S_ISREG(osrel->mode))
		return error_set(err, -ENOENT, "no package has /usr/lib/os-release");
	r = uki_build(
		&(struct uki_parts){
			.stub = {content_data(image->stub), content_size(image->stub)},
			.kernel = {content_data(image->kernel), content_size(image->kernel)},
			.initrd = {image->initrd.data, image->initrd.size},
			.cmdline = image->command_line,
			.osrel = {content_data(osrel->content), content_size(osrel->content)},
			.uname = image->modules->version,
			.sbat = sbat,
		},
		&unsigned_uki, err);
	if (r >= 0)
		r = authenticode_sign(image->keys.db, unsigned_uki.data, unsigned_uki.size, &image->uki, err);
	if (r >= 0)
		r = authenticode_sign(image->keys.db, content_data(image->loader),
			content_size(image->loader), &image->signed_loader, err);
	return r;
}

static int write_uki(struct image *image, struct error **err)
{
	struct output *output = &image->outputs[OUTPUT_UKI];

	output->size = image->uki.size;
	if (sha256_bytes(image->uki.data, image->uki.size, output->sha256) < 0)
		return error_set_errno(err, -ENOMEM, "%s", output->name);
	return file_write_atomic(output->path, image->uki.data, image->uki.size, 0644, err);
}

static int digest_output(struct output *output, struct error **err)
{
	_cleanup_close_ int fd = open(output->path, O_RDONLY | O_CLOEXEC);
	int r = fd < 0 ? -errno : sha256_file(fd, output->sha256, &output->size);

	return r < 0 ? error_set_errno(err, r, "%s", output->path) : 0;
}

static int write_disk(struct image *image, struct error **err)
{
	_cleanup_close_ int usr = open(image->outputs[OUTPUT_USR].path, O_RDONLY | O_CLOEXEC);
	_cleanup_close_ int verity = open(image->outputs[OUTPUT_VERITY].path, O_RDONLY | O_CLOEXEC);
	const struct definition *definition = image->definition;
	_cleanup_tree_ struct tree *esp = NULL;
	struct disk_image disk = {
		.architecture = image->options->architecture,
		.version = image->options->version,
		.esp_size = definition->disk.esp,
		.usr_size = definition->disk.usr,
		.verity_size = definition->disk.verity,
		.signature_size = definition->disk.signature,
		.state_size = definition->disk.state,
		.usr = usr,
		.verity = verity,
		.signature = image->signature.data,
		.signature_length = image->signature.size,
		.progress = image->options->progress,
	};
	int r;

	if (usr < 0 || verity < 0)
		return error_set_errno(err, -errno, "usr image");
	r = esp_build(
		&(struct esp_parts){
			.platform = image->platform,
			.loader = &image->signed_loader,
			.uki = &image->uki,
			.version = image->options->version,
			.keys = &image->keys,
			.time = image->time,
		},
		&esp, err);
	if (r < 0)
		return r;
	disk.esp = tree_root(esp);
	memcpy(disk.root_hash, image->usr.root_hash, SHA256_SIZE);
	r = disk_image_write(image->outputs[OUTPUT_DISK].path, &disk, err);
	return r < 0 ? r : digest_output(&image->outputs[OUTPUT_DISK], err);
}

static int write_manifest(struct image *image, struct error **err)
{
	struct manifest_output outputs[OUTPUT_MANIFEST];
	uint8_t fingerprint[SHA256_SIZE];
	_cleanup_buffer_ struct buffer text = {};
	struct pcr_prediction pcrs;
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(outputs); i++) {
		const struct output *output = &image->outputs[i];

		outputs[i] = (struct manifest_output){
			.kind = output->kind, .name = output->name, .size = output->size};
		memcpy(outputs[i].sha256, output->sha256, SHA256_SIZE);
	}
	r = pcr_predict(
		&(struct pcr_images){
			.loader = image->signed_loader.data,
			.loader_size = image->signed_loader.size,
			.uki = image->uki.data,
			.uki_size = image->uki.size,
			.secure_boot = true,
		},
		&pcrs, err);
	if (r < 0)
		return r;
	signer_fingerprint(image->keys.db, fingerprint);
	r = manifest_write(
		&(struct manifest){
			.definition = image->definition,
			.version = image->options->version,
			.architecture = image->options->architecture,
			.suite = image->options->suite ? image->options->suite : image->definition->suite,
			.kernel_release = image->modules->version,
			.command_line = image->command_line,
			.usr = &image->usr,
			.survey = &image->survey,
			.pcrs = &pcrs,
			.packages = &image->packages,
			.boot_packages = &image->boot_packages,
			.certificate = fingerprint,
			.outputs = outputs,
			.output_count = ARRAY_SIZE(outputs),
		},
		&text, err);
	return r < 0 ? r
		     : file_write_atomic(
			       image->outputs[OUTPUT_MANIFEST].path, text.data, text.size, 0644, err);
}

static int show_outputs(struct image *image, struct error **err)
{
	/* The disk, which somebody may be waiting for, comes when its parts are there, and the manifest last.
	 */
	static const unsigned order[OUTPUT_COUNT] = {
		OUTPUT_USR, OUTPUT_VERITY, OUTPUT_UKI, OUTPUT_DISK, OUTPUT_MANIFEST};
	const char *names[OUTPUT_COUNT + 1] = {};

	for (size_t i = 0; i < OUTPUT_COUNT; i++)
		names[i] = image->outputs[order[i]].name;
	return stage_commit(image->stage, names, err);
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

static int make_result(struct image *image, struct image_result *ret, struct error **err)
{
	char **names[OUTPUT_COUNT] = {
		[OUTPUT_DISK] = &ret->raw,
		[OUTPUT_USR] = &ret->erofs,
		[OUTPUT_VERITY] = &ret->verity,
		[OUTPUT_UKI] = &ret->uki,
		[OUTPUT_MANIFEST] = &ret->manifest,
	};

	ret->root_hash = strdup(image->root_hash);
	if (!ret->root_hash)
		return error_set_errno(err, -ENOMEM, "result");
	for (size_t i = 0; i < OUTPUT_COUNT; i++)
		*names[i] = TAKE_PTR(image->outputs[i].name);
	ret->usr_size = image->usr.image_size;
	ret->packages = image->packages.count;
	return 0;
}

int image_build(const struct image_options *options, struct image_result *ret, struct error **err)
{
	static int (*const steps[])(struct image * image, struct error * *err) = {
		prepare,
		get_packages,
		unpack_packages,
		select_modules,
		add_own_files,
		take_boot_files,
		finish_tree,
		write_usr,
		sign_root_hash,
		make_command_line,
		make_initrd,
		make_boot_programs,
		write_uki,
		write_disk,
		write_manifest,
		show_outputs,
		prune_cache,
	};
	_cleanup_(image_release) struct image image = {.options = options, .definition = options->definition};
	int r = 0;

	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(steps); i++)
		r = steps[i](&image, err);
	return r < 0 ? r : make_result(&image, ret, err);
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
