/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/tuf-key.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <string.h>

#include "base/encoding.h"
#include "base/string-util.h"
#include "format/canonical-json.h"

#define ED25519_SIZE 32
#define RSA_BITS_MIN 2048
#define PEM_MAX KiB(64)

void tuf_key_release(struct tuf_key *key)
{
	EVP_PKEY_free(key->public);
	*key = (struct tuf_key){};
}

static EVP_PKEY *read_ed25519(const char *text, size_t length)
{
	uint8_t raw[ED25519_SIZE];

	if (length != 2 * ED25519_SIZE || hex_decode(text, raw, sizeof(raw)) < 0)
		return NULL;
	return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, raw, sizeof(raw));
}

static EVP_PKEY *read_pem(const char *text, size_t length)
{
	BIO *bio = length <= PEM_MAX ? BIO_new_mem_buf(text, (int)length) : NULL;
	EVP_PKEY *key = bio ? PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL) : NULL;

	BIO_free(bio);
	return key;
}

static EVP_PKEY *read_ecdsa(const char *text, size_t length)
{
	EVP_PKEY *key = read_pem(text, length);
	char group[32] = "";

	if (key && EVP_PKEY_is_a(key, "EC") &&
		EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) == 1 &&
		streq(group, SN_X9_62_prime256v1))
		return key;
	EVP_PKEY_free(key);
	return NULL;
}

static EVP_PKEY *read_rsa(const char *text, size_t length)
{
	EVP_PKEY *key = read_pem(text, length);

	if (key && EVP_PKEY_is_a(key, "RSA") && EVP_PKEY_get_bits(key) >= RSA_BITS_MIN)
		return key;
	EVP_PKEY_free(key);
	return NULL;
}

static const struct {
	const char *keytype, *scheme;
	EVP_PKEY *(*read)(const char *text, size_t length);
} kinds[] = {
	{"ed25519", "ed25519", read_ed25519},
	{"ecdsa", "ecdsa-sha2-nistp256", read_ecdsa},
	{"ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256", read_ecdsa},
	{"rsa", "rsassa-pss-sha256", read_rsa},
};

/* Only the members that the specification names, as some programs hash them. */
static json_t *specified_members(const json_t *object)
{
	return json_pack("{sO sO sO}", "keytype", json_object_get(object, "keytype"), "keyval",
		json_object_get(object, "keyval"), "scheme", json_object_get(object, "scheme"));
}

int tuf_key_id(const json_t *object, char ret[SHA256_HEX_SIZE], struct error **err)
{
	uint8_t digest[SHA256_SIZE];
	int r = canonical_json_digest(object, digest, err);

	if (r == 0)
		hex_encode(digest, SHA256_SIZE, ret);
	return r;
}

static int check_id(const char *id, const json_t *object, struct error **err)
{
	_cleanup_json_ json_t *specified = specified_members(object);
	char found[SHA256_HEX_SIZE];
	int r;

	if (!specified)
		return error_set_errno(err, -ENOMEM, "key %s", id);
	r = tuf_key_id(object, found, err);
	if (r < 0 || streq(found, id))
		return r;
	r = tuf_key_id(specified, found, err);
	if (r < 0 || streq(found, id))
		return r;
	return error_set(err, -EBADMSG, "the key listed as %.64s has the id %s", id, found);
}

int tuf_key_parse(const char *id, const json_t *object, struct tuf_key *ret, struct error **err)
{
	const char *keytype = json_string_value(json_object_get(object, "keytype"));
	const char *scheme = json_string_value(json_object_get(object, "scheme"));
	const json_t *public = json_object_get(json_object_get(object, "keyval"), "public");
	struct tuf_key key = {};
	int r;

	if (!keytype || !scheme || !json_is_object(json_object_get(object, "keyval")))
		return error_set(err, -EBADMSG,
			"key %.64s: \"keytype\", \"scheme\" or \"keyval\" is missing or of another type", id);
	r = check_id(id, object, err);
	if (r < 0)
		return r;
	memcpy(key.id, id, sizeof(key.id));
	for (size_t i = 0; i < ARRAY_SIZE(kinds) && json_is_string(public); i++)
		if (streq(keytype, kinds[i].keytype) && streq(scheme, kinds[i].scheme))
			key.public = kinds[i].read(json_string_value(public), json_string_length(public));
	ERR_clear_error();
	*ret = key;
	return 0;
}

bool tuf_key_same(const struct tuf_key *a, const struct tuf_key *b)
{
	return a->public && b->public && EVP_PKEY_eq(a->public, b->public) == 1;
}

bool tuf_key_verify(const struct tuf_key *key, const void *data, size_t size, const uint8_t *signature,
	size_t signature_size)
{
	const EVP_MD *hash;
	EVP_MD_CTX *context;
	EVP_PKEY_CTX *parameters;
	bool good;

	if (!key->public || signature_size == 0)
		return false;
	/* Ed25519 (RFC 8032) has its own hash. */
	hash = EVP_PKEY_is_a(key->public, "ED25519") ? NULL : EVP_sha256();
	context = EVP_MD_CTX_new();
	good = context && EVP_DigestVerifyInit(context, &parameters, hash, NULL, key->public) == 1;
	if (good && EVP_PKEY_is_a(key->public, "RSA"))
		good = EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING) == 1 &&
		       EVP_PKEY_CTX_set_rsa_pss_saltlen(parameters, RSA_PSS_SALTLEN_AUTO) == 1;
	good = good && EVP_DigestVerify(context, signature, signature_size, data, size) == 1;
	EVP_MD_CTX_free(context);
	ERR_clear_error();
	return good;
}
