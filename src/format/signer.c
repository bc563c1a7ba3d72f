/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/signer.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <string.h>

#include "base/file.h"
#include "format/signed-data.h"

#define SIGNER_FILE_MAX MiB(1)
#define SIGNER_BITS_MIN 2048

struct signer {
	X509 *certificate;
	EVP_PKEY *key;
	uint8_t *der;
	size_t der_size;
};

static const char *openssl_reason(void)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	return reason ? reason : "unknown reason";
}

struct signer *signer_free(struct signer *signer)
{
	if (!signer)
		return NULL;
	X509_free(signer->certificate);
	EVP_PKEY_free(signer->key);
	OPENSSL_free(signer->der);
	free(signer);
	return NULL;
}

/* OpenSSL would ask on the terminal for the passphrase of an encrypted key; nobody may be there. */
static int no_passphrase(char *buffer, int size, int writing, void *userdata)
{
	(void)buffer, (void)size, (void)writing, (void)userdata;
	return -1;
}

static X509 *certificate_from_pem(const char *pem, size_t size)
{
	BIO *bio = size <= SIGNER_FILE_MAX ? BIO_new_mem_buf(pem, (int)size) : NULL;
	X509 *certificate = bio ? PEM_read_bio_X509(bio, NULL, no_passphrase, NULL) : NULL;

	BIO_free(bio);
	return certificate;
}

static EVP_PKEY *key_from_pem(const char *pem, size_t size)
{
	BIO *bio = size <= SIGNER_FILE_MAX ? BIO_new_mem_buf(pem, (int)size) : NULL;
	EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;

	BIO_free(bio);
	return key;
}

static int signer_check(struct signer *signer, const char *name, struct error **err)
{
	int length;

	if (!EVP_PKEY_is_a(signer->key, "RSA") || EVP_PKEY_get_bits(signer->key) < SIGNER_BITS_MIN)
		return error_set(err, -EKEYREJECTED,
			"%s: the key is not RSA of at least %d bits, which firmware needs", name,
			SIGNER_BITS_MIN);
	if (X509_check_private_key(signer->certificate, signer->key) != 1)
		return error_set(err, -EKEYREJECTED,
			"%s: the private key does not belong to the certificate; give the pair that was made "
			"together",
			name);
	length = i2d_X509(signer->certificate, &signer->der);
	if (length <= 0)
		return error_set_errno(err, -ENOMEM, "%s", name);
	signer->der_size = (size_t)length;
	return 0;
}

int signer_from_pem(const char *name, const char *certificate, size_t certificate_size, const char *key,
	size_t key_size, struct signer **ret, struct error **err)
{
	_cleanup_signer_ struct signer *signer = calloc(1, sizeof(*signer));
	int r;

	if (!signer)
		return error_set_errno(err, -ENOMEM, "%s", name);
	ERR_clear_error();
	signer->certificate = certificate_from_pem(certificate, certificate_size);
	if (!signer->certificate)
		return error_set(err, -EBADMSG, "%s: no certificate in PEM (%s)", name, openssl_reason());
	signer->key = key_from_pem(key, key_size);
	if (!signer->key)
		return error_set(
			err, -EBADMSG, "%s: no unencrypted private key in PEM (%s)", name, openssl_reason());
	r = signer_check(signer, name, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(signer);
	return 0;
}

int signer_load(const char *certificate_path, const char *key_path, struct signer **ret, struct error **err)
{
	_cleanup_free_ char *certificate = NULL;
	char *key = NULL;
	size_t certificate_size, key_size;
	int r;

	r = file_read(certificate_path, SIGNER_FILE_MAX, &certificate, &certificate_size, err);
	if (r < 0)
		return r;
	r = file_read_private(key_path, SIGNER_FILE_MAX, &key, &key_size, err);
	if (r < 0)
		return r;
	r = signer_from_pem(certificate_path, certificate, certificate_size, key, key_size, ret, err);
	OPENSSL_cleanse(key, key_size);
	free(key);
	return r;
}

int certificate_load(const char *path, uint8_t **ret, size_t *ret_size, struct error **err)
{
	_cleanup_free_ char *pem = NULL;
	_cleanup_buffer_ struct buffer copy = {};
	unsigned char *der = NULL;
	size_t size;
	X509 *certificate;
	int r, length;

	r = file_read(path, SIGNER_FILE_MAX, &pem, &size, err);
	if (r < 0)
		return r;
	ERR_clear_error();
	certificate = certificate_from_pem(pem, size);
	if (!certificate)
		return error_set(err, -EBADMSG, "%s: no certificate in PEM (%s)", path, openssl_reason());
	length = i2d_X509(certificate, &der);
	X509_free(certificate);
	if (length > 0)
		buffer_append(&copy, der, (size_t)length);
	OPENSSL_free(der);
	*ret = length > 0 ? buffer_take(&copy, ret_size) : NULL;
	return *ret ? 0 : error_set_errno(err, -ENOMEM, "%s", path);
}

const uint8_t *signer_certificate(const struct signer *signer, size_t *ret_size)
{
	*ret_size = signer->der_size;
	return signer->der;
}

void signer_fingerprint(const struct signer *signer, uint8_t ret[SHA256_SIZE])
{
	unsigned int size;

	if (X509_digest(signer->certificate, EVP_sha256(), ret, &size) != 1)
		abort(); /* the certificate has been encoded before */
}

void signer_issuer_and_serial(const struct signer *signer, struct buffer *ret)
{
	unsigned char *issuer = NULL, *serial = NULL;
	int issuer_size = i2d_X509_NAME(X509_get_issuer_name(signer->certificate), &issuer);
	int serial_size = i2d_ASN1_INTEGER(X509_get0_serialNumber(signer->certificate), &serial);

	if (issuer_size > 0 && serial_size > 0) {
		buffer_append(ret, issuer, (size_t)issuer_size);
		buffer_append(ret, serial, (size_t)serial_size);
	} else {
		ret->failed = true;
	}
	OPENSSL_free(issuer);
	OPENSSL_free(serial);
}

int signer_sign(
	const struct signer *signer, const void *data, size_t size, struct buffer *ret, struct error **err)
{
	size_t length = (size_t)EVP_PKEY_get_size(signer->key);
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	uint8_t *signature = buffer_extend(ret, length);
	int r = 0;

	if (!context || !signature)
		r = error_set_errno(err, -ENOMEM, "sign");
	else if (EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, signer->key) != 1 ||
		 EVP_DigestSign(context, signature, &length, data, size) != 1)
		r = error_set(err, -EIO, "sign: %s", openssl_reason());
	EVP_MD_CTX_free(context);
	return r;
}

int signer_pkcs7_detached(
	const struct signer *signer, const void *data, size_t size, struct buffer *ret, struct error **err)
{
	const struct signed_data content = {.type = &signed_data_type_data, .octets = data, .size = size};

	return signed_data_write(signer, &content, ret, err);
}
