/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What file systems and programs hold: the usr image, the EFI system partition, EFI programs.
 */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/string-util.h"
#include "build/inspect-part.h"
#include "build/survey.h"
#include "format/authenticode.h"
#include "format/erofs.h"
#include "format/fat.h"
#include "format/uki.h"

#define PACKAGES "share/orlop/packages.json"
#define FAT_MAX GiB(1) /* bytes of files that are taken in */

static int out_of_memory(struct error **err)
{
	return error_set_errno(err, -ENOMEM, "inspecting");
}

static json_t *privileged(const struct privileged_file *files, size_t count)
{
	_cleanup_inspect_json_ json_t *list = json_array();

	for (size_t i = 0; i < count; i++) {
		const struct privileged_file *file = &files[i];
		char mode[16];

		(void)snprintf(mode, sizeof(mode), "%04o", (unsigned)(file->mode & 07777));
		if (json_array_append_new(
			    list, json_pack("{s:o, s:s, s:I, s:I, s:s*}", "path",
					  inspect_string(file->path, strlen(file->path)), "mode", mode, "uid",
					  (json_int_t)file->uid, "gid", (json_int_t)file->gid, "capabilities",
					  file->capabilities)) < 0)
			return NULL;
	}
	return TAKE_PTR(list);
}

/* A file at *path* of a usr image, or of an image that has the whole root. */
static const struct tree_inode *find_file(const struct tree *tree, const char *path)
{
	_cleanup_free_ char *below = string_format("usr/%s", path);
	const struct tree_inode *inode = tree_resolve(tree, path);

	if (!inode && below)
		inode = tree_resolve(tree, below);
	return inode && S_ISREG(inode->mode) ? inode : NULL;
}

/* The list that the build left in the image; every entry must have a name and a version. */
static int add_packages(const struct tree *tree, json_t *object, struct error **err)
{
	const struct tree_inode *inode = find_file(tree, PACKAGES);
	_cleanup_inspect_json_ json_t *root = NULL;
	json_t *list, *item;
	json_error_t fault;
	size_t i;

	if (!inode)
		return 0;
	root = json_loadb((const char *)content_data(inode->content), content_size(inode->content),
		JSON_REJECT_DUPLICATES, &fault);
	if (!root)
		return error_set(err, -EBADMSG, PACKAGES ": line %d: %s", fault.line, fault.text);
	list = json_object_get(root, "packages");
	if (!json_is_array(list))
		return error_set(err, -EBADMSG, PACKAGES ": it has no list \"packages\"");
	json_array_foreach(
		list, i, item) if (!json_is_string(json_object_get(item, "name")) ||
				   !json_is_string(json_object_get(item, "version"))) return error_set(err,
		-EBADMSG, PACKAGES ": entry %zu has no name or version", i);
	return json_object_set(object, "packages", list) < 0 ? out_of_memory(err) : 0;
}

static int add_os(const struct tree *tree, json_t *object, struct error **err)
{
	const struct tree_inode *inode = find_file(tree, "lib/os-release");
	json_t *name = inode ? inspect_os_release((const char *)content_data(inode->content),
				       content_size(inode->content), "PRETTY_NAME")
			     : NULL;

	return name && json_object_set_new(object, "os", name) < 0 ? out_of_memory(err) : 0;
}

static const char *type_of(mode_t mode)
{
	return S_ISDIR(mode) ? "folder" : S_ISLNK(mode) ? "link" : "file";
}

static int list_name(const char *path, struct tree_inode *inode, void *userdata, struct error **err)
{
	json_t *list = userdata, *target = NULL, *size = NULL;
	char mode[16];

	(void)snprintf(mode, sizeof(mode), "%04o", (unsigned)(inode->mode & 07777));
	if (S_ISLNK(inode->mode))
		target = inspect_string(inode->target, strlen(inode->target));
	if (S_ISREG(inode->mode))
		size = json_integer((json_int_t)content_size(inode->content));
	if ((S_ISLNK(inode->mode) && !target) || (S_ISREG(inode->mode) && !size))
		return out_of_memory(err);
	if (json_array_append_new(
		    list, json_pack("{s:o, s:s, s:s, s:I, s:I, s:o*, s:o*}", "path",
				  inspect_string(path, strlen(path)), "type", type_of(inode->mode), "mode",
				  mode, "uid", (json_int_t)inode->uid, "gid", (json_int_t)inode->gid, "size",
				  size, "target", target)) < 0)
		return out_of_memory(err);
	return 0;
}

/* Every name below the root, in the order of their bytes. */
static int add_names(const struct tree *tree, json_t *object, struct error **err)
{
	_cleanup_inspect_json_ json_t *list = json_array();
	int r = list ? tree_walk(tree, list_name, list, err) : out_of_memory(err);

	if (r < 0)
		return r;
	return json_object_set(object, "names", list) < 0 ? out_of_memory(err) : 0;
}

int inspect_erofs(const struct verity_range *range, const struct inspect_options *options, json_t **ret,
	struct error **err)
{
	const struct erofs_source source = {.fd = range->fd, .offset = range->offset, .size = range->size};
	_cleanup_inspect_json_ json_t *object = NULL;
	_cleanup_survey_ struct survey survey = {};
	_cleanup_tree_ struct tree *tree = NULL;
	struct erofs_super super;
	struct uuid uuid;
	int r = erofs_read_super(&source, &super, err);

	if (r >= 0)
		r = erofs_read_tree(&source, NULL, &tree, err);
	if (r >= 0)
		r = survey_tree(tree, &survey, err);
	if (r < 0)
		return r;
	memcpy(uuid.bytes, super.uuid, sizeof(uuid.bytes));
	object = json_pack("{s:s, s:I, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o}", "kind", "erofs",
		"size", (json_int_t)(super.blocks * EROFS_BLOCK_SIZE), "label",
		inspect_string(super.label, strlen(super.label)), "uuid", inspect_uuid(&uuid), "build_time",
		(json_int_t)super.build_time, "inodes", (json_int_t)super.inodes, "files",
		(json_int_t)survey.files, "folders", /* with the root, which is the manifest's "usr" */
		(json_int_t)survey.folders + 1, "links", (json_int_t)survey.links, "bytes",
		(json_int_t)survey.bytes, "setuid", privileged(survey.setuid, survey.setuid_count),
		"capabilities", privileged(survey.capable, survey.capable_count));
	if (!object)
		return out_of_memory(err);
	r = add_os(tree, object, err);
	if (r >= 0)
		r = add_packages(tree, object, err);
	if (r >= 0 && options->files)
		r = add_names(tree, object, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(object);
	return 0;
}

struct fat_list {
	json_t *files;
	size_t *faults;
};

static bool is_program(const char *path)
{
	size_t length = strlen(path);

	return length > 4 && strcasecmp(path + length - 4, ".efi") == 0;
}

static int add_fat_file(const char *path, struct tree_inode *inode, void *userdata, struct error **err)
{
	_cleanup_inspect_json_ json_t *object = NULL;
	_cleanup_error_ struct error *fault = NULL;
	const struct fat_list *list = userdata;
	json_t *program = NULL;
	int r = 0;

	if (!S_ISREG(inode->mode))
		return 0;
	object = json_pack("{s:o, s:I}", "path", inspect_string(path, strlen(path)), "size",
		(json_int_t)content_size(inode->content));
	if (!object)
		return out_of_memory(err);
	if (is_program(path)) {
		r = inspect_efi(content_data(inode->content), content_size(inode->content), &program, &fault);
		if (r < 0)
			r = inspect_fault(object, TAKE_PTR(fault), list->faults);
		else
			r = json_object_set_new(object, "program", program);
	}
	if (r < 0 || json_array_append(list->files, object) < 0)
		return out_of_memory(err);
	return 0;
}

int inspect_fat(const struct verity_range *range, json_t **ret, size_t *faults, struct error **err)
{
	_cleanup_inspect_json_ json_t *files = json_array();
	struct fat_list list = {.files = files, .faults = faults};
	_cleanup_tree_ struct tree *tree = NULL;
	struct fat_info info;
	char volume_id[16];
	int r = fat_read(range->fd, range->offset, range->size, MIN(range->size, FAT_MAX), &tree, &info, err);

	if (r >= 0)
		r = tree_walk(tree, add_fat_file, &list, err);
	if (r < 0)
		return r;
	(void)snprintf(
		volume_id, sizeof(volume_id), "%04x-%04x", info.volume_id >> 16, info.volume_id & 0xffff);
	*ret = json_pack("{s:s, s:i, s:o, s:s, s:I, s:I, s:O}", "kind", "fat", "bits", (int)info.bits,
		"label", inspect_string(info.label, strlen(info.label)), "volume_id", volume_id, "size",
		(json_int_t)info.clusters * info.cluster_size, "free",
		(json_int_t)info.free_clusters * info.cluster_size, "files", files);
	return *ret ? 0 : out_of_memory(err);
}

static json_t *machine_name(uint16_t machine)
{
	switch (machine) {
	case PE_MACHINE_AMD64:
		return json_string("amd64");
	case PE_MACHINE_ARM64:
		return json_string("arm64");
	default:
		return json_sprintf("0x%04x", machine);
	}
}

static json_t *sections_of(const struct pe *pe)
{
	_cleanup_inspect_json_ json_t *list = json_array();

	for (size_t i = 0; i < pe->section_count; i++) {
		const struct pe_section *section = &pe->sections[i];
		uint8_t digest[SHA256_SIZE];
		size_t size;
		const uint8_t *data = pe_section_data(pe, section, &size);

		if (sha256_bytes(data, size, digest) < 0)
			return NULL;
		if (json_array_append_new(list, json_pack("{s:o, s:I, s:I, s:o}", "name",
							inspect_string(section->name, strlen(section->name)),
							"size", (json_int_t)section->virtual_size,
							"file_size", (json_int_t)section->file_size, "sha256",
							inspect_hex(digest, SHA256_SIZE))) < 0)
			return NULL;
	}
	return TAKE_PTR(list);
}

static int add_signatures(const struct pe *pe, json_t *object, struct error **err)
{
	_cleanup_inspect_json_ json_t *list = json_array();
	struct authenticode_signature signature;
	size_t position = 0;
	int r;

	while ((r = authenticode_next(pe, &position, &signature, err)) > 0) {
		_cleanup_free_ char *subject = NULL;
		uint8_t fingerprint[SHA256_SIZE];

		r = authenticode_describe(&signature, &subject, fingerprint, err);
		if (r < 0)
			return r;
		if (json_array_append_new(
			    list, json_pack("{s:o, s:o}", "subject", inspect_string(subject, strlen(subject)),
					  "certificate_sha256", inspect_hex(fingerprint, SHA256_SIZE))) < 0)
			return out_of_memory(err);
	}
	if (r < 0)
		return r;
	return json_object_set(object, "signatures", list) < 0 ? out_of_memory(err) : 0;
}

/* The text of a section, as member *key*; nothing where there is no such section. */
static int add_section_text(
	const struct pe *pe, const char *name, const char *key, json_t *object, struct error **err)
{
	const struct pe_section *section = pe_find_section(pe, name);
	const char *text;
	size_t size;

	if (!section)
		return 0;
	text = (const char *)pe_section_data(pe, section, &size);
	size = size > 0 ? strnlen(text, size) : 0;
	while (size > 0 && text[size - 1] == '\n')
		size--;
	return json_object_set_new(object, key, inspect_string(size > 0 ? text : "", size)) < 0
		       ? out_of_memory(err)
		       : 0;
}

static int add_uki_parts(const struct pe *pe, json_t *object, struct error **err)
{
	const struct pe_section *section = pe_find_section(pe, ".osrel");
	const char *text = NULL;
	json_t *name = NULL;
	size_t size = 0;
	int r = add_section_text(pe, ".cmdline", "command_line", object, err);

	if (r >= 0)
		r = add_section_text(pe, ".uname", "kernel", object, err);
	if (r < 0)
		return r;
	if (section)
		text = (const char *)pe_section_data(pe, section, &size);
	if (size > 0)
		name = inspect_os_release(text, size, "PRETTY_NAME");
	return name && json_object_set_new(object, "os", name) < 0 ? out_of_memory(err) : 0;
}

int inspect_efi(const void *data, size_t size, json_t **ret, struct error **err)
{
	_cleanup_inspect_json_ json_t *object = NULL;
	uint8_t digest[SHA256_SIZE];
	struct pe pe;
	int r = pe_parse(data, size, &pe, err);

	/* What no digest covers can't be signed: firmware would refuse it. */
	if (r >= 0)
		r = pe_authenticode_digest(&pe, digest, err);
	if (r < 0)
		return r;
	object = json_pack("{s:s, s:I, s:o, s:o, s:o}", "kind", uki_is(&pe) ? "uki" : "efi", "size",
		(json_int_t)size, "architecture", machine_name(pe.machine), "authenticode_sha256",
		inspect_hex(digest, SHA256_SIZE), "sections", sections_of(&pe));
	if (!object)
		return out_of_memory(err);
	r = add_signatures(&pe, object, err);
	if (r >= 0 && uki_is(&pe))
		r = add_uki_parts(&pe, object, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(object);
	return 0;
}
