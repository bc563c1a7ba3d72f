/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tool.h"
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "format/openpgp-armor.h"
#include "scratch.h"

/* A key made by gpg, with what gpg itself makes of it as packets. */
static const char make_keys[] =
	"mkdir -m 700 home; export GNUPGHOME=$PWD/home; "
	"for name in a b; do gpg --batch --quiet --passphrase '' --quick-gen-key $name ed25519 sign never; "
	"done; "
	"gpg --armor --export >both.asc; gpg --export >both.gpg; "
	"gpg --armor --export a >two.asc; gpg --armor --export b >>two.asc; gpg --export a b >two.gpg; "
	"gpg --armor --comment 'a: b' --emit-version --export >headers.asc; cp both.gpg headers.gpg; "
	"sed 's/$/\\r/; 1i text before it' both.asc >crlf.asc; cp both.gpg crlf.gpg; "
	"grep -v '^=....$' both.asc >sumless.asc; cp both.gpg sumless.gpg; gpgconf --kill all";

static void makes_the_packets_that_gpg_makes(void **state)
{
	static const char *const names[] = {"both", "two", "headers", "crlf", "sumless"};
	char *folder = scratch_new();

	(void)state;
	shell(folder, make_keys);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_free_ char *armored_name = string_format("%s.asc", names[i]),
				    *binary_name = string_format("%s.gpg", names[i]), *armored, *binary;
		_cleanup_buffer_ struct buffer keys = {};
		_cleanup_error_ struct error *err = NULL;
		size_t armored_size, size;

		armored = scratch_read(folder, armored_name, &armored_size);
		binary = scratch_read(folder, binary_name, &size);
		assert_ok(openpgp_dearmor(armored, armored_size, &keys, &err), err);
		assert_int_equal(keys.size, size);
		assert_memory_equal(keys.data, binary, size);
		assert_int_equal(openpgp_keys_kind(armored, armored_size), OPENPGP_KEYS_ARMORED);
		assert_int_equal(openpgp_keys_kind(binary, size), OPENPGP_KEYS_BINARY);
	}
	scratch_remove(&folder);
}

#define BLOCK(text) "-----BEGIN PGP PUBLIC KEY BLOCK-----\n" text
#define END "-----END PGP PUBLIC KEY BLOCK-----\n"

static void refuses_damaged_blocks_and_names_the_line(void **state)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{"", "line 1: there is no public key block"},
		{"-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nAAAA\n", "there is no public key block"},
		{BLOCK(""), "line 1: a public key block does not end"},
		{BLOCK("\nAAAA\n"), "line 3: a public key block does not end"},
		{BLOCK("\n" END), "line 1: a public key block holds no valid Base64"},
		{BLOCK("\nAA*A\n" END), "line 1: a public key block holds no valid Base64"},
		{BLOCK("\nAAA\n" END), "line 1: a public key block holds no valid Base64"},
		{BLOCK("\nAAAA\n\nAAAA\n" END), "line 4: a public key block is damaged"},
		{BLOCK("\nAAAA\n=AAAA\nAAAA\n" END), "line 5: a public key block is damaged"},
		{BLOCK("\nAAAA\n" END BLOCK("")), "line 5: a public key block does not end"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_buffer_ struct buffer keys = {};
		struct error *err = NULL;

		assert_error(openpgp_dearmor(cases[i].text, strlen(cases[i].text), &keys, &err), -EBADMSG,
			err, cases[i].message);
	}
}

static void tells_files_of_keys_from_others(void **state)
{
	static const struct {
		const char *bytes;
		size_t size;
		enum openpgp_keys kind;
	} cases[] = {
		{"", 0, OPENPGP_KEYS_NONE},
		{"hello", 5, OPENPGP_KEYS_NONE},
		{"\x98\x33\x04", 3, OPENPGP_KEYS_BINARY}, /* old format, public key */
		{"\xc6\x33\x04", 3, OPENPGP_KEYS_BINARY}, /* new format */
		{"\x94\x33\x04", 3, OPENPGP_KEYS_NONE},	  /* a secret key */
		{"\x88\x33\x04", 3, OPENPGP_KEYS_NONE},	  /* a signature */
		{"\0\0\0 \1\1\0\2KBXf", 12, OPENPGP_KEYS_BINARY},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(openpgp_keys_kind(cases[i].bytes, cases[i].size), cases[i].kind);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(makes_the_packets_that_gpg_makes),
		cmocka_unit_test(refuses_damaged_blocks_and_names_the_line),
		cmocka_unit_test(tells_files_of_keys_from_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
