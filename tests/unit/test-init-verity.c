/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <sys/sysmacros.h>

#include "init/verity.h"

static void assert_table(const struct verity_target *target, const char *expected)
{
	_cleanup_buffer_ struct buffer table = {};

	verity_table(target, &table);
	assert_false(buffer_failed(&table));
	assert_string_equal((char *)table.data, expected);
}

/* The order of the fields is that of the kernel's verity.rst. */
static void table_is_as_the_kernel_documents(void **state)
{
	static const char hash[] = "4392712ba01368efdf14b05c76f9e4df0d53664630b5d48632ed17a137f39076";
	struct verity_header header = {.options = {.salt = {0x12, 0x34}, .salt_size = 2}, .blocks = 262144};
	struct verity_target target = {
		.header = &header, .data = makedev(8, 2), .hash = makedev(259, 3), .root_hash = hash};

	(void)state;
	assert_table(&target, "1 8:2 259:3 4096 4096 262144 1 sha256 "
			      "4392712ba01368efdf14b05c76f9e4df0d53664630b5d48632ed17a137f39076 1234");
	header.options.salt_size = 0;
	target.signature_key = "key";
	assert_table(&target, "1 8:2 259:3 4096 4096 262144 1 sha256 "
			      "4392712ba01368efdf14b05c76f9e4df0d53664630b5d48632ed17a137f39076 - "
			      "2 root_hash_sig_key_desc key");
	target.corruption = CORRUPTION_RESTART;
	assert_table(&target, "1 8:2 259:3 4096 4096 262144 1 sha256 "
			      "4392712ba01368efdf14b05c76f9e4df0d53664630b5d48632ed17a137f39076 - "
			      "3 restart_on_corruption root_hash_sig_key_desc key");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table_is_as_the_kernel_documents),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
