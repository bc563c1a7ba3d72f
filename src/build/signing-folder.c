/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "build/signing-folder.h"

#include <errno.h>

#include "base/encoding.h"
#include "base/string-util.h"
#include "build/platform.h"
#include "format/disk-format.h"
#include "format/json-read.h"
#include "format/version.h"

#define ALGORITHM "sha256WithRSAEncryption"
#define EDITION_MAX 32
#define DISK_MAX GiB(1024) /* of a partition; more than any definition has */

void signing_folder_release(struct signing_folder *folder)
{
	free(folder->edition);
	free(folder->version);
	free(folder->architecture);
	for (size_t i = 0; i < folder->file_count; i++)
		free(folder->files[i].name);
	free(folder->files);
	json_decref(folder->requests);
	*folder = (struct signing_folder){};
}

int signing_folder_add(struct signing_folder *folder, const char *name, uint64_t size,
	const uint8_t sha256[SHA256_SIZE], struct error **err)
{
	struct signing_file *files = reallocarray(folder->files, folder->file_count + 1, sizeof(*files));
	struct signing_file *file;

	if (!files)
		return error_set_errno(err, -ENOMEM, "%s", name);
	folder->files = files;
	file = &files[folder->file_count];
	*file = (struct signing_file){.name = strdup(name), .size = size};
	if (!file->name)
		return error_set_errno(err, -ENOMEM, "%s", name);
	memcpy(file->sha256, sha256, SHA256_SIZE);
	folder->file_count++;
	return 0;
}

const struct signing_file *signing_folder_find(const struct signing_folder *folder, const char *name)
{
	for (size_t i = 0; i < folder->file_count; i++)
		if (streq(folder->files[i].name, name))
			return &folder->files[i];
	return NULL;
}

/* ---- Writing ---- */

static json_t *digits(const uint8_t digest[SHA256_SIZE])
{
	char text[SHA256_HEX_SIZE];

	hex_encode(digest, SHA256_SIZE, text);
	return json_string(text);
}

static json_t *files_json(const struct signing_folder *folder)
{
	json_t *list = json_array();

	for (size_t i = 0; i < folder->file_count; i++) {
		const struct signing_file *file = &folder->files[i];

		if (json_array_append_new(
			    list, json_pack("{s:s, s:I, s:o}", "name", file->name, "size",
					  (json_int_t)file->size, "sha256", digits(file->sha256))) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static json_t *request_json(const struct signing_item *item, const struct signing_certificates *certificates)
{
	_cleanup_free_ char *data = string_format("%s.tbs", item->name);
	_cleanup_free_ char *signature = string_format("%s.sig", item->name);
	const char *certificate = NULL;
	uint8_t digest[SHA256_SIZE];

	for (size_t i = 0; i < certificates->count; i++)
		if (certificates->signers[i] == item->by)
			certificate = certificates->names[i];
	if (!data || !signature || !certificate || sha256_bytes(item->data.data, item->data.size, digest) < 0)
		return NULL;
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:s, s:I}", "name", item->name, "about",
		item->about, "certificate", certificate, "subject", signer_subject(item->by), "algorithm",
		ALGORITHM, "data", data, "data_sha256", digits(digest), "signature", signature,
		"signature_size", (json_int_t)signer_length(item->by));
}

static json_t *requests_json(const struct signing *signing, const struct signing_certificates *certificates)
{
	json_t *list = json_array();

	for (size_t i = 0; i < signing->asked; i++)
		if (json_array_append_new(list, request_json(signing->items[i], certificates)) < 0) {
			json_decref(list);
			return NULL;
		}
	return list;
}

int signing_folder_write(const struct signing_folder *folder, const struct signing *signing,
	const struct signing_certificates *certificates, struct buffer *ret, struct error **err)
{
	_cleanup_json_ json_t *root = json_pack(
		"{s:i, s:s, s:s, s:s, s:o, s:{s:I, s:I, s:I, s:I, s:I}, s:o, s:o}", "format", 1, "edition",
		folder->edition, "version", folder->version, "architecture", folder->architecture,
		"root_hash", digits(folder->root_hash), "disk", "esp", (json_int_t)folder->disk.esp, "usr",
		(json_int_t)folder->disk.usr, "verity", (json_int_t)folder->disk.verity, "signature",
		(json_int_t)folder->disk.signature, "state", (json_int_t)folder->disk.state, "files",
		files_json(folder), "requests", requests_json(signing, certificates));
	_cleanup_free_ char *text = NULL;

	if (!folder->disk.formats || json_object_set_new(json_object_get(root, "disk"), "formats",
					     disk_formats_json(folder->disk.formats)) == 0)
		text = root ? json_dumps(root, JSON_INDENT(2)) : NULL;
	if (text)
		buffer_printf(ret, "%s\n", text);
	return text && !buffer_failed(ret) ? 0 : error_set_errno(err, -ENOMEM, SIGNING_JSON);
}

/* Whether NAME.tbs, which other programs sign, is what this request is of: 1 or 0; -ENOMEM. */
static int file_is_right(const struct signing_folder *folder, const struct signing_item *item)
{
	_cleanup_free_ char *name = string_format("%s.tbs", item->name);
	const struct signing_file *file = name ? signing_folder_find(folder, name) : NULL;
	uint8_t digest[SHA256_SIZE];

	if (!name || sha256_bytes(item->data.data, item->data.size, digest) < 0)
		return -ENOMEM;
	return file && memcmp(file->sha256, digest, SHA256_SIZE) == 0;
}

int signing_folder_compare(const struct signing_folder *folder, const struct signing *signing,
	const struct signing_certificates *certificates, struct error **err)
{
	_cleanup_json_ json_t *requests = requests_json(signing, certificates);

	if (!requests)
		return error_set_errno(err, -ENOMEM, SIGNING_JSON);
	if (json_array_size(requests) != json_array_size(folder->requests))
		return error_set(err, -EBADMSG,
			SIGNING_JSON ": requests: %zu signatures, but the files need %zu",
			json_array_size(folder->requests), json_array_size(requests));
	for (size_t i = 0; i < json_array_size(requests); i++) {
		int right = file_is_right(folder, signing->items[i]);

		if (right < 0)
			return error_set_errno(err, right, SIGNING_JSON);
		if (!right || !json_equal(json_array_get(requests, i), json_array_get(folder->requests, i)))
			return error_set(err, -EBADMSG,
				SIGNING_JSON ": requests[%zu]: not what the files need: it is of another "
					     "build, or was changed",
				i);
	}
	return 0;
}

/* ---- Reading ---- */

static int read_copy(
	const struct json_place *place, const char *member, size_t max, char **ret, struct error **err)
{
	const char *text;
	int r = json_read_string(place, member, max, &text, err);

	if (r < 0)
		return r;
	*ret = strdup(text);
	return *ret ? 0 : error_set_errno(err, -ENOMEM, "%s", member);
}

static bool is_edition(const char *name)
{
	return *name && *name != '-' && name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-")] == 0;
}

static bool is_file_name(const char *name)
{
	return *name && *name != '.' &&
	       name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")] == 0;
}

static int read_build(const struct json_place *place, struct signing_folder *ret, struct error **err)
{
	int64_t day;
	int r = read_copy(place, "edition", EDITION_MAX, &ret->edition, err);

	if (r >= 0 && !is_edition(ret->edition))
		r = json_fault(place, "edition", "no name of an edition", err);
	if (r >= 0)
		r = read_copy(place, "version", VERSION_MAX, &ret->version, err);
	if (r >= 0 && version_time(ret->version, &day, NULL) < 0)
		r = json_fault(place, "version", "not a version", err);
	if (r >= 0)
		r = read_copy(place, "architecture", 16, &ret->architecture, err);
	if (r >= 0 && !platform_find(ret->architecture))
		r = json_fault(place, "architecture", "not amd64 or arm64", err);
	return r < 0 ? r : json_read_hex(place, "root_hash", ret->root_hash, SHA256_SIZE, err);
}

static int read_formats(const struct json_place *place, unsigned *ret, struct error **err)
{
	const json_t *list;
	int r = 0;

	if (!json_object_get(place->json, "formats"))
		return 0;
	r = json_read_array(place, "formats", DISK_FORMATS, &list, err);
	for (size_t i = 0; r >= 0 && i < json_array_size(list); i++) {
		const json_t *item = json_array_get(list, i);
		int format = json_is_string(item)
				     ? disk_format_find(json_string_value(item), json_string_length(item))
				     : -EINVAL;

		if (format < 0)
			return json_fault(place, "formats", "has one that isn't known", err);
		*ret |= 1U << format;
	}
	return r;
}

static int read_disk(const struct json_place *root, struct signing_folder *ret, struct error **err)
{
	const struct json_place place = {json_object_get(root->json, "disk"), "disk."};
	const struct {
		const char *name;
		uint64_t *value;
	} members[] = {{"esp", &ret->disk.esp}, {"usr", &ret->disk.usr}, {"verity", &ret->disk.verity},
		{"signature", &ret->disk.signature}, {"state", &ret->disk.state}};
	int r = json_read_object(&place, err);

	for (size_t i = 0; i < ARRAY_SIZE(members) && r >= 0; i++)
		r = json_read_number(&place, members[i].name, 0, DISK_MAX, members[i].value, err);
	return r < 0 ? r : read_formats(&place, &ret->disk.formats, err);
}

static int read_file(const struct json_place *place, struct signing_folder *ret, struct error **err)
{
	uint8_t digest[SHA256_SIZE];
	const char *name;
	uint64_t size;
	int r = json_read_object(place, err);

	if (r >= 0)
		r = json_read_string(place, "name", SIGNING_FILE_NAME_MAX, &name, err);
	if (r >= 0 && !is_file_name(name))
		r = json_fault(place, "name", "no name of a file in the folder", err);
	if (r >= 0 && signing_folder_find(ret, name))
		r = json_fault(place, "name", "is there twice", err);
	if (r >= 0)
		r = json_read_number(place, "size", 0, GiB(1024), &size, err);
	if (r >= 0)
		r = json_read_hex(place, "sha256", digest, SHA256_SIZE, err);
	return r < 0 ? r : signing_folder_add(ret, name, size, digest, err);
}

static int read_files(const struct json_place *root, struct signing_folder *ret, struct error **err)
{
	const json_t *list;
	int r = json_read_array(root, "files", SIGNING_FILES_MAX, &list, err);

	for (size_t i = 0; r >= 0 && i < json_array_size(list); i++) {
		_cleanup_free_ char *path = string_format("files[%zu].", i);

		r = path ? read_file(&(struct json_place){json_array_get(list, i), path}, ret, err)
			 : error_set_errno(err, -ENOMEM, "files");
	}
	return r;
}

static int read_all(const json_t *json, struct signing_folder *ret, struct error **err)
{
	const struct json_place root = {json, ""};
	const json_t *requests;
	int r = json_read_format(&root, "orlop", err);

	if (r >= 0)
		r = read_build(&root, ret, err);
	if (r >= 0)
		r = read_disk(&root, ret, err);
	if (r >= 0)
		r = read_files(&root, ret, err);
	if (r >= 0)
		r = json_read_array(&root, "requests", SIGNING_FILES_MAX, &requests, err);
	if (r >= 0)
		ret->requests = json_incref((json_t *)requests);
	return r;
}

int signing_folder_parse(const void *data, size_t size, struct signing_folder *ret, struct error **err)
{
	_cleanup_signing_folder_ struct signing_folder folder = {};
	_cleanup_json_ json_t *json = NULL;
	int r = json_read_document(data, size, SIGNING_JSON_MAX, &json, err);

	if (r >= 0)
		r = read_all(json, &folder, err);
	if (r < 0)
		return r;
	*ret = folder;
	folder = (struct signing_folder){};
	return 0;
}
