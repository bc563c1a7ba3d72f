/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "boot-data.h"
#include "format/signing.h"

static const char text[] = "what is signed", other[] = "what is not";

/* A signer of the certificate alone. */
static struct signer *without_key(const char *name)
{
	_cleanup_signer_ struct signer *whole = boot_signer(name);
	_cleanup_free_ char *pem = signer_certificate_text(whole);
	_cleanup_error_ struct error *err = NULL;
	struct signer *signer;

	assert_non_null(pem);
	assert_ok(signer_from_certificate(name, pem, strlen(pem), &signer, &err), err);
	assert_false(signer_has_key(signer));
	return signer;
}

static int sign(struct signing *list, const struct signer *by, const char *name, const char *data,
	struct buffer *ret, struct error **err)
{
	const struct signer *signer;
	int r = signing_request(list, by, name, "a test", &signer, err);

	return r < 0 ? r : signer_sign(signer, data, strlen(data), ret, err);
}

static void a_key_at_hand_signs_as_it_does_by_itself(void **state)
{
	_cleanup_signer_ struct signer *db = boot_signer("db");
	_cleanup_buffer_ struct buffer direct = {}, listed = {};
	_cleanup_signing_ struct signing list = {};
	_cleanup_error_ struct error *err = NULL;
	size_t from = 0;

	(void)state;
	assert_ok(signer_sign(db, text, strlen(text), &direct, &err), err);
	assert_ok(sign(&list, db, "one", text, &listed, &err), err);
	assert_int_equal(listed.size, direct.size);
	assert_memory_equal(listed.data, direct.data, direct.size);
	assert_null(signing_missing(&list, &from));
	assert_memory_equal(signing_find(&list, "one")->signature.data, direct.data, direct.size);
}

static void what_is_still_to_be_made_has_zeros_in_its_place_and_is_listed_with_what_it_signs(void **state)
{
	_cleanup_signer_ struct signer *db = without_key("db"), *kek = without_key("KEK");
	_cleanup_buffer_ struct buffer first = {}, second = {};
	_cleanup_signing_ struct signing list = {};
	_cleanup_error_ struct error *err = NULL;
	const struct signing_item *item;
	size_t from = 0;

	(void)state;
	assert_ok(sign(&list, db, "one", text, &first, &err), err);
	assert_ok(sign(&list, kek, "two", other, &second, &err), err);
	assert_int_equal(first.size, signer_length(db));
	for (size_t i = 0; i < first.size; i++)
		assert_int_equal(first.data[i], 0);
	item = signing_missing(&list, &from);
	assert_string_equal(item->name, "one");
	assert_ptr_equal(item->by, db);
	assert_int_equal(item->data.size, strlen(text));
	assert_memory_equal(item->data.data, text, strlen(text));
	assert_string_equal(signing_missing(&list, &from)->name, "two");
	assert_null(signing_missing(&list, &from));
}

static void a_signature_that_was_given_takes_the_place_of_a_key_and_the_order_is_that_of_asking(void **state)
{
	_cleanup_signer_ struct signer *whole = boot_signer("db"), *db = without_key("db");
	_cleanup_buffer_ struct buffer right = {}, got = {}, more = {};
	_cleanup_signing_ struct signing list = {};
	_cleanup_error_ struct error *err = NULL;
	size_t from = 0;

	(void)state;
	assert_ok(signer_sign(whole, text, strlen(text), &right, &err), err);
	assert_ok(signing_give(&list, "nobody-asks", right.data, right.size, &err), err);
	assert_ok(signing_give(&list, "two", right.data, right.size, &err), err);
	assert_ok(sign(&list, whole, "one", other, &more, &err), err);
	assert_ok(sign(&list, db, "two", text, &got, &err), err);
	assert_int_equal(got.size, right.size);
	assert_memory_equal(got.data, right.data, right.size);
	assert_null(signing_missing(&list, &from));
	assert_string_equal(list.items[0]->name, "one");
	assert_string_equal(list.items[1]->name, "two");
	assert_string_equal(list.items[2]->name, "nobody-asks");
	assert_null(list.items[2]->by);
}

static void a_signature_that_does_not_fit_is_refused(void **state)
{
	_cleanup_signer_ struct signer *whole = boot_signer("db"), *stranger = boot_signer("KEK"),
				       *db = without_key("db");
	_cleanup_buffer_ struct buffer right = {}, of_other = {}, of_stranger = {}, got = {};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_ok(signer_sign(whole, text, strlen(text), &right, &err), err);
	assert_ok(signer_sign(whole, other, strlen(other), &of_other, &err), err);
	assert_ok(signer_sign(stranger, text, strlen(text), &of_stranger, &err), err);
	const struct {
		const uint8_t *data;
		size_t size;
		const char *text;
	} cases[] = {
		{right.data, right.size - 1, "has 255 bytes"},
		{right.data, 1, "has 1 bytes"},
		{of_other.data, of_other.size, "is not one of CN="},
		{of_stranger.data, of_stranger.size, "is not one of CN="},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_signing_ struct signing list = {};
		_cleanup_error_ struct error *fault = NULL;

		assert_ok(signing_give(&list, "one", cases[i].data, cases[i].size, &err), err);
		assert_error(sign(&list, db, "one", text, &got, &fault), -EKEYREJECTED, fault, cases[i].text);
	}
}

static void a_name_is_asked_for_once(void **state)
{
	_cleanup_signer_ struct signer *db = boot_signer("db");
	_cleanup_buffer_ struct buffer got = {};
	_cleanup_signing_ struct signing list = {};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_ok(sign(&list, db, "one", text, &got, &err), err);
	assert_error(sign(&list, db, "one", text, &got, &err), -EEXIST, err, "one");
}

static void names_are_those_of_files(void **state)
{
	static const char *const good[] = {"a", "root-hash", "x-1", "abcdefghijklmnopqrstuvwxyz012345"},
				 *const bad[] = {"", "-a", "a.b", "../a", "A", "a b", "a/b",
					 "abcdefghijklmnopqrstuvwxyz0123456"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_true(signing_name_is_valid(good[i]));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(signing_name_is_valid(bad[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_key_at_hand_signs_as_it_does_by_itself),
		cmocka_unit_test(
			what_is_still_to_be_made_has_zeros_in_its_place_and_is_listed_with_what_it_signs),
		cmocka_unit_test(
			a_signature_that_was_given_takes_the_place_of_a_key_and_the_order_is_that_of_asking),
		cmocka_unit_test(a_signature_that_does_not_fit_is_refused),
		cmocka_unit_test(a_name_is_asked_for_once),
		cmocka_unit_test(names_are_those_of_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
