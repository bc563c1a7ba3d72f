/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "base/file.h"
#include "base/process.h"
#include "base/string-util.h"
#include "vm/kvm.h"

static int make_runtime(void **state)
{
	char path[] = "/tmp/test-vm-kvm.XXXXXX";

	*state = strdup(mkdtemp(path));
	return 0;
}

static int remove_runtime(void **state)
{
	int r = remove_tree(*state, NULL);

	free(*state);
	return r;
}

/* TCG runs it as any processor would, so a "no" under KVM is KVM's fault and not the firmware's. */
static void the_probes_firmware_ends_qemu_with_the_status_that_means_yes(void **state)
{
	_cleanup_free_ char *path = string_format("%s/firmware", (char *)*state);
	_cleanup_process_result_ struct process_result result = {};
	_cleanup_buffer_ struct buffer firmware = {};
	_cleanup_error_ struct error *err = NULL;
	const char *const arguments[] = {"timeout", "60", "qemu-system-x86_64", "-nodefaults", "-display",
		"none", "-machine", "q35", "-accel", "tcg", "-m", "64", "-device",
		"isa-debug-exit,iobase=0xf4,iosize=4", "-no-reboot", "-bios", path, NULL};

	if (access("/usr/bin/qemu-system-x86_64", X_OK) < 0) {
		print_message("skipped, because qemu-system-x86_64 isn't installed\n");
		skip();
	}
	assert_int_equal(vm_kvm_probe_firmware(&firmware), 0);
	assert_int_equal(firmware.size, 65536);
	assert_ok(file_write_atomic(path, firmware.data, firmware.size, 0600, &err), err);
	assert_ok(process_run(arguments, NULL, 0, 65536, &result, &err), err);
	assert_int_equal(result.status, VM_KVM_PROBE_STATUS);
}

static struct vm_platform with_program(const char *path)
{
	struct vm_platform platform = *vm_platform_find("amd64");

	platform.qemu = path;
	return platform;
}

/* Stands in for QEMU: ends with a status, and leaves a mark that it was run. */
static char *stand_in(const char *folder, int status)
{
	_cleanup_free_ char *script = string_format("#!/bin/sh\n>>%s/ran\nexit %d\n", folder, status);
	char *path = string_format("%s/qemu", folder);

	assert_non_null(script);
	assert_int_equal(file_write_atomic(path, script, strlen(script), 0700, NULL), 0);
	return path;
}

static void the_answer_is_kept_until_the_host_boots_again(void **state)
{
	_cleanup_free_ char *yes = NULL, *no = NULL, *ran = NULL;
	struct vm_platform platform;

	if (access("/dev/kvm", R_OK | W_OK) < 0) {
		print_message("skipped, because /dev/kvm can't be opened: there is nothing to probe\n");
		skip();
	}
	ran = string_format("%s/ran", (char *)*state);
	yes = stand_in(*state, VM_KVM_PROBE_STATUS);
	platform = with_program(yes);
	assert_int_equal(vm_kvm_works(&platform, *state, "boot-1", NULL), 1);
	assert_int_equal(unlink(ran), 0);
	no = stand_in(*state, 1);
	assert_int_equal(vm_kvm_works(&platform, *state, "boot-1", NULL), 1);
	assert_int_equal(access(ran, F_OK), -1);
	assert_int_equal(vm_kvm_works(&platform, *state, "boot-2", NULL), 0);
	assert_int_equal(unlink(ran), 0);
	assert_int_equal(vm_kvm_works(&platform, *state, "boot-2", NULL), 0);
	assert_int_equal(access(ran, F_OK), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_probes_firmware_ends_qemu_with_the_status_that_means_yes,
			make_runtime, remove_runtime),
		cmocka_unit_test_setup_teardown(
			the_answer_is_kept_until_the_host_boots_again, make_runtime, remove_runtime),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
