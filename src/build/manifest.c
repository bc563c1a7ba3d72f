/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "build/manifest.h"

#include <errno.h>
#include <jansson.h>

#include "base/encoding.h"

static json_t *digest(const uint8_t bytes[SHA256_SIZE])
{
	char text[SHA256_HEX_SIZE];

	hex_encode(bytes, SHA256_SIZE, text);
	return json_string(text);
}

static json_t *outputs_json(const struct manifest_output *outputs, size_t count)
{
	json_t *list = json_array();

	for (size_t i = 0; i < count; i++) {
		const struct manifest_output *output = &outputs[i];

		if (json_array_append_new(
			    list, json_pack("{s:s, s:s, s:I, s:o}", "kind", output->kind, "name",
					  output->name, "size", (json_int_t)output->size, output->digest_name,
					  digest(output->digest))) < 0)
			goto fail;
	}
	return list;
fail:
	json_decref(list);
	return NULL;
}

static json_t *packages(const struct package_list *packages)
{
	json_t *list = json_array();

	for (size_t i = 0; i < packages->count; i++) {
		const struct package *package = &packages->items[i];

		if (json_array_append_new(
			    list, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:o}", "name", package->name,
					  "version", package->version, "architecture", package->architecture,
					  "source", package->source, "source_version",
					  package->source_version, "suite", package->suite, "size",
					  (json_int_t)package->size, "sha256", digest(package->sha256))) < 0)
			goto fail;
	}
	return list;
fail:
	json_decref(list);
	return NULL;
}

static json_t *privileged(const struct privileged_file *files, size_t count)
{
	json_t *list = json_array();

	for (size_t i = 0; i < count; i++) {
		char mode[16];

		(void)snprintf(mode, sizeof(mode), "%04o", (unsigned)(files[i].mode & 07777));
		if (json_array_append_new(
			    list, json_pack("{s:s, s:s, s:i, s:i, s:s*}", "path", files[i].path, "mode", mode,
					  "uid", (int)files[i].uid, "gid", (int)files[i].gid, "capabilities",
					  files[i].capabilities)) < 0)
			goto fail;
	}
	return list;
fail:
	json_decref(list);
	return NULL;
}

/*
 * The values at multi-user.target. Register 11 also stands as it is when the kernel starts, before any of the
 * phases that the node adds: that is what a disk's key is sealed to.
 */
static json_t *pcrs(const struct pcr_prediction *prediction)
{
	uint8_t running[PCR_SIZE];

	memcpy(running, prediction->kernel_image, sizeof(running));
	if (pcr_extend_phases(running, pcr_phases_running) < 0)
		return NULL;
	return json_pack("{s:{s:o, s:o, s:o, s:o}, s:{s:o}}", "sha256", "4",
		digest(prediction->boot_programs), "9", digest(prediction->kernel_input), "11",
		digest(running), "12", digest(prediction->kernel_config), "sha256_kernel_start", "11",
		digest(prediction->kernel_image));
}

/* NULL for an image that is not compressed. */
static json_t *compression(const struct compression *compression)
{
	struct compression_library library = compression_library(compression->algorithm);
	int least, most, level, r;
	json_t *object;

	compression_levels(compression->algorithm, &least, &most, &level);
	if (compression->level > 0)
		level = compression->level;
	object = json_pack("{s:s}", "algorithm", compression_name(compression->algorithm));
	r = most > 0 ? json_object_set_new(object, "level", json_integer(level)) : 0;
	if (r >= 0)
		r = json_object_update_new(object,
			json_pack("{s:s, s:s}", "library", library.name, "library_version", library.version));
	return r < 0 ? json_decref(object), NULL : object;
}

static json_t *usr(const struct manifest *manifest)
{
	const struct compression *with = &manifest->usr->compression;
	const struct survey *survey = manifest->survey;
	json_t *object = json_pack("{s:I}", "size", (json_int_t)manifest->usr->image_size);
	int r = with->algorithm == COMPRESSION_NONE
			? 0
			: json_object_set_new(object, "compression", compression(with));

	if (r >= 0)
		r = json_object_update_new(
			object, json_pack("{s:I, s:I, s:I, s:I}", "files", (json_int_t)survey->files,
					"folders", (json_int_t)survey->folders, "links",
					(json_int_t)survey->links, "bytes", (json_int_t)survey->bytes));
	return r < 0 ? json_decref(object), NULL : object;
}

/* NULL where there is none. Its registers are known when it is signed. */
static json_t *netboot(const struct manifest *manifest)
{
	const char *state = initrd_netboot_name(manifest->netboot);

	return state ? json_pack("{s:s}", "state", state) : NULL;
}

int manifest_describe_netboot(json_t *manifest, const struct pcr_prediction *prediction, struct error **err)
{
	json_t *object = json_object_get(manifest, "netboot");

	return json_object_set_new(object, "pcrs", pcrs(prediction)) < 0
		       ? error_set_errno(err, -ENOMEM, "manifest")
		       : 0;
}

int manifest_describe(const struct manifest *manifest, json_t **ret, struct error **err)
{
	const struct survey *survey = manifest->survey;

	*ret = json_pack(
		"{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:[], s:o, s:o*, s:o, s:o, s:o, s:o, s:o}",
		"edition", manifest->definition->name, "title", manifest->definition->title, "version",
		manifest->version, "architecture", manifest->architecture, "suite", manifest->suite, "kernel",
		manifest->kernel_release, "command_line", manifest->command_line, "root_hash",
		digest(manifest->usr->root_hash), "usr", usr(manifest), "outputs", "pcrs",
		pcrs(manifest->pcrs), "netboot", netboot(manifest), "certificate_sha256",
		digest(manifest->certificate), "setuid", privileged(survey->setuid, survey->setuid_count),
		"capabilities", privileged(survey->capable, survey->capable_count), "packages",
		packages(manifest->packages), "boot_packages", packages(manifest->boot_packages));
	return *ret ? 0 : error_set_errno(err, -ENOMEM, "manifest");
}

int manifest_write(json_t *manifest, const struct manifest_output *outputs, size_t count, struct buffer *ret,
	struct error **err)
{
	_cleanup_free_ char *text = NULL;

	/* The member keeps its place among the others. */
	if (json_object_set_new(manifest, "outputs", outputs_json(outputs, count)) == 0)
		text = json_dumps(manifest, JSON_INDENT(2));
	if (!text)
		return error_set_errno(err, -ENOMEM, "manifest");
	buffer_append_string(ret, text);
	buffer_append_u8(ret, '\n');
	return buffer_failed(ret) ? error_set_errno(err, -ENOMEM, "manifest") : 0;
}
