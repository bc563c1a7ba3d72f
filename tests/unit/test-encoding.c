/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "base/encoding.h"

/* RFC 4648, section 10 */
static const struct {
	const char *plain, *base64, *hex;
} vectors[] = {
	{"", "", ""},
	{"f", "Zg==", "66"},
	{"fo", "Zm8=", "666f"},
	{"foo", "Zm9v", "666f6f"},
	{"foob", "Zm9vYg==", "666f6f62"},
	{"fooba", "Zm9vYmE=", "666f6f6261"},
	{"foobar", "Zm9vYmFy", "666f6f626172"},
};

static void encodes_the_vectors_of_rfc_4648(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
		size_t size = strlen(vectors[i].plain);
		_cleanup_free_ char *base64 = base64_encode_new(vectors[i].plain, size);
		_cleanup_free_ char *hex = hex_encode_new(vectors[i].plain, size);

		assert_string_equal(base64, vectors[i].base64);
		assert_string_equal(hex, vectors[i].hex);
	}
}

static void decodes_the_vectors_of_rfc_4648(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
		size_t size = strlen(vectors[i].plain);
		_cleanup_buffer_ struct buffer b = {};
		char bytes[8];

		assert_int_equal(base64_decode(vectors[i].base64, strlen(vectors[i].base64), &b), 0);
		assert_int_equal(b.size, size);
		if (size > 0)
			assert_memory_equal(b.data, vectors[i].plain, size);
		assert_int_equal(hex_decode(vectors[i].hex, bytes, size), 0);
		assert_memory_equal(bytes, vectors[i].plain, size);
	}
}

static void all_bytes_survive(void **state)
{
	_cleanup_free_ char *text = NULL, *hex = NULL;
	_cleanup_buffer_ struct buffer b = {};
	uint8_t bytes[256], again[256];

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)i;
	text = base64_encode_new(bytes, sizeof(bytes));
	assert_int_equal(base64_decode(text, strlen(text), &b), 0);
	assert_int_equal(b.size, sizeof(bytes));
	assert_memory_equal(b.data, bytes, sizeof(bytes));
	hex = hex_encode_new(bytes, sizeof(bytes));
	assert_int_equal(hex_decode(hex, again, sizeof(again)), 0);
	assert_memory_equal(again, bytes, sizeof(bytes));
}

static void a_text_has_one_encoding(void **state)
{
	static const char *const wrong[] = {"Zg", "Zg=", "Zg===", "=",
		"====", "Z===", "Zg==Zg==", "Zm9=", "Zh==", "Zm9v ", "Zm\n9v", "Zm9-", "Zm9_",
		"Z=8=", "Zm9v=", "\0AAA"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		_cleanup_buffer_ struct buffer b = {};
		size_t length = wrong[i][0] ? strlen(wrong[i]) : 4;

		if (base64_decode(wrong[i], length, &b) != -EINVAL)
			fail_msg("\"%s\" was decoded", wrong[i]);
	}
}

static void hex_knows_digits_of_either_case_and_nothing_else(void **state)
{
	uint8_t bytes[2];

	(void)state;
	assert_int_equal(hex_decode("aBCdzz", bytes, 2), 0);
	assert_memory_equal(bytes, "\xab\xcd", 2);
	assert_int_equal(hex_decode("0g", bytes, 1), -EINVAL);
	assert_int_equal(hex_decode("g0", bytes, 1), -EINVAL);
	assert_int_equal(hex_decode("0", bytes, 1), -EINVAL);
	assert_int_equal(hex_decode("", bytes, 1), -EINVAL);
	assert_int_equal(hex_decode("+1", bytes, 1), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(encodes_the_vectors_of_rfc_4648),
		cmocka_unit_test(decodes_the_vectors_of_rfc_4648),
		cmocka_unit_test(all_bytes_survive),
		cmocka_unit_test(a_text_has_one_encoding),
		cmocka_unit_test(hex_knows_digits_of_either_case_and_nothing_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
