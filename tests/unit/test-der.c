/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lengths are those of ITU-T X.690, 8.1.3; the object identifier is that of SHA-256 (RFC 5754, 2.2). */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "format/der.h"

static const uint8_t sha256_oid[] = {0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01};

static void lengths_take_as_many_bytes_as_they_need(void **state)
{
	static const struct {
		size_t size;
		uint8_t header[5];
		size_t header_size;
	} cases[] = {
		{0, {0x04, 0x00}, 2},
		{127, {0x04, 0x7f}, 2},
		{128, {0x04, 0x81, 0x80}, 3},
		{255, {0x04, 0x81, 0xff}, 3},
		{256, {0x04, 0x82, 0x01, 0x00}, 4},
		{65536, {0x04, 0x83, 0x01, 0x00, 0x00}, 5},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_buffer_ struct buffer content = {}, whole = {}, opened = {};
		struct der_reader reader, inside;
		size_t begin;

		buffer_append_zeros(&content, cases[i].size);
		der_append(&whole, DER_OCTET_STRING, content.data, content.size);
		begin = der_begin(&opened);
		buffer_append(&opened, content.data, content.size);
		der_end(&opened, begin, DER_OCTET_STRING);
		assert_false(buffer_failed(&whole) || buffer_failed(&opened));
		assert_int_equal(whole.size, cases[i].header_size + cases[i].size);
		assert_memory_equal(whole.data, cases[i].header, cases[i].header_size);
		assert_int_equal(opened.size, whole.size);
		assert_memory_equal(opened.data, whole.data, whole.size);

		reader = (struct der_reader){.data = whole.data, .size = whole.size};
		assert_int_equal(der_read(&reader, DER_OCTET_STRING, &inside), 0);
		assert_int_equal(inside.size, cases[i].size);
		assert_ptr_equal(inside.data, whole.data + cases[i].header_size);
		assert_int_equal(reader.size, 0);
	}
}

static void what_is_cut_off_endless_or_of_another_tag_is_refused(void **state)
{
	static const struct {
		uint8_t bytes[8];
		size_t size;
	} cases[] = {
		{{}, 0},
		{{0x04}, 1},
		{{0x05, 0x00}, 2},				 /* another tag */
		{{0x04, 0x01}, 2},				 /* one byte, and none is there */
		{{0x04, 0x80, 0x00, 0x00}, 4},			 /* the indefinite form */
		{{0x04, 0x82, 0x01}, 3},			 /* the length itself is cut off */
		{{0x04, 0x81, 0x80, 0x00}, 4},			 /* 128 bytes, of which one is there */
		{{0x04, 0x85, 0x00, 0x00, 0x00, 0x00, 0x00}, 7}, /* more than 4 bytes of length */
		{{0x04, 0x84, 0xff, 0xff, 0xff, 0xff, 0x00}, 7},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		/* Of its own size, so that a sanitizer sees a read behind it. */
		_cleanup_free_ uint8_t *bytes = malloc(cases[i].size);
		struct der_reader reader = {.data = bytes, .size = cases[i].size}, inside = {};

		memcpy(bytes, cases[i].bytes, cases[i].size);
		assert_int_equal(der_read(&reader, DER_OCTET_STRING, &inside), -EBADMSG);
		assert_ptr_equal(reader.data, bytes);
		assert_int_equal(reader.size, cases[i].size);
		assert_null(inside.data);
	}
}

static void an_object_identifier_is_taken_whole_or_not_at_all(void **state)
{
	static const struct der_oid oid = {.data = sha256_oid, .size = sizeof(sha256_oid)};
	uint8_t bytes[sizeof(sha256_oid) + 2] = {};
	struct der_reader reader = {.data = bytes, .size = sizeof(bytes)};

	(void)state;
	memcpy(bytes, sha256_oid, sizeof(sha256_oid));
	assert_int_equal(der_read_oid(&reader, &oid), 0);
	assert_ptr_equal(reader.data, bytes + sizeof(sha256_oid));
	assert_int_equal(reader.size, 2);
	assert_int_equal(der_read_oid(&reader, &oid), -EBADMSG);
	assert_int_equal(reader.size, 2);
	bytes[sizeof(sha256_oid) - 1] = 3; /* SHA-512 */
	reader = (struct der_reader){.data = bytes, .size = sizeof(bytes)};
	assert_int_equal(der_read_oid(&reader, &oid), -EBADMSG);
	assert_ptr_equal(reader.data, bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lengths_take_as_many_bytes_as_they_need),
		cmocka_unit_test(what_is_cut_off_endless_or_of_another_tag_is_refused),
		cmocka_unit_test(an_object_identifier_is_taken_whole_or_not_at_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
