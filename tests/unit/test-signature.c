/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "base/file.h"
#include "base/string-util.h"
#include "repository.h"
#include "source/signature.h"

/* Lines that a clear-signed text must escape, and a last one without line break. */
static const char text[] = "A: b\n- dash\n-----BEGIN PGP SIGNATURE-----\nlast: line\n";

static int make_keys(void **state)
{
	struct repository *repository = calloc(1, sizeof(*repository));

	repository_init(repository);
	*state = repository;
	return 0;
}

static int drop_keys(void **state)
{
	repository_release(*state);
	free(*state);
	return 0;
}

static int verify(
	const struct repository *repository, const char *message, struct buffer *ret, struct error **err)
{
	return signature_verify(message, strlen(message), repository->keyring, ret, err);
}

static void hands_out_what_was_signed(void **state)
{
	_cleanup_free_ char *message = repository_sign(*state, "archive", text);
	_cleanup_buffer_ struct buffer plain = {};
	_cleanup_error_ struct error *err = NULL;

	assert_ok(verify(*state, message, &plain, &err), err);
	assert_int_equal(plain.size, strlen(text));
	assert_memory_equal(plain.data, text, plain.size);
}

static void what_stands_outside_of_the_signature_does_not_come_in(void **state)
{
	_cleanup_free_ char *message = repository_sign(*state, "archive", text);
	_cleanup_free_ char *wrapped = string_format("Before: x\n\n%s\nAfter: y\n", message);
	_cleanup_buffer_ struct buffer plain = {};
	_cleanup_error_ struct error *err = NULL;
	int r = verify(*state, wrapped, &plain, &err);

	/* Either is safe: refused, or the signed part alone. */
	if (r >= 0) {
		assert_int_equal(plain.size, strlen(text));
		assert_memory_equal(plain.data, text, plain.size);
	} else {
		assert_int_equal(plain.size, 0);
	}
}

static void two_signed_texts_are_not_one(void **state)
{
	_cleanup_free_ char *first = repository_sign(*state, "archive", "A: b\n");
	_cleanup_free_ char *second = repository_sign(*state, "archive", "C: d\n");
	_cleanup_free_ char *both = string_format("%s%s", first, second);
	_cleanup_buffer_ struct buffer plain = {};
	_cleanup_error_ struct error *err = NULL;

	assert_int_equal(verify(*state, both, &plain, &err), -EBADMSG);
	assert_int_equal(plain.size, 0);
}

static void refuses_an_altered_text(void **state)
{
	_cleanup_free_ char *message = repository_sign(*state, "archive", text);
	_cleanup_buffer_ struct buffer plain = {};
	_cleanup_error_ struct error *err = NULL;

	*strstr(message, "A: b") = 'B';
	assert_error(verify(*state, message, &plain, &err), -EBADMSG, err, "altered");
	assert_int_equal(plain.size, 0);
}

static void refuses_what_carries_no_signature(void **state)
{
	static const char *const table[] = {
		"", "A: b\n", "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nA: b\n", "<html></html>"};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		_cleanup_buffer_ struct buffer plain = {};
		_cleanup_error_ struct error *err = NULL;

		assert_error(verify(*state, table[i], &plain, &err), -EBADMSG, err, "no valid signature");
		assert_int_equal(plain.size, 0);
	}
}

static void names_the_key_that_is_missing(void **state)
{
	_cleanup_free_ char *message = repository_sign(*state, "other", text);
	const struct repository *repository = *state;
	const char *const list[] = {"gpg", "--homedir", repository->folder, "--batch", "--with-colons",
		"--list-keys", "other@orlop.test", NULL};
	_cleanup_free_ char *keys = run_program(list), *id = NULL;
	_cleanup_buffer_ struct buffer plain = {};
	_cleanup_error_ struct error *err = NULL;

	/* pub:validity:length:algorithm:KEYID:… (GnuPG: doc/DETAILS) */
	assert_int_equal(sscanf(strstr(keys, "pub:"), "pub:%*[^:]:%*[^:]:%*[^:]:%m[0-9A-F]:", &id), 1);
	assert_error(verify(*state, message, &plain, &err), -ENOKEY, err, id);
	assert_int_equal(plain.size, 0);
}

static void refuses_a_key_that_has_expired(void **state)
{
	_cleanup_free_ char *message = repository_sign(*state, "expired", text);
	_cleanup_buffer_ struct buffer plain = {};
	_cleanup_error_ struct error *err = NULL;

	assert_error(verify(*state, message, &plain, &err), -EKEYEXPIRED, err, "expired");
	assert_int_equal(plain.size, 0);
}

static void says_which_keyring_is_not_there(void **state)
{
	_cleanup_buffer_ struct buffer plain = {};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_error(signature_verify(text, strlen(text), "/nonexistent.gpg", &plain, &err), -ENOENT, err,
		"keyring /nonexistent.gpg: No such file");
}

static void takes_a_keyring_in_ascii_armour(void **state)
{
	const struct repository *repository = *state;
	_cleanup_free_ char *armored = string_format("%s/keys.asc", repository->folder),
			    *script =
				    string_format("gpg --homedir '%s' --batch --armor --export archive >'%s'",
					    repository->folder, armored),
			    *message = repository_sign(repository, "archive", text),
			    *other = repository_sign(repository, "other", text), *nothing = NULL;
	const char *const export[] = {"sh", "-c", script, NULL};
	_cleanup_buffer_ struct buffer plain = {}, none = {};
	_cleanup_error_ struct error *err = NULL;

	nothing = run_program(export);
	assert_ok(signature_verify(message, strlen(message), armored, &plain, &err), err);
	assert_int_equal(plain.size, strlen(text));
	assert_error(signature_verify(other, strlen(other), armored, &none, &err), -ENOKEY, err,
		"keys.asc does not hold");
}

static void says_that_a_keyring_is_none(void **state)
{
	static const struct {
		const char *content, *message;
	} cases[] = {
		{"", "holds no OpenPGP public keys"},
		{"<html></html>", "holds no OpenPGP public keys"},
		{"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAA*A\n-----END PGP PUBLIC KEY BLOCK-----\n",
			"wrong.gpg: line 1: a public key block holds no valid Base64"},
	};
	const struct repository *repository = *state;
	_cleanup_free_ char *message = repository_sign(repository, "archive", text),
			    *path = string_format("%s/wrong.gpg", repository->folder);

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_buffer_ struct buffer plain = {};
		struct error *err = NULL;

		assert_int_equal(
			file_write_atomic(path, cases[i].content, strlen(cases[i].content), 0644, NULL), 0);
		assert_error(signature_verify(message, strlen(message), path, &plain, &err), -EBADMSG, err,
			cases[i].message);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hands_out_what_was_signed),
		cmocka_unit_test(what_stands_outside_of_the_signature_does_not_come_in),
		cmocka_unit_test(two_signed_texts_are_not_one),
		cmocka_unit_test(refuses_an_altered_text),
		cmocka_unit_test(refuses_what_carries_no_signature),
		cmocka_unit_test(names_the_key_that_is_missing),
		cmocka_unit_test(refuses_a_key_that_has_expired),
		cmocka_unit_test(takes_a_keyring_in_ascii_armour),
		cmocka_unit_test(says_that_a_keyring_is_none),
		cmocka_unit_test(says_which_keyring_is_not_there),
	};

	return cmocka_run_group_tests(tests, make_keys, drop_keys);
}
