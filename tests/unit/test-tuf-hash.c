/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "format/canonical-json.h"
#include "format/tuf-hash.h"

/* FIPS 180-4 examples: "abc". */
#define ABC256 "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define ABC512                                                             \
	"ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a" \
	"2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
#define ZEROS "0000000000000000000000000000000000000000000000000000000000000000"

static void every_listed_digest_has_to_be_the_files(void **state)
{
	static const struct {
		const char *json;
		int result;
		const char *message;
	} cases[] = {
		{"{\"sha256\":\"" ABC256 "\"}", 0, NULL},
		{"{\"sha512\":\"" ABC512 "\"}", 0, NULL},
		{"{\"sha256\":\"" ABC256 "\",\"sha512\":\"" ABC512 "\"}", 0, NULL},
		{"{\"sha256\":\"" ABC256 "\",\"blake2b\":\"00\"}", 0, NULL},
		{"{\"sha256\":\"" ZEROS "\"}", -EBADMSG, "its SHA-256 is " ABC256},
		{"{\"sha256\":\"" ABC256 "\",\"sha512\":\"" ZEROS ZEROS "\"}", -EBADMSG,
			"its SHA-512 is " ABC512},
		{"{\"sha256\":\"" ZEROS "\",\"sha512\":\"" ABC512 "\"}", -EBADMSG, "metadata says " ZEROS},
		{"{\"unknown\":\"" ABC256 "\"}", -ENOTSUP, "no digest of a known algorithm"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_json_ json_t *object = json_loads(cases[i].json, 0, NULL);
		_cleanup_error_ struct error *err = NULL;
		struct tuf_hashes hashes;

		assert_ok(tuf_hashes_parse(object, &hashes, &err), err);
		if (cases[i].result == 0)
			assert_ok(tuf_hashes_check_bytes(&hashes, "abc", 3, &err), err);
		else
			assert_error(tuf_hashes_check_bytes(&hashes, "abc", 3, &err), cases[i].result, err,
				cases[i].message);
	}
}

static void malformed_lists_are_refused(void **state)
{
	static const char *const cases[] = {
		"{}",
		"[]",
		"[\"" ABC256 "\"]",
		"{\"sha256\":\"\"}",
		"{\"sha256\":7}",
		"{\"sha256\":\"" ABC256 "00\"}",
		"{\"sha256\":\"" ABC512 "\"}",
		"{\"sha512\":\"" ABC256 "\"}",
		"{\"sha256\":\"g" ABC256 "\"}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_json_ json_t *object = json_loads(cases[i], 0, NULL);
		_cleanup_error_ struct error *err = NULL;
		struct tuf_hashes hashes;

		assert_error(tuf_hashes_parse(object, &hashes, &err), -EBADMSG, err, "digest");
	}
}

static void a_hasher_begins_anew_after_its_digests(void **state)
{
	_cleanup_tuf_hasher_ struct tuf_hasher *hasher = tuf_hasher_new();
	struct tuf_hashes whole, parts;

	(void)state;
	tuf_hasher_update(hasher, "abc", 3);
	tuf_hasher_final(hasher, &whole);
	tuf_hasher_update(hasher, "a", 1);
	tuf_hasher_update(hasher, "", 0);
	tuf_hasher_update(hasher, "bc", 2);
	tuf_hasher_final(hasher, &parts);
	assert_memory_equal(whole.sha256, parts.sha256, SHA256_SIZE);
	assert_memory_equal(whole.sha512, parts.sha512, TUF_SHA512_SIZE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_listed_digest_has_to_be_the_files),
		cmocka_unit_test(malformed_lists_are_refused),
		cmocka_unit_test(a_hasher_begins_anew_after_its_digests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
