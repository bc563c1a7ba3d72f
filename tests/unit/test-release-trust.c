/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <openssl/pem.h>
#include <openssl/pkcs7.h>
#include <string.h>

#include "base/bytes.h"
#include "base/encoding.h"
#include "base/string-util.h"
#include "boot-data.h"
#include "format/authenticode.h"
#include "update/release-trust.h"
#include "watched-io.h"

#define ROOT "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define OTHER "ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define NOT_BEFORE 1767225600

/* SHA-256 of a file, a type of entry that is no certificate (UEFI 2.10, 32.4.1: EFI_CERT_SHA256_GUID). */
static const struct uuid type_sha256 = {
	{0xc1, 0xc4, 0x16, 0x26, 0x50, 0x4c, 0x40, 0x92, 0xac, 0xa9, 0x41, 0xf9, 0x36, 0x93, 0x43, 0x28}};

/* Three who sign: two whom the firmware trusts, and a stranger. */
enum who { RIGHT, SECOND, STRANGER, NOBODY, SIGNERS = NOBODY };

static struct {
	struct signer_pem pems[SIGNERS];
	struct signer *signers[SIGNERS];
	struct buffer db; /* RIGHT and SECOND */
} world;

static void append_to_db(struct buffer *db, enum who who)
{
	struct efi_certificate certificate;

	certificate.der = signer_certificate(world.signers[who], &certificate.size);
	efi_signature_list_append(db, &efi_global_variable, &certificate);
	assert_false(buffer_failed(db));
}

static int make_world(void **state)
{
	static const char *const names[] = {"Orlop db", "Orlop db", "Stranger"};

	(void)state;
	for (size_t i = 0; i < SIGNERS; i++) {
		_cleanup_error_ struct error *err = NULL;
		struct signer_pem *pem = &world.pems[i];

		assert_ok(signer_generate(
				  &(struct signer_claim){
					  .name = names[i], .not_before = NOT_BEFORE, .years = 10},
				  NULL, pem, &err),
			err);
		assert_ok(signer_from_pem(names[i], pem->certificate, strlen(pem->certificate), pem->key,
				  strlen(pem->key), &world.signers[i], &err),
			err);
	}
	append_to_db(&world.db, RIGHT);
	append_to_db(&world.db, SECOND);
	return 0;
}

static int drop_world(void **state)
{
	(void)state;
	for (size_t i = 0; i < SIGNERS; i++) {
		signer_pem_release(&world.pems[i]);
		signer_free(world.signers[i]);
	}
	buffer_release(&world.db);
	return 0;
}

/* ---- Releases ---- */

struct release {
	struct buffer uki, signature;
	struct release_info info; /* its signature is that buffer */
};

static void release_drop(struct release *release)
{
	buffer_release(&release->uki);
	buffer_release(&release->signature);
}
#define _cleanup_release_ _cleanup_(release_drop)

/* Makes *info* say what there is. */
static void describe(struct release *release)
{
	release->info.signature = release->signature.data;
	release->info.signature_size = release->signature.size;
	release->info.uki_size = release->uki.size;
	assert_int_equal(sha256_bytes(release->uki.data, release->uki.size, release->info.uki_sha256), 0);
}

static void sign_image(const struct buffer *image, enum who who, struct buffer *ret)
{
	_cleanup_error_ struct error *err = NULL;

	if (who == NOBODY)
		buffer_append(ret, image->data, image->size);
	else
		assert_ok(authenticode_sign(world.signers[who], image->data, image->size, ret, &err), err);
	assert_false(buffer_failed(ret));
}

static struct release release_make(const char *cmdline, enum who image_by, enum who root_by)
{
	_cleanup_boot_parts_ struct boot_parts parts = boot_parts();
	_cleanup_buffer_ struct buffer image = {};
	_cleanup_error_ struct error *err = NULL;
	struct release release = {};

	parts.parts.cmdline = cmdline;
	assert_ok(uki_build(&parts.parts, &image, &err), err);
	sign_image(&image, image_by, &release.uki);
	assert_int_equal(hex_decode(ROOT, release.info.usr.root, SHA256_SIZE), 0);
	assert_ok(signer_pkcs7_detached(world.signers[root_by], ROOT, strlen(ROOT), &release.signature, &err),
		err);
	describe(&release);
	return release;
}

static int check(const struct release *release, const struct buffer *db, struct error **err)
{
	const struct trust_store store = {.lists = db->data, .size = db->size};

	const struct block_io uki = block_io_bytes(release->uki.data, release->uki.size);

	return release_trust_check(&release->info, &uki, &store, err);
}

/* ---- Who signed ---- */

#define CMDLINE "console=ttyS0 usrhash=" ROOT

static void what_certificates_of_the_db_signed_is_trusted(void **state)
{
	static const enum who pairs[][2] = {
		{RIGHT, RIGHT}, {SECOND, SECOND}, {RIGHT, SECOND}, {SECOND, RIGHT}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		_cleanup_release_ struct release release = release_make(CMDLINE, pairs[i][0], pairs[i][1]);
		_cleanup_error_ struct error *err = NULL;

		assert_ok(check(&release, &world.db, &err), err);
	}
}

static void what_others_signed_is_not(void **state)
{
	static const struct {
		enum who image, root;
		const char *text;
	} cases[] = {
		{STRANGER, RIGHT, "has signed its kernel image"},
		{NOBODY, RIGHT, "has signed its kernel image"},
		{RIGHT, STRANGER, "has signed its root hash"},
		{STRANGER, STRANGER, "has signed its kernel image"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_release_ struct release release =
			release_make(CMDLINE, cases[i].image, cases[i].root);
		_cleanup_error_ struct error *err = NULL;

		assert_error(check(&release, &world.db, &err), -ENOKEY, err, cases[i].text);
	}
}

static void an_image_that_was_changed_after_it_was_signed_is_not_trusted(void **state)
{
	_cleanup_release_ struct release release = release_make(CMDLINE, RIGHT, RIGHT);
	_cleanup_error_ struct error *err = NULL;
	const struct pe_section *section;
	struct pe pe;
	size_t size;

	(void)state;
	assert_ok(pe_parse(release.uki.data, release.uki.size, &pe, &err), err);
	section = pe_find_section(&pe, ".initrd");
	assert_non_null(section);
	release.uki.data[pe_section_data(&pe, section, &size) - release.uki.data] ^= 1;
	describe(&release);
	assert_error(check(&release, &world.db, &err), -ENOKEY, err, "has signed its kernel image");
}

static void a_signature_of_another_root_hash_is_not_trusted(void **state)
{
	_cleanup_release_ struct release release = release_make(CMDLINE, RIGHT, RIGHT);
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	buffer_release(&release.signature);
	assert_ok(signer_pkcs7_detached(world.signers[RIGHT], OTHER, strlen(OTHER), &release.signature, &err),
		err);
	describe(&release);
	assert_error(check(&release, &world.db, &err), -ENOKEY, err, "has signed its root hash");
}

static void damaged_signatures_of_the_root_hash_are_not_trusted(void **state)
{
	_cleanup_release_ struct release release = release_make(CMDLINE, RIGHT, RIGHT);
	_cleanup_error_ struct error *err = NULL;
	uint8_t garbage[300];

	(void)state;
	for (size_t size = 0; size < release.signature.size; size += size < 40 ? 1 : 37) {
		release.info.signature_size = size;
		assert_error(check(&release, &world.db, &err), -ENOKEY, err, "has signed its root hash");
	}
	memset(garbage, 0xa5, sizeof(garbage));
	release.info.signature = garbage;
	release.info.signature_size = sizeof(garbage);
	assert_error(check(&release, &world.db, &err), -ENOKEY, err, "has signed its root hash");
	describe(&release);
	release.signature.data[release.signature.size - 1] ^= 1;
	assert_error(check(&release, &world.db, &err), -ENOKEY, err, "has signed its root hash");
	release.signature.data[release.signature.size - 1] ^= 1;
	assert_ok(check(&release, &world.db, &err), err);
}

/* PKCS#7 by OpenSSL itself over *text*. */
static void openssl_sign(enum who who, const char *text, int flags, struct buffer *ret)
{
	BIO *certificate_bio = BIO_new_mem_buf(world.pems[who].certificate, -1),
	    *key_bio = BIO_new_mem_buf(world.pems[who].key, -1), *content = BIO_new_mem_buf(text, -1);
	X509 *certificate = PEM_read_bio_X509(certificate_bio, NULL, NULL, NULL);
	EVP_PKEY *key = PEM_read_bio_PrivateKey(key_bio, NULL, NULL, NULL);
	PKCS7 *pkcs7 = PKCS7_sign(certificate, key, NULL, content, flags);
	unsigned char *der = NULL;
	int size = i2d_PKCS7(pkcs7, &der);

	assert_true(size > 0);
	buffer_append(ret, der, (size_t)size);
	OPENSSL_free(der);
	PKCS7_free(pkcs7);
	EVP_PKEY_free(key);
	X509_free(certificate);
	BIO_free(content);
	BIO_free(key_bio);
	BIO_free(certificate_bio);
}

static void only_a_detached_signature_counts(void **state)
{
	static const struct {
		const char *text;
		int flags;
		bool trusted;
	} cases[] = {
		{ROOT, PKCS7_DETACHED | PKCS7_BINARY | PKCS7_NOATTR | PKCS7_NOCERTS, true},
		{ROOT, PKCS7_BINARY | PKCS7_NOATTR | PKCS7_NOCERTS, false},
		{OTHER, PKCS7_BINARY | PKCS7_NOATTR | PKCS7_NOCERTS, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_release_ struct release release = release_make(CMDLINE, RIGHT, RIGHT);
		_cleanup_error_ struct error *err = NULL;

		buffer_release(&release.signature);
		openssl_sign(RIGHT, cases[i].text, cases[i].flags, &release.signature);
		describe(&release);
		if (cases[i].trusted)
			assert_ok(check(&release, &world.db, &err), err);
		else
			assert_error(
				check(&release, &world.db, &err), -ENOKEY, err, "has signed its root hash");
	}
}

/* The certificate that a stranger's signature brings along is nobody whom the firmware trusts. */
static void a_certificate_inside_of_the_signature_does_not_count(void **state)
{
	_cleanup_release_ struct release release = release_make(CMDLINE, RIGHT, RIGHT);
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	buffer_release(&release.signature);
	openssl_sign(STRANGER, ROOT, PKCS7_DETACHED | PKCS7_BINARY | PKCS7_NOATTR, &release.signature);
	describe(&release);
	assert_error(check(&release, &world.db, &err), -ENOKEY, err, "has signed its root hash");
}

/* ---- The file and its command line ---- */

static void another_file_than_the_release_names_is_refused(void **state)
{
	_cleanup_release_ struct release release = release_make(CMDLINE, RIGHT, RIGHT);
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	release.info.uki_size--;
	assert_error(check(&release, &world.db, &err), -EBADMSG, err, "another file");
	release.info.uki_size++;
	release.info.uki_sha256[31] ^= 1;
	assert_error(check(&release, &world.db, &err), -EBADMSG, err, "another file");
}

static void what_is_no_image_is_refused(void **state)
{
	_cleanup_release_ struct release release = release_make(CMDLINE, RIGHT, RIGHT);
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	release.uki.data[0] = 'X';
	describe(&release);
	assert_error(check(&release, &world.db, &err), -EBADMSG, err, "");
}

static void an_image_without_a_command_line_is_refused(void **state)
{
	_cleanup_buffer_ struct buffer stub = boot_data("linuxx64.efi.stub");
	_cleanup_release_ struct release release = release_make(CMDLINE, RIGHT, RIGHT);
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	buffer_release(&release.uki);
	sign_image(&stub, RIGHT, &release.uki);
	describe(&release);
	assert_error(check(&release, &world.db, &err), -EBADMSG, err, "no command line");
}

/* As orlop-init reads it: init/cmdline.h. */
static void the_command_line_starts_the_root_hash_and_no_other(void **state)
{
	static const struct {
		const char *cmdline;
		bool right;
	} cases[] = {
		{"usrhash=" ROOT, true},
		{"usrhash=" ROOT " quiet", true},
		{"quiet  usrhash=" ROOT "  ro", true},
		{"dyndbg=\"file a.c +p\" usrhash=" ROOT, true},
		{"quiet \"usrhash=" ROOT "\"", true},
		{"verity.usrhash=" OTHER " usrhash=" ROOT, true},
		{"quiet", false},
		{"usrhash=", false},
		{"usrhash", false},
		{"usrhash=" OTHER, false},
		{"usrhash=" ROOT "0", false},
		{"verity.usrhash=" ROOT, false},
		{"usrhash=" ROOT " usrhash=" OTHER, false},
		{"usrhash=" OTHER " usrhash=" ROOT, false},
		{"usrhash=" ROOT " quiet usrhash=" OTHER, false},
		{"usrhash=" ROOT " usrhash=" ROOT, false},
		{"usrhash=" ROOT " \"usrhash=" OTHER "\"", false},
		{"\"usrhash=" OTHER "\" usrhash=" ROOT, false},
		{"usrhash=" ROOT " usr\"hash\"=" OTHER, false},
		{"a=\"b usrhash=" ROOT " c\"", false},
		{"quiet -- usrhash=" ROOT, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_release_ struct release release = release_make(cases[i].cmdline, RIGHT, RIGHT);
		_cleanup_error_ struct error *err = NULL;
		int r = check(&release, &world.db, &err);

		if (r != (cases[i].right ? 0 : -EBADMSG))
			fail_msg("%s: %d: %s", cases[i].cmdline, r, error_message(err));
	}
}

static void an_image_is_read_piece_by_piece_and_every_fault_is_told(void **state)
{
	_cleanup_release_ struct release release = release_make(CMDLINE, RIGHT, RIGHT);
	const struct trust_store store = {.lists = world.db.data, .size = world.db.size};
	struct watched watched = {.image = &release.uki};
	const struct block_io io = watched_io(&watched);

	(void)state;
	for (watched.fail_at = 1;; watched.fail_at++) {
		_cleanup_error_ struct error *err = NULL;
		int r;

		watched.reads = 0;
		r = release_trust_check(&release.info, &io, &store, &err);
		if (watched.reads < watched.fail_at) {
			assert_ok(r, err);
			break;
		}
		assert_error(r, -EIO, err, "reading ");
	}
	assert_true(watched.fail_at > 2 * release.uki.size / KiB(64));
	assert_in_range(watched.largest, 1, KiB(64));
}

/* A part that no signature covers: a gap between two sections, in which anything could stand. */
static void an_image_with_a_gap_is_refused(void **state)
{
	_cleanup_release_ struct release release = release_make(CMDLINE, RIGHT, RIGHT);
	_cleanup_error_ struct error *err = NULL;
	uint8_t *section;
	struct pe pe;

	(void)state;
	assert_ok(pe_parse(release.uki.data, release.uki.size, &pe, &err), err);
	section = release.uki.data + pe.section_table_offset;
	write_le32(section + 16, read_le32(section + 16) - pe.file_alignment);
	describe(&release);
	assert_error(check(&release, &world.db, &err), -EBADMSG, err, "would not cover all");
}

/* ---- The store ---- */

static void an_empty_store_trusts_nobody(void **state)
{
	_cleanup_release_ struct release release = release_make(CMDLINE, RIGHT, RIGHT);
	const struct buffer empty = {};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_error(check(&release, &empty, &err), -ENOKEY, err, "has signed its kernel image");
}

/* A list with one entry of some type, as efi_signature_list_append() has it for certificates. */
static void append_entry(struct buffer *db, const struct uuid *type, const void *data, size_t size)
{
	uint8_t guid[UUID_SIZE];

	uuid_to_gpt(type, guid);
	buffer_append(db, guid, sizeof(guid));
	buffer_append_le32(db, (uint32_t)(28 + UUID_SIZE + size));
	buffer_append_le32(db, 0);
	buffer_append_le32(db, (uint32_t)(UUID_SIZE + size));
	buffer_append(db, guid, sizeof(guid));
	buffer_append(db, data, size);
	assert_false(buffer_failed(db));
}

static void entries_that_are_no_certificates_are_passed_over(void **state)
{
	_cleanup_release_ struct release release = release_make(CMDLINE, RIGHT, SECOND);
	_cleanup_buffer_ struct buffer db = {};
	_cleanup_error_ struct error *err = NULL;
	uint8_t digest[SHA256_SIZE] = {1, 2, 3};

	(void)state;
	append_entry(&db, &type_sha256, digest, sizeof(digest));
	append_entry(&db, &efi_signature_x509, "no certificate", 14);
	append_to_db(&db, SECOND);
	append_entry(&db, &type_sha256, digest, sizeof(digest));
	assert_error(check(&release, &db, &err), -ENOKEY, err, "has signed its kernel image");
	append_to_db(&db, RIGHT);
	assert_ok(check(&release, &db, &err), err);
}

/* A certificate under a type that does not say so is not one for the firmware. */
static void a_certificate_of_another_type_does_not_count(void **state)
{
	_cleanup_release_ struct release release = release_make(CMDLINE, RIGHT, RIGHT);
	_cleanup_buffer_ struct buffer db = {};
	_cleanup_error_ struct error *err = NULL;
	const uint8_t *certificate;
	size_t size;

	(void)state;
	certificate = signer_certificate(world.signers[RIGHT], &size);
	append_entry(&db, &type_sha256, certificate, size);
	assert_error(check(&release, &db, &err), -ENOKEY, err, "has signed its kernel image");
	append_entry(&db, &efi_signature_x509, certificate, size);
	assert_ok(check(&release, &db, &err), err);
}

static void damaged_lists_are_an_error(void **state)
{
	static const struct {
		size_t at; /* of EFI_SIGNATURE_LIST: 16 size, 20 size of the header, 24 size of an entry */
		uint32_t value;
	} cases[] = {{16, 0}, {16, 27}, {16, UINT32_MAX}, {20, UINT32_MAX}, {24, 0}, {24, 16}, {24, 17000}};
	_cleanup_release_ struct release release = release_make(CMDLINE, RIGHT, RIGHT);
	_cleanup_error_ struct error *err = NULL;
	struct buffer cut = world.db;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_buffer_ struct buffer db = {};

		buffer_append(&db, world.db.data, world.db.size);
		assert_false(buffer_failed(&db));
		write_le32(db.data + cases[i].at, cases[i].value);
		assert_error(check(&release, &db, &err), -EBADMSG, err, "the firmware's db: ");
	}
	cut.size--;
	assert_error(check(&release, &cut, &err), -EBADMSG, err, "the firmware's db: ");
	cut.size = 20;
	assert_error(check(&release, &cut, &err), -EBADMSG, err, "the firmware's db: ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_certificates_of_the_db_signed_is_trusted),
		cmocka_unit_test(what_others_signed_is_not),
		cmocka_unit_test(an_image_that_was_changed_after_it_was_signed_is_not_trusted),
		cmocka_unit_test(a_signature_of_another_root_hash_is_not_trusted),
		cmocka_unit_test(damaged_signatures_of_the_root_hash_are_not_trusted),
		cmocka_unit_test(only_a_detached_signature_counts),
		cmocka_unit_test(a_certificate_inside_of_the_signature_does_not_count),
		cmocka_unit_test(another_file_than_the_release_names_is_refused),
		cmocka_unit_test(what_is_no_image_is_refused),
		cmocka_unit_test(an_image_without_a_command_line_is_refused),
		cmocka_unit_test(the_command_line_starts_the_root_hash_and_no_other),
		cmocka_unit_test(an_image_is_read_piece_by_piece_and_every_fault_is_told),
		cmocka_unit_test(an_image_with_a_gap_is_refused),
		cmocka_unit_test(an_empty_store_trusts_nobody),
		cmocka_unit_test(entries_that_are_no_certificates_are_passed_over),
		cmocka_unit_test(a_certificate_of_another_type_does_not_count),
		cmocka_unit_test(damaged_lists_are_an_error),
	};

	return cmocka_run_group_tests(tests, make_world, drop_world);
}
