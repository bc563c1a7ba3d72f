/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <openssl/evp.h>
#include <string.h>

#include "base/encoding.h"
#include "base/string-util.h"
#include "format/canonical-json.h"
#include "update/tuf-client.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FILES_MAX 16

/*
 * The input is files, each a line with its name and behind it all up to a line of "%%": the first is the root
 * that is trusted, "<NAME" was kept, any other the server has. What is an object without a "signed" is signed
 * here, by a key whose secret is 32 times the letter o, so that what lies behind the signatures is reached.
 */
struct file {
	const char *name, *data;
	size_t name_size, size;
};

struct world {
	struct file files[FILES_MAX];
	size_t count;
};

static void read_world(const char *data, size_t size, struct world *ret)
{
	static const char separator[] = "\n%%\n";
	const char *end = data + size;

	while (data < end && ret->count < FILES_MAX) {
		const char *line = memchr(data, '\n', (size_t)(end - data)), *stop;

		if (!line)
			return;
		stop = memmem(line, (size_t)(end - line), separator, strlen(separator));
		ret->files[ret->count++] = (struct file){.name = data,
			.name_size = (size_t)(line - data),
			.data = line + 1,
			.size = stop && stop > line ? (size_t)(stop - line) - 1
				: stop		    ? 0
						    : (size_t)(end - line) - 1};
		data = stop ? stop + strlen(separator) : end;
	}
}

#define KEY_ID "aa366f407170884769633cadf2a02c7ca73bb179dcd94a39aefb913c977c4279"

static char *sign(const json_t *body)
{
	static const uint8_t secret[] = "oooooooooooooooooooooooooooooooo";
	EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, secret, sizeof(secret) - 1);
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	_cleanup_buffer_ struct buffer bytes = {};
	_cleanup_json_ json_t *document = NULL;
	uint8_t signature[64];
	size_t size = sizeof(signature);
	char text[2 * sizeof(signature) + 1];

	if (canonical_json_write(body, &bytes, NULL) == 0 &&
		EVP_DigestSignInit(context, NULL, NULL, NULL, key) == 1 &&
		EVP_DigestSign(context, signature, &size, bytes.data, bytes.size) == 1) {
		hex_encode(signature, size, text);
		document = json_pack(
			"{s[{ssss}]sO}", "signatures", "keyid", KEY_ID, "sig", text, "signed", body);
	}
	EVP_MD_CTX_free(context);
	EVP_PKEY_free(key);
	return document ? json_dumps(document, 0) : NULL;
}

/* Appends the file, or what it becomes when it is signed. */
static int append(const struct file *file, uint64_t max, struct buffer *ret)
{
	_cleanup_json_ json_t *body = json_loadb(file->data, file->size, 0, NULL);
	_cleanup_free_ char *text =
		json_is_object(body) && !json_object_get(body, "signed") ? sign(body) : NULL;
	size_t size = text ? strlen(text) : file->size;

	if (size > max)
		return -EFBIG;
	buffer_append(ret, text ? text : file->data, size);
	return 0;
}

static int give(const struct world *world, const char *name, uint64_t max, struct buffer *ret)
{
	for (size_t i = 1; i < world->count; i++) {
		const struct file *file = &world->files[i];

		if (file->name_size != strlen(name) || memcmp(file->name, name, file->name_size) != 0)
			continue;
		return append(file, max, ret);
	}
	return -ENOENT;
}

static int fetch(void *userdata, const char *name, uint64_t max, struct buffer *ret, struct error **err)
{
	int r = give(userdata, name, max, ret);

	return r < 0 ? error_set_errno(err, r, "%s", name) : 0;
}

static int load(void *userdata, const char *name, uint64_t max, struct buffer *ret, struct error **err)
{
	_cleanup_free_ char *kept = string_format("<%s", name);
	int r = kept ? give(userdata, kept, max, ret) : -ENOMEM;

	return r < 0 ? error_set_errno(err, r, "%s", name) : 0;
}

/* Whatever the documents say, a copy lands in the folder that it belongs in. */
static int store(void *userdata, const char *name, const void *data, size_t size, struct error **err)
{
	(void)userdata, (void)err, (void)data, (void)size;
	if (strchr(name, '/') || strlen(name) > 255 || !endswith(name, ".json"))
		__builtin_trap();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const targets[] = {
		"file.txt", "folder/name#1.txt", "delegatedrole/artifact", "a/path.bin"};
	_cleanup_buffer_ struct buffer root = {};
	struct world world = {};
	const struct tuf_client_io io = {.fetch = fetch, .load = load, .store = store, .userdata = &world};
	struct tuf_client_options options = {.io = &io, .now = INT64_C(1800000000)};
	_cleanup_tuf_client_ struct tuf_client *client = NULL;
	_cleanup_error_ struct error *err = NULL;

	read_world((const char *)data, size, &world);
	if (world.count == 0)
		return 0;
	if (append(&world.files[0], TUF_ROOT_MAX, &root) < 0)
		return 0;
	options.root = root.data;
	options.root_size = root.size;
	if (tuf_client_new(&options, &client, NULL) < 0 || tuf_client_refresh(client, &err) < 0)
		return 0;
	for (enum tuf_type type = TUF_ROOT; type < TUF_TYPES; type++)
		if (tuf_client_metadata(client, type)->expires <= options.now)
			__builtin_trap();
	for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
		_cleanup_tuf_target_info_ struct tuf_target_info info = {};

		(void)tuf_client_target(client, targets[i], &info, NULL);
	}
	return 0;
}
