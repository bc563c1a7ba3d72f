/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/encoding.h"
#include "base/file.h"
#include "base/string-util.h"
#include "build/inspect-part.h"
#include "format/disk-format.h"
#include "format/json-text.h"
#include "format/verity-signature.h"

#define PROGRAM_MAX GiB(2) /* of an EFI program in memory: one for the network has /usr in it */
#define JSON_MAX MiB(16)   /* of a manifest; a verity signature has a limit of its own */
#define HEAD_SIZE 4096	   /* what the kind is seen in */
#define EROFS_MAGIC_AT 1024
#define EROFS_MAGIC 0xe0f5e1e2

json_t *inspect_string(const char *text, size_t size)
{
	return json_text_sized(text, size);
}

json_t *inspect_hex(const void *data, size_t size)
{
	_cleanup_free_ char *text = hex_encode_new(data, size);

	return text ? json_string(text) : NULL;
}

json_t *inspect_uuid(const struct uuid *uuid)
{
	char text[UUID_TEXT_SIZE];

	return json_string(uuid_format(uuid, text));
}

json_t *inspect_os_release(const char *text, size_t size, const char *field)
{
	size_t name = strlen(field), length;

	for (size_t at = 0; at < size; at += length + 1) {
		const char *line = text + at;
		const char *end = memchr(line, '\n', size - at);

		length = end ? (size_t)(end - line) : size - at;
		if (length <= name || memcmp(line, field, name) != 0 || line[name] != '=')
			continue;
		line += name + 1;
		length -= name + 1;
		if (length >= 2 && (*line == '"' || *line == '\'') && line[length - 1] == *line)
			return inspect_string(line + 1, length - 2);
		return inspect_string(line, length);
	}
	return NULL;
}

int inspect_fault(json_t *object, struct error *fault, size_t *faults)
{
	_cleanup_error_ struct error *owned = fault;
	const char *message = error_message(owned);

	(*faults)++;
	return json_object_set_new(object, "error", inspect_string(message, strlen(message))) < 0 ? -ENOMEM
												  : 0;
}

static int read_range(const struct verity_range *range, uint64_t max, char **ret, struct error **err)
{
	_cleanup_free_ char *data = NULL;
	int r;

	if (range->size > max)
		return error_set(err, -EFBIG, "%llu bytes are more than the %llu that are read",
			(unsigned long long)range->size, (unsigned long long)max);
	data = malloc(range->size + 1);
	if (!data)
		return error_set_errno(err, -ENOMEM, "%llu bytes", (unsigned long long)range->size);
	r = pread_full(range->fd, data, range->size, range->offset);
	if (r < 0)
		return error_set_errno(err, r, "reading");
	data[range->size] = 0;
	*ret = TAKE_PTR(data);
	return 0;
}

static int inspect_program(const struct verity_range *range, json_t **ret, struct error **err)
{
	_cleanup_free_ char *data = NULL;
	int r = read_range(range, PROGRAM_MAX, &data, err);

	return r < 0 ? r : inspect_efi(data, range->size, ret, err);
}

static int inspect_verity(
	const struct verity_range *range, const uint8_t *head, size_t size, json_t **ret, struct error **err)
{
	struct verity_header header;
	struct uuid uuid;
	int r = verity_header_parse(head, size, &header, err);

	if (r < 0)
		return r;
	if (header.size > range->size)
		return error_set(err, -ENODATA, "verity: %llu bytes of a hash tree of %llu: it is cut short",
			(unsigned long long)range->size, (unsigned long long)header.size);
	memcpy(uuid.bytes, header.options.uuid, sizeof(uuid.bytes));
	*ret = json_pack("{s:s, s:I, s:I, s:I, s:s, s:o, s:o}", "kind", "verity", "size",
		(json_int_t)header.size, "data_size", (json_int_t)(header.blocks * VERITY_BLOCK_SIZE),
		"block_size", (json_int_t)VERITY_BLOCK_SIZE, "algorithm", "sha256", "uuid",
		inspect_uuid(&uuid), "salt", inspect_hex(header.options.salt, header.options.salt_size));
	return *ret ? 0 : error_set_errno(err, -ENOMEM, "verity");
}

static int inspect_signature(const struct verity_range *range, json_t **ret, struct error **err)
{
	_cleanup_verity_signature_ struct verity_signature signature = {};
	_cleanup_inspect_json_ json_t *object = NULL;
	_cleanup_free_ char *data = NULL;
	int r = read_range(range, VERITY_SIGNATURE_MAX, &data, err);

	if (r >= 0)
		r = verity_signature_parse(data, range->size, &signature, err);
	if (r < 0)
		return r;
	object = json_pack("{s:s, s:o, s:I}", "kind", "verity-signature", "root_hash",
		inspect_hex(signature.root_hash, SHA256_SIZE), "size", (json_int_t)signature.signature.size);
	if (!object ||
		(signature.has_fingerprint && json_object_set_new(object, "certificate_sha256",
						      inspect_hex(signature.fingerprint, SHA256_SIZE)) < 0))
		return error_set_errno(err, -ENOMEM, "verity signature");
	*ret = TAKE_PTR(object);
	return 0;
}

/* A manifest is JSON already: it gets a kind. Each output says what it is, so that others' JSON isn't taken.
 */
static int inspect_manifest(const json_t *manifest, json_t **ret, struct error **err)
{
	static const char *const texts[] = {"edition", "version", "architecture", "root_hash"};
	static const char *const lists[] = {"outputs", "packages", "setuid", "capabilities"};
	_cleanup_inspect_json_ json_t *object = json_pack("{s:s}", "kind", "manifest");

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if (!json_is_string(json_object_get(manifest, texts[i])))
			return error_set(err, -EBADMSG, "manifest: \"%s\" is missing or no text", texts[i]);
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		if (!json_is_array(json_object_get(manifest, lists[i])))
			return error_set(err, -EBADMSG, "manifest: \"%s\" is missing or no list", lists[i]);
	/* The library only reads it, and takes no const. NOLINTNEXTLINE(performance-no-int-to-ptr) */
	if (!object || json_object_update_missing(object, (json_t *)(uintptr_t)manifest) < 0)
		return error_set_errno(err, -ENOMEM, "manifest");
	*ret = TAKE_PTR(object);
	return 0;
}

/* A text that begins with "{": a verity signature, with zeros behind it, or what a build writes beside an
 * image. */
static int inspect_json(const struct verity_range *range, json_t **ret, struct error **err)
{
	_cleanup_inspect_json_ json_t *object = NULL;
	_cleanup_free_ char *data = NULL;
	json_error_t fault;
	size_t length;
	int r = read_range(range, JSON_MAX, &data, err);

	if (r < 0)
		return r;
	assert(data);
	length = strnlen(data, range->size);
	object = json_loadb(data, length, JSON_REJECT_DUPLICATES, &fault);
	if (!object)
		return error_set(err, -EBADMSG, "line %d: %s", fault.line, fault.text);
	if (json_object_get(object, "rootHash"))
		return inspect_signature(range, ret, err);
	if (json_object_get(object, "edition"))
		return inspect_manifest(object, ret, err);
	if (json_object_get(object, "payloadType"))
		return inspect_provenance(data, length, ret, err);
	if (json_object_get(object, "spdxVersion") || json_object_get(object, "bomFormat"))
		return inspect_sbom(object, ret, err);
	return error_set(err, -EMEDIUMTYPE, "JSON that is nothing of a build's");
}

int inspect_range(const struct verity_range *range, const struct inspect_options *options, json_t **ret,
	size_t *faults, struct error **err)
{
	size_t size = (size_t)MIN(range->size, (uint64_t)HEAD_SIZE);
	uint8_t head[HEAD_SIZE] = {};
	int r = pread_full(range->fd, head, size, range->offset);

	if (r < 0)
		return error_set_errno(err, r, "reading");
	if (memcmp(head, "MZ", 2) == 0)
		return inspect_program(range, ret, err);
	if (read_le32(head + EROFS_MAGIC_AT) == EROFS_MAGIC)
		return inspect_erofs(range, options, ret, err);
	if (memcmp(head, "verity\0", 8) == 0)
		return inspect_verity(range, head, size, ret, err);
	if (*head == '{')
		return inspect_json(range, ret, err);
	return inspect_fat(range, ret, faults, err);
}

/*
 * Behind a disk that is a fixed VHD stands a footer, which is none of it. In other formats a disk isn't in
 * one piece; such a file may end as the disk does, with a table.
 */
static int check_format(int fd, uint64_t *size, struct error **err)
{
	uint8_t head[DISK_FORMAT_HEAD], footer[VHD_FOOTER_SIZE];
	const char *format;
	int r;

	if (*size < sizeof(footer))
		return 0;
	r = pread_full(fd, head, sizeof(head), 0);
	if (r >= 0)
		r = pread_full(fd, footer, sizeof(footer), *size - sizeof(footer));
	if (r < 0)
		return error_set_errno(err, r, "reading");
	*size = vhd_disk_size(footer, *size);
	format = disk_format_recognize(head);
	return format ? error_set(err, -ENOTSUP,
				"a disk as %s: look at the .raw file that it was made of, or make one "
				"(qemu-img "
				"convert -f %s -O raw)",
				format, format)
		      : 0;
}

static int inspect_whole(
	int fd, const struct inspect_options *options, json_t **ret, size_t *faults, struct error **err)
{
	_cleanup_error_ struct error *no_table = NULL;
	_cleanup_gpt_ struct gpt gpt = {};
	struct verity_range range = {.fd = fd};
	uint32_t sector_size;
	int r = gpt_geometry(fd, &range.size, &sector_size, err);

	if (r >= 0)
		r = check_format(fd, &range.size, err);
	if (r < 0)
		return r;
	r = gpt_read(fd, range.size, sector_size, &gpt, &no_table);
	if (r == 0)
		return inspect_disk(fd, &gpt, options, ret, faults, err);
	if (r != -ENODATA) {
		error_move(err, TAKE_PTR(no_table));
		return r;
	}
	r = inspect_range(&range, options, ret, faults, err);
	if (r >= 0 && options->verify) {
		json_decref(*ret);
		*ret = NULL;
		return error_set(err, -EINVAL, "only a disk holds all that is needed to verify it");
	}
	return r;
}

int inspect(int fd, const struct inspect_options *options, struct inspection *ret, struct error **err)
{
	_cleanup_error_ struct error *fault = NULL;
	struct inspection inspection = {};
	int r = inspect_whole(fd, options, &inspection.object, &inspection.faults, &fault);

	if (r == -EMEDIUMTYPE)
		return error_set(err, r,
			"neither a disk with a GPT, an EROFS image, a verity hash tree or signature, an EFI "
			"program, a FAT file system, a manifest, a bill of materials nor provenance");
	if (r < 0) {
		error_move(err, TAKE_PTR(fault));
		return r;
	}
	*ret = inspection;
	return 0;
}

void inspection_release(struct inspection *inspection)
{
	json_decref(inspection->object);
	*inspection = (struct inspection){};
}
