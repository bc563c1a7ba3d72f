/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "build/image-parts.h"

#include <errno.h>
#include <fcntl.h>

#include "base/file.h"
#include "base/work.h"
#include "build/provenance.h"
#include "build/sbom.h"
#include "format/os-release.h"

/* ---- Which distribution the packages are of ---- */

static int os_value(const struct tree_inode *inode, const char *name, char **ret)
{
	int r = os_release_value(
		(const char *)content_data(inode->content), content_size(inode->content), name, ret);

	return r == -ENOENT || r == -EBADMSG ? 0 : r;
}

/* As package URLs have it: ID and VERSION_ID, or the code name where there is no version yet. */
int image_note_distribution(struct image *image, struct error **err)
{
	const struct tree_inode *inode = tree_resolve(image->tree, "usr/lib/os-release");
	_cleanup_free_ char *id = NULL, *version = NULL;
	int r = 0;

	if (inode && S_ISREG(inode->mode)) {
		r = os_value(inode, "ID", &id);
		if (r >= 0)
			r = os_value(inode, "VERSION_ID", &version);
		if (r >= 0 && !version)
			r = os_value(inode, "VERSION_CODENAME", &version);
	}
	if (r >= 0)
		image->distribution = string_format(
			"%s%s%s", id ? id : "debian", version ? "-" : "", version ? version : "");
	return r < 0 || !image->distribution ? error_set_errno(err, -ENOMEM, "os-release") : 0;
}

/* ---- Bills of materials ---- */

static int digest_file(const char *path, uint8_t ret[SHA256_SIZE], struct error **err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	int r = fd < 0 ? -errno : sha256_file(fd, ret, NULL);

	return r < 0 ? error_set_errno(err, r, "%s", path) : 0;
}

/* One of the two documents: each is one thread's work. */
static int write_document(size_t index, void *userdata, struct error **err)
{
	static const struct {
		unsigned output;
		int (*write)(const struct sbom *sbom, struct buffer *ret, struct error **err);
	} documents[] = {{OUTPUT_SPDX, sbom_write_spdx}, {OUTPUT_CYCLONEDX, sbom_write_cyclonedx}};
	_cleanup_buffer_ struct buffer text = {};
	struct image *image = userdata;
	int r = documents[index].write(&image->sbom, &text, err);

	return r < 0 ? r : image_write_output(&image->outputs[documents[index].output], &text, err);
}

size_t image_list_outputs(const struct image *image, unsigned end, struct manifest_output *ret)
{
	size_t count = 0;

	for (unsigned i = 0; i < end; i++) {
		const struct output *output = &image->outputs[i];

		if (!output->name)
			continue;
		ret[count] = (struct manifest_output){.kind = output->kind,
			.name = output->name,
			.size = output->size,
			.digest_name = output->digest_name};
		memcpy(ret[count++].digest, output->digest, SHA256_SIZE);
	}
	return count;
}

int image_make_sboms(struct image *image, struct error **err)
{
	int r;

	image->sbom_input = (struct sbom_input){
		.definition = image->definition,
		.version = image->options->version,
		.architecture = image->options->architecture,
		.builder = image->options->builder,
		.time = image->time,
		.kernel_release = image->modules->version,
		.distribution = image->distribution,
		.tree = image->tree,
		.packages = &image->packages,
		.boot_packages = &image->boot_packages,
		.unpacked = &image->unpacked,
		.boot_unpacked = &image->boot_unpacked,
		.disk = image->outputs[OUTPUT_DISK].name,
		.uki = image->outputs[OUTPUT_UKI].name,
		.threads = image->options->threads,
	};
	r = digest_file(image->options->init, image->sbom_input.init_sha256, err);
	if (r >= 0)
		r = sbom_collect(&image->sbom_input, &image->sbom, err);
	return r < 0 ? r : work_run(image->options->threads, 2, write_document, image, err);
}

/* ---- Provenance ---- */

struct files {
	struct provenance_file *items;
	size_t count;
};

static int add_file(struct files *files, const char *kind, const char *path, struct error **err)
{
	const char *slash = strrchr(path, '/');
	struct provenance_file *file = &files->items[files->count];

	*file = (struct provenance_file){.kind = kind, .name = slash ? slash + 1 : path};
	files->count++;
	return digest_file(path, file->sha256, err);
}

/* The definition with those that it extends. */
static int add_definitions(const struct definition *definition, struct files *files, struct error **err)
{
	const struct strv *paths = &definition->places.files;
	int r = 0;

	files->items = calloc(paths->count + definition->programs.count + 1, sizeof(*files->items));
	if (!files->items)
		return error_set_errno(err, -ENOMEM, "definition");
	for (size_t i = 0; i < paths->count && r >= 0; i++)
		r = add_file(files, "definition", paths->items[i], err);
	return r;
}

static int add_programs(const struct image *image, struct files *files, struct error **err)
{
	const struct strv *programs = image->options->programs;
	int r = add_file(files, "program", image->options->init, err);

	for (size_t i = 0; i < image->definition->programs.count && i < programs->count && r >= 0; i++)
		r = add_file(files, "program", programs->items[i], err);
	return r;
}

/* All that the provenance says but for the outputs. */
int image_describe_provenance(struct image *image, struct error **err)
{
	struct files files = {};
	int r = add_definitions(image->definition, &files, err);

	if (r >= 0)
		r = add_programs(image, &files, err);
	if (r >= 0)
		r = provenance_describe(
			&(struct provenance){
				.definition = image->definition,
				.version = image->options->version,
				.architecture = image->options->architecture,
				.suite = image->options->suite ? image->options->suite
							       : image->definition->suite,
				.formats = image->options->formats,
				.netboot = initrd_netboot_name(image->options->netboot),
				.builder = image->options->builder,
				.sbom = &image->sbom,
				.files = files.items,
				.file_count = files.count,
			},
			&image->provenance, err);
	free(files.items);
	return r;
}

int image_write_provenance(struct image *image, struct error **err)
{
	struct manifest_output outputs[OUTPUT_PROVENANCE];
	_cleanup_buffer_ struct buffer text = {};
	const struct signer *signer;
	int r = signing_request(
		&image->signing, image->keys.db, IMAGE_PROVENANCE, IMAGE_PROVENANCE_ABOUT, &signer, err);

	if (r >= 0)
		r = provenance_write(image->provenance, outputs,
			image_list_outputs(image, OUTPUT_PROVENANCE, outputs), signer, &text, err);
	return r < 0 ? r : image_write_output(&image->outputs[OUTPUT_PROVENANCE], &text, err);
}
