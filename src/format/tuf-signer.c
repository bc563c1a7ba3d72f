/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/tuf-signer.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <string.h>

#include "base/encoding.h"
#include "base/string-util.h"
#include "format/canonical-json.h"
#include "format/tuf-key.h"

#define ED25519_SIZE 32

struct tuf_signer {
	EVP_PKEY *key;
	char *name; /* for messages */
	json_t *public;
	char id[SHA256_HEX_SIZE];
};

struct tuf_signer *tuf_signer_free(struct tuf_signer *signer)
{
	if (!signer)
		return NULL;
	EVP_PKEY_free(signer->key);
	json_decref(signer->public);
	free(signer->name);
	free(signer);
	return NULL;
}

char *tuf_pem_free(char *pem)
{
	if (pem)
		OPENSSL_cleanse(pem, strlen(pem));
	free(pem);
	return NULL;
}

static const char *reason(void)
{
	const char *text = ERR_reason_error_string(ERR_peek_last_error());

	return text ? text : "unknown reason";
}

/* ---- The public key ---- */

/* What a memory BIO holds, as a malloc()ed text. */
static char *bio_text(BIO *bio)
{
	char *data;
	long size = bio ? BIO_get_mem_data(bio, &data) : 0;

	return size > 0 ? strndup(data, (size_t)size) : NULL;
}

static json_t *public_ed25519(const EVP_PKEY *key)
{
	char text[2 * ED25519_SIZE + 1];
	uint8_t raw[ED25519_SIZE];
	size_t size = sizeof(raw);

	if (EVP_PKEY_get_raw_public_key(key, raw, &size) != 1 || size != sizeof(raw))
		return NULL;
	hex_encode(raw, sizeof(raw), text);
	return json_pack(
		"{s:s, s:s, s:{s:s}}", "keytype", "ed25519", "scheme", "ed25519", "keyval", "public", text);
}

static json_t *public_ecdsa(const EVP_PKEY *key)
{
	BIO *bio = BIO_new(BIO_s_mem());
	_cleanup_free_ char *text = NULL;

	if (bio && PEM_write_bio_PUBKEY(bio, key) == 1)
		text = bio_text(bio);
	BIO_free(bio);
	return text ? json_pack("{s:s, s:s, s:{s:s}}", "keytype", "ecdsa", "scheme", "ecdsa-sha2-nistp256",
			      "keyval", "public", text)
		    : NULL;
}

static bool is_p256(const EVP_PKEY *key)
{
	char group[32] = "";

	return EVP_PKEY_is_a(key, "EC") && EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) == 1 &&
	       (streq(group, SN_X9_62_prime256v1) || streq(group, "P-256"));
}

/* Takes the key over, also when it fails. */
static int make_signer(const char *name, EVP_PKEY *key, struct tuf_signer **ret, struct error **err)
{
	_cleanup_tuf_signer_ struct tuf_signer *signer = calloc(1, sizeof(*signer));
	int r;

	if (!signer) {
		EVP_PKEY_free(key);
		return error_set_errno(err, -ENOMEM, "%s", name);
	}
	signer->key = key;
	signer->name = strdup(name);
	if (EVP_PKEY_is_a(key, "ED25519"))
		signer->public = public_ed25519(key);
	else if (is_p256(key))
		signer->public = public_ecdsa(key);
	else
		return error_set(err, -EKEYREJECTED,
			"%s: a key of this kind can't sign metadata; use ed25519 or ECDSA on P-256", name);
	if (!signer->public || !signer->name)
		return error_set(err, -EBADMSG, "%s: no public key belongs to it (%s)", name, reason());
	r = tuf_key_id(signer->public, signer->id, err);
	if (r >= 0)
		*ret = TAKE_PTR(signer);
	return r;
}

/* ---- Loading, making and using ---- */

int tuf_signer_from_pem(const char *name, const char *pem, size_t size, const struct key_secret *secret,
	struct tuf_signer **ret, struct error **err)
{
	EVP_PKEY *key;
	int r = private_key_from_pem(name, pem, size, secret, &key, err);

	return r < 0 ? r : make_signer(name, key, ret, err);
}

int tuf_signer_load(
	const char *where, const struct key_secret *secret, struct tuf_signer **ret, struct error **err)
{
	_cleanup_free_ char *name = NULL;
	EVP_PKEY *key;
	int r = private_key_load(where, secret, &key, &name, err);

	return r < 0 ? r : make_signer(name, key, ret, err);
}

int tuf_signer_generate(const char *passphrase, char **ret, struct error **err)
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	int r = key ? private_key_to_pem(key, passphrase, ret, err)
		    : error_set(err, -EIO, "OpenSSL could not make an ed25519 key (%s)", reason());

	EVP_PKEY_free(key);
	return r;
}

json_t *tuf_signer_key(const struct tuf_signer *signer)
{
	return signer->public;
}

const char *tuf_signer_id(const struct tuf_signer *signer)
{
	return signer->id;
}

int tuf_signer_sign(const struct tuf_signer *signer, const void *data, size_t size, struct buffer *ret,
	struct error **err)
{
	return private_key_sign(signer->key, signer->name, data, size, ret, err);
}
