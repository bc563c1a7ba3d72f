/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/signer-parts.h"

#include <errno.h>
#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <time.h>

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

static X509 *make_certificate(EVP_PKEY *key, const struct signer_claim *claim)
{
	X509 *certificate = X509_new();

	if (certificate && X509_set_version(certificate, X509_VERSION_3) && set_serial(certificate) &&
		set_validity(certificate, claim->not_before, claim->years) &&
		set_name(certificate, claim->name) && X509_set_pubkey(certificate, key) &&
		add_extensions(certificate) && X509_sign(certificate, key, EVP_sha256()) > 0)
		return certificate;
	X509_free(certificate);
	return NULL;
}

static int certify(const struct signer_claim *claim, EVP_PKEY *key, char **ret, struct error **err)
{
	X509 *certificate;

	if (*claim->name == 0 || strlen(claim->name) > GENERATE_NAME_MAX)
		return error_set(err, -EINVAL, "certificate name \"%s\": must have 1 to %d bytes",
			claim->name, GENERATE_NAME_MAX);
	certificate = make_certificate(key, claim);
	*ret = certificate ? signer_pem_of(certificate) : NULL;
	X509_free(certificate);
	if (!*ret)
		return error_set(err, -EIO, "OpenSSL could not make a certificate for \"%s\"", claim->name);
	return 0;
}

int signer_generate(
	const struct signer_claim *claim, const char *passphrase, struct signer_pem *ret, struct error **err)
{
	_cleanup_signer_pem_ struct signer_pem pem = {};
	EVP_PKEY *key = EVP_RSA_gen(GENERATE_BITS);
	int r = key ? certify(claim, key, &pem.certificate, err)
		    : error_set(err, -EIO, "OpenSSL could not make a key for \"%s\"", claim->name);

	if (r >= 0)
		r = private_key_to_pem(key, passphrase, &pem.key, err);
	EVP_PKEY_free(key);
	if (r < 0)
		return r;
	*ret = pem;
	pem = (struct signer_pem){};
	return 0;
}

int signer_certify(const struct signer_claim *claim, const char *where, const struct key_secret *secret,
	char **ret, struct error **err)
{
	_cleanup_free_ char *name = NULL;
	EVP_PKEY *key;
	int r = private_key_load(where, secret, &key, &name, err);

	if (r < 0)
		return r;
	r = signer_check_kind(name, key, err);
	if (r >= 0)
		r = certify(claim, key, ret, err);
	EVP_PKEY_free(key);
	return r;
}
