/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tool.h"

#include <errno.h>

#include "base/encoding.h"
#include "base/string-util.h"
#include "format/canonical-json.h"
#include "format/tuf-key.h"

/* RFC 8032, section 7.1, test 3. */
#define RFC_PUBLIC "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025"
#define RFC_SIGNATURE                                                      \
	"6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac" \
	"18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"

static json_t *key_object(const char *keytype, const char *scheme, const char *public)
{
	json_t *object =
		json_pack("{ss ss s{ss}}", "keytype", keytype, "scheme", scheme, "keyval", "public", public);

	assert_non_null(object);
	return object;
}

/* Reads a key under its own id. */
static struct tuf_key read_key(const char *keytype, const char *scheme, const char *public)
{
	_cleanup_json_ json_t *object = key_object(keytype, scheme, public);
	_cleanup_error_ struct error *err = NULL;
	struct tuf_key key;
	char id[SHA256_HEX_SIZE];

	assert_ok(tuf_key_id(object, id, &err), err);
	assert_ok(tuf_key_parse(id, object, &key, &err), err);
	assert_string_equal(key.id, id);
	return key;
}

static void ed25519_is_that_of_the_rfc(void **state)
{
	struct tuf_key key = read_key("ed25519", "ed25519", RFC_PUBLIC);
	uint8_t signature[64], data[] = {0xaf, 0x82};

	(void)state;
	assert_int_equal(hex_decode(RFC_SIGNATURE, signature, sizeof(signature)), 0);
	assert_true(tuf_key_verify(&key, data, sizeof(data), signature, sizeof(signature)));
	assert_false(tuf_key_verify(&key, data, sizeof(data) - 1, signature, sizeof(signature)));
	assert_false(tuf_key_verify(&key, data, sizeof(data), signature, sizeof(signature) - 1));
	assert_false(tuf_key_verify(&key, data, sizeof(data), signature, 0));
	signature[0] ^= 1;
	assert_false(tuf_key_verify(&key, data, sizeof(data), signature, sizeof(signature)));
	tuf_key_release(&key);
}

/* Makes a key with openssl, signs a text with it, and has the signature checked by the key's public part. */
static struct tuf_key openssl_signs(
	const char *generate, const char *sign, const char *keytype, const char *scheme)
{
	_cleanup_free_ char *script = string_format("set -e; cd '%s'; printf hello >text; "
						    "openssl genpkey %s -out key.pem 2>/dev/null; "
						    "openssl pkey -in key.pem -pubout -out public.pem; "
						    "openssl dgst -sha256 -sign key.pem %s -out sig text",
		tool_folder, generate, sign);
	_cleanup_free_ char *public = NULL, *signature = NULL;
	_cleanup_error_ struct error *err = NULL;
	struct tuf_key key;
	size_t size;

	tool_do("sh", "-c", script);
	assert_ok(file_read(tool_path("public.pem"), MiB(1), &public, NULL, &err), err);
	assert_ok(file_read(tool_path("sig"), MiB(1), &signature, &size, &err), err);
	key = read_key(keytype, scheme, public);
	if (key.public) {
		assert_true(tuf_key_verify(&key, "hello", 5, (uint8_t *)signature, size));
		assert_false(tuf_key_verify(&key, "hellp", 5, (uint8_t *)signature, size));
		assert_false(tuf_key_verify(&key, "hello", 5, (uint8_t *)signature, size - 1));
	}
	return key;
}

#define PSS "-sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:"

static void openssls_signatures_are_good(void **state)
{
	static const struct {
		const char *generate, *sign, *keytype, *scheme;
	} cases[] = {
		{"-algorithm EC -pkeyopt ec_paramgen_curve:P-256", "", "ecdsa", "ecdsa-sha2-nistp256"},
		{"-algorithm EC -pkeyopt ec_paramgen_curve:P-256", "", "ecdsa-sha2-nistp256",
			"ecdsa-sha2-nistp256"},
		{"-algorithm RSA -pkeyopt rsa_keygen_bits:2048", PSS "digest", "rsa", "rsassa-pss-sha256"},
		{"-algorithm RSA -pkeyopt rsa_keygen_bits:3072", PSS "max", "rsa", "rsassa-pss-sha256"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct tuf_key key =
			openssl_signs(cases[i].generate, cases[i].sign, cases[i].keytype, cases[i].scheme);

		assert_non_null(key.public);
		tuf_key_release(&key);
	}
}

/* They are read, so that a document that lists them is, and nothing they sign counts. */
static void keys_of_other_kinds_are_there_and_sign_nothing(void **state)
{
	static const struct {
		const char *generate, *sign, *keytype, *scheme;
	} made[] = {
		{"-algorithm EC -pkeyopt ec_paramgen_curve:P-384", "", "ecdsa", "ecdsa-sha2-nistp256"},
		{"-algorithm EC -pkeyopt ec_paramgen_curve:P-256", "", "ecdsa", "ecdsa-sha2-nistp384"},
		{"-algorithm EC -pkeyopt ec_paramgen_curve:P-256", "", "rsa", "rsassa-pss-sha256"},
		{"-algorithm RSA -pkeyopt rsa_keygen_bits:2048", "", "rsa", "rsa-pkcs1v15-sha256"},
		{"-algorithm RSA -pkeyopt rsa_keygen_bits:1024", PSS "digest", "rsa", "rsassa-pss-sha256"},
		{"-algorithm RSA -pkeyopt rsa_keygen_bits:2048", PSS "digest", "ecdsa", "rsassa-pss-sha256"},
	};
	static const struct {
		const char *keytype, *scheme, *public;
	} damaged[] = {
		{"ed25519", "ed25519", RFC_PUBLIC "00"},
		{"ed25519", "ed25519", "zz"},
		{"ed25519", "ed25519", ""},
		{"ed25519", "ecdsa-sha2-nistp256", RFC_PUBLIC},
		{"ecdsa", "ecdsa-sha2-nistp256", RFC_PUBLIC},
		{"rsa", "rsassa-pss-sha256", "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n"},
		{"sphincs", "sphincs-shake-128s", "00"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(made); i++) {
		struct tuf_key key =
			openssl_signs(made[i].generate, made[i].sign, made[i].keytype, made[i].scheme);

		assert_null(key.public);
		assert_false(tuf_key_verify(&key, "hello", 5, (const uint8_t *)"x", 1));
		assert_false(tuf_key_same(&key, &key));
		tuf_key_release(&key);
	}
	for (size_t i = 0; i < ARRAY_SIZE(damaged); i++) {
		struct tuf_key key = read_key(damaged[i].keytype, damaged[i].scheme, damaged[i].public);

		assert_null(key.public);
		tuf_key_release(&key);
	}
}

/* A key of the tuf-on-ci repository, whose id counts a member of its own; and one without it. */
static void an_id_is_of_the_whole_key_or_of_its_specified_members(void **state)
{
	_cleanup_json_ json_t *object = key_object("ed25519", "ed25519", RFC_PUBLIC);
	_cleanup_error_ struct error *err = NULL;
	char plain[SHA256_HEX_SIZE], extended[SHA256_HEX_SIZE];
	struct tuf_key a, b;

	(void)state;
	assert_ok(tuf_key_id(object, plain, &err), err);
	assert_int_equal(json_object_set_new(object, "keyid_hash_algorithms", json_string("md5")), 0);
	assert_ok(tuf_key_id(object, extended, &err), err);
	assert_string_not_equal(plain, extended);
	assert_ok(tuf_key_parse(plain, object, &a, &err), err);
	assert_ok(tuf_key_parse(extended, object, &b, &err), err);
	assert_true(tuf_key_same(&a, &b));
	tuf_key_release(&a);
	tuf_key_release(&b);

	plain[5] = plain[5] == '0' ? '1' : '0';
	assert_error(tuf_key_parse(plain, object, &a, &err), -EBADMSG, err, "has the id");
	assert_error(tuf_key_parse("", object, &a, &err), -EBADMSG, err, "has the id");
}

/* One point of the curve can be written in two ways, one text in two cases: it stays one key. */
static void one_key_is_the_same_however_it_is_written(void **state)
{
	_cleanup_free_ char *script = string_format("cd '%s' && openssl ec -pubin -in public.pem -pubout "
						    "-conv_form compressed -out compressed.pem 2>/dev/null",
		tool_folder);
	struct tuf_key key = openssl_signs(
		"-algorithm EC -pkeyopt ec_paramgen_curve:P-256", "", "ecdsa", "ecdsa-sha2-nistp256");
	_cleanup_free_ char *text = NULL;
	_cleanup_error_ struct error *err = NULL;
	struct tuf_key again, lower, upper;

	(void)state;
	tool_do("sh", "-c", script);
	assert_ok(file_read(tool_path("compressed.pem"), MiB(1), &text, NULL, &err), err);
	again = read_key("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256", text);
	assert_string_not_equal(again.id, key.id);
	assert_true(tuf_key_same(&again, &key));

	lower = read_key("ed25519", "ed25519", RFC_PUBLIC);
	upper = read_key(
		"ed25519", "ed25519", "FC51CD8E6218A1A38DA47ED00230F0580816ED13BA3303AC5DEB911548908025");
	assert_true(tuf_key_same(&lower, &upper));
	assert_false(tuf_key_same(&lower, &key));
	tuf_key_release(&key);
	tuf_key_release(&again);
	tuf_key_release(&lower);
	tuf_key_release(&upper);
}

static void a_key_without_its_members_is_refused(void **state)
{
	static const char *const cases[] = {
		"{}",
		"[]",
		"{\"keytype\":\"ed25519\",\"scheme\":\"ed25519\"}",
		"{\"keytype\":\"ed25519\",\"keyval\":{\"public\":\"00\"}}",
		"{\"scheme\":\"ed25519\",\"keyval\":{\"public\":\"00\"}}",
		"{\"keytype\":\"ed25519\",\"scheme\":\"ed25519\",\"keyval\":\"00\"}",
		"{\"keytype\":1,\"scheme\":\"ed25519\",\"keyval\":{}}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_json_ json_t *object = json_loads(cases[i], 0, NULL);
		_cleanup_error_ struct error *err = NULL;
		struct tuf_key key;

		assert_error(tuf_key_parse("x", object, &key, &err), -EBADMSG, err, "is missing");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ed25519_is_that_of_the_rfc),
		cmocka_unit_test(openssls_signatures_are_good),
		cmocka_unit_test(keys_of_other_kinds_are_there_and_sign_nothing),
		cmocka_unit_test(an_id_is_of_the_whole_key_or_of_its_specified_members),
		cmocka_unit_test(one_key_is_the_same_however_it_is_written),
		cmocka_unit_test(a_key_without_its_members_is_refused),
	};

	return cmocka_run_group_tests(tests, tool_setup, tool_cleanup);
}
