/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>

#include "base/string-util.h"
#include "vm/tcg.h"

static void from_8_1_on_processors_may_run_in_parallel(void **state)
{
	(void)state;
	assert_false(
		vm_tcg_version_is_parallel("QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)\n"));
	assert_false(vm_tcg_version_is_parallel("QEMU emulator version 8.0.5\n"));
	assert_true(vm_tcg_version_is_parallel("QEMU emulator version 8.1.0\n"));
	assert_true(
		vm_tcg_version_is_parallel("QEMU emulator version 10.0.7 (Debian 1:10.0.7+ds-0+deb13u1)\n"));
}

static void what_says_no_version_runs_in_one_thread(void **state)
{
	(void)state;
	assert_false(vm_tcg_version_is_parallel(""));
	assert_false(vm_tcg_version_is_parallel("QEMU emulator version ten"));
	assert_false(vm_tcg_version_is_parallel("something else, version 9.2"));
}

static void a_qemu_that_is_missing_is_an_error(void **state)
{
	const struct vm_platform none = {.qemu = "qemu-system-that-nobody-has"};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_int_equal(vm_tcg_is_parallel(&none, &err), -ENOENT);
	assert_non_null(err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(from_8_1_on_processors_may_run_in_parallel),
		cmocka_unit_test(what_says_no_version_runs_in_one_thread),
		cmocka_unit_test(a_qemu_that_is_missing_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
