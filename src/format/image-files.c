/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/image-files.h"

#include <errno.h>
#include <string.h>

#include "base/encoding.h"
#include "base/string-util.h"
#include "format/json-read.h"
#include "format/uuid.h"

static bool is_file_name(const char *name)
{
	size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");

	return length > 0 && length <= IMAGE_NAME_MAX && name[length] == 0 && name[0] != '.';
}

static int take_file(const struct json_place *object, const char *member, bool has_index,
	struct image_file *ret, struct error **err)
{
	_cleanup_free_ char *path = string_format("%s%s.", object->path, member);
	const struct json_place file = {.json = json_object_get(object->json, member), .path = path};
	const json_t *value;
	const char *name;
	int r;

	if (!path)
		return error_set_errno(err, -ENOMEM, "image");
	r = json_read_object(&file, err);
	if (r < 0)
		return r;
	value = json_object_get(file.json, "name");
	name = json_string_value(value);
	if (!name || strlen(name) != json_string_length(value) || !is_file_name(name))
		return json_fault(&file, "name", "not the name of a file", err);
	memcpy(ret->name, name, strlen(name) + 1);
	r = json_read_number(&file, "size", 1, INT64_MAX, &ret->size, err);
	if (r >= 0 && has_index)
		r = json_read_number(&file, "index", 1, ret->size, &ret->index, err);
	return r;
}

static int take_delta(const json_t *json, size_t number, struct image_delta *ret, struct error **err)
{
	_cleanup_free_ char *path = string_format("from[%zu].", number);
	const struct json_place object = {.json = json, .path = path};
	int r;

	if (!path)
		return error_set_errno(err, -ENOMEM, "image");
	r = json_read_object(&object, err);
	if (r >= 0)
		r = json_read_hex(&object, "root_hash", ret->from, SHA256_SIZE, err);
	if (r >= 0)
		r = json_read_number(&object, "blocks", 1, IMAGE_BLOCKS_MAX, &ret->from_blocks, err);
	if (r >= 0 && json_object_get(json, "tree"))
		r = take_file(&object, "tree", false, &ret->tree, err);
	if (r >= 0 && json_object_get(json, "patch"))
		r = take_file(&object, "patch", true, &ret->patch, err);
	return r;
}

static int take_deltas(const struct json_place *object, struct image_files *ret, struct error **err)
{
	const json_t *from = json_object_get(object->json, "from");
	size_t count = json_array_size(from);

	if (!from)
		return 0;
	if (!json_is_array(from) || count > IMAGE_DELTAS_MAX)
		return error_set(err, -EBADMSG, "from: not an array of at most %d", IMAGE_DELTAS_MAX);
	ret->deltas = calloc(count + 1, sizeof(*ret->deltas));
	if (!ret->deltas)
		return error_set_errno(err, -ENOMEM, "image");
	for (; ret->delta_count < count; ret->delta_count++) {
		struct image_delta *delta = &ret->deltas[ret->delta_count];
		int r = take_delta(json_array_get(from, ret->delta_count), ret->delta_count, delta, err);

		if (r < 0)
			return r;
		if (image_files_delta(ret, delta->from))
			return error_set(
				err, -EBADMSG, "from[%zu]: the same release twice", ret->delta_count);
	}
	return 0;
}

static int take_verity(const struct json_place *object, struct verity_options *ret, struct error **err)
{
	const char *uuid = json_string_value(json_object_get(object->json, "uuid"));
	size_t digits = json_string_length(json_object_get(object->json, "salt"));
	struct uuid parsed;

	if (!uuid || uuid_parse(uuid, &parsed) < 0)
		return json_fault(object, "uuid", "not a UUID", err);
	if (digits % 2 != 0 || digits / 2 > VERITY_SALT_MAX)
		return error_set(err, -EBADMSG, "salt: not at most %d bytes", VERITY_SALT_MAX);
	memcpy(ret->uuid, parsed.bytes, sizeof(ret->uuid));
	ret->salt_size = digits / 2;
	return json_read_hex(object, "salt", ret->salt, ret->salt_size, err);
}

int image_files_parse(const json_t *json, struct image_files *ret, struct error **err)
{
	_cleanup_image_files_ struct image_files files = {};
	const struct json_place object = {.json = json, .path = ""};
	int r = json_read_object(&object, err);

	if (r >= 0)
		r = json_read_hex(&object, "root_hash", files.root, SHA256_SIZE, err);
	if (r >= 0)
		r = json_read_number(&object, "blocks", 1, IMAGE_BLOCKS_MAX, &files.blocks, err);
	if (r >= 0)
		r = take_verity(&object, &files.verity, err);
	if (r >= 0)
		r = take_file(&object, "tree", false, &files.tree, err);
	if (r >= 0)
		r = take_file(&object, "image", true, &files.image, err);
	if (r >= 0)
		r = take_deltas(&object, &files, err);
	if (r < 0)
		return r;
	*ret = files;
	files = (struct image_files){};
	return 0;
}

void image_files_release(struct image_files *files)
{
	free(files->deltas);
	*files = (struct image_files){};
}

const struct image_delta *image_files_delta(const struct image_files *files, const uint8_t *from)
{
	for (size_t i = 0; i < files->delta_count; i++)
		if (memcmp(files->deltas[i].from, from, SHA256_SIZE) == 0)
			return &files->deltas[i];
	return NULL;
}

static json_t *file_json(const struct image_file *file)
{
	json_t *json = json_pack("{s:s, s:I}", "name", file->name, "size", (json_int_t)file->size);

	if (json && file->index > 0 &&
		json_object_set_new(json, "index", json_integer((json_int_t)file->index)) < 0) {
		json_decref(json);
		json = NULL;
	}
	return json;
}

static json_t *delta_json(const struct image_delta *delta)
{
	char root[SHA256_HEX_SIZE];
	json_t *json;
	int r = 0;

	hex_encode(delta->from, SHA256_SIZE, root);
	json = json_pack("{s:s, s:I}", "root_hash", root, "blocks", (json_int_t)delta->from_blocks);
	if (json && delta->tree.name[0])
		r = json_object_set_new(json, "tree", file_json(&delta->tree));
	if (json && r == 0 && delta->patch.name[0])
		r = json_object_set_new(json, "patch", file_json(&delta->patch));
	if (r == 0)
		return json;
	json_decref(json);
	return NULL;
}

json_t *image_files_json(const struct image_files *files)
{
	char root[SHA256_HEX_SIZE], salt[2 * VERITY_SALT_MAX + 1], text[UUID_TEXT_SIZE];
	json_t *from = json_array();
	struct uuid uuid;
	int r = from ? 0 : -1;

	hex_encode(files->root, SHA256_SIZE, root);
	hex_encode(files->verity.salt, files->verity.salt_size, salt);
	memcpy(uuid.bytes, files->verity.uuid, sizeof(uuid.bytes));
	uuid_format(&uuid, text);
	for (size_t i = 0; i < files->delta_count && r == 0; i++)
		r = json_array_append_new(from, delta_json(&files->deltas[i]));
	if (r != 0) {
		json_decref(from);
		return NULL;
	}
	return json_pack("{s:s, s:I, s:s, s:s, s:o, s:o, s:o}", "root_hash", root, "blocks",
		(json_int_t)files->blocks, "uuid", text, "salt", salt, "tree", file_json(&files->tree),
		"image", file_json(&files->image), "from", from);
}
