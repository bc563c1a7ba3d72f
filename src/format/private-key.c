/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/private-key.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/x509.h>
#include <string.h>

#include "base/file.h"
#include "base/string-util.h"
#include "format/private-token.h"

#define KEY_FILE_MAX MiB(1)
#define ENCRYPT_ROUNDS 600000

static const char *reason(void)
{
	const char *text = ERR_reason_error_string(ERR_peek_last_error());

	return text ? text : "unknown reason";
}

/* ---- Reading ---- */

/* What OpenSSL asks for a passphrase; it would ask on the terminal by itself, and may ask several times. */
struct asking {
	struct key_question question;
	const struct key_secret *secret;
	bool asked, answered; /* in this attempt */
	char text[KEY_SECRET_MAX];
};

static int answer(char *buffer, int size, int writing, void *userdata)
{
	struct asking *asking = userdata;
	size_t length;

	(void)writing;
	if (!asking->asked && asking->secret)
		asking->answered = asking->secret->ask(&asking->question, asking->text, sizeof(asking->text),
					   asking->secret->userdata) >= 0;
	asking->asked = true;
	length = strnlen(asking->text, sizeof(asking->text));
	if (!asking->answered || size <= 0 || length > (size_t)size)
		return -1;
	memcpy(buffer, asking->text, length);
	return (int)length;
}

static EVP_PKEY *decode(const char *pem, size_t size, struct asking *asking)
{
	BIO *bio = size <= KEY_FILE_MAX ? BIO_new_mem_buf(pem, (int)size) : NULL;
	EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, answer, asking) : NULL;

	BIO_free(bio);
	return key;
}

static int blame(const struct asking *asking, struct error **err)
{
	const char *name = asking->question.name;

	if (!asking->asked)
		return error_set(err, -EBADMSG, "%s: no private key in PEM (%s)", name, reason());
	if (!asking->secret || (!asking->answered && asking->question.attempt == 0))
		return error_set(err, -EKEYREJECTED,
			"%s: the key is encrypted, and nobody can be asked for its passphrase", name);
	return error_set(err, -EKEYREJECTED, "%s: the passphrase does not open it", name);
}

int private_key_from_pem(const char *name, const char *pem, size_t size, const struct key_secret *secret,
	EVP_PKEY **ret, struct error **err)
{
	struct asking asking = {.question = {.kind = KEY_PASSPHRASE, .name = name}, .secret = secret};
	EVP_PKEY *key;
	int r = 0;

	do {
		ERR_clear_error();
		asking.asked = asking.answered = false;
		key = decode(pem, size, &asking);
	} while (!key && asking.answered && ++asking.question.attempt < KEY_ATTEMPTS);
	if (key)
		*ret = key;
	else
		r = blame(&asking, err);
	OPENSSL_cleanse(asking.text, sizeof(asking.text));
	ERR_clear_error();
	return r;
}

static int load_token(
	const char *uri, const struct key_secret *secret, EVP_PKEY **ret, char **ret_name, struct error **err)
{
	_cleanup_free_ char *name = private_token_name(uri);
	int r = name ? private_token_key(uri, name, secret, ret, err)
		     : error_set_errno(err, -ENOMEM, "token");

	if (r >= 0 && ret_name)
		*ret_name = TAKE_PTR(name);
	return r;
}

static int load_file(const char *path, char *text, size_t size, const struct key_secret *secret,
	EVP_PKEY **ret, char **ret_name, struct error **err)
{
	_cleanup_free_ char *name = strdup(path);
	int r;

	if (!name)
		return error_set_errno(err, -ENOMEM, "%s", path);
	if (startswith(text, "pkcs11:")) {
		text[strcspn(text, "\r\n")] = 0;
		r = load_token(text, secret, ret, NULL, err);
		if (r < 0)
			r = (error_wrap(err, "%s", path), r);
	} else {
		r = private_key_from_pem(path, text, size, secret, ret, err);
	}
	if (r >= 0 && ret_name)
		*ret_name = TAKE_PTR(name);
	return r;
}

int private_key_load(const char *where, const struct key_secret *secret, EVP_PKEY **ret, char **ret_name,
	struct error **err)
{
	char *text = NULL;
	size_t size;
	int r;

	if (startswith(where, "pkcs11:"))
		return load_token(where, secret, ret, ret_name, err);
	r = file_read_private(where, KEY_FILE_MAX, &text, &size, err);
	if (r < 0)
		return r;
	r = load_file(where, text, size, secret, ret, ret_name, err);
	OPENSSL_cleanse(text, size);
	free(text);
	return r;
}

/* ---- Writing ---- */

static X509_SIG *encrypt(PKCS8_PRIV_KEY_INFO *info, const char *passphrase)
{
	X509_ALGOR *algorithm =
		PKCS5_pbe2_set_iv(EVP_aes_256_cbc(), ENCRYPT_ROUNDS, NULL, 16, NULL, NID_hmacWithSHA256);
	X509_SIG *sealed =
		algorithm ? PKCS8_set0_pbe(passphrase, (int)strlen(passphrase), info, algorithm) : NULL;

	/* What is sealed owns it. */
	if (!sealed)
		X509_ALGOR_free(algorithm);
	return sealed;
}

static bool write_info(BIO *bio, EVP_PKEY *key, const char *passphrase)
{
	PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(key);
	X509_SIG *sealed = info && passphrase ? encrypt(info, passphrase) : NULL;
	bool done = false;

	if (sealed)
		done = PEM_write_bio_PKCS8(bio, sealed) == 1;
	else if (info && !passphrase)
		done = PEM_write_bio_PKCS8_PRIV_KEY_INFO(bio, info) == 1;
	X509_SIG_free(sealed);
	PKCS8_PRIV_KEY_INFO_free(info);
	return done;
}

int private_key_to_pem(EVP_PKEY *key, const char *passphrase, char **ret, struct error **err)
{
	/* Secure memory where there is any, wiped in any case. */
	BIO *bio = BIO_new(BIO_s_secmem());
	char *data, *pem = NULL;
	long size;

	ERR_clear_error();
	if (bio && write_info(bio, key, passphrase)) {
		size = BIO_get_mem_data(bio, &data);
		pem = size > 0 ? strndup(data, (size_t)size) : NULL;
	}
	BIO_free(bio);
	if (!pem)
		return error_set(err, -EIO, "OpenSSL could not write a key (%s)", reason());
	*ret = pem;
	return 0;
}

/* ---- Signing ---- */

int private_key_sign(EVP_PKEY *key, const char *name, const void *data, size_t size, struct buffer *ret,
	struct error **err)
{
	const EVP_MD *hash = EVP_PKEY_is_a(key, "ED25519") ? NULL : EVP_sha256();
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	size_t length = (size_t)EVP_PKEY_get_size(key), before = ret->size;
	uint8_t *at = buffer_extend(ret, length);
	int r = 0;

	ERR_clear_error();
	if (!context || !at)
		r = error_set_errno(err, -ENOMEM, "%s", name);
	else if (EVP_DigestSignInit(context, NULL, hash, NULL, key) != 1 ||
		 EVP_DigestSign(context, at, &length, data, size) != 1)
		r = error_set(err, -EIO, "%s: the key does not sign (%s)", name, reason());
	else
		ret->size = before + length; /* an ECDSA signature may be shorter than the longest one */
	EVP_MD_CTX_free(context);
	ERR_clear_error();
	return r;
}
