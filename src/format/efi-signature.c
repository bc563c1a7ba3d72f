/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/efi-signature.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/bytes.h"
#include "format/signed-data.h"

#define LIST_HEADER_SIZE 28
#define CERTIFICATE_HEADER_SIZE 24 /* WIN_CERTIFICATE_UEFI_GUID without its data */
#define CERTIFICATE_REVISION 0x0200
#define CERTIFICATE_TYPE_EFI_GUID 0x0ef1

const struct uuid efi_global_variable = {
	{0x8b, 0xe4, 0xdf, 0x61, 0x93, 0xca, 0x11, 0xd2, 0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c}};
const struct uuid efi_image_security_database = {
	{0xd7, 0x19, 0xb2, 0xcb, 0x3d, 0x3a, 0x45, 0x96, 0xa3, 0xbc, 0xda, 0xd0, 0x0e, 0x67, 0x65, 0x6f}};

const struct uuid efi_signature_x509 = {
	{0xa5, 0xc0, 0x59, 0xa1, 0x94, 0xe4, 0x4a, 0xa7, 0x87, 0xb5, 0xab, 0x15, 0x5c, 0x2b, 0xf0, 0x72}};
static const struct uuid type_pkcs7 = {
	{0x4a, 0xaf, 0xd2, 0x9d, 0x68, 0xdf, 0x49, 0xee, 0x8a, 0xa9, 0x34, 0x7d, 0x37, 0x56, 0x65, 0xa7}};

static void append_guid(struct buffer *buffer, const struct uuid *guid)
{
	uint8_t bytes[UUID_SIZE];

	uuid_to_gpt(guid, bytes);
	buffer_append(buffer, bytes, UUID_SIZE);
}

const char *efi_trust_name(enum efi_trust_variable variable)
{
	static const char *const names[EFI_TRUST_VARIABLES] = {"PK", "KEK", "db"};

	return names[variable];
}

const struct uuid *efi_trust_vendor(enum efi_trust_variable variable)
{
	return variable == EFI_TRUST_DB ? &efi_image_security_database : &efi_global_variable;
}

void efi_signature_list_append(
	struct buffer *ret, const struct uuid *owner, const struct efi_certificate *certificate)
{
	uint32_t size = (uint32_t)(UUID_SIZE + certificate->size);

	assert(certificate->size < MiB(1));
	append_guid(ret, &efi_signature_x509);
	buffer_append_le32(ret, LIST_HEADER_SIZE + size);
	buffer_append_le32(ret, 0); /* no header of the type's own */
	buffer_append_le32(ret, size);
	append_guid(ret, owner);
	buffer_append(ret, certificate->der, certificate->size);
}

void efi_trust_append(struct buffer *ret, const struct efi_trust *trust, enum efi_trust_variable variable)
{
	const struct efi_certificate *first[EFI_TRUST_VARIABLES] = {
		[EFI_TRUST_PK] = &trust->pk, [EFI_TRUST_KEK] = &trust->kek, [EFI_TRUST_DB] = &trust->db};

	efi_signature_list_append(ret, &trust->owner, first[variable]);
	for (size_t i = 0; variable == EFI_TRUST_DB && i < trust->more_db_count; i++)
		efi_signature_list_append(ret, &trust->owner, &trust->more_db[i]);
}

void efi_time_encode(int64_t time, uint8_t ret[EFI_TIME_SIZE])
{
	time_t seconds = (time_t)time;
	struct tm tm;

	memset(ret, 0, EFI_TIME_SIZE);
	if (!gmtime_r(&seconds, &tm))
		return;
	write_le16(ret, (uint16_t)(tm.tm_year + 1900));
	ret[2] = (uint8_t)(tm.tm_mon + 1);
	ret[3] = (uint8_t)tm.tm_mday;
	ret[4] = (uint8_t)tm.tm_hour;
	ret[5] = (uint8_t)tm.tm_min;
	ret[6] = (uint8_t)tm.tm_sec;
}

/* What the signature of an update covers: name (UTF-16LE, no NUL), vendor, attributes, time, content. */
static void append_signed_octets(struct buffer *octets, enum efi_trust_variable variable,
	const uint8_t time[EFI_TIME_SIZE], const struct buffer *content)
{
	for (const char *name = efi_trust_name(variable); *name; name++)
		buffer_append_le16(octets, (uint8_t)*name);
	append_guid(octets, efi_trust_vendor(variable));
	buffer_append_le32(octets, EFI_VARIABLE_SECURE_BOOT);
	buffer_append(octets, time, EFI_TIME_SIZE);
	buffer_append(octets, content->data, content->size);
}

int efi_variable_update(const struct signer *signer, enum efi_trust_variable variable,
	const struct efi_trust *trust, int64_t time, struct buffer *ret, struct error **err)
{
	_cleanup_buffer_ struct buffer content = {}, octets = {}, pkcs7 = {};
	/* EDK2 looks for the digest algorithm at a fixed offset in a bare SignedData. */
	struct signed_data data = {.type = &signed_data_type_data, .certificate = true, .bare = true};
	uint8_t encoded[EFI_TIME_SIZE];
	int r;

	efi_time_encode(time, encoded);
	efi_trust_append(&content, trust, variable);
	append_signed_octets(&octets, variable, encoded, &content);
	if (buffer_failed(&content) || buffer_failed(&octets))
		return error_set_errno(err, -ENOMEM, "EFI variable update");
	data.octets = octets.data;
	data.size = octets.size;
	r = signed_data_write(signer, &data, &pkcs7, err);
	if (r < 0)
		return r;
	buffer_append(ret, encoded, EFI_TIME_SIZE);
	buffer_append_le32(ret, (uint32_t)(CERTIFICATE_HEADER_SIZE + pkcs7.size));
	buffer_append_le16(ret, CERTIFICATE_REVISION);
	buffer_append_le16(ret, CERTIFICATE_TYPE_EFI_GUID);
	append_guid(ret, &type_pkcs7);
	buffer_append(ret, pkcs7.data, pkcs7.size);
	buffer_append(ret, content.data, content.size);
	return buffer_failed(ret) ? error_set_errno(err, -ENOMEM, "EFI variable update") : 0;
}

static int list_malformed(const struct efi_signature_reader *reader, struct error **err)
{
	return error_set(err, -EBADMSG, "EFI signature list at offset %zu: lengths don't fit", reader->list);
}

int efi_signature_next(struct efi_signature_reader *reader, struct efi_signature *ret, struct error **err)
{
	while (reader->list < reader->size) {
		const uint8_t *list = reader->data + reader->list;
		size_t left = reader->size - reader->list, size, header, entry;

		if (left < LIST_HEADER_SIZE)
			return list_malformed(reader, err);
		size = read_le32(list + 16);
		header = read_le32(list + 20);
		entry = read_le32(list + 24);
		if (size > left || size < LIST_HEADER_SIZE || header > size - LIST_HEADER_SIZE ||
			entry <= UUID_SIZE || (size - LIST_HEADER_SIZE - header) % entry != 0)
			return list_malformed(reader, err);
		if (reader->entry == 0)
			reader->entry = LIST_HEADER_SIZE + header;
		if (reader->entry == size) {
			reader->list += size;
			reader->entry = 0;
			continue;
		}
		ret->type = uuid_from_gpt(list);
		ret->owner = uuid_from_gpt(list + reader->entry);
		ret->data = list + reader->entry + UUID_SIZE;
		ret->size = entry - UUID_SIZE;
		reader->entry += entry;
		return 1;
	}
	return 0;
}
