/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "base/encoding.h"
#include "format/canonical-json.h"

/* The right-hand sides are what securesystemslib 0.26.0 and @tufjs/canonical-json 2.0.0 make of the left. */
static void writes_what_other_signers_write(void **state)
{
	static const struct {
		const char *json, *canonical;
	} cases[] = {
		{"{}", "{}"},
		{"[]", "[]"},
		{"{\"a\":{},\"b\":[]}", "{\"a\":{},\"b\":[]}"},
		{" { \"b\" : 1 , \"a\" : [ true , false , null ] } ", "{\"a\":[true,false,null],\"b\":1}"},
		{"{\"10\":1,\"2\":2,\"1\":3}", "{\"1\":3,\"10\":1,\"2\":2}"},
		{"{\"a\":\"\\\"\",\"b\":\"\\\\\",\"c\":\"/\"}",
			"{\"a\":\"\\\"\",\"b\":\"\\\\\",\"c\":\"/\"}"},
		{"{\"nl\":\"a\\nb\\tc\\u0001\"}", "{\"nl\":\"a\nb\tc\x01\"}"},
		{"{\"\\u00fc\":\"\\u20ac\",\"z\":\"\\ud83d\\ude00\"}", "{\"z\":\"😀\",\"ü\":\"€\"}"},
		{"{\"\\uffee\":1,\"\\ue000\":2}", "{\"\ue000\":2,\"￮\":1}"},
		{"{\"A\":1,\"a\":2,\"_\":3}", "{\"A\":1,\"_\":3,\"a\":2}"},
		{"[0,-0,-1,9007199254740991,-9007199254740991]",
			"[0,0,-1,9007199254740991,-9007199254740991]"},
		{"{\"a\":\"\\u002f\"}", "{\"a\":\"/\"}"},
		{"{\"\":\"\"}", "{\"\":\"\"}"},
		{"{\"a\":1,\"ab\":2,\"a\\u0001\":3}", "{\"a\":1,\"a\x01\":3,\"ab\":2}"},
		{"[[[[{\"x\":[{}]}]]]]", "[[[[{\"x\":[{}]}]]]]"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_json_ json_t *value = json_loads(cases[i].json, JSON_DECODE_ANY, NULL);
		_cleanup_buffer_ struct buffer text = {};
		_cleanup_error_ struct error *err = NULL;

		assert_non_null(value);
		assert_ok(canonical_json_write(value, &text, &err), err);
		buffer_append_u8(&text, 0);
		assert_string_equal((char *)text.data, cases[i].canonical);
	}
}

/* Member names that sort differently in UTF-16, as some languages compare them. */
static void members_are_in_the_order_of_code_points(void **state)
{
	_cleanup_json_ json_t *value = json_loads("{\"\\ud83d\\ude00\":1,\"\\uffee\":2}", 0, NULL);
	_cleanup_buffer_ struct buffer text = {};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_ok(canonical_json_write(value, &text, &err), err);
	buffer_append_u8(&text, 0);
	assert_string_equal((char *)text.data, "{\"￮\":2,\"😀\":1}");
}

static void numbers_that_are_no_integers_have_no_form(void **state)
{
	static const char *const cases[] = {"1.0", "[1e3]", "{\"a\":{\"b\":0.5}}", "-0.0"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_json_ json_t *value = json_loads(cases[i], JSON_DECODE_ANY, NULL);
		_cleanup_buffer_ struct buffer text = {};
		_cleanup_error_ struct error *err = NULL;

		assert_non_null(value);
		assert_error(canonical_json_write(value, &text, &err), -EBADMSG, err, "no integer");
	}
}

/* The id of a key in the specification's example of root.json (4.3). */
static void digest_is_that_of_the_specifications_example(void **state)
{
	_cleanup_json_ json_t *value =
		json_loads("{\"keytype\":\"ed25519\",\"scheme\":\"ed25519\",\"keyval\":{\"public\":"
			   "\"72378e5bc588793e58f81c8533da64a2e8f1565c1fcc7f253496394ffc52542c\"}}",
			0, NULL);
	_cleanup_error_ struct error *err = NULL;
	uint8_t digest[SHA256_SIZE];
	char text[SHA256_HEX_SIZE];

	(void)state;
	assert_ok(canonical_json_digest(value, digest, &err), err);
	hex_encode(digest, SHA256_SIZE, text);
	assert_string_equal(text, "1bf1c6e3cdd3d3a8420b19199e27511999850f4b376c4547b2f32fba7e80fca3");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_what_other_signers_write),
		cmocka_unit_test(members_are_in_the_order_of_code_points),
		cmocka_unit_test(numbers_that_are_no_integers_have_no_form),
		cmocka_unit_test(digest_is_that_of_the_specifications_example),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
