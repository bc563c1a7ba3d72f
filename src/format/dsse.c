/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/dsse.h"

#include <assert.h>
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>

#include "base/encoding.h"
#include "format/json-read.h"

#define TYPE_MAX 256
#define BASE64_MAX MiB(48)
#define SIGNATURE_MAX KiB(4)
#define CERTIFICATE_MAX KiB(64)

/* What is signed. */
static void encode(const char *type, const void *payload, size_t size, struct buffer *ret)
{
	buffer_printf(ret, "DSSEv1 %zu %s %zu ", strlen(type), type, size);
	buffer_append(ret, payload, size);
}

/* ---- Writing ---- */

static json_t *signature_json(const struct signer *signer, const struct buffer *signature)
{
	_cleanup_free_ char *text = base64_encode_new(signature->data, signature->size), *base64 = NULL;
	_cleanup_buffer_ struct buffer pem = {};
	char keyid[SHA256_HEX_SIZE];
	uint8_t fingerprint[SHA256_SIZE];
	const uint8_t *der;
	size_t size;

	der = signer_certificate(signer, &size);
	signer_fingerprint(signer, fingerprint);
	hex_encode(fingerprint, SHA256_SIZE, keyid);
	base64 = base64_encode_new(der, size);
	if (!text || !base64)
		return NULL;
	buffer_append_string(&pem, "-----BEGIN CERTIFICATE-----\n");
	for (const char *at = base64; *at; at += strnlen(at, 64))
		buffer_printf(&pem, "%.64s\n", at);
	buffer_append_string(&pem, "-----END CERTIFICATE-----\n");
	return buffer_failed(&pem) ? NULL
				   : json_pack("{s:s, s:s, s:s%}", "keyid", keyid, "sig", text, "cert",
					     (const char *)pem.data, pem.size);
}

int dsse_write(const struct signer *signer, const char *type, const void *payload, size_t size,
	struct buffer *ret, struct error **err)
{
	_cleanup_buffer_ struct buffer encoded = {}, signature = {};
	_cleanup_free_ char *base64 = base64_encode_new(payload, size), *text = NULL;
	_cleanup_json_ json_t *envelope = NULL;
	int r;

	encode(type, payload, size, &encoded);
	if (!base64 || buffer_failed(&encoded))
		return error_set_errno(err, -ENOMEM, "envelope");
	r = signer_sign(signer, encoded.data, encoded.size, &signature, err);
	if (r < 0)
		return r;
	envelope = json_pack("{s:s, s:s, s:[o]}", "payloadType", type, "payload", base64, "signatures",
		signature_json(signer, &signature));
	text = envelope ? json_dumps(envelope, JSON_INDENT(1)) : NULL;
	if (!text)
		return error_set_errno(err, -ENOMEM, "envelope");
	buffer_append_string(ret, text);
	buffer_append_u8(ret, '\n');
	return buffer_failed(ret) ? error_set_errno(err, -ENOMEM, "envelope") : 0;
}

/* ---- Reading ---- */

void dsse_release(struct dsse *dsse)
{
	free(dsse->type);
	buffer_release(&dsse->payload);
	OPENSSL_free(dsse->certificate);
	free(dsse->subject);
	*dsse = (struct dsse){};
}

static void x509_releasep(X509 **certificate)
{
	X509_free(*certificate);
}

/* The string of a member, which may have line breaks (as PEM does). */
static int read_text(
	const struct json_place *place, const char *member, size_t max, const char **ret, struct error **err)
{
	const json_t *value = json_object_get(place->json, member);

	if (!json_is_string(value) || json_string_length(value) > max)
		return json_fault(place, member, "missing, no text or too long", err);
	*ret = json_string_value(value);
	return 0;
}

static int read_base64(const struct json_place *place, const char *member, size_t max, struct buffer *ret,
	struct error **err)
{
	const char *text = NULL;
	int r = read_text(place, member, max, &text, err);

	assert(r < 0 || text);
	if (r >= 0)
		r = base64_decode(text, strlen(text), ret);
	return r == -EINVAL ? json_fault(place, member, "no Base64", err) : r;
}

static int read_certificate(const struct json_place *place, X509 **ret, struct dsse *dsse, struct error **err)
{
	const char *text = NULL;
	int r = read_text(place, "cert", CERTIFICATE_MAX, &text, err), length;
	BIO *bio, *name;
	char *line;
	long size;

	if (r < 0)
		return r;
	assert(text);
	bio = BIO_new_mem_buf(text, (int)strlen(text));
	*ret = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
	BIO_free(bio);
	if (!*ret)
		return json_fault(place, "cert", "no certificate in PEM", err);
	length = i2d_X509(*ret, &dsse->certificate);
	name = BIO_new(BIO_s_mem());
	if (length <= 0 || !name ||
		X509_NAME_print_ex(name, X509_get_subject_name(*ret), 0, XN_FLAG_RFC2253) < 0) {
		BIO_free(name);
		return error_set_errno(err, -ENOMEM, "certificate");
	}
	dsse->certificate_size = (size_t)length;
	size = BIO_get_mem_data(name, &line);
	dsse->subject = strndup(line, (size_t)size);
	BIO_free(name);
	r = sha256_bytes(dsse->certificate, dsse->certificate_size, dsse->fingerprint);
	return r < 0 || !dsse->subject ? error_set_errno(err, -ENOMEM, "certificate") : 0;
}

static int check_signature(
	const struct dsse *dsse, X509 *certificate, const struct buffer *signature, struct error **err)
{
	_cleanup_buffer_ struct buffer encoded = {};
	EVP_PKEY *key = X509_get0_pubkey(certificate);
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	int ok = 0;

	encode(dsse->type, dsse->payload.data, dsse->payload.size, &encoded);
	if (context && key && EVP_PKEY_is_a(key, "RSA") && !buffer_failed(&encoded) &&
		EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, key) == 1)
		ok = EVP_DigestVerify(context, signature->data, signature->size, encoded.data, encoded.size);
	EVP_MD_CTX_free(context);
	return ok == 1 ? 0
		       : error_set(err, -EKEYREJECTED,
				 "the signature is not by the certificate that is with it, or the statement "
				 "was changed");
}

static int read_signature(const struct json_place *place, struct dsse *dsse, struct error **err)
{
	_cleanup_(x509_releasep) X509 *certificate = NULL;
	_cleanup_buffer_ struct buffer signature = {};
	uint8_t keyid[SHA256_SIZE];
	int r = json_read_object(place, err);

	if (r >= 0)
		r = json_read_hex(place, "keyid", keyid, SHA256_SIZE, err);
	if (r >= 0)
		r = read_base64(place, "sig", SIGNATURE_MAX, &signature, err);
	if (r >= 0)
		r = read_certificate(place, &certificate, dsse, err);
	if (r >= 0 && memcmp(keyid, dsse->fingerprint, SHA256_SIZE) != 0)
		r = json_fault(place, "keyid", "not the SHA-256 of the certificate", err);
	return r < 0 ? r : check_signature(dsse, certificate, &signature, err);
}

static int read_envelope(const json_t *document, struct dsse *dsse, struct error **err)
{
	const struct json_place top = {.json = document, .path = ""};
	const json_t *signatures;
	const char *type;
	int r = json_read_string(&top, "payloadType", TYPE_MAX, &type, err);

	if (r >= 0)
		r = read_base64(&top, "payload", BASE64_MAX, &dsse->payload, err);
	if (r >= 0)
		r = json_read_array(&top, "signatures", 1, &signatures, err);
	if (r >= 0 && json_array_size(signatures) == 0)
		r = json_fault(&top, "signatures", "there is none", err);
	if (r < 0)
		return r;
	dsse->type = strdup(type);
	if (!dsse->type)
		return error_set_errno(err, -ENOMEM, "envelope");
	return read_signature(
		&(const struct json_place){.json = json_array_get(signatures, 0), .path = "signatures[0]."},
		dsse, err);
}

int dsse_read(const void *data, size_t size, struct dsse *ret, struct error **err)
{
	_cleanup_json_ json_t *document = NULL;
	_cleanup_dsse_ struct dsse dsse = {};
	int r = json_read_document(data, size, DSSE_MAX, &document, err);

	if (r >= 0)
		r = read_envelope(document, &dsse, err);
	if (r < 0)
		return r;
	*ret = dsse;
	dsse = (struct dsse){};
	return 0;
}
