/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <string.h>

#include "format/content.h"

static void a_slice_stays_where_it_is_only_if_a_nul_follows(void **state)
{
	_cleanup_content_ struct content *whole = content_copy("ab\0cd\0", 6);
	_cleanup_content_ struct content *slice = content_slice(whole, 3, 2),
					 *copy = content_slice(whole, 0, 1),
					 *end = content_slice(whole, 5, 1),
					 *nothing = content_slice(whole, 6, 0);

	(void)state;
	assert_ptr_equal(content_data(slice), content_data(whole) + 3);
	assert_string_equal((const char *)content_data(slice), "cd");
	assert_int_equal(content_size(slice), 2);
	assert_ptr_not_equal(content_data(copy), content_data(whole));
	assert_string_equal((const char *)content_data(copy), "a");
	assert_ptr_equal(content_data(end), content_data(whole) + 5);
	assert_int_equal(content_size(nothing), 0);
	assert_int_equal(*content_data(nothing), 0);
}

/* AddressSanitizer sees to it that the bytes are still there, and are not for ever. */
static void a_slice_keeps_the_whole_and_a_detached_one_does_not(void **state)
{
	struct content *whole = content_copy("ab\0cd\0", 6), *slice = content_slice(whole, 3, 2), *own;
	const struct digests *before, *after;

	(void)state;
	content_unref(whole);
	assert_string_equal((const char *)content_data(slice), "cd");
	assert_int_equal(content_digests(slice, &before), 0);
	own = content_detach(slice);
	assert_ptr_not_equal(content_data(own), content_data(slice));
	assert_int_equal(content_digests(own, &after), 0);
	assert_memory_equal(before, after, sizeof(*before));
	content_unref(slice);
	assert_string_equal((const char *)content_data(own), "cd");
	slice = content_detach(own);
	assert_ptr_equal(slice, own);
	content_unref(slice);
	content_unref(own);
}

/* FIPS 180-4's example of "abc". */
static void digests_are_computed_once_or_believed(void **state)
{
	static const uint8_t sha256[] = {0xba, 0x78, 0x16, 0xbf}, sha1[] = {0xa9, 0x99, 0x3e, 0x36};
	_cleanup_content_ struct content *content = content_copy("abc", 3), *told = content_copy("abc", 3);
	struct digests other = {.sha256 = {1}};
	const struct digests *digests, *again;

	(void)state;
	assert_int_equal(content_digests(content, &digests), 0);
	assert_memory_equal(digests->sha256, sha256, sizeof(sha256));
	assert_memory_equal(digests->sha1, sha1, sizeof(sha1));
	content_set_digests(content, &other);
	assert_int_equal(content_digests(content, &again), 0);
	assert_ptr_equal(digests, again);
	content_set_digests(told, &other);
	assert_int_equal(content_digests(told, &again), 0);
	assert_memory_equal(again, &other, sizeof(other));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_slice_stays_where_it_is_only_if_a_nul_follows),
		cmocka_unit_test(a_slice_keeps_the_whole_and_a_detached_one_does_not),
		cmocka_unit_test(digests_are_computed_once_or_believed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
