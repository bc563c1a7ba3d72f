/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/tuf-hash.h"

#include <errno.h>
#include <openssl/evp.h>
#include <string.h>

#include "base/encoding.h"

struct tuf_hasher {
	struct sha256 *sha256;
	EVP_MD_CTX *sha512;
};

/* Returns 1 where the member is there and well-formed, 0 where it is not there, -EBADMSG. */
static int parse_digest(const json_t *object, const char *name, uint8_t *ret, size_t size, struct error **err)
{
	const json_t *value = json_object_get(object, name);

	if (!value)
		return 0;
	if (json_string_length(value) != 2 * size || hex_decode(json_string_value(value), ret, size) < 0)
		return error_set(
			err, -EBADMSG, "\"%s\" is not a digest of %zu hexadecimal digits", name, 2 * size);
	return 1;
}

int tuf_hashes_parse(const json_t *object, struct tuf_hashes *ret, struct error **err)
{
	struct tuf_hashes hashes = {};
	int r;

	if (json_object_size(object) == 0)
		return error_set(err, -EBADMSG, "\"hashes\" lists no digest");
	r = parse_digest(object, "sha256", hashes.sha256, SHA256_SIZE, err);
	if (r < 0)
		return r;
	hashes.has_sha256 = r > 0;
	r = parse_digest(object, "sha512", hashes.sha512, TUF_SHA512_SIZE, err);
	if (r < 0)
		return r;
	hashes.has_sha512 = r > 0;
	*ret = hashes;
	return 0;
}

struct tuf_hasher *tuf_hasher_new(void)
{
	_cleanup_tuf_hasher_ struct tuf_hasher *hasher = calloc(1, sizeof(*hasher));

	if (!hasher)
		return NULL;
	hasher->sha256 = sha256_new();
	hasher->sha512 = EVP_MD_CTX_new();
	if (!hasher->sha256 || !hasher->sha512 || EVP_DigestInit_ex(hasher->sha512, EVP_sha512(), NULL) != 1)
		return NULL;
	return TAKE_PTR(hasher);
}

struct tuf_hasher *tuf_hasher_free(struct tuf_hasher *hasher)
{
	if (hasher) {
		sha256_free(hasher->sha256);
		EVP_MD_CTX_free(hasher->sha512);
		free(hasher);
	}
	return NULL;
}

void tuf_hasher_update(struct tuf_hasher *hasher, const void *data, size_t size)
{
	sha256_update(hasher->sha256, data, size);
	if (EVP_DigestUpdate(hasher->sha512, data, size) != 1)
		abort(); /* the context is initialised: it can't fail */
}

void tuf_hasher_final(struct tuf_hasher *hasher, struct tuf_hashes *ret)
{
	*ret = (struct tuf_hashes){.has_sha256 = true, .has_sha512 = true};
	sha256_final(hasher->sha256, ret->sha256);
	if (EVP_DigestFinal_ex(hasher->sha512, ret->sha512, NULL) != 1 ||
		EVP_DigestInit_ex(hasher->sha512, EVP_sha512(), NULL) != 1)
		abort();
}

static int mismatch(
	const char *name, const uint8_t *listed, const uint8_t *found, size_t size, struct error **err)
{
	char listed_text[2 * TUF_SHA512_SIZE + 1], found_text[2 * TUF_SHA512_SIZE + 1];

	hex_encode(listed, size, listed_text);
	hex_encode(found, size, found_text);
	return error_set(err, -EBADMSG, "its %s is %s, and the signed metadata says %s", name, found_text,
		listed_text);
}

int tuf_hashes_check(const struct tuf_hashes *listed, const struct tuf_hashes *found, struct error **err)
{
	if (!listed->has_sha256 && !listed->has_sha512)
		return error_set(
			err, -ENOTSUP, "no digest of a known algorithm (sha256, sha512) is listed for it");
	if (listed->has_sha256 && memcmp(listed->sha256, found->sha256, SHA256_SIZE) != 0)
		return mismatch("SHA-256", listed->sha256, found->sha256, SHA256_SIZE, err);
	if (listed->has_sha512 && memcmp(listed->sha512, found->sha512, TUF_SHA512_SIZE) != 0)
		return mismatch("SHA-512", listed->sha512, found->sha512, TUF_SHA512_SIZE, err);
	return 0;
}

int tuf_hashes_check_bytes(const struct tuf_hashes *listed, const void *data, size_t size, struct error **err)
{
	_cleanup_tuf_hasher_ struct tuf_hasher *hasher = tuf_hasher_new();
	struct tuf_hashes found;

	if (!hasher)
		return error_set_errno(err, -ENOMEM, "digest");
	tuf_hasher_update(hasher, data, size);
	tuf_hasher_final(hasher, &found);
	return tuf_hashes_check(listed, &found, err);
}
