/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scratch.h"

#include "base/encoding.h"
#include "base/sha1.h"

/* The examples of FIPS 180-2, appendix A, and the empty message of NIST's "SHA-1 example values". */
static void digests_are_those_of_fips_180(void **state)
{
	static const struct {
		const char *text, *digest;
	} vectors[] = {
		{"", "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
		{"abc", "a9993e364706816aba3e25717850c26c9cd0d89d"},
		{"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
			"84983e441c3bd26ebaae4aa1f95129e5e54670f1"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
		uint8_t digest[SHA1_SIZE];
		char text[SHA1_HEX_SIZE];

		assert_int_equal(sha1_bytes(vectors[i].text, strlen(vectors[i].text), digest), 0);
		hex_encode(digest, SHA1_SIZE, text);
		assert_string_equal(text, vectors[i].digest);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(digests_are_those_of_fips_180),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
