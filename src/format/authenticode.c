/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/authenticode.h"

#include <errno.h>
#include <openssl/pkcs7.h>
#include <openssl/x509.h>
#include <string.h>

#include "base/bytes.h"
#include "format/signed-data.h"

/* WIN_CERTIFICATE: length with this header, revision, type. */
#define CERTIFICATE_HEADER_SIZE 8
#define CERTIFICATE_REVISION 0x0200
#define CERTIFICATE_TYPE_PKCS7 0x0002

static const uint8_t type_bytes[] = {DER_OID, 10, 0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x02, 0x01, 0x04};
static const struct der_oid spc_indirect_data = {type_bytes, sizeof(type_bytes)};

/*
 * SpcAttributeTypeAndOptionalValue of a PE image: type 1.3.6.1.4.1.311.2.1.15, no flags, and as the file an
 * SpcLink that holds the text "<<<Obsolete>>>", as the specification has it. It never varies.
 */
static const uint8_t pe_image_data[] = {
	DER_SEQUENCE,
	0x33,
	DER_OID,
	10,
	0x2b,
	0x06,
	0x01,
	0x04,
	0x01,
	0x82,
	0x37,
	0x02,
	0x01,
	0x0f,
	DER_SEQUENCE,
	0x25,
	DER_BIT_STRING,
	1,
	0,
	DER_CONTEXT(0),
	0x20,
	DER_CONTEXT(2),
	0x1e,
	DER_CONTEXT_PRIMITIVE(0),
	0x1c,
	0,
	'<',
	0,
	'<',
	0,
	'<',
	0,
	'O',
	0,
	'b',
	0,
	's',
	0,
	'o',
	0,
	'l',
	0,
	'e',
	0,
	't',
	0,
	'e',
	0,
	'>',
	0,
	'>',
	0,
	'>',
};

/* AlgorithmIdentifier of SHA-256. */
static const uint8_t sha256_algorithm[] = {
	DER_SEQUENCE, 13, DER_OID, 9, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, DER_NULL, 0};

/* The two members of SpcIndirectDataContent, without the sequence around them: this is what gets hashed. */
static void append_indirect_data(struct buffer *buffer, const uint8_t digest[SHA256_SIZE])
{
	size_t info;

	buffer_append(buffer, pe_image_data, sizeof(pe_image_data));
	info = der_begin(buffer);
	buffer_append(buffer, sha256_algorithm, sizeof(sha256_algorithm));
	der_append(buffer, DER_OCTET_STRING, digest, SHA256_SIZE);
	der_end(buffer, info, DER_SEQUENCE);
}

static int sign_digest(const struct signer *signer, const uint8_t digest[SHA256_SIZE], struct buffer *ret,
	struct error **err)
{
	_cleanup_buffer_ struct buffer octets = {}, content = {};
	struct signed_data data = {.type = &spc_indirect_data, .attributes = true, .certificate = true};

	append_indirect_data(&octets, digest);
	der_append(&content, DER_SEQUENCE, octets.data, octets.size);
	if (buffer_failed(&octets) || buffer_failed(&content))
		return error_set_errno(err, -ENOMEM, "Authenticode signature");
	data.octets = octets.data;
	data.size = octets.size;
	data.content = content.data;
	data.content_size = content.size;
	return signed_data_write(signer, &data, ret, err);
}

/* Appends a WIN_CERTIFICATE that holds *pkcs7*, padded to 8 bytes. */
static void append_certificate(struct buffer *table, const struct buffer *pkcs7)
{
	buffer_append_le32(
		table, (uint32_t)round_up_u64(CERTIFICATE_HEADER_SIZE + pkcs7->size, PE_CERTIFICATE_ALIGN));
	buffer_append_le16(table, CERTIFICATE_REVISION);
	buffer_append_le16(table, CERTIFICATE_TYPE_PKCS7);
	buffer_append(table, pkcs7->data, pkcs7->size);
	buffer_align(table, PE_CERTIFICATE_ALIGN);
}

/* Makes the image as it is without signatures, padded as one wants it, and its digest. */
static int prepare(const void *image, size_t size, struct buffer *ret, struct pe *ret_pe,
	uint8_t ret_digest[SHA256_SIZE], struct error **err)
{
	int r = pe_parse(image, size, ret_pe, err);

	if (r >= 0)
		r = pe_set_certificates(ret_pe, NULL, 0, ret, err);
	if (r >= 0)
		r = pe_parse(ret->data, ret->size, ret_pe, err);
	return r < 0 ? r : pe_authenticode_digest(ret_pe, ret_digest, err);
}

int authenticode_digest(const void *image, size_t size, uint8_t ret[SHA256_SIZE], struct error **err)
{
	_cleanup_buffer_ struct buffer padded = {};
	struct pe pe;

	return prepare(image, size, &padded, &pe, ret, err);
}

int authenticode_sign(
	const struct signer *signer, const void *image, size_t size, struct buffer *ret, struct error **err)
{
	_cleanup_buffer_ struct buffer padded = {}, pkcs7 = {}, table = {};
	uint8_t digest[SHA256_SIZE];
	struct pe pe;
	int r;

	r = prepare(image, size, &padded, &pe, digest, err);
	if (r < 0)
		return r;
	r = sign_digest(signer, digest, &pkcs7, err);
	if (r < 0)
		return r;
	append_certificate(&table, &pkcs7);
	if (buffer_failed(&table))
		return error_set_errno(err, -ENOMEM, "Authenticode signature");
	return pe_set_certificates(&pe, table.data, table.size, ret, err);
}

int authenticode_next(
	const struct pe *pe, size_t *position, struct authenticode_signature *ret, struct error **err)
{
	const uint8_t *table = pe->certificates;
	size_t left, length;

	while (*position < pe->certificates_size) {
		const uint8_t *entry = table + *position;

		left = pe->certificates_size - *position;
		if (left < CERTIFICATE_HEADER_SIZE)
			break;
		length = read_le32(entry);
		if (length < CERTIFICATE_HEADER_SIZE || length > left)
			return error_set(err, -EBADMSG,
				"certificate table: the entry at %zu is longer than the table", *position);
		*position += (size_t)MIN(round_up_u64(length, PE_CERTIFICATE_ALIGN), (uint64_t)left);
		if (read_le16(entry + 6) != CERTIFICATE_TYPE_PKCS7)
			continue;
		ret->pkcs7 = entry + CERTIFICATE_HEADER_SIZE;
		ret->size = length - CERTIFICATE_HEADER_SIZE;
		return 1;
	}
	return 0;
}

static PKCS7 *signature_decode(const struct authenticode_signature *signature)
{
	const unsigned char *at = signature->pkcs7;
	PKCS7 *pkcs7 = d2i_PKCS7(NULL, &at, (long)signature->size);

	if (pkcs7 && PKCS7_type_is_signed(pkcs7) && pkcs7->d.sign && pkcs7->d.sign->contents)
		return pkcs7;
	PKCS7_free(pkcs7);
	return NULL;
}

/* Finds what is signed: the inside of SpcIndirectDataContent. */
static int signature_content(PKCS7 *pkcs7, struct der_reader *ret)
{
	const PKCS7 *contents = pkcs7->d.sign->contents;
	const ASN1_TYPE *other;
	struct der_reader reader;

	if (OBJ_length(contents->type) != spc_indirect_data.size - 2 ||
		memcmp(OBJ_get0_data(contents->type), spc_indirect_data.data + 2,
			spc_indirect_data.size - 2) != 0)
		return -EBADMSG;
	other = contents->d.other;
	if (!other || other->type != V_ASN1_SEQUENCE)
		return -EBADMSG;
	reader = (struct der_reader){
		.data = other->value.sequence->data, .size = (size_t)other->value.sequence->length};
	return der_read(&reader, DER_SEQUENCE, ret);
}

/* Compares the digest in SpcIndirectDataContent with the image's own. */
static int content_digest_matches(struct der_reader content, const uint8_t digest[SHA256_SIZE])
{
	struct der_reader data, info, octets;

	if (der_read(&content, DER_SEQUENCE, &data) < 0 || der_read(&content, DER_SEQUENCE, &info) < 0 ||
		info.size < sizeof(sha256_algorithm) ||
		memcmp(info.data, sha256_algorithm, sizeof(sha256_algorithm)) != 0)
		return -EBADMSG;
	info.data += sizeof(sha256_algorithm);
	info.size -= sizeof(sha256_algorithm);
	if (der_read(&info, DER_OCTET_STRING, &octets) < 0 || octets.size != SHA256_SIZE ||
		memcmp(octets.data, digest, SHA256_SIZE) != 0)
		return -EBADMSG;
	return 0;
}

/* Checks the PKCS#7 signature over *content* with the one certificate that is trusted. */
static int check_pkcs7(PKCS7 *pkcs7, struct der_reader content, X509 *certificate)
{
	BIO *bio = BIO_new_mem_buf(content.data, (int)content.size);
	STACK_OF(X509) *certificates = sk_X509_new_null();
	int ok = 0;

	/* Neither chain nor dates: the signer must be this certificate, looked up by issuer and serial. */
	if (bio && certificates && sk_X509_push(certificates, certificate) > 0)
		ok = PKCS7_verify(
			pkcs7, certificates, NULL, bio, NULL, PKCS7_NOVERIFY | PKCS7_NOINTERN | PKCS7_BINARY);
	sk_X509_free(certificates);
	BIO_free(bio);
	return ok == 1 ? 0 : -EBADMSG;
}

static bool signed_by(PKCS7 *pkcs7, X509 *certificate)
{
	STACK_OF(PKCS7_SIGNER_INFO) *infos = PKCS7_get_signer_info(pkcs7);

	for (int i = 0; i < sk_PKCS7_SIGNER_INFO_num(infos); i++) {
		const PKCS7_ISSUER_AND_SERIAL *id = sk_PKCS7_SIGNER_INFO_value(infos, i)->issuer_and_serial;

		if (X509_NAME_cmp(id->issuer, X509_get_issuer_name(certificate)) == 0 &&
			ASN1_INTEGER_cmp(id->serial, X509_get0_serialNumber(certificate)) == 0)
			return true;
	}
	return false;
}

static int verify_one(const struct authenticode_signature *signature, X509 *certificate,
	const uint8_t digest[SHA256_SIZE], struct error **err)
{
	PKCS7 *pkcs7 = signature_decode(signature);
	struct der_reader content;
	int r;

	if (!pkcs7)
		return error_set(err, -EBADMSG, "the signature is no PKCS#7 SignedData");
	if (!signed_by(pkcs7, certificate))
		r = -ENOKEY;
	else if (signature_content(pkcs7, &content) < 0 || check_pkcs7(pkcs7, content, certificate) < 0)
		r = error_set(err, -EBADMSG, "the signature is not a valid one of its certificate");
	else if (content_digest_matches(content, digest) < 0)
		r = error_set(err, -EBADMSG, "the image was changed after it was signed");
	else
		r = 0;
	PKCS7_free(pkcs7);
	return r;
}

int authenticode_verify_digest(const struct pe *pe, const uint8_t digest[SHA256_SIZE],
	const void *certificate, size_t certificate_size, struct error **err)
{
	const unsigned char *at = certificate;
	struct authenticode_signature signature;
	size_t position = 0;
	X509 *x509;
	int r = 0, found = -ENOKEY;

	x509 = certificate_size <= MiB(1) ? d2i_X509(NULL, &at, (long)certificate_size) : NULL;
	if (!x509)
		return error_set(err, -EINVAL, "the certificate to verify with is no X.509 certificate");
	while (found == -ENOKEY && (r = authenticode_next(pe, &position, &signature, err)) > 0)
		found = verify_one(&signature, x509, digest, err);
	X509_free(x509);
	if (r < 0)
		return r;
	if (found == -ENOKEY)
		return error_set(err, -ENOKEY, "the image has no signature by this certificate");
	return found;
}

int authenticode_verify(
	const struct pe *pe, const void *certificate, size_t certificate_size, struct error **err)
{
	uint8_t digest[SHA256_SIZE];
	int r = pe_authenticode_digest(pe, digest, err);

	return r < 0 ? r : authenticode_verify_digest(pe, digest, certificate, certificate_size, err);
}

static int describe_certificate(X509 *certificate, char **ret_subject, uint8_t ret_fingerprint[SHA256_SIZE])
{
	_cleanup_free_ char *subject = NULL;
	BIO *bio = BIO_new(BIO_s_mem());
	unsigned int size;
	char *text;
	long length;

	if (bio && X509_NAME_print_ex(bio, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253) >= 0) {
		length = BIO_get_mem_data(bio, &text);
		subject = strndup(length > 0 ? text : "", (size_t)length);
	}
	BIO_free(bio);
	if (!subject || X509_digest(certificate, EVP_sha256(), ret_fingerprint, &size) != 1)
		return -ENOMEM;
	*ret_subject = TAKE_PTR(subject);
	return 0;
}

int authenticode_describe(const struct authenticode_signature *signature, char **ret_subject,
	uint8_t ret_fingerprint[SHA256_SIZE], struct error **err)
{
	PKCS7 *pkcs7 = signature_decode(signature);
	STACK_OF(X509) * certificates;
	X509 *signer = NULL;
	int r;

	if (!pkcs7)
		return error_set(err, -EBADMSG, "the signature is no PKCS#7 SignedData");
	certificates = pkcs7->d.sign->cert;
	for (int i = 0; !signer && i < sk_X509_num(certificates); i++)
		if (signed_by(pkcs7, sk_X509_value(certificates, i)))
			signer = sk_X509_value(certificates, i);
	if (signer)
		r = describe_certificate(signer, ret_subject, ret_fingerprint);
	else
		r = -EBADMSG;
	PKCS7_free(pkcs7);
	if (r < 0)
		return error_set_errno(err, r, "the signature's certificate can't be read");
	return 0;
}
