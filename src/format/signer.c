/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/signer-parts.h"

#include <assert.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>

#include "base/file.h"
#include "format/signed-data.h"

#define SIGNER_FILE_MAX MiB(1)
#define SIGNER_BITS_MIN 2048

struct signer {
	X509 *certificate;
	uint8_t *der;
	size_t der_size;
	uint8_t fingerprint[SHA256_SIZE]; /* the digest of that */
	char *subject;
	char *name;    /* for messages */
	EVP_PKEY *key; /* NULL: it is not here */
	signer_fn ask; /* in the key's place; NULL: nobody is asked */
	void *userdata;
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
	free(signer->subject);
	free(signer->name);
	free(signer);
	return NULL;
}

/* ---- Certificates ---- */

static X509 *certificate_from_pem(const char *pem, size_t size)
{
	BIO *bio = size <= SIGNER_FILE_MAX ? BIO_new_mem_buf(pem, (int)size) : NULL;
	X509 *certificate = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;

	BIO_free(bio);
	return certificate;
}

/* Takes what a memory BIO holds as a string, and frees it. NULL is none. */
static char *bio_text(BIO *bio)
{
	char *data, *text = NULL;
	long size = bio ? BIO_get_mem_data(bio, &data) : -1;

	if (size >= 0)
		text = strndup(size > 0 ? data : "", (size_t)size);
	BIO_free(bio);
	return text;
}

char *signer_pem_of(X509 *certificate)
{
	BIO *bio = BIO_new(BIO_s_mem());

	if (bio && PEM_write_bio_X509(bio, certificate) == 1)
		return bio_text(bio);
	BIO_free(bio);
	return NULL;
}

static char *subject_text(X509 *certificate)
{
	BIO *bio = BIO_new(BIO_s_mem());

	if (bio && X509_NAME_print_ex(bio, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253) >= 0)
		return bio_text(bio);
	BIO_free(bio);
	return NULL;
}

int signer_check_kind(const char *name, const EVP_PKEY *key, struct error **err)
{
	if (key && EVP_PKEY_is_a(key, "RSA") && EVP_PKEY_get_bits(key) >= SIGNER_BITS_MIN)
		return 0;
	return error_set(err, -EKEYREJECTED,
		"%s: the key is not RSA of at least %d bits, which firmware needs", name, SIGNER_BITS_MIN);
}

/* Takes the certificate over, also when it fails. */
static int signer_new(const char *name, X509 *certificate, struct signer **ret, struct error **err)
{
	_cleanup_signer_ struct signer *signer = calloc(1, sizeof(*signer));
	int length, r;

	if (!signer) {
		X509_free(certificate);
		return error_set_errno(err, -ENOMEM, "%s", name);
	}
	signer->certificate = certificate;
	r = signer_check_kind(name, X509_get0_pubkey(certificate), err);
	if (r < 0)
		return r;
	length = i2d_X509(certificate, &signer->der);
	signer->name = strdup(name);
	signer->subject = subject_text(certificate);
	if (length <= 0 || !signer->name || !signer->subject ||
		sha256_bytes(signer->der, (size_t)length, signer->fingerprint) < 0)
		return error_set_errno(err, -ENOMEM, "%s", name);
	signer->der_size = (size_t)length;
	*ret = TAKE_PTR(signer);
	return 0;
}

int signer_from_certificate(
	const char *name, const void *certificate, size_t size, struct signer **ret, struct error **err)
{
	X509 *x509;

	ERR_clear_error();
	x509 = certificate_from_pem(certificate, size);
	if (!x509)
		return error_set(err, -EBADMSG, "%s: no certificate in PEM (%s)", name, openssl_reason());
	return signer_new(name, x509, ret, err);
}

int signer_load_certificate(const char *path, struct signer **ret, struct error **err)
{
	_cleanup_free_ char *pem = NULL;
	size_t size;
	int r = file_read(path, SIGNER_FILE_MAX, &pem, &size, err);

	return r < 0 ? r : signer_from_certificate(path, pem, size, ret, err);
}

/* ---- Keys ---- */

/* Takes the key over, also when it fails. */
static int set_key(struct signer *signer, EVP_PKEY *key, char *name, struct error **err)
{
	int r;

	signer->key = key;
	r = signer_check_kind(name, key, err);
	if (r < 0)
		return r;
	if (X509_check_private_key(signer->certificate, key) != 1)
		return error_set(err, -EKEYREJECTED,
			"%s: the private key does not belong to the certificate; give the pair that was made "
			"together",
			signer->name);
	free(signer->name);
	signer->name = strdup(name);
	return signer->name ? 0 : error_set_errno(err, -ENOMEM, "%s", name);
}

int signer_from_pem(const char *name, const char *certificate, size_t certificate_size, const char *key,
	size_t key_size, struct signer **ret, struct error **err)
{
	_cleanup_signer_ struct signer *signer = NULL;
	_cleanup_free_ char *copy = strdup(name);
	EVP_PKEY *private;
	int r;

	if (!copy)
		return error_set_errno(err, -ENOMEM, "%s", name);
	r = signer_from_certificate(name, certificate, certificate_size, &signer, err);
	if (r >= 0)
		r = private_key_from_pem(name, key, key_size, NULL, &private, err);
	if (r >= 0)
		r = set_key(signer, private, copy, err);
	if (r >= 0)
		*ret = TAKE_PTR(signer);
	return r;
}

int signer_load(const char *certificate_path, const char *key_path, const struct key_secret *secret,
	struct signer **ret, struct error **err)
{
	_cleanup_signer_ struct signer *signer = NULL;
	_cleanup_free_ char *name = NULL;
	EVP_PKEY *key;
	int r = signer_load_certificate(certificate_path, &signer, err);

	if (r >= 0)
		r = private_key_load(key_path, secret, &key, &name, err);
	if (r >= 0)
		r = set_key(signer, key, name, err);
	if (r >= 0)
		*ret = TAKE_PTR(signer);
	return r;
}

bool signer_has_key(const struct signer *signer)
{
	return signer->key;
}

int signer_new_asking(
	const struct signer *of, signer_fn sign, void *userdata, struct signer **ret, struct error **err)
{
	int r;

	if (X509_up_ref(of->certificate) != 1)
		return error_set_errno(err, -ENOMEM, "%s", of->name);
	r = signer_new(of->name, of->certificate, ret, err);
	if (r < 0)
		return r;
	(*ret)->ask = sign;
	(*ret)->userdata = userdata;
	return 0;
}

const uint8_t *signer_certificate(const struct signer *signer, size_t *ret_size)
{
	*ret_size = signer->der_size;
	return signer->der;
}

char *signer_certificate_text(const struct signer *signer)
{
	return signer_pem_of(signer->certificate);
}

void signer_fingerprint(const struct signer *signer, uint8_t ret[SHA256_SIZE])
{
	memcpy(ret, signer->fingerprint, SHA256_SIZE);
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

const char *signer_subject(const struct signer *signer)
{
	return signer->subject;
}

size_t signer_length(const struct signer *signer)
{
	return (size_t)EVP_PKEY_get_size(X509_get0_pubkey(signer->certificate));
}

/* ---- Signatures ---- */

/* Whether memory was out, of all that libcrypto noted; which is forgotten. */
static bool memory_was_out(void)
{
	unsigned long code;
	bool out = false;

	while ((code = ERR_get_error()) != 0)
		out |= ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE;
	return out;
}

int signer_verify(const struct signer *signer, const void *data, size_t size, const void *signature,
	size_t signature_size)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	bool right;

	ERR_clear_error();
	if (!context)
		return -ENOMEM;
	right = EVP_DigestVerifyInit(
			context, NULL, EVP_sha256(), NULL, X509_get0_pubkey(signer->certificate)) == 1 &&
		EVP_DigestVerify(context, signature, signature_size, data, size) == 1;
	EVP_MD_CTX_free(context);
	if (memory_was_out())
		return -ENOMEM;
	return right ? 0 : -EBADMSG;
}

static int sign_with_key(
	const struct signer *signer, const void *data, size_t size, struct buffer *ret, struct error **err)
{
	size_t before = ret->size;
	int r = private_key_sign(signer->key, signer->name, data, size, ret, err);

	if (r < 0)
		return r;
	/* A token that computes wrongly would be noticed by the machines that don't start. */
	r = signer_verify(signer, data, size, ret->data + before, ret->size - before);
	if (r == -EBADMSG)
		return error_set(
			err, -EIO, "%s: what the key has signed does not fit its certificate", signer->name);
	return r < 0 ? error_set_errno(err, r, "%s", signer->name) : 0;
}

int signer_sign(
	const struct signer *signer, const void *data, size_t size, struct buffer *ret, struct error **err)
{
	size_t length = signer_length(signer);
	uint8_t *at;

	if (signer->key)
		return sign_with_key(signer, data, size, ret, err);
	if (!signer->ask)
		return error_set(err, -ENOKEY, "%s: the private key is not here", signer->name);
	at = buffer_extend(ret, length);
	return at ? signer->ask(signer->userdata, data, size, at, length, err)
		  : error_set_errno(err, -ENOMEM, "%s", signer->name);
}

int signer_pkcs7_detached(
	const struct signer *signer, const void *data, size_t size, struct buffer *ret, struct error **err)
{
	const struct signed_data content = {.type = &signed_data_type_data, .octets = data, .size = size};

	return signed_data_write(signer, &content, ret, err);
}
