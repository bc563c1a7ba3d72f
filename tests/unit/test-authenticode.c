/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/file.h"
#include "base/process.h"
#include "base/string-util.h"
#include "boot-data.h"
#include "format/authenticode.h"

static int verify(const struct buffer *image, const char *by, struct error **err)
{
	_cleanup_signer_ struct signer *signer = boot_signer(by);
	const uint8_t *certificate;
	struct pe pe;
	size_t size;
	int r;

	r = pe_parse(image->data, image->size, &pe, err);
	if (r < 0)
		return r;
	certificate = signer_certificate(signer, &size);
	return authenticode_verify(&pe, certificate, size, err);
}

static void sign(const char *name, const char *by, struct buffer *ret)
{
	_cleanup_buffer_ struct buffer image = boot_data(name);
	_cleanup_signer_ struct signer *signer = boot_signer(by);
	_cleanup_error_ struct error *err = NULL;

	assert_ok(authenticode_sign(signer, image.data, image.size, ret, &err), err);
}

static void verifies_what_sbsign_signed(void **state)
{
	_cleanup_buffer_ struct buffer image = boot_data("addon.sbsign.efi");
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_ok(verify(&image, "db", &err), err);
	assert_error(verify(&image, "KEK", &err), -ENOKEY, err, "no signature by this certificate");
}

static void sbverify_accepts_what_is_signed_here(void **state)
{
	_cleanup_free_ char *folder = strdup("/tmp/orlop-test-authenticode-XXXXXX");
	_cleanup_free_ char *certificate = string_format("%s/boot/keys/db.crt", getenv("ORLOP_TEST_DATA"));
	static const char *const files[] = {"addonx64.efi.stub", "linuxx64.efi.stub", "addon.sbsign.efi"};

	(void)state;
	assert_non_null(mkdtemp(folder));
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		_cleanup_free_ char *path = string_format("%s/%s", folder, files[i]);
		_cleanup_process_result_ struct process_result result = {};
		_cleanup_buffer_ struct buffer image = {};
		_cleanup_error_ struct error *err = NULL;

		sign(files[i], "db", &image);
		assert_ok(file_write_atomic(path, image.data, image.size, 0644, &err), err);
		assert_ok(process_run((const char *const[]){"sbverify", "--cert", certificate, path, NULL},
				  NULL, 0, MiB(1), &result, &err),
			err);
		if (result.status != 0)
			fail_msg("sbverify %s: %.*s", files[i], (int)result.message.size,
				(char *)result.message.data);
	}
	assert_int_equal(remove_tree(folder, NULL), 0);
}

/* sbsign adds a signing time and S/MIME capabilities; what stands before the certificates is the same. */
static void image_and_checksum_are_as_sbsign_leaves_them(void **state)
{
	_cleanup_buffer_ struct buffer expected = boot_data("addon.sbsign.efi"), image = {};
	_cleanup_error_ struct error *err = NULL;
	struct pe ours, theirs;
	size_t varies;

	(void)state;
	sign("addonx64.efi.stub", "db", &image);
	assert_ok(pe_parse(image.data, image.size, &ours, &err), err);
	assert_ok(pe_parse(expected.data, expected.size, &theirs, &err), err);
	assert_int_equal(ours.certificates_offset, theirs.certificates_offset);
	/* The size of the certificates is part of the headers, and so of the checksum: leave both out. */
	varies = ours.optional_offset + 64;
	write_le32(image.data + varies, 0);
	write_le32(expected.data + varies, 0);
	varies = ours.optional_offset + 148;
	write_le32(image.data + varies, 0);
	write_le32(expected.data + varies, 0);
	assert_memory_equal(image.data, expected.data, ours.certificates_offset);
}

/* Checksum of the whole file as the specification words it, for a file that sbsign wrote. */
static void checksum_is_computed_as_sbsign_does(void **state)
{
	_cleanup_buffer_ struct buffer image = boot_data("addon.sbsign.efi"), again = {};
	_cleanup_error_ struct error *err = NULL;
	struct pe pe;

	(void)state;
	assert_ok(pe_parse(image.data, image.size, &pe, &err), err);
	assert_ok(pe_set_certificates(
			  &pe, pe.data + pe.certificates_offset, pe.certificates_size, &again, &err),
		err);
	assert_int_equal(again.size, image.size);
	assert_memory_equal(again.data, image.data, image.size);
}

static void signing_twice_gives_the_same_bytes(void **state)
{
	_cleanup_buffer_ struct buffer first = {}, second = {}, over = {};

	(void)state;
	sign("linuxx64.efi.stub", "db", &first);
	sign("linuxx64.efi.stub", "db", &second);
	assert_int_equal(first.size, second.size);
	assert_memory_equal(first.data, second.data, first.size);

	/* An older signature is replaced, not added to. */
	buffer_release(&second);
	sign("addonx64.efi.stub", "db", &second);
	sign("addon.sbsign.efi", "db", &over);
	assert_int_equal(over.size, second.size);
	assert_memory_equal(over.data, second.data, over.size);
}

static void a_flipped_bit_anywhere_is_found(void **state)
{
	_cleanup_buffer_ struct buffer image = {};
	_cleanup_error_ struct error *err = NULL;
	_cleanup_signer_ struct signer *signer = boot_signer("db");
	const uint8_t *certificate;
	size_t checksum, size;
	struct pe pe;

	(void)state;
	sign("addonx64.efi.stub", "db", &image);
	certificate = signer_certificate(signer, &size);
	assert_ok(pe_parse(image.data, image.size, &pe, &err), err);
	assert_ok(authenticode_verify(&pe, certificate, size, &err), err);
	checksum = pe.optional_offset + 64;
	for (size_t i = 0; i < pe.certificates_offset; i += 7) {
		struct pe changed;

		if (i >= checksum && i < checksum + 4)
			continue;
		image.data[i] ^= 0x10;
		if (pe_parse(image.data, image.size, &changed, NULL) == 0 &&
			authenticode_verify(&changed, certificate, size, NULL) == 0)
			fail_msg("byte %zu changed and nobody noticed", i);
		image.data[i] ^= 0x10;
	}
	/* The last bytes of the signature itself: the padding behind it doesn't matter. */
	image.data[image.size - 64] ^= 0x10;
	assert_error(verify(&image, "db", &err), -EBADMSG, err, "not a valid one");
}

static void another_keys_signature_is_not_ours(void **state)
{
	_cleanup_buffer_ struct buffer image = {};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	sign("addonx64.efi.stub", "KEK", &image);
	assert_error(verify(&image, "db", &err), -ENOKEY, err, "no signature by this");
	assert_ok(verify(&image, "KEK", &err), err);
}

static void an_unsigned_image_has_no_signature(void **state)
{
	_cleanup_buffer_ struct buffer image = boot_data("linuxx64.efi.stub");
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_error(verify(&image, "db", &err), -ENOKEY, err, "no signature by this");
}

static void names_the_signer(void **state)
{
	_cleanup_buffer_ struct buffer image = boot_data("addon.sbsign.efi");
	_cleanup_signer_ struct signer *signer = boot_signer("db");
	_cleanup_error_ struct error *err = NULL;
	_cleanup_free_ char *subject = NULL;
	uint8_t fingerprint[SHA256_SIZE], expected[SHA256_SIZE];
	struct authenticode_signature signature;
	size_t position = 0;
	struct pe pe;

	(void)state;
	assert_ok(pe_parse(image.data, image.size, &pe, &err), err);
	assert_int_equal(authenticode_next(&pe, &position, &signature, &err), 1);
	assert_ok(authenticode_describe(&signature, &subject, fingerprint, &err), err);
	assert_string_equal(subject, "CN=Test db");
	signer_fingerprint(signer, expected);
	assert_memory_equal(fingerprint, expected, SHA256_SIZE);
	assert_int_equal(authenticode_next(&pe, &position, &signature, &err), 0);
}

static void certificate_tables_that_lie_are_refused(void **state)
{
	static const uint32_t lengths[] = {0, 7, 0x7fffffff, 0xffffffff};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		_cleanup_buffer_ struct buffer image = boot_data("addon.sbsign.efi");
		_cleanup_error_ struct error *err = NULL;
		struct pe pe;

		assert_ok(pe_parse(image.data, image.size, &pe, &err), err);
		write_le32(image.data + pe.certificates_offset, lengths[i]);
		assert_error(verify(&image, "db", &err), -EBADMSG, err, "longer than the table");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(verifies_what_sbsign_signed),
		cmocka_unit_test(sbverify_accepts_what_is_signed_here),
		cmocka_unit_test(image_and_checksum_are_as_sbsign_leaves_them),
		cmocka_unit_test(checksum_is_computed_as_sbsign_does),
		cmocka_unit_test(signing_twice_gives_the_same_bytes),
		cmocka_unit_test(a_flipped_bit_anywhere_is_found),
		cmocka_unit_test(another_keys_signature_is_not_ours),
		cmocka_unit_test(an_unsigned_image_has_no_signature),
		cmocka_unit_test(names_the_signer),
		cmocka_unit_test(certificate_tables_that_lie_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
