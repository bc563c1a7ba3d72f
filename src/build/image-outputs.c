/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "build/image-parts.h"

#include <errno.h>
#include <fcntl.h>

#include "base/file.h"
#include "base/work.h"
#include "build/disk.h"
#include "build/esp.h"
#include "build/manifest.h"
#include "format/fsverity.h"
#include "format/pcr.h"

/* The names of the outputs, and where there is a stage, their paths while they are made. */
int image_name_outputs(struct image *image, struct error **err)
{
	static const struct {
		const char *kind, *ending, *digest;
	} outputs[OUTPUT_COUNT] = {
		[OUTPUT_DISK] = {"disk", ".raw", "fsverity"},
		[OUTPUT_QCOW2] = {"qcow2", ".qcow2", "fsverity"},
		[OUTPUT_VHD] = {"vhd", ".vhd", "fsverity"},
		[OUTPUT_VHDX] = {"vhdx", ".vhdx", "fsverity"},
		[OUTPUT_USR] = {"usr", ".usr.erofs", "fsverity"},
		[OUTPUT_VERITY] = {"verity", ".usr.verity", "sha256"},
		[OUTPUT_UKI] = {"uki", ".efi", "sha256"},
		[OUTPUT_NETBOOT] = {"netboot", ".netboot.efi", "sha256"},
		[OUTPUT_SPDX] = {"spdx", ".spdx.json", "sha256"},
		[OUTPUT_CYCLONEDX] = {"cyclonedx", ".cdx.json", "sha256"},
		[OUTPUT_MANIFEST] = {"manifest", ".manifest.json", "sha256"},
		[OUTPUT_PROVENANCE] = {"provenance", ".provenance.json", "sha256"},
	};

	for (size_t i = 0; i < OUTPUT_COUNT; i++) {
		struct output *output = &image->outputs[i];

		if (i >= OUTPUT_FORMATS && i < OUTPUT_FORMATS + DISK_FORMATS &&
			!(image->options->formats >> (i - OUTPUT_FORMATS) & 1))
			continue;
		if (i == OUTPUT_NETBOOT && image->options->netboot == INITRD_NETBOOT_NONE)
			continue;
		output->kind = outputs[i].kind;
		output->digest_name = outputs[i].digest;
		output->name = string_format("orlop-%s_%s_%s%s", image->definition->name,
			image->options->version, image->options->architecture, outputs[i].ending);
		if (output->name && image->stage)
			output->path = stage_path(image->stage, output->name);
		if (!output->name || (image->stage && !output->path))
			return error_set_errno(err, -ENOMEM, "outputs");
	}
	return 0;
}

int image_write_output(struct output *output, const struct buffer *text, struct error **err)
{
	output->size = text->size;
	if (sha256_bytes(text->data, text->size, output->digest) < 0)
		return error_set_errno(err, -ENOMEM, "%s", output->name);
	return file_write_atomic(output->path, text->data, text->size, 0644, err);
}

int image_write_uki(struct image *image, struct error **err)
{
	int r = image_write_output(&image->outputs[OUTPUT_UKI], &image->uki, err);

	if (r >= 0 && image->outputs[OUTPUT_NETBOOT].name)
		r = image_write_output(&image->outputs[OUTPUT_NETBOOT], &image->netboot, err);
	return r;
}

/* A disk is mostly holes, which this digest passes over, and those of the usr image's blocks are known. */
static int digest_disk(struct image *image, struct output *output, int fd, struct error **err)
{
	const struct fsverity_known known = {
		.offset = disk_image_usr(image->definition->disk.esp),
		.blocks = image->usr.leaves ? image->usr.image_size / FSVERITY_BLOCK_SIZE : 0,
		.digests = image->usr.leaves,
	};
	/* Where a format has the disk in one piece, so that they are in the same place. */
	bool is_disk = output == &image->outputs[OUTPUT_DISK] || output == &image->outputs[OUTPUT_VHD];

	return fsverity_digest(
		fd, image->options->threads, is_disk ? &known : NULL, output->digest, &output->size, err);
}

/* ---- Other formats of the disk ---- */

struct disk_copies {
	struct image *image;
	struct disk_source source;
};

static int write_format(size_t index, void *userdata, struct error **err)
{
	struct disk_copies *copies = userdata;
	struct output *output = &copies->image->outputs[OUTPUT_FORMATS + index];
	_cleanup_close_ int fd = -1;
	int r;

	if (!output->path)
		return 0;
	fd = open(output->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0)
		return error_set_errno(err, -errno, "%s", output->path);
	r = disk_format_write((unsigned)index, &copies->source, fd, err);
	if (r >= 0)
		r = digest_disk(copies->image, output, fd, err);
	return r < 0 ? error_wrap(err, "%s", output->path), r : 0;
}

static int write_formats(struct image *image, struct error **err)
{
	const struct image_options *options = image->options;
	struct disk_copies copies = {.image = image,
		.source = {.fd = image->disk.fd,
			.size = image->outputs[OUTPUT_DISK].size,
			.time = image->time,
			.progress = options->progress}};
	int r;

	if (options->formats == 0)
		return 0;
	memcpy(copies.source.digest, image->outputs[OUTPUT_DISK].digest, SHA256_SIZE);
	progress_begin(options->progress, "disk formats",
		(uint64_t)__builtin_popcount(options->formats) * copies.source.size, PROGRESS_BYTES);
	r = work_run(options->threads, DISK_FORMATS, write_format, &copies, err);
	if (r >= 0)
		progress_end(options->progress, NULL);
	return r;
}

/* ---- The disk ---- */

/* Opens the disk's file where the usr image has not been written to it already. */
static int open_disk(struct image *image, bool *ret_begun, struct error **err)
{
	*ret_begun = image->disk.fd >= 0;
	return *ret_begun ? 0 : atomic_file_open(&image->disk, image->outputs[OUTPUT_DISK].path, 0644, err);
}

static int write_disk(struct image *image, const struct disk_image *disk, struct error **err)
{
	int r = disk_image_write(image->disk.fd, disk, err);

	if (r < 0)
		return error_wrap(err, "%s", image->outputs[OUTPUT_DISK].path), r;
	r = digest_disk(image, &image->outputs[OUTPUT_DISK], image->disk.fd, err);
	if (r >= 0)
		r = write_formats(image, err);
	return r < 0 ? r : atomic_file_commit(&image->disk, err);
}

int image_write_disk(struct image *image, struct error **err)
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
			.enrol = image->enrol,
			.time = image->time,
		},
		&esp, err);
	if (r < 0)
		return r;
	disk.esp = tree_root(esp);
	memcpy(disk.root_hash, image->usr.root_hash, SHA256_SIZE);
	r = open_disk(image, &disk.usr_is_there, err);
	return r < 0 ? r : write_disk(image, &disk, err);
}

/* ---- The manifest, and showing all of it ---- */

/* All that the manifest says but for the outputs, which differ with every signature. */
int image_describe(struct image *image, struct error **err)
{
	uint8_t fingerprint[SHA256_SIZE];
	struct pcr_prediction pcrs;
	int r = pcr_predict(
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
	return manifest_describe(
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
			.netboot = image->options->netboot,
			.packages = &image->packages,
			.boot_packages = &image->boot_packages,
			.certificate = fingerprint,
		},
		&image->manifest, err);
}

int image_write_manifest(struct image *image, struct error **err)
{
	struct manifest_output outputs[OUTPUT_MANIFEST];
	_cleanup_buffer_ struct buffer text = {};
	int r = manifest_write(
		image->manifest, outputs, image_list_outputs(image, OUTPUT_MANIFEST, outputs), &text, err);

	return r < 0 ? r : image_write_output(&image->outputs[OUTPUT_MANIFEST], &text, err);
}

int image_show_outputs(struct image *image, struct error **err)
{
	/* The disk, which somebody may be waiting for, comes when its parts are there, and the manifest last.
	 */
	static const unsigned order[OUTPUT_COUNT] = {OUTPUT_USR, OUTPUT_VERITY, OUTPUT_UKI, OUTPUT_NETBOOT,
		OUTPUT_SPDX, OUTPUT_CYCLONEDX, OUTPUT_PROVENANCE, OUTPUT_QCOW2, OUTPUT_VHD, OUTPUT_VHDX,
		OUTPUT_DISK, OUTPUT_MANIFEST};
	const char *names[OUTPUT_COUNT + 1] = {};
	size_t count = 0;

	for (size_t i = 0; i < OUTPUT_COUNT; i++)
		if (image->outputs[order[i]].name)
			names[count++] = image->outputs[order[i]].name;
	return stage_commit(image->stage, names, err);
}
