/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/tuf-signer.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <string.h>
#include <sys/stat.h>

#include "base/encoding.h"
#include "base/file.h"
#include "base/string-util.h"
#include "format/canonical-json.h"
#include "format/tuf-key.h"
#include "format/tuf-token.h"

#define KEY_FILE_MAX MiB(1)
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

/* ---- Loading ---- */

/* What OpenSSL asks for a passphrase; it would ask on the terminal by itself. */
struct question {
	const char *name;
	const struct tuf_secret *secret;
	bool asked;
};

static int answer(char *buffer, int size, int writing, void *userdata)
{
	struct question *question = userdata;

	(void)writing;
	question->asked = true;
	if (!question->secret || size <= 0 ||
		question->secret->ask(question->name, buffer, (size_t)size, question->secret->userdata) < 0)
		return -1;
	return (int)strnlen(buffer, (size_t)size);
}

int tuf_signer_from_pem(const char *name, const char *pem, size_t size, const struct tuf_secret *secret,
	struct tuf_signer **ret, struct error **err)
{
	struct question question = {.name = name, .secret = secret};
	BIO *bio = size <= KEY_FILE_MAX ? BIO_new_mem_buf(pem, (int)size) : NULL;
	EVP_PKEY *key;
	int r;

	ERR_clear_error();
	key = bio ? PEM_read_bio_PrivateKey(bio, NULL, answer, &question) : NULL;
	BIO_free(bio);
	if (key)
		r = make_signer(name, key, ret, err);
	else if (question.asked && !secret)
		r = error_set(err, -EKEYREJECTED,
			"%s: the key is encrypted, and nobody can be asked for its passphrase", name);
	else if (question.asked)
		r = error_set(err, -EKEYREJECTED, "%s: the passphrase does not open it (%s)", name, reason());
	else
		r = error_set(err, -EBADMSG, "%s: no private key in PEM (%s)", name, reason());
	ERR_clear_error();
	return r;
}

static int load_token(
	const char *uri, const struct tuf_secret *secret, struct tuf_signer **ret, struct error **err)
{
	EVP_PKEY *key;
	int r = tuf_token_key(uri, secret, &key, err);

	/* A URI may hold its PIN: messages of later days get no more of it than this. */
	return r < 0 ? r : make_signer("pkcs11", key, ret, err);
}

int tuf_signer_load(
	const char *where, const struct tuf_secret *secret, struct tuf_signer **ret, struct error **err)
{
	char *text = NULL;
	size_t size;
	int r;

	if (startswith(where, "pkcs11:"))
		return load_token(where, secret, ret, err);
	r = file_read_private(where, KEY_FILE_MAX, &text, &size, err);
	if (r < 0)
		return r;
	if (startswith(text, "pkcs11:")) {
		text[strcspn(text, "\r\n")] = 0;
		r = load_token(text, secret, ret, err);
		if (r < 0)
			r = (error_wrap(err, "%s", where), r);
	} else {
		r = tuf_signer_from_pem(where, text, size, secret, ret, err);
	}
	OPENSSL_cleanse(text, size);
	free(text);
	return r;
}

/* ---- Making and using ---- */

int tuf_signer_generate(char **ret, struct error **err)
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	/* Secure memory where there is any, wiped in any case. */
	BIO *bio = BIO_new(BIO_s_secmem());
	char *pem = NULL;

	if (key && bio && PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1)
		pem = bio_text(bio);
	BIO_free(bio);
	EVP_PKEY_free(key);
	if (!pem)
		return error_set(err, -EIO, "OpenSSL could not make an ed25519 key (%s)", reason());
	*ret = pem;
	return 0;
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
	const EVP_MD *hash = EVP_PKEY_is_a(signer->key, "ED25519") ? NULL : EVP_sha256();
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	size_t length = (size_t)EVP_PKEY_get_size(signer->key), before = ret->size;
	uint8_t *at = buffer_extend(ret, length);
	int r = 0;

	ERR_clear_error();
	if (!context || !at)
		r = error_set_errno(err, -ENOMEM, "%s", signer->name);
	else if (EVP_DigestSignInit(context, NULL, hash, NULL, signer->key) != 1 ||
		 EVP_DigestSign(context, at, &length, data, size) != 1)
		r = error_set(err, -EIO, "%s: the key does not sign (%s)", signer->name, reason());
	else
		ret->size = before + length; /* an ECDSA signature may be shorter than the longest one */
	EVP_MD_CTX_free(context);
	ERR_clear_error();
	return r;
}
