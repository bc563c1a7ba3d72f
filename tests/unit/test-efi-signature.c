/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <openssl/pkcs7.h>
#include <openssl/x509.h>
#include <string.h>

#include "base/bytes.h"
#include "boot-data.h"

#define UPDATE_TIME 1700000000 /* 2023-11-14 22:13:20 UTC, as make-vectors has it */
#define UPDATE_HEADER_SIZE 40

static void list_equals_efitools(void **state)
{
	_cleanup_boot_trust_ struct boot_trust trust = boot_trust();
	_cleanup_buffer_ struct buffer expected = boot_data("db.esl"), list = {};

	(void)state;
	efi_signature_list_append(&list, &trust.trust.owner, &trust.trust.db);
	assert_int_equal(list.size, expected.size);
	assert_memory_equal(list.data, expected.data, list.size);
}

/* Everything but the PKCS#7 between header and list, which efitools writes with attributes of its own. */
static void update_equals_efitools_around_the_signature(void **state)
{
	_cleanup_boot_trust_ struct boot_trust trust = boot_trust();
	_cleanup_buffer_ struct buffer expected = boot_data("db.efitools.auth"), update = {};
	_cleanup_buffer_ struct buffer list = boot_data("db.esl");
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_ok(
		efi_variable_update(trust.kek, EFI_TRUST_DB, &trust.trust, UPDATE_TIME, &update, &err), err);
	assert_memory_equal(update.data, expected.data, 16);	       /* time */
	assert_memory_equal(update.data + 20, expected.data + 20, 20); /* revision, type, GUID */
	assert_int_equal(16 + read_le32(update.data + 16) + list.size, update.size);
	assert_memory_equal(update.data + update.size - list.size, list.data, list.size);
}

/* As two files of efitools one after another: each certificate has a list of its own. */
static void db_holds_a_list_for_each_of_its_certificates(void **state)
{
	_cleanup_boot_trust_ struct boot_trust trust = boot_trust();
	_cleanup_buffer_ struct buffer first = boot_data("db.esl"), db = {}, pk = {}, update = {};
	const struct efi_certificate more[] = {trust.trust.kek};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	efi_signature_list_append(&first, &trust.trust.owner, &trust.trust.kek);
	trust.trust.more_db = more;
	trust.trust.more_db_count = 1;
	efi_trust_append(&db, &trust.trust, EFI_TRUST_DB);
	assert_int_equal(db.size, first.size);
	assert_memory_equal(db.data, first.data, first.size);
	assert_ok(
		efi_variable_update(trust.kek, EFI_TRUST_DB, &trust.trust, UPDATE_TIME, &update, &err), err);
	assert_memory_equal(update.data + update.size - first.size, first.data, first.size);
	/* Others are db's alone. */
	efi_trust_append(&pk, &trust.trust, EFI_TRUST_PK);
	assert_int_equal(pk.size, 28 + 16 + trust.trust.pk.size);
}

/* Puts the ContentInfo around a SignedData that OpenSSL wants and EDK2 doesn't. */
static PKCS7 *decode(const uint8_t *signed_data, size_t size)
{
	static const uint8_t type[] = {0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02};
	_cleanup_buffer_ struct buffer whole = {};
	const unsigned char *at;

	buffer_append(&whole, (const uint8_t[]){0x30, 0x82}, 2);
	buffer_append_u8(&whole, (uint8_t)((sizeof(type) + 4 + size) >> 8));
	buffer_append_u8(&whole, (uint8_t)(sizeof(type) + 4 + size));
	buffer_append(&whole, type, sizeof(type));
	buffer_append(&whole, (const uint8_t[]){0xa0, 0x82, (uint8_t)(size >> 8), (uint8_t)size}, 4);
	buffer_append(&whole, signed_data, size);
	assert_false(buffer_failed(&whole));
	at = whole.data;
	return d2i_PKCS7(NULL, &at, (long)whole.size);
}

static bool openssl_verifies(const struct buffer *update, const void *octets, size_t size,
	const struct efi_certificate *certificate)
{
	size_t length = read_le32(update->data + 16) - 24;
	PKCS7 *pkcs7 = decode(update->data + UPDATE_HEADER_SIZE, length);
	STACK_OF(X509) *certificates = sk_X509_new_null();
	BIO *bio = BIO_new_mem_buf(octets, (int)size);
	const unsigned char *at = certificate->der;
	X509 *x509 = d2i_X509(NULL, &at, (long)certificate->size);
	int ok;

	assert_non_null(pkcs7);
	assert_true(sk_X509_push(certificates, x509) > 0);
	ok = PKCS7_verify(
		pkcs7, certificates, NULL, bio, NULL, PKCS7_NOVERIFY | PKCS7_NOINTERN | PKCS7_BINARY);
	sk_X509_free(certificates);
	X509_free(x509);
	BIO_free(bio);
	PKCS7_free(pkcs7);
	return ok == 1;
}

/* UEFI 2.10, 8.2.2: name, vendor, attributes, time and content are what is signed. */
static void signature_covers_name_vendor_attributes_time_and_content(void **state)
{
	static const struct {
		enum efi_trust_variable variable;
		const char *name;
		size_t name_size;
		const char *vendor;
	} cases[] = {
		{EFI_TRUST_PK, "P\0K\0", 4, "8be4df61-93ca-11d2-aa0d-00e098032b8c"},
		{EFI_TRUST_KEK, "K\0E\0K\0", 6, "8be4df61-93ca-11d2-aa0d-00e098032b8c"},
		{EFI_TRUST_DB, "d\0b\0", 4, "d719b2cb-3d3a-4596-a3bc-dad00e67656f"},
	};
	_cleanup_boot_trust_ struct boot_trust trust = boot_trust();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_buffer_ struct buffer update = {}, octets = {};
		_cleanup_error_ struct error *err = NULL;
		uint8_t vendor[UUID_SIZE];
		struct uuid uuid;
		size_t content;

		assert_ok(efi_variable_update(
				  trust.pk, cases[i].variable, &trust.trust, UPDATE_TIME, &update, &err),
			err);
		content = 16 + read_le32(update.data + 16);
		assert_int_equal(uuid_parse(cases[i].vendor, &uuid), 0);
		uuid_to_gpt(&uuid, vendor);
		buffer_append(&octets, cases[i].name, cases[i].name_size);
		buffer_append(&octets, vendor, sizeof(vendor));
		buffer_append_le32(&octets, 0x27);
		buffer_append(&octets, update.data, 16);
		buffer_append(&octets, update.data + content, update.size - content);
		assert_true(openssl_verifies(&update, octets.data, octets.size, &trust.trust.pk));
		assert_false(openssl_verifies(&update, octets.data, octets.size, &trust.trust.kek));
		octets.data[0] ^= 1;
		assert_false(openssl_verifies(&update, octets.data, octets.size, &trust.trust.pk));
	}
}

/* EDK2 (AuthService.c) compares the digest algorithm's OID at byte 13 and wants a two-byte length. */
static void signed_data_is_bare_as_firmware_wants_it(void **state)
{
	static const uint8_t sha256[] = {0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01};
	_cleanup_boot_trust_ struct boot_trust trust = boot_trust();
	_cleanup_buffer_ struct buffer update = {};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_ok(
		efi_variable_update(trust.kek, EFI_TRUST_DB, &trust.trust, UPDATE_TIME, &update, &err), err);
	assert_int_equal(update.data[UPDATE_HEADER_SIZE + 1], 0x82);
	assert_memory_equal(update.data + UPDATE_HEADER_SIZE + 13, sha256, sizeof(sha256));
}

static void reads_lists_one_after_another(void **state)
{
	_cleanup_boot_trust_ struct boot_trust trust = boot_trust();
	_cleanup_buffer_ struct buffer lists = boot_data("db.esl");
	_cleanup_error_ struct error *err = NULL;
	struct efi_signature_reader reader = {};
	struct efi_signature signature;

	(void)state;
	efi_signature_list_append(&lists, &trust.trust.owner, &trust.trust.kek);
	reader.data = lists.data;
	reader.size = lists.size;
	assert_int_equal(efi_signature_next(&reader, &signature, &err), 1);
	assert_int_equal(signature.size, trust.trust.db.size);
	assert_memory_equal(signature.data, trust.trust.db.der, signature.size);
	assert_true(uuid_equal(&signature.owner, &trust.trust.owner));
	assert_int_equal(efi_signature_next(&reader, &signature, &err), 1);
	assert_int_equal(signature.size, trust.trust.kek.size);
	assert_int_equal(efi_signature_next(&reader, &signature, &err), 0);
}

static void refuses_lists_whose_lengths_lie(void **state)
{
	static const struct {
		size_t offset;
		uint32_t value;
	} cases[] = {
		{16, 0}, {16, 27}, {16, 0xffffffff}, {20, 0xffffffff}, {20, 1}, {24, 0}, {24, 16}, {24, 17}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_buffer_ struct buffer list = boot_data("db.esl");
		struct efi_signature_reader reader = {.data = list.data, .size = list.size};
		_cleanup_error_ struct error *err = NULL;
		struct efi_signature signature;

		write_le32(list.data + cases[i].offset, cases[i].value);
		assert_error(efi_signature_next(&reader, &signature, &err), -EBADMSG, err, "lengths");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(list_equals_efitools),
		cmocka_unit_test(db_holds_a_list_for_each_of_its_certificates),
		cmocka_unit_test(update_equals_efitools_around_the_signature),
		cmocka_unit_test(signature_covers_name_vendor_attributes_time_and_content),
		cmocka_unit_test(signed_data_is_bare_as_firmware_wants_it),
		cmocka_unit_test(reads_lists_one_after_another),
		cmocka_unit_test(refuses_lists_whose_lengths_lie),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
