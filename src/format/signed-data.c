/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/signed-data.h"

#include <errno.h>

#define OID(name, ...)                                       \
	static const uint8_t name##_bytes[] = {__VA_ARGS__}; \
	static const struct der_oid name = {name##_bytes, sizeof(name##_bytes)}

static const uint8_t type_data_bytes[] = {DER_OID, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01};
const struct der_oid signed_data_type_data = {type_data_bytes, sizeof(type_data_bytes)};

OID(oid_signed_data, DER_OID, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02);
OID(oid_content_type, DER_OID, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x03);
OID(oid_message_digest, DER_OID, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x04);
OID(oid_rsa, DER_OID, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01);
OID(oid_sha256, DER_OID, 9, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01);

static void append_algorithm(struct buffer *buffer, const struct der_oid *oid)
{
	size_t sequence = der_begin(buffer);

	buffer_append(buffer, oid->data, oid->size);
	der_append(buffer, DER_NULL, NULL, 0);
	der_end(buffer, sequence, DER_SEQUENCE);
}

/*
 * The attributes without the tag around them. A SET OF in DER is sorted by its elements' encodings
 * (X.690, 11.6): contentType is the shorter one for every content type that we sign, so it comes first.
 */
static int append_attributes(struct buffer *buffer, const struct signed_data *data)
{
	uint8_t digest[SHA256_SIZE];
	size_t sequence, set;
	int r = sha256_bytes(data->octets, data->size, digest);

	if (r < 0)
		return r;
	sequence = der_begin(buffer);
	buffer_append(buffer, oid_content_type.data, oid_content_type.size);
	set = der_begin(buffer);
	buffer_append(buffer, data->type->data, data->type->size);
	der_end(buffer, set, DER_SET);
	der_end(buffer, sequence, DER_SEQUENCE);

	sequence = der_begin(buffer);
	buffer_append(buffer, oid_message_digest.data, oid_message_digest.size);
	set = der_begin(buffer);
	der_append(buffer, DER_OCTET_STRING, digest, sizeof(digest));
	der_end(buffer, set, DER_SET);
	der_end(buffer, sequence, DER_SEQUENCE);
	return 0;
}

/* What the key signs: the content, or the attributes encoded as a SET OF (RFC 2315, 9.3). */
static int append_signature(const struct signer *signer, const struct signed_data *data,
	const struct buffer *attributes, struct buffer *ret, struct error **err)
{
	_cleanup_buffer_ struct buffer signature = {}, set = {};
	int r;

	if (data->attributes) {
		der_append(&set, DER_SET, attributes->data, attributes->size);
		if (buffer_failed(&set))
			return error_set_errno(err, -ENOMEM, "sign");
		r = signer_sign(signer, set.data, set.size, &signature, err);
	} else {
		r = signer_sign(signer, data->octets, data->size, &signature, err);
	}
	if (r < 0)
		return r;
	der_append(ret, DER_OCTET_STRING, signature.data, signature.size);
	return 0;
}

static int append_signer_info(
	const struct signer *signer, const struct signed_data *data, struct buffer *ret, struct error **err)
{
	_cleanup_buffer_ struct buffer attributes = {};
	size_t info = der_begin(ret), sequence;
	int r;

	der_append(ret, DER_INTEGER, "\1", 1);
	sequence = der_begin(ret);
	signer_issuer_and_serial(signer, ret);
	der_end(ret, sequence, DER_SEQUENCE);
	append_algorithm(ret, &oid_sha256);
	if (data->attributes) {
		r = append_attributes(&attributes, data);
		if (r < 0 || buffer_failed(&attributes))
			return error_set_errno(err, -ENOMEM, "sign");
		der_append(ret, DER_CONTEXT(0), attributes.data, attributes.size);
	}
	append_algorithm(ret, &oid_rsa);
	r = append_signature(signer, data, &attributes, ret, err);
	if (r < 0)
		return r;
	der_end(ret, info, DER_SEQUENCE);
	return 0;
}

static void append_content(const struct signed_data *data, struct buffer *ret)
{
	size_t sequence = der_begin(ret);

	buffer_append(ret, data->type->data, data->type->size);
	if (data->content)
		der_append(ret, DER_CONTEXT(0), data->content, data->content_size);
	der_end(ret, sequence, DER_SEQUENCE);
}

static int append_signed_data(
	const struct signer *signer, const struct signed_data *data, struct buffer *ret, struct error **err)
{
	size_t sequence = der_begin(ret), set;
	const uint8_t *certificate;
	size_t certificate_size;
	int r;

	der_append(ret, DER_INTEGER, "\1", 1);
	set = der_begin(ret);
	append_algorithm(ret, &oid_sha256);
	der_end(ret, set, DER_SET);
	append_content(data, ret);
	if (data->certificate) {
		certificate = signer_certificate(signer, &certificate_size);
		der_append(ret, DER_CONTEXT(0), certificate, certificate_size);
	}
	set = der_begin(ret);
	r = append_signer_info(signer, data, ret, err);
	if (r < 0)
		return r;
	der_end(ret, set, DER_SET);
	der_end(ret, sequence, DER_SEQUENCE);
	return 0;
}

int signed_data_write(
	const struct signer *signer, const struct signed_data *data, struct buffer *ret, struct error **err)
{
	size_t info = der_begin(ret), explicit;
	int r;

	if (data->bare) {
		r = append_signed_data(signer, data, ret, err);
	} else {
		buffer_append(ret, oid_signed_data.data, oid_signed_data.size);
		explicit = der_begin(ret);
		r = append_signed_data(signer, data, ret, err);
		der_end(ret, explicit, DER_CONTEXT(0));
		der_end(ret, info, DER_SEQUENCE);
	}
	if (r < 0)
		return r;
	return buffer_failed(ret) ? error_set_errno(err, -ENOMEM, "sign") : 0;
}
