/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "base/encoding.h"
#include "base/file.h"
#include "base/process.h"
#include "base/string-util.h"
#include "boot-data.h"

struct folder {
	char path[64];
};

static int make_folder(void **state)
{
	struct folder *folder = malloc(sizeof(*folder));

	assert_non_null(folder);
	strncpy(folder->path, "/tmp/orlop-test-signer-XXXXXX", sizeof(folder->path));
	assert_non_null(mkdtemp(folder->path));
	*state = folder;
	return 0;
}

static int drop_folder(void **state)
{
	struct folder *folder = *state;

	assert_int_equal(remove_tree(folder->path, NULL), 0);
	free(folder);
	return 0;
}

static char *put(const struct folder *folder, const char *name, const char *text, mode_t mode)
{
	char *path = string_format("%s/%s", folder->path, name);
	_cleanup_error_ struct error *err = NULL;

	assert_ok(file_write_atomic(path, text, strlen(text), mode, &err), err);
	assert_int_equal(chmod(path, mode), 0);
	return path;
}

static void root_hash_signature_equals_openssl(void **state)
{
	static const char hash[] = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
	_cleanup_signer_ struct signer *signer = boot_signer("db");
	_cleanup_buffer_ struct buffer expected = boot_data("root-hash.p7"), made = {};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_ok(signer_pkcs7_detached(signer, hash, strlen(hash), &made, &err), err);
	assert_int_equal(made.size, expected.size);
	assert_memory_equal(made.data, expected.data, made.size);
}

static void fingerprint_is_the_sha256_of_the_certificate(void **state)
{
	_cleanup_signer_ struct signer *signer = boot_signer("db");
	uint8_t fingerprint[SHA256_SIZE], digest[SHA256_SIZE];
	const uint8_t *der;
	size_t size;

	(void)state;
	der = signer_certificate(signer, &size);
	signer_fingerprint(signer, fingerprint);
	assert_int_equal(sha256_bytes(der, size, digest), 0);
	assert_memory_equal(fingerprint, digest, SHA256_SIZE);
}

static void refuses_pairs_that_cannot_sign(void **state)
{
	_cleanup_buffer_ struct buffer crt = boot_data("keys/db.crt"), key = boot_data("keys/db.key");
	_cleanup_buffer_ struct buffer other = boot_data("keys/KEK.key");
	_cleanup_free_ char *crt_path = put(*state, "crt", (char *)crt.data, 0644);
	_cleanup_free_ char *key_path = put(*state, "key", (char *)key.data, 0600);
	_cleanup_free_ char *other_path = put(*state, "other", (char *)other.data, 0600);
	_cleanup_free_ char *open_path = put(*state, "open", (char *)key.data, 0644);
	_cleanup_signer_ struct signer *signer = NULL;
	_cleanup_error_ struct error *err = NULL;

	assert_error(signer_load(crt_path, other_path, NULL, &signer, &err), -EKEYREJECTED, err,
		"does not belong");
	assert_error(signer_load(crt_path, open_path, NULL, &signer, &err), -EPERM, err, "chmod 600");
	assert_error(signer_load(crt_path, crt_path, NULL, &signer, &err), -EPERM, err, "0644");
	assert_error(signer_load(key_path, key_path, NULL, &signer, &err), -EBADMSG, err, "no certificate");
	assert_int_equal(chmod(crt_path, 0600), 0);
	assert_error(signer_load(crt_path, crt_path, NULL, &signer, &err), -EBADMSG, err, "private key");
	assert_error(signer_load(crt_path, "/nonexistent/key", NULL, &signer, &err), -ENOENT, err,
		"/nonexistent/key");
	assert_error(signer_load("/nonexistent/crt", key_path, NULL, &signer, &err), -ENOENT, err,
		"/nonexistent/crt");
	assert_null(signer);
	assert_ok(signer_load(crt_path, key_path, NULL, &signer, &err), err);
}

static void refuses_keys_that_firmware_cannot_use(void **state)
{
	static const char *const kinds[][6] = {
		{"rsa:1024", NULL},
		{"ec", "-pkeyopt", "ec_paramgen_curve:P-256", NULL},
	};
	const struct folder *folder = *state;
	_cleanup_free_ char *crt = string_format("%s/small.crt", folder->path);
	_cleanup_free_ char *key = string_format("%s/small.key", folder->path);

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		_cleanup_process_result_ struct process_result result = {};
		_cleanup_signer_ struct signer *signer = NULL;
		_cleanup_error_ struct error *err = NULL;
		const char *arguments[20] = {"openssl", "req", "-x509", "-nodes", "-subj", "/CN=x", "-keyout",
			key, "-out", crt, "-newkey"};

		for (size_t j = 0; kinds[i][j]; j++)
			arguments[11 + j] = kinds[i][j];
		assert_ok(process_run(arguments, NULL, 0, MiB(1), &result, &err), err);
		assert_int_equal(result.status, 0);
		assert_error(signer_load(crt, key, NULL, &signer, &err), -EKEYREJECTED, err,
			"RSA of at least 2048");
	}
}

static void asks_nobody_for_the_passphrase_of_an_encrypted_key(void **state)
{
	const struct folder *folder = *state;
	_cleanup_buffer_ struct buffer crt = boot_data("keys/db.crt"), key = boot_data("keys/db.key");
	_cleanup_free_ char *crt_path = put(folder, "crt", (char *)crt.data, 0644);
	_cleanup_free_ char *out = string_format("%s/encrypted", folder->path);
	_cleanup_process_result_ struct process_result result = {};
	_cleanup_signer_ struct signer *signer = NULL;
	_cleanup_error_ struct error *err = NULL;

	assert_ok(process_run((const char *const[]){"openssl", "rsa", "-aes128", "-passout", "pass:x", "-out",
				      out, NULL},
			  key.data, key.size, MiB(1), &result, &err),
		err);
	assert_int_equal(result.status, 0);
	assert_error(signer_load(crt_path, out, NULL, &signer, &err), -EKEYREJECTED, err, "encrypted");
}

static bool text_has(const struct process_result *result, const char *text)
{
	return memmem(result->output.data, result->output.size, text, strlen(text)) != NULL;
}

static void generated_certificate_is_what_openssl_says_it_should_be(void **state)
{
	static const char *const expected[] = {"Subject: CN=Orlop db", "CA:FALSE", "Digital Signature",
		"Code Signing", "2048 bit", "sha256WithRSAEncryption", "Not Before: Nov 14 22:13:20 2023 GMT",
		"Not After : Nov 14 22:13:20 2073 GMT", "Version: 3"};
	_cleanup_signer_pem_ struct signer_pem pem = {};
	_cleanup_process_result_ struct process_result result = {}, verify = {};
	_cleanup_signer_ struct signer *signer = NULL;
	_cleanup_error_ struct error *err = NULL;

	assert_ok(signer_generate(
			  &(struct signer_claim){.name = "Orlop db", .not_before = 1700000000, .years = 50},
			  NULL, &pem, &err),
		err);
	assert_ok(process_run((const char *const[]){"openssl", "x509", "-noout", "-text", "-nameopt",
				      "RFC2253", NULL},
			  pem.certificate, strlen(pem.certificate), MiB(1), &result, &err),
		err);
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
		if (!text_has(&result, expected[i]))
			fail_msg("%s is not in: %.*s", expected[i], (int)result.output.size,
				result.output.data);
	{
		_cleanup_free_ char *path = put(*state, "ca", pem.certificate, 0644);

		assert_ok(process_run((const char *const[]){"openssl", "verify", "-check_ss_sig", "-CAfile",
					      path, path, NULL},
				  NULL, 0, MiB(1), &verify, &err),
			err);
		assert_int_equal(verify.status, 0);
	}
	assert_ok(signer_from_pem("new", pem.certificate, strlen(pem.certificate), pem.key, strlen(pem.key),
			  &signer, &err),
		err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(root_hash_signature_equals_openssl),
		cmocka_unit_test(fingerprint_is_the_sha256_of_the_certificate),
		cmocka_unit_test(refuses_pairs_that_cannot_sign),
		cmocka_unit_test(refuses_keys_that_firmware_cannot_use),
		cmocka_unit_test(asks_nobody_for_the_passphrase_of_an_encrypted_key),
		cmocka_unit_test(generated_certificate_is_what_openssl_says_it_should_be),
	};

	return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
