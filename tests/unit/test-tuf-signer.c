/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scratch.h"

#include "base/encoding.h"
#include "format/canonical-json.h"
#include "format/tuf-write.h"

static const char message[] = "what is signed";

/* Loads a key of the folder. */
static int load(const char *folder, const char *name, const struct key_secret *secret,
	struct tuf_signer **ret, struct error **err)
{
	_cleanup_free_ char *path = string_format("%s/%s", folder, name);

	return tuf_signer_load(path, secret, ret, err);
}

/* openssl, which has the public key from its own reading of the private one, accepts the signature. */
static void judge_signature(const char *folder, const struct tuf_signer *signer, const char *digest)
{
	_cleanup_buffer_ struct buffer signature = {};
	_cleanup_free_ char *path = string_format("%s/signature", folder);
	_cleanup_free_ char *data = string_format("%s/data", folder);
	_cleanup_free_ char *script = string_format(
		"openssl pkeyutl -verify -pubin -inkey public -rawin -in data -sigfile signature %s", digest);
	_cleanup_error_ struct error *err = NULL;

	assert_ok(tuf_signer_sign(signer, message, strlen(message), &signature, &err), err);
	assert_ok(file_write_atomic(path, signature.data, signature.size, 0644, &err), err);
	assert_ok(file_write_atomic(data, message, strlen(message), 0644, &err), err);
	shell(folder, script);
}

/* The key object is what our reader takes under this id, and it verifies what the signer signs. */
static void judge_key(const struct tuf_signer *signer)
{
	_cleanup_buffer_ struct buffer signature = {};
	_cleanup_error_ struct error *err = NULL;
	struct tuf_key key = {};

	assert_ok(tuf_key_parse(tuf_signer_id(signer), tuf_signer_key(signer), &key, &err), err);
	assert_non_null(key.public);
	assert_ok(tuf_signer_sign(signer, message, strlen(message), &signature, &err), err);
	assert_true(tuf_key_verify(&key, message, strlen(message), signature.data, signature.size));
	assert_false(tuf_key_verify(&key, message, strlen(message) - 1, signature.data, signature.size));
	tuf_key_release(&key);
}

static void keys_of_openssl_sign_what_openssl_verifies(void **state)
{
	static const struct {
		const char *make, *keytype, *scheme, *digest;
	} cases[] = {
		{"openssl genpkey -algorithm ED25519 -out key", "ed25519", "ed25519", ""},
		{"openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key", "ecdsa",
			"ecdsa-sha2-nistp256", "-digest sha256"},
		{"openssl ecparam -name prime256v1 -genkey -noout -out key", "ecdsa", "ecdsa-sha2-nistp256",
			"-digest sha256"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_scratch_ char *folder = scratch_new();
		_cleanup_tuf_signer_ struct tuf_signer *signer = NULL;
		_cleanup_error_ struct error *err = NULL;

		shell(folder, cases[i].make);
		shell(folder, "chmod 600 key; openssl pkey -in key -pubout -out public");
		assert_ok(load(folder, "key", NULL, &signer, &err), err);
		assert_string_equal(json_string_value(json_object_get(tuf_signer_key(signer), "keytype")),
			cases[i].keytype);
		assert_string_equal(json_string_value(json_object_get(tuf_signer_key(signer), "scheme")),
			cases[i].scheme);
		judge_key(signer);
		judge_signature(folder, signer, cases[i].digest);
	}
}

/* RFC 8032, 7.1, test 2. */
static void an_ed25519_signature_is_that_of_the_specification(void **state)
{
	static const char pem[] = "-----BEGIN PRIVATE KEY-----\n"
				  "MC4CAQAwBQYDK2VwBCIEIEzNCJso/5banbbDRuwRTg9bijGfNaumJNqM9u1PuKb7\n"
				  "-----END PRIVATE KEY-----\n";
	static const char public[] = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
			  expected[] = "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
				       "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";
	_cleanup_tuf_signer_ struct tuf_signer *signer = NULL;
	_cleanup_buffer_ struct buffer signature = {};
	_cleanup_error_ struct error *err = NULL;
	_cleanup_free_ char *text = NULL;

	(void)state;
	assert_ok(tuf_signer_from_pem("test", pem, strlen(pem), NULL, &signer, &err), err);
	assert_string_equal(json_string_value(json_object_get(
				    json_object_get(tuf_signer_key(signer), "keyval"), "public")),
		public);
	assert_ok(tuf_signer_sign(signer, "\x72", 1, &signature, &err), err);
	text = hex_encode_new(signature.data, signature.size);
	assert_string_equal(text, expected);
}

static void a_generated_key_is_one_that_openssl_reads(void **state)
{
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_free_ char *path = string_format("%s/key", folder);
	_cleanup_tuf_signer_ struct tuf_signer *signer = NULL, *other = NULL;
	_cleanup_error_ struct error *err = NULL;
	char *pem = NULL, *second = NULL;

	(void)state;
	assert_ok(tuf_signer_generate(NULL, &pem, &err), err);
	assert_ok(tuf_signer_generate(NULL, &second, &err), err);
	assert_ok(file_write_atomic(path, pem, strlen(pem), 0600, &err), err);
	assert_ok(tuf_signer_load(path, NULL, &signer, &err), err);
	assert_ok(tuf_signer_from_pem("second", second, strlen(second), NULL, &other, &err), err);
	assert_string_not_equal(tuf_signer_id(signer), tuf_signer_id(other));
	shell(folder, "openssl pkey -in key -check -noout; openssl pkey -in key -pubout -out public");
	judge_signature(folder, signer, "");
	(void)tuf_pem_free(pem);
	(void)tuf_pem_free(second);
}

static int know(const struct key_question *question, char *ret, size_t size, void *userdata)
{
	assert_non_null(question->name);
	(void)snprintf(ret, size, "%s", (const char *)userdata);
	return 0;
}

static int know_nothing(const struct key_question *question, char *ret, size_t size, void *userdata)
{
	(void)question, (void)ret, (void)size, (void)userdata;
	return -ENOKEY;
}

static void an_encrypted_key_wants_its_passphrase(void **state)
{
	char passphrase[] = "open sesame", bad[] = "open";
	const struct key_secret right = {know, passphrase}, wrong = {know, bad}, none = {know_nothing, NULL};
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_tuf_signer_ struct tuf_signer *signer = NULL;
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	shell(folder, "openssl genpkey -algorithm ED25519 -aes-256-cbc -pass pass:'open sesame' -out key; "
		      "chmod 600 key");
	assert_error(load(folder, "key", NULL, &signer, &err), -EKEYREJECTED, err, "encrypted");
	assert_error(load(folder, "key", &wrong, &signer, &err), -EKEYREJECTED, err, "passphrase");
	assert_error(load(folder, "key", &none, &signer, &err), -EKEYREJECTED, err, "passphrase");
	assert_ok(load(folder, "key", &right, &signer, &err), err);
	judge_key(signer);
}

static void what_cannot_sign_metadata_is_refused(void **state)
{
	static const struct {
		const char *make;
		int code;
		const char *text;
	} cases[] = {
		{"openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out key 2>&1", -EKEYREJECTED,
			"kind"},
		{"openssl genpkey -algorithm ED448 -out key", -EKEYREJECTED, "kind"},
		{"openssl ecparam -name secp384r1 -genkey -noout -out key", -EKEYREJECTED, "kind"},
		{"openssl genpkey -algorithm ED25519 | openssl pkey -pubout -out key", -EBADMSG,
			"no private key"},
		{": >key", -EBADMSG, "no private key"},
		{"openssl genpkey -algorithm ED25519 | head -c 60 >key", -EBADMSG, "no private key"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_scratch_ char *folder = scratch_new();
		_cleanup_tuf_signer_ struct tuf_signer *signer = NULL;
		_cleanup_error_ struct error *err = NULL;

		shell(folder, cases[i].make);
		shell(folder, "chmod 600 key");
		assert_error(load(folder, "key", NULL, &signer, &err), cases[i].code, err, cases[i].text);
	}
}

static void a_key_file_that_others_may_read_is_refused(void **state)
{
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_tuf_signer_ struct tuf_signer *signer = NULL;
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	shell(folder, "openssl genpkey -algorithm ED25519 -out key; chmod 604 key");
	assert_error(load(folder, "key", NULL, &signer, &err), -EPERM, err, "chmod 600");
	shell(folder, "chmod 620 key");
	assert_error(load(folder, "key", NULL, &signer, &err), -EPERM, err, "chmod 600");
	assert_error(load(folder, "no-key", NULL, &signer, &err), -ENOENT, err, "no-key");
}

/* ---- Tokens ---- */

/* A SoftHSM token with an ECDSA key and the PIN 1234; false where this machine has none. */
static bool make_token(const char *folder)
{
	_cleanup_free_ char *conf = string_format("%s/softhsm2.conf", folder);
	_cleanup_free_ char *text =
		string_format("directories.tokendir = %s/tokens\nlog.level = ERROR\n", folder);
	_cleanup_error_ struct error *err = NULL;

	if (!have_program("softhsm2-util"))
		return false;
	assert_ok(file_write_atomic(conf, text, strlen(text), 0600, &err), err);
	assert_int_equal(setenv("SOFTHSM2_CONF", conf, 1), 0);
	shell(folder,
		"mkdir tokens;"
		"softhsm2-util --init-token --free --label release --pin 1234 --so-pin 5678;"
		"openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key;"
		"openssl pkey -in key -pubout -out public;"
		"softhsm2-util --import key --token release --label targets --id 01 --pin 1234; rm key");
	return true;
}

static void a_key_in_a_token_signs(void **state)
{
	static const char with_pin[] = "pkcs11:token=release;object=targets;type=private?pin-value=1234",
			  without[] = "pkcs11:token=release;object=targets;type=private\n",
			  other[] = "pkcs11:token=release;object=other;type=private?pin-value=1234";
	char pin[] = "1234";
	const struct key_secret right = {know, pin};
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_free_ char *path = string_format("%s/targets.key", folder);
	_cleanup_tuf_signer_ struct tuf_signer *by_uri = NULL, *by_file = NULL, *none = NULL;
	_cleanup_error_ struct error *err = NULL;
	int r;

	(void)state;
	if (!make_token(folder)) {
		print_message("skipped, because there is no softhsm2-util\n");
		skip();
	}
	r = tuf_signer_load(with_pin, NULL, &by_uri, &err);
	if (r == -ENOTSUP) {
		print_message("skipped, because OpenSSL has neither the provider nor the engine pkcs11\n");
		skip();
	}
	assert_ok(r, err);
	judge_key(by_uri);
	judge_signature(folder, by_uri, "-digest sha256");

	/* A key file that points to the token; the PIN is asked for. */
	assert_ok(file_write_atomic(path, without, strlen(without), 0600, &err), err);
	assert_ok(tuf_signer_load(path, &right, &by_file, &err), err);
	assert_string_equal(tuf_signer_id(by_file), tuf_signer_id(by_uri));
	judge_signature(folder, by_file, "-digest sha256");

	assert_int_equal(tuf_signer_load(other, NULL, &none, &err), -ENOENT);
	assert_non_null(strstr(error_message(err), "object=other"));
	assert_null(strstr(error_message(err), "1234"));
}

/* ---- Documents ---- */

static void a_document_is_one_that_the_reader_verifies(void **state)
{
	_cleanup_tuf_metadata_ struct tuf_metadata root = {};
	_cleanup_json_ json_t *body = tuf_root_new(3, 1893456000);
	struct tuf_signer *signers[2] = {};
	_cleanup_buffer_ struct buffer text = {};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_non_null(body);
	for (size_t i = 0; i < 2; i++) {
		char *pem = NULL;

		assert_ok(tuf_signer_generate(NULL, &pem, &err), err);
		assert_ok(tuf_signer_from_pem("test", pem, strlen(pem), NULL, &signers[i], &err), err);
		(void)tuf_pem_free(pem);
		for (enum tuf_type role = TUF_ROOT; role < TUF_TYPES; role++)
			assert_int_equal(tuf_root_add(body, role, signers[i]), 0);
		assert_int_equal(tuf_root_add(body, TUF_ROOT, signers[i]), 0);
	}
	assert_int_equal(tuf_root_remove(body, TUF_SNAPSHOT, tuf_signer_id(signers[1])), 0);
	for (enum tuf_type role = TUF_ROOT; role < TUF_TYPES; role++)
		if (role != TUF_SNAPSHOT)
			assert_int_equal(tuf_root_remove(body, role, tuf_signer_id(signers[0])), 0);
	assert_ok(tuf_document_write(body, signers, 2, &text, &err), err);
	assert_ok(tuf_metadata_parse(text.data, text.size, TUF_ROOT, &root, &err), err);
	assert_int_equal(root.version, 3);
	assert_int_equal(root.expires, 1893456000);
	assert_int_equal(root.keys.count, 2);
	assert_int_equal(root.roles[TUF_ROOT].count, 1);
	assert_string_equal(root.roles[TUF_ROOT].keyids[0], tuf_signer_id(signers[1]));
	assert_string_equal(root.roles[TUF_SNAPSHOT].keyids[0], tuf_signer_id(signers[0]));
	assert_ok(tuf_verify(&root, &root.keys, &root.roles[TUF_ROOT], &err), err);
	assert_ok(tuf_verify(&root, &root.keys, &root.roles[TUF_SNAPSHOT], &err), err);

	/* A key that no role has any more is not listed. */
	assert_int_equal(tuf_root_remove(body, TUF_SNAPSHOT, tuf_signer_id(signers[0])), 0);
	assert_null(json_object_get(json_object_get(body, "keys"), tuf_signer_id(signers[0])));
	assert_non_null(json_object_get(json_object_get(body, "keys"), tuf_signer_id(signers[1])));
	for (size_t i = 0; i < 2; i++)
		(void)tuf_signer_free(signers[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_of_openssl_sign_what_openssl_verifies),
		cmocka_unit_test(an_ed25519_signature_is_that_of_the_specification),
		cmocka_unit_test(a_generated_key_is_one_that_openssl_reads),
		cmocka_unit_test(an_encrypted_key_wants_its_passphrase),
		cmocka_unit_test(what_cannot_sign_metadata_is_refused),
		cmocka_unit_test(a_key_file_that_others_may_read_is_refused),
		cmocka_unit_test(a_key_in_a_token_signs),
		cmocka_unit_test(a_document_is_one_that_the_reader_verifies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
