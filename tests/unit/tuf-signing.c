/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tuf-signing.h"

#include "unit.h"

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <string.h>

#define KEY_SIZE 32
#define SIGNATURE_SIZE 64

static EVP_PKEY *private_key(int key)
{
	unsigned char seed[KEY_SIZE] = {
		(unsigned char)key, (unsigned char)(key >> 8), 'o', 'r', 'l', 'o', 'p'};
	EVP_PKEY *private = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, sizeof(seed));

	assert_non_null(private);
	return private;
}

static void hex(const unsigned char *data, size_t size, char *ret)
{
	for (size_t i = 0; i < size; i++)
		(void)snprintf(ret + 2 * i, 3, "%02x", data[i]);
}

/* The sorted, compact text; the caller frees it. */
static char *canonical(const json_t *value)
{
	char *text = json_dumps(value, JSON_SORT_KEYS | JSON_COMPACT);

	assert_non_null(text);
	assert_null(strstr(text, "\\n"));
	return text;
}

json_t *signing_key(int key)
{
	EVP_PKEY *private = private_key(key);
	unsigned char raw[KEY_SIZE];
	size_t size = sizeof(raw);
	char text[2 * KEY_SIZE + 1];

	assert_int_equal(EVP_PKEY_get_raw_public_key(private, raw, &size), 1);
	EVP_PKEY_free(private);
	hex(raw, size, text);
	return json_pack(
		"{ss ss s{ss}}", "keytype", "ed25519", "scheme", "ed25519", "keyval", "public", text);
}

char *signing_key_id(const json_t *key)
{
	char *text = canonical(key), *id = calloc(1, 2 * SHA256_DIGEST_LENGTH + 1);
	unsigned char digest[SHA256_DIGEST_LENGTH];

	assert_non_null(id);
	(void)SHA256((unsigned char *)text, strlen(text), digest);
	hex(digest, sizeof(digest), id);
	free(text);
	return id;
}

static char *id_of(int key)
{
	json_t *object = signing_key(key);
	char *id = signing_key_id(object);

	json_decref(object);
	return id;
}

void signing_add_keys(json_t *object, const int *keys)
{
	for (; *keys >= 0; keys++) {
		char *id = id_of(*keys);

		assert_int_equal(json_object_set_new(object, id, signing_key(*keys)), 0);
		free(id);
	}
}

json_t *signing_role(const int *keys, int threshold)
{
	json_t *role = json_pack("{s[] si}", "keyids", "threshold", threshold);

	for (; *keys >= 0; keys++) {
		char *id = id_of(*keys);

		assert_int_equal(json_array_append_new(json_object_get(role, "keyids"), json_string(id)), 0);
		free(id);
	}
	return role;
}

json_t *signing_body(const char *type)
{
	return json_pack("{ss ss si ss}", "_type", type, "spec_version", "1.0.34", "version", 1, "expires",
		"2099-01-01T00:00:00Z");
}

json_t *signing_root(const int *keys, int threshold)
{
	static const char *const roles[] = {"root", "timestamp", "snapshot", "targets"};
	json_t *body = signing_body("root"), *listed = json_object(), *object = json_object();

	signing_add_keys(listed, keys);
	for (size_t i = 0; i < ARRAY_SIZE(roles); i++)
		assert_int_equal(json_object_set_new(object, roles[i], signing_role(keys, threshold)), 0);
	assert_int_equal(json_object_set_new(body, "keys", listed), 0);
	assert_int_equal(json_object_set_new(body, "roles", object), 0);
	assert_int_equal(json_object_set_new(body, "consistent_snapshot", json_true()), 0);
	return body;
}

static json_t *signature_of(const char *text, int key)
{
	EVP_PKEY *private = private_key(key);
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	unsigned char signature[SIGNATURE_SIZE];
	char sig[2 * SIGNATURE_SIZE + 1], *id = id_of(key);
	size_t size = sizeof(signature);
	json_t *entry;

	assert_int_equal(EVP_DigestSignInit(context, NULL, NULL, NULL, private), 1);
	assert_int_equal(
		EVP_DigestSign(context, signature, &size, (const unsigned char *)text, strlen(text)), 1);
	EVP_MD_CTX_free(context);
	EVP_PKEY_free(private);
	hex(signature, size, sig);
	entry = json_pack("{ss ss}", "keyid", id, "sig", sig);
	free(id);
	return entry;
}

json_t *signing_sign(json_t *body, const int *keys)
{
	json_t *document = json_pack("{s[] sO}", "signatures", "signed", body);
	char *text = canonical(body);

	for (; *keys >= 0; keys++)
		assert_int_equal(json_array_append_new(
					 json_object_get(document, "signatures"), signature_of(text, *keys)),
			0);
	free(text);
	return document;
}

char *signing_text(const json_t *document)
{
	char *text = json_dumps(document, JSON_INDENT(1));

	assert_non_null(text);
	return text;
}
