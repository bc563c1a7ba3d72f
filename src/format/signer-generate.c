/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <time.h>

#include "format/signer.h"

#define GENERATE_BITS 2048
#define GENERATE_SERIAL_BITS 127 /* positive, and at most the 20 bytes of RFC 5280, 4.1.2.2 */
#define GENERATE_NAME_MAX 64	 /* ub-common-name, RFC 5280, appendix A */

void signer_pem_release(struct signer_pem *pem)
{
	free(pem->certificate);
	if (pem->key)
		OPENSSL_cleanse(pem->key, strlen(pem->key));
	free(pem->key);
	*pem = (struct signer_pem){};
}

static int set_serial(X509 *certificate)
{
	BIGNUM *serial = BN_new();
	int ok = serial && BN_rand(serial, GENERATE_SERIAL_BITS, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) &&
		 BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(certificate));

	BN_free(serial);
	return ok;
}

static int set_validity(X509 *certificate, int64_t not_before, unsigned int years)
{
	time_t begin = (time_t)not_before, end;
	struct tm tm;

	if (!gmtime_r(&begin, &tm))
		return 0;
	tm.tm_year += (int)years;
	end = timegm(&tm);
	return ASN1_TIME_set(X509_getm_notBefore(certificate), begin) &&
	       ASN1_TIME_set(X509_getm_notAfter(certificate), end);
}

static int set_name(X509 *certificate, const char *name)
{
	X509_NAME *subject = X509_get_subject_name(certificate);

	return X509_NAME_add_entry_by_txt(
		       subject, "CN", MBSTRING_UTF8, (const unsigned char *)name, -1, -1, 0) &&
	       X509_set_issuer_name(certificate, subject);
}

static int add_extensions(X509 *certificate)
{
	static const struct {
		int nid;
		const char *value;
	} extensions[] = {
		{NID_basic_constraints, "critical,CA:FALSE"},
		{NID_key_usage, "critical,digitalSignature"},
		{NID_ext_key_usage, "codeSigning"},
		{NID_subject_key_identifier, "hash"},
	};
	X509V3_CTX context;

	X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
	for (size_t i = 0; i < ARRAY_SIZE(extensions); i++) {
		X509_EXTENSION *extension =
			X509V3_EXT_conf_nid(NULL, &context, extensions[i].nid, extensions[i].value);
		int ok = extension && X509_add_ext(certificate, extension, -1);

		X509_EXTENSION_free(extension);
		if (!ok)
			return 0;
	}
	return 1;
}

static X509 *make_certificate(EVP_PKEY *key, const char *name, int64_t not_before, unsigned int years)
{
	X509 *certificate = X509_new();

	if (certificate && X509_set_version(certificate, X509_VERSION_3) && set_serial(certificate) &&
		set_validity(certificate, not_before, years) && set_name(certificate, name) &&
		X509_set_pubkey(certificate, key) && add_extensions(certificate) &&
		X509_sign(certificate, key, EVP_sha256()) > 0)
		return certificate;
	X509_free(certificate);
	return NULL;
}

/* Takes what a memory BIO holds as a string, and wipes the BIO's own copy. */
static char *bio_take(BIO *bio)
{
	char *data;
	long size = BIO_get_mem_data(bio, &data);
	char *text = size > 0 ? strndup(data, (size_t)size) : NULL;

	if (size > 0)
		OPENSSL_cleanse(data, (size_t)size);
	return text;
}

static int write_pem(X509 *certificate, EVP_PKEY *key, struct signer_pem *ret)
{
	BIO *bio = BIO_new(BIO_s_mem());

	if (bio && PEM_write_bio_X509(bio, certificate))
		ret->certificate = bio_take(bio);
	BIO_free(bio);
	bio = BIO_new(BIO_s_mem());
	if (bio && PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL))
		ret->key = bio_take(bio);
	BIO_free(bio);
	return ret->certificate && ret->key;
}

int signer_generate(
	const char *name, int64_t not_before, unsigned int years, struct signer_pem *ret, struct error **err)
{
	_cleanup_signer_pem_ struct signer_pem pem = {};
	EVP_PKEY *key;
	X509 *certificate;
	int ok;

	if (*name == 0 || strlen(name) > GENERATE_NAME_MAX)
		return error_set(err, -EINVAL, "certificate name \"%s\": must have 1 to %d bytes", name,
			GENERATE_NAME_MAX);
	key = EVP_RSA_gen(GENERATE_BITS);
	certificate = key ? make_certificate(key, name, not_before, years) : NULL;
	ok = certificate && write_pem(certificate, key, &pem);
	X509_free(certificate);
	EVP_PKEY_free(key);
	if (!ok)
		return error_set(err, -EIO, "OpenSSL could not make a key and certificate for \"%s\"", name);
	*ret = pem;
	pem = (struct signer_pem){};
	return 0;
}
