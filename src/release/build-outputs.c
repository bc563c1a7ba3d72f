/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "release/build-outputs.h"

#include <errno.h>
#include <fcntl.h>

#include "base/encoding.h"
#include "base/file.h"
#include "base/string-util.h"
#include "format/authenticode.h"
#include "format/dsse.h"
#include "format/gpt.h"
#include "format/json-read.h"
#include "format/release-index.h"
#include "format/release-name.h"
#include "format/uki.h"
#include "format/verity-signature.h"
#include "release/output-check.h"

#define MANIFEST_ENDING ".manifest.json"
#define PROVENANCE_ENDING ".provenance.json"
#define OUTPUTS_MAX 16

static const char *const kinds[BUILD_FILES] = {
	[BUILD_USR] = "usr",
	[BUILD_VERITY] = "verity",
	[BUILD_UKI] = "uki",
	[BUILD_DISK] = "disk",
	[BUILD_SPDX] = "spdx",
	[BUILD_CYCLONEDX] = "cyclonedx",
};

void build_outputs_release(struct build_outputs *outputs)
{
	for (size_t i = 0; i < BUILD_FILES; i++)
		free(outputs->files[i].name);
	free(outputs->folder);
	free(outputs->edition);
	free(outputs->version);
	free(outputs->architecture);
	free(outputs->manifest);
	free(outputs->provenance);
	*outputs = (struct build_outputs){};
}

void build_list_release(struct build_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		build_outputs_release(&list->items[i]);
	free(list->items);
	*list = (struct build_list){};
}

/* ---- Manifests ---- */

/* Which of the files that are looked for it is; BUILD_FILES: none, such as a disk in another format. */
static int read_kind(const struct json_place *place, size_t *ret, struct error **err)
{
	const char *kind;
	int r = json_read_object(place, err);

	if (r >= 0)
		r = json_read_string(place, "kind", 64, &kind, err);
	for (*ret = 0; r >= 0 && *ret < BUILD_FILES && !streq(kind, kinds[*ret]);)
		(*ret)++;
	return r;
}

static int read_output(const struct json_place *place, struct build_outputs *outputs, struct error **err)
{
	struct build_output output = {};
	const char *name;
	size_t kind;
	int r = read_kind(place, &kind, err);

	if (r < 0 || kind == BUILD_FILES)
		return r;
	r = json_read_string(place, "name", 255, &name, err);
	if (r >= 0)
		r = json_read_number(place, "size", 1, INT64_MAX, &output.size, err);
	if (r >= 0)
		output.is_fsverity =
			(kind == BUILD_DISK || kind == BUILD_USR) && json_object_get(place->json, "fsverity");
	if (r >= 0)
		r = json_read_hex(
			place, output.is_fsverity ? "fsverity" : "sha256", output.digest, SHA256_SIZE, err);
	if (r < 0)
		return r;
	if (strchr(name, '/') || name[0] == '.' || name[0] == 0)
		return json_fault(place, "name", "not a file's name", err);
	if (outputs->files[kind].name)
		return json_fault(place, "kind", "there are two of it", err);
	output.name = strdup(name);
	if (!output.name)
		return error_set_errno(err, -ENOMEM, "manifest");
	outputs->files[kind] = output;
	return 0;
}

static int read_outputs(const struct json_place *top, struct build_outputs *outputs, struct error **err)
{
	const json_t *list;
	int r = json_read_array(top, "outputs", OUTPUTS_MAX, &list, err);

	for (size_t i = 0; r >= 0 && i < json_array_size(list); i++) {
		char path[32];
		const struct json_place place = {.json = json_array_get(list, i), .path = path};

		(void)snprintf(path, sizeof(path), "outputs[%zu].", i);
		r = read_output(&place, outputs, err);
	}
	for (size_t i = 0; r >= 0 && i < BUILD_FILES; i++)
		if (i < BUILD_DISK && !outputs->files[i].name)
			r = error_set(err, -EBADMSG, "outputs: there is none of the kind \"%s\"", kinds[i]);
	return r;
}

static int parse_manifest(const json_t *document, struct build_outputs *outputs, struct error **err)
{
	const struct json_place top = {.json = document, .path = ""};
	int r = release_names_read(&top, &outputs->edition, &outputs->architecture, &outputs->version, err);

	if (r >= 0)
		r = json_read_hex(&top, "root_hash", outputs->root, SHA256_SIZE, err);
	if (r >= 0)
		r = json_read_hex(&top, "certificate_sha256", outputs->certificate, SHA256_SIZE, err);
	return r < 0 ? r : read_outputs(&top, outputs, err);
}

/* The statement about the manifest, which is about this one; where it is missing, the build was none that
 * makes it. */
static int read_provenance(
	const char *folder, const char *manifest, struct build_outputs *outputs, struct error **err)
{
	_cleanup_free_ char *path = string_format("%s/%.*s" PROVENANCE_ENDING, folder,
		(int)(strlen(manifest) - strlen(MANIFEST_ENDING)), manifest);
	_cleanup_error_ struct error *fault = NULL;
	uint8_t digest[SHA256_SIZE];
	int r = path ? file_read(path, DSSE_MAX, &outputs->provenance, &outputs->provenance_size, &fault)
		     : -ENOMEM;

	if (r == -ENOENT)
		return 0;
	error_move(err, TAKE_PTR(fault));
	if (r >= 0)
		r = sha256_bytes(outputs->manifest, outputs->manifest_size, digest);
	if (r >= 0)
		r = output_check_provenance(outputs->provenance, outputs->provenance_size, manifest, digest,
			outputs->certificate, err);
	return r < 0 ? (error_wrap(err, "%s", path), r) : 0;
}

static int read_manifest(const char *folder, const char *name, struct build_outputs *ret, struct error **err)
{
	_cleanup_free_ char *path = string_format("%s/%s", folder, name);
	_cleanup_json_ json_t *document = NULL;
	int r = path ? file_read(path, BUILD_MANIFEST_MAX, &ret->manifest, &ret->manifest_size, err)
		     : -ENOMEM;

	if (r < 0)
		return r;
	ret->folder = strdup(folder);
	if (!ret->folder)
		return error_set_errno(err, -ENOMEM, "%s", path);
	r = json_read_document(ret->manifest, ret->manifest_size, BUILD_MANIFEST_MAX, &document, err);
	if (r >= 0)
		r = parse_manifest(document, ret, err);
	if (r < 0)
		return error_wrap(err, "%s", path), r;
	return read_provenance(folder, name, ret, err);
}

/* Adds it to the list, which may have none of the same edition and architecture. */
static int add_build(struct build_list *list, struct build_outputs *outputs, struct error **err)
{
	struct build_outputs *items;

	for (size_t i = 0; i < list->count; i++)
		if (streq(list->items[i].edition, outputs->edition) &&
			streq(list->items[i].architecture, outputs->architecture))
			return error_set(err, -EEXIST,
				"%s has two versions of %s for %s, %s and %s: say which one with --version",
				outputs->folder, outputs->edition, outputs->architecture,
				list->items[i].version, outputs->version);
	items = reallocarray(list->items, list->count + 1, sizeof(*items));
	if (!items)
		return error_set_errno(err, -ENOMEM, "%s", outputs->folder);
	list->items = items;
	items[list->count++] = *outputs;
	*outputs = (struct build_outputs){};
	return 0;
}

int build_list_read(const char *folder, const char *version, struct build_list *ret, struct error **err)
{
	_cleanup_build_list_ struct build_list list = {};
	_cleanup_strv_ struct strv names = {};
	int r = folder_list(folder, MANIFEST_ENDING, &names, err);

	for (size_t i = 0; i < names.count && r >= 0; i++) {
		_cleanup_(build_outputs_release) struct build_outputs outputs = {};

		r = read_manifest(folder, names.items[i], &outputs, err);
		if (r >= 0 && (!version || streq(version, outputs.version)))
			r = add_build(&list, &outputs, err);
	}
	if (r < 0)
		return r;
	if (list.count == 0)
		return error_set(err, -ENOENT, "%s has no build%s%s: there is no file *" MANIFEST_ENDING,
			folder, version ? " of version " : "", version ? version : "");
	*ret = list;
	list = (struct build_list){};
	return 0;
}

/* ---- Files ---- */

int build_open(const struct build_outputs *outputs, enum build_file which, struct error **err)
{
	const struct build_output *file = &outputs->files[which];
	_cleanup_free_ char *path = string_format("%s/%s", outputs->folder, file->name);
	_cleanup_close_ int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return error_set_errno(err, path ? -errno : -ENOMEM, "%s", path ? path : file->name);
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != file->size)
		return error_set(err, -EBADMSG, "%s has %jd bytes, and its manifest says %ju", path,
			(intmax_t)st.st_size, (uintmax_t)file->size);
	return TAKE_FD(fd);
}

int build_check(const struct build_outputs *outputs, enum build_file which, int fd, struct progress *progress,
	struct error **err)
{
	const struct build_output *file = &outputs->files[which];
	uint8_t digest[SHA256_SIZE];
	uint64_t size;
	int r = output_digest(fd, file->is_fsverity, digest, &size, err);

	if (r < 0)
		return error_wrap(err, "%s/%s", outputs->folder, file->name), r;
	progress_add(progress, size);
	if (size != file->size || memcmp(digest, file->digest, SHA256_SIZE) != 0)
		return error_set(err, -EBADMSG,
			"%s/%s is not the file of its manifest: its digest is another one", outputs->folder,
			file->name);
	return 0;
}

static int check_uki(const struct build_outputs *outputs, const struct pe *pe, const struct signer *signer,
	struct error **err)
{
	uint16_t machine = streq(outputs->architecture, "arm64") ? PE_MACHINE_ARM64 : PE_MACHINE_AMD64;
	char digits[SHA256_HEX_SIZE];
	const uint8_t *certificate;
	size_t size;
	int r;

	if (!uki_is(pe) || pe->machine != machine)
		return error_set(
			err, -EBADMSG, "it is no unified kernel image for %s", outputs->architecture);
	hex_encode(outputs->root, SHA256_SIZE, digits);
	r = uki_check_usrhash(pe, digits, err);
	if (r < 0)
		return error_wrap(err, "it is not of the manifest's build"), r;
	if (!signer)
		return 0;
	certificate = signer_certificate(signer, &size);
	return authenticode_verify(pe, certificate, size, err);
}

int build_check_uki(
	const struct build_outputs *outputs, int fd, const struct signer *signer, struct error **err)
{
	const struct build_output *file = &outputs->files[BUILD_UKI];
	_cleanup_free_ uint8_t *image = NULL;
	struct pe pe;
	int r;

	if (file->size > RELEASE_UKI_MAX)
		return error_set(err, -EFBIG, "%s: a kernel image has at most %ju bytes", file->name,
			(uintmax_t)RELEASE_UKI_MAX);
	image = malloc((size_t)file->size);
	r = image ? pread_full(fd, image, (size_t)file->size, 0) : -ENOMEM;
	if (r < 0)
		return error_set_errno(err, r, "%s", file->name);
	r = pe_parse(image, (size_t)file->size, &pe, err);
	if (r >= 0)
		r = check_uki(outputs, &pe, signer, err);
	return r < 0 ? (error_wrap(err, "%s/%s", outputs->folder, file->name), r) : 0;
}

/* ---- The signature ---- */

static int take_signature(struct buffer *signature, struct release_info *info, struct error **err)
{
	if (signature->size > RELEASE_SIGNATURE_MAX)
		return error_set(err, -EFBIG, "a signature of %zu bytes", signature->size);
	info->signature = buffer_take(signature, &info->signature_size);
	return info->signature ? 0 : error_set_errno(err, -ENOMEM, "signature");
}

static int make_signature(const struct build_outputs *outputs, const struct signer *signer,
	struct release_info *info, struct error **err)
{
	_cleanup_buffer_ struct buffer signature = {};
	char digits[SHA256_HEX_SIZE];
	int r;

	signer_fingerprint(signer, info->certificate);
	if (memcmp(info->certificate, outputs->certificate, SHA256_SIZE) != 0)
		return error_set(err, -EKEYREJECTED,
			"%s %s was signed with another db key than these keys have: name its keys with "
			"--keys",
			outputs->edition, outputs->version);
	hex_encode(outputs->root, SHA256_SIZE, digits);
	r = signer_pkcs7_detached(signer, digits, strlen(digits), &signature, err);
	return r < 0 ? r : take_signature(&signature, info, err);
}

static int read_partition(
	int fd, uint64_t disk_size, const char *architecture, struct buffer *ret, struct error **err)
{
	const struct gpt_type *type = gpt_type_lookup("usr-verity-sig", architecture);
	_cleanup_gpt_ struct gpt gpt = {};
	struct gpt_partition partition;
	void *data;
	int r;

	if (!type)
		return error_set(err, -EINVAL, "no disk is known for %s", architecture);
	r = gpt_read(fd, disk_size, 0, &gpt, err);
	if (r < 0)
		return r;
	if (gpt_find(&gpt, &type->id, NULL, &partition) < 0 || partition.size > VERITY_SIGNATURE_MAX)
		return error_set(err, -EBADMSG, "it has no partition with a signature");
	data = buffer_extend(ret, (size_t)partition.size);
	r = data ? pread_full(fd, data, (size_t)partition.size, partition.offset) : -ENOMEM;
	return r < 0 ? error_set_errno(err, r, "reading the signature") : 0;
}

static int parse_disk(
	const struct build_outputs *outputs, int fd, struct release_info *info, struct error **err)
{
	_cleanup_verity_signature_ struct verity_signature signature = {};
	_cleanup_buffer_ struct buffer bytes = {};
	int r = read_partition(fd, outputs->files[BUILD_DISK].size, outputs->architecture, &bytes, err);

	if (r >= 0)
		r = verity_signature_parse(bytes.data, bytes.size, &signature, err);
	if (r < 0)
		return r;
	if (!signature.has_fingerprint || memcmp(signature.root_hash, outputs->root, SHA256_SIZE) != 0 ||
		memcmp(signature.fingerprint, outputs->certificate, SHA256_SIZE) != 0)
		return error_set(err, -EBADMSG, "its signature is not the one of the manifest's root hash");
	memcpy(info->certificate, signature.fingerprint, SHA256_SIZE);
	return take_signature(&signature.signature, info, err);
}

int build_signature(const struct build_outputs *outputs, const struct signer *signer,
	struct progress *progress, struct release_info *info, struct error **err)
{
	_cleanup_close_ int fd = -1;
	int r;

	if (signer)
		return make_signature(outputs, signer, info, err);
	if (!outputs->files[BUILD_DISK].name)
		return error_set(err, -ENOENT,
			"the keys have no db key, and the build has no disk whose signature could be taken");
	fd = build_open(outputs, BUILD_DISK, err);
	if (fd < 0)
		return fd;
	r = build_check(outputs, BUILD_DISK, fd, progress, err);
	if (r >= 0)
		r = parse_disk(outputs, fd, info, err);
	return r < 0 ? (error_wrap(err, "%s", outputs->files[BUILD_DISK].name), r) : 0;
}
