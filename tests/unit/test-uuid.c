/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "format/uuid.h"

static struct uuid uuid(const char *text)
{
	struct uuid uuid = {};

	assert_int_equal(uuid_parse(text, &uuid), 0);
	return uuid;
}

static void text_goes_in_and_out(void **state)
{
	struct uuid id = uuid("C12A7328-f81f-11d2-BA4B-00a0c93ec93b");
	char text[UUID_TEXT_SIZE];

	(void)state;
	assert_memory_equal(id.bytes, "\xc1\x2a\x73\x28\xf8\x1f\x11\xd2\xba\x4b\x00\xa0\xc9\x3e\xc9\x3b", 16);
	assert_string_equal(uuid_format(&id, text), "c12a7328-f81f-11d2-ba4b-00a0c93ec93b");
}

static void text_that_is_no_uuid_is_refused(void **state)
{
	static const char *const wrong[] = {"", "c12a7328-f81f-11d2-ba4b-00a0c93ec93",
		"c12a7328-f81f-11d2-ba4b-00a0c93ec93b0", "c12a7328f81f-11d2-ba4b--00a0c93ec93b",
		"c12a7328-f81f-11d2-ba4b-00a0c93ec93g", "c12a7328-f81f-11d2-ba4b_00a0c93ec93b",
		"{12a7328-f81f-11d2-ba4b-00a0c93ec93b"};
	struct uuid id = {{7}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_int_equal(uuid_parse(wrong[i], &id), -EINVAL);
	assert_int_equal(id.bytes[0], 7);
}

/* UEFI 2.10, appendix A, gives the EFI System Partition's GUID as bytes. */
static void gpt_has_three_fields_in_little_endian(void **state)
{
	static const uint8_t esp[UUID_SIZE] = {0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11, 0xba, 0x4b,
		0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b};
	struct uuid id = uuid("c12a7328-f81f-11d2-ba4b-00a0c93ec93b"), back = uuid_from_gpt(esp);
	uint8_t bytes[UUID_SIZE];

	(void)state;
	uuid_to_gpt(&id, bytes);
	assert_memory_equal(bytes, esp, UUID_SIZE);
	assert_true(uuid_equal(&back, &id));
}

/* RFC 9562, appendix B.2: the DNS space and "www.example.com". */
static void name_gives_the_uuid_of_the_rfc_example(void **state)
{
	struct uuid dns = uuid("6ba7b810-9dad-11d1-80b4-00c04fd430c8");
	struct uuid expected = uuid("5c146b14-3c52-8afd-938a-375d0df1fbf6"), id;

	(void)state;
	assert_int_equal(uuid_from_name(&dns, "www.example.com", 15, &id), 0);
	assert_memory_equal(id.bytes, expected.bytes, UUID_SIZE);
	assert_int_equal(uuid_from_name(&dns, "www.example.con", 15, &id), 0);
	assert_false(uuid_equal(&id, &expected));
}

static void root_hash_is_taken_as_it_is(void **state)
{
	uint8_t hash[32];
	struct uuid first, last, all = {};

	(void)state;
	memset(hash, 0xff, 16);
	memset(hash + 16, 0, 16);
	hash[16] = 0x5a;
	first = uuid_from_root_hash_first(hash, sizeof(hash));
	last = uuid_from_root_hash_last(hash, sizeof(hash));
	assert_memory_equal(first.bytes, hash, 16);
	assert_memory_equal(last.bytes, hash + 16, 16);
	assert_false(uuid_is_zero(&last));
	assert_true(uuid_is_zero(&all));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_goes_in_and_out),
		cmocka_unit_test(text_that_is_no_uuid_is_refused),
		cmocka_unit_test(gpt_has_three_fields_in_little_endian),
		cmocka_unit_test(name_gives_the_uuid_of_the_rfc_example),
		cmocka_unit_test(root_hash_is_taken_as_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
