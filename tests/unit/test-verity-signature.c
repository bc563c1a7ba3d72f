/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "format/verity-signature.h"

#define HASH "00112233445566778899aabbccddeeff0102030405060708090a0b0c0d0e0f10"
#define PRINT "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100"

static struct verity_signature sample(void)
{
	struct verity_signature signature = {.has_fingerprint = true,
		.root_hash = {0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc,
			0xdd, 0xee, 0xff, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};

	for (size_t i = 0; i < SHA256_SIZE; i++)
		signature.fingerprint[i] = (uint8_t)(0xff - 0x11 * (i % 16));
	/* RFC 4648, section 10: "foobar" is "Zm9vYmFy". */
	buffer_append(&signature.signature, "foobar", 6);
	return signature;
}

static void writes_the_three_members_and_zeros(void **state)
{
	_cleanup_verity_signature_ struct verity_signature signature = sample();
	_cleanup_buffer_ struct buffer partition = {};
	_cleanup_error_ struct error *err = NULL;
	json_t *json;

	(void)state;
	assert_ok(verity_signature_write(&signature, VERITY_SIGNATURE_SIZE, &partition, &err), err);
	assert_int_equal(partition.size, 16384);
	json = json_loads((char *)partition.data, 0, NULL);
	assert_int_equal(json_object_size(json), 3);
	assert_string_equal(json_string_value(json_object_get(json, "rootHash")), HASH);
	assert_string_equal(json_string_value(json_object_get(json, "certificateFingerprint")), PRINT);
	assert_string_equal(json_string_value(json_object_get(json, "signature")), "Zm9vYmFy");
	json_decref(json);
	for (size_t i = strlen((char *)partition.data); i < partition.size; i++)
		assert_int_equal(partition.data[i], 0);
}

static void reads_what_it_wrote(void **state)
{
	_cleanup_verity_signature_ struct verity_signature signature = sample(), back = {};
	_cleanup_buffer_ struct buffer partition = {};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_ok(verity_signature_write(&signature, 4096, &partition, &err), err);
	assert_ok(verity_signature_parse(partition.data, partition.size, &back, &err), err);
	assert_memory_equal(back.root_hash, signature.root_hash, SHA256_SIZE);
	assert_true(back.has_fingerprint);
	assert_memory_equal(back.fingerprint, signature.fingerprint, SHA256_SIZE);
	assert_int_equal(back.signature.size, 6);
	assert_memory_equal(back.signature.data, "foobar", 6);
}

static void reads_other_writers_texts(void **state)
{
	static const char *const texts[] = {
		"{ \"signature\" : \"Zm9vYmFy\",\n\"rootHash\":\"" HASH "\"}\n",
		"{\"rootHash\":\"" HASH "\",\"future\":[1,{}],\"signature\":\"Zm9vYmFy\"}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		_cleanup_verity_signature_ struct verity_signature signature = {};
		_cleanup_error_ struct error *err = NULL;

		assert_ok(verity_signature_parse(texts[i], strlen(texts[i]), &signature, &err), err);
		assert_false(signature.has_fingerprint);
		assert_int_equal(signature.root_hash[31], 0x10);
	}
}

static void refuses_what_is_no_signature(void **state)
{
	static const struct {
		const char *text;
		size_t size; /* 0: the text's length */
		const char *message;
	} cases[] = {
		{"", 1, "empty"},
		{"\0{}", 3, "empty"},
		{"{}\0x", 4, "zeros"},
		{"{", 0, "at byte"},
		{"[]", 0, "not a JSON object"},
		{"{}", 0, "no \"rootHash\""},
		{"{\"rootHash\":\"" HASH "\"}", 0, "no \"signature\""},
		{"{\"rootHash\":\"" HASH "\",\"signature\":\"\"}", 0, "no \"signature\""},
		{"{\"rootHash\":\"" HASH "\",\"signature\":7}", 0, "no \"signature\""},
		{"{\"rootHash\":\"" HASH "\",\"signature\":\"Zm9vYmF\"}", 0, "not Base64"},
		{"{\"rootHash\":\"" HASH "00\",\"signature\":\"Zm9vYmFy\"}", 0, "not a SHA-256"},
		{"{\"rootHash\":\"" HASH "\",\"certificateFingerprint\":\"xy\",\"signature\":\"Zm9vYmFy\"}",
			0, "certificateFingerprint"},
		{"{\"rootHash\":\"" HASH "\",\"rootHash\":\"" HASH "\",\"signature\":\"Zm9vYmFy\"}", 0,
			"uplicate"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		size_t size = cases[i].size ? cases[i].size : strlen(cases[i].text);
		struct verity_signature signature = {};
		_cleanup_error_ struct error *err = NULL;

		assert_error(verity_signature_parse(cases[i].text, size, &signature, &err), -EBADMSG, err,
			cases[i].message);
		assert_null(signature.signature.data);
	}
}

static void sizes_are_bounded(void **state)
{
	_cleanup_verity_signature_ struct verity_signature signature = sample();
	_cleanup_buffer_ struct buffer partition = {};
	_cleanup_error_ struct error *err = NULL;
	_cleanup_free_ char *large = calloc(1, VERITY_SIGNATURE_MAX + 1);

	(void)state;
	assert_error(
		verity_signature_write(&signature, 100, &partition, &err), -ENOSPC, err, "partition of 100");
	assert_int_equal(partition.size, 0);
	assert_error(verity_signature_parse(large, VERITY_SIGNATURE_MAX + 1, &signature, &err), -EFBIG, err,
		"more than");
	signature.has_fingerprint = false;
	assert_error(verity_signature_write(&signature, 4096, &partition, &err), -EINVAL, err, "fingerprint");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_the_three_members_and_zeros),
		cmocka_unit_test(reads_what_it_wrote),
		cmocka_unit_test(reads_other_writers_texts),
		cmocka_unit_test(refuses_what_is_no_signature),
		cmocka_unit_test(sizes_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
