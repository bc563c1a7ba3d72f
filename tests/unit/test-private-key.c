/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scratch.h"

#include <openssl/evp.h>

#include "format/private-key.h"

/* Answers from a list, and counts. */
struct answers {
	const char *const *texts;
	unsigned asked;
	enum key_secret_kind kind;
	char name[256];
};

static int tell(const struct key_question *question, char *ret, size_t size, void *userdata)
{
	struct answers *answers = userdata;

	answers->asked++;
	answers->kind = question->kind;
	(void)snprintf(answers->name, sizeof(answers->name), "%s", question->name);
	if (!answers->texts[question->attempt])
		return -ENOKEY;
	(void)snprintf(ret, size, "%s", answers->texts[question->attempt]);
	return 0;
}

static int load(const char *folder, const char *name, struct answers *answers, struct error **err)
{
	_cleanup_free_ char *path = string_format("%s/%s", folder, name), *called = NULL;
	const struct key_secret secret = {tell, answers};
	EVP_PKEY *key = NULL;
	int r = private_key_load(path, answers ? &secret : NULL, &key, &called, err);

	assert_int_equal(r >= 0, key != NULL);
	if (r >= 0)
		assert_string_equal(called, path);
	EVP_PKEY_free(key);
	return r;
}

/* What openssl encrypts, in each of its ways. */
static void a_passphrase_is_asked_for_until_it_opens_the_key(void **state)
{
	static const char *const make[] = {
		"openssl genpkey -algorithm ED25519 -aes-256-cbc -pass pass:right -out key",
		"openssl genpkey -algorithm RSA -out plain 2>/dev/null; openssl pkcs8 -topk8 -scrypt -in "
		"plain "
		"-passout pass:right -out key",
		"openssl genrsa -traditional -aes128 -passout pass:right -out key 2048 2>/dev/null",
	};
	static const struct {
		const char *texts[KEY_ATTEMPTS + 1];
		unsigned asked;
		int code;
	} cases[] = {
		{{"right"}, 1, 0},
		{{"wrong", "right"}, 2, 0},
		{{"wrong", "worse", "right"}, 3, 0},
		{{"wrong", "worse", "bad", "right"}, 3, -EKEYREJECTED},
		{{"wrong", NULL}, 2, -EKEYREJECTED},
		{{NULL}, 1, -EKEYREJECTED},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(make); i++) {
		_cleanup_scratch_ char *folder = scratch_new();
		_cleanup_error_ struct error *nobody = NULL;

		shell(folder, make[i]);
		shell(folder, "chmod 600 key");
		assert_error(
			load(folder, "key", NULL, &nobody), -EKEYREJECTED, nobody, "nobody can be asked");
		for (size_t j = 0; j < ARRAY_SIZE(cases); j++) {
			struct answers answers = {.texts = cases[j].texts, .kind = KEY_PIN};
			_cleanup_error_ struct error *err = NULL;

			assert_int_equal(load(folder, "key", &answers, &err), cases[j].code);
			assert_int_equal(answers.asked, cases[j].asked);
			assert_int_equal(answers.kind, KEY_PASSPHRASE);
			if (cases[j].code < 0)
				assert_non_null(strstr(error_message(err),
					cases[j].texts[0] ? "the passphrase does not open it"
							  : "nobody can be asked"));
		}
	}
}

static void a_key_that_is_not_encrypted_asks_nobody(void **state)
{
	struct answers answers = {.texts = (const char *const[]){NULL}};
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	shell(folder, "openssl genpkey -algorithm ED25519 -out key; chmod 600 key; echo garbage >none; chmod "
		      "600 none");
	assert_ok(load(folder, "key", &answers, &err), err);
	assert_int_equal(answers.asked, 0);
	assert_error(load(folder, "none", &answers, &err), -EBADMSG, err, "no private key in PEM");
	assert_int_equal(answers.asked, 0);
}

/* PBES2 with PBKDF2, HMAC-SHA-256, 600000 rounds and AES-256-CBC, and the same key behind it. */
static void what_is_written_encrypted_is_what_openssl_opens(void **state)
{
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_free_ char *path = string_format("%s/key", folder),
			    *plain_path = string_format("%s/plain", folder);
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	_cleanup_free_ char *pem = NULL, *plain = NULL;
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_non_null(key);
	assert_ok(private_key_to_pem(key, "open sesame", &pem, &err), err);
	assert_ok(private_key_to_pem(key, NULL, &plain, &err), err);
	assert_ok(file_write_atomic(path, pem, strlen(pem), 0600, &err), err);
	assert_ok(file_write_atomic(plain_path, plain, strlen(plain), 0600, &err), err);
	shell(folder, "openssl pkey -in key -passin 'pass:open sesame' | cmp - plain;"
		      "openssl pkey -in plain -noout;"
		      "openssl asn1parse -in key >asn1;"
		      "grep -q ':PBES2' asn1; grep -q ':PBKDF2' asn1; grep -q ':hmacWithSHA256' asn1;"
		      "grep -q 'INTEGER *:0927C0' asn1; grep -q ':aes-256-cbc' asn1;"
		      "if openssl pkey -in key -passin pass:open -noout 2>/dev/null; then exit 1; fi");
	EVP_PKEY_free(key);
}

/* ---- Tokens ---- */

/* One for all tests: whoever is logged in stays so until the process ends. NULL where this machine has none.
 */
static char *token_folder;

static int make_token(void **state)
{
	_cleanup_free_ char *conf = NULL, *text = NULL;
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	if (!have_program("softhsm2-util"))
		return 0;
	token_folder = scratch_new();
	conf = string_format("%s/softhsm2.conf", token_folder);
	text = string_format("directories.tokendir = %s/tokens\nlog.level = ERROR\n", token_folder);
	assert_ok(file_write_atomic(conf, text, strlen(text), 0600, &err), err);
	assert_int_equal(setenv("SOFTHSM2_CONF", conf, 1), 0);
	shell(token_folder, "mkdir tokens;"
			    "softhsm2-util --init-token --free --label orlop --pin 1234 --so-pin 5678;"
			    "openssl genpkey -algorithm RSA -out key 2>/dev/null; chmod 600 key;"
			    "softhsm2-util --import key --token orlop --label db --id 01 --pin 1234");
	return 0;
}

static int drop_token(void **state)
{
	(void)state;
	scratch_remove(&token_folder);
	token_folder = NULL;
	return 0;
}

static void need_token(void)
{
	if (!token_folder) {
		print_message("skipped, because there is no softhsm2-util\n");
		skip();
	}
}

static void need_openssl(int r)
{
	if (r == -ENOTSUP) {
		print_message("skipped, because OpenSSL has neither the provider nor the engine pkcs11\n");
		skip();
	}
}

/* What the token says is told apart, and no PIN is in what is told. Those that log in come last. */
static void what_is_wrong_with_a_token_is_told_apart(void **state)
{
	static const char db[] = "pkcs11:token=orlop;object=db;type=private";
	static const struct {
		const char *uri, *pin;
		int code;
		unsigned asked;
		const char *text;
	} cases[] = {
		{db, "9876", -EKEYREJECTED, 1, "does not take the PIN"},
		{"pkcs11:token=orlop;object=db;type=private?pin-value=9876", NULL, -EKEYREJECTED, 0,
			"does not take the PIN"},
		{db, NULL, -EKEYREJECTED, 1, "wants its PIN"},
		{"pkcs11:token=none;object=db;type=private", "1234", -ENOENT, 0, "there is no such token"},
		{"pkcs11:token=orlop;object=none;type=private", "1234", -ENOENT, 1,
			"has no such private key"},
		{"pkcs11:token=orlop;object=db;type=private?pin-value=1234", NULL, 0, 0, NULL},
	};

	(void)state;
	need_token();
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct answers answers = {.texts = (const char *const[]){cases[i].pin, NULL}};
		const struct key_secret secret = {tell, &answers};
		_cleanup_error_ struct error *err = NULL;
		_cleanup_free_ char *name = NULL;
		EVP_PKEY *key = NULL;
		int r = private_key_load(cases[i].uri, &secret, &key, &name, &err);

		need_openssl(r);
		if (r != cases[i].code)
			fail_msg("%s: %d: %s", cases[i].uri, r, error_message(err));
		assert_int_equal(answers.asked, cases[i].asked);
		if (answers.asked > 0)
			assert_int_equal(answers.kind, KEY_PIN);
		if (r < 0) {
			assert_non_null(strstr(error_message(err), cases[i].text));
			assert_null(strstr(error_message(err), "9876"));
		} else {
			assert_null(strstr(name, "1234"));
		}
		EVP_PKEY_free(key);
	}
}

static void a_token_signs_what_the_same_key_in_a_file_does(void **state)
{
	static const char data[] = "what is signed";
	_cleanup_free_ char *path = NULL;
	_cleanup_buffer_ struct buffer of_token = {}, of_file = {};
	EVP_PKEY *token = NULL, *file = NULL;
	_cleanup_error_ struct error *err = NULL;
	int r;

	(void)state;
	need_token();
	path = string_format("%s/key", token_folder);
	r = private_key_load(
		"pkcs11:token=orlop;object=db;type=private?pin-value=1234", NULL, &token, NULL, &err);
	need_openssl(r);
	assert_ok(r, err);
	assert_ok(private_key_load(path, NULL, &file, NULL, &err), err);
	assert_ok(private_key_sign(token, "token", data, sizeof(data), &of_token, &err), err);
	assert_ok(private_key_sign(file, "file", data, sizeof(data), &of_file, &err), err);
	assert_int_equal(of_token.size, of_file.size);
	assert_memory_equal(of_token.data, of_file.data, of_file.size);
	EVP_PKEY_free(token);
	EVP_PKEY_free(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_passphrase_is_asked_for_until_it_opens_the_key),
		cmocka_unit_test(a_key_that_is_not_encrypted_asks_nobody),
		cmocka_unit_test(what_is_written_encrypted_is_what_openssl_opens),
		cmocka_unit_test(what_is_wrong_with_a_token_is_told_apart),
		cmocka_unit_test(a_token_signs_what_the_same_key_in_a_file_does),
	};

	return cmocka_run_group_tests(tests, make_token, drop_token);
}
