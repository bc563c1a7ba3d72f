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
static void check_firmware(const char *folder, const char *architecture)
{
	const struct vm_platform *platform = vm_platform_find(architecture);
	_cleanup_free_ char *path = string_format("%s/firmware", folder);
	_cleanup_process_result_ struct process_result result = {};
	_cleanup_buffer_ struct buffer firmware = {};
	_cleanup_strv_ struct strv arguments = {};
	_cleanup_error_ struct error *err = NULL;
	const char *const words[] = {"timeout", "60", platform->qemu, "-nodefaults", "-display", "none",
		"-machine", platform->machine, "-accel", "tcg", "-cpu", "max", "-m", "64", "-no-reboot",
		"-bios", path};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		assert_int_equal(strv_add(&arguments, words[i]), 0);
	for (size_t i = 0; platform->probe_arguments[i]; i++)
		assert_int_equal(strv_add(&arguments, platform->probe_arguments[i]), 0);
	assert_int_equal(vm_kvm_probe_firmware(platform, &firmware), 0);
	assert_int_equal(firmware.size, 65536);
	assert_ok(file_write_atomic(path, firmware.data, firmware.size, 0600, &err), err);
	assert_ok(process_run((const char *const *)arguments.items, NULL, 0, 65536, &result, &err), err);
	assert_int_equal(result.status, platform->probe_status);
}

static void the_probes_firmware_ends_qemu_with_the_status_that_means_yes(void **state)
{
	if (access("/usr/bin/qemu-system-x86_64", X_OK) < 0 ||
		access("/usr/bin/qemu-system-aarch64", X_OK) < 0) {
		print_message("skipped, because not both QEMUs are installed\n");
		skip();
	}
	check_firmware(*state, "amd64");
	check_firmware(*state, "arm64");
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

static struct vm_platform with_program(const char *path)
{
	struct vm_platform platform = *vm_platform_native();

	platform.qemu = path;
	return platform;
}

/* Whatever is known of it: a guest of another architecture is none of KVM's business. */
static void kvm_is_for_this_machines_architecture_alone(void **state)
{
	const struct vm_platform *native = vm_platform_native(), *other;
	_cleanup_free_ char *known = NULL;

	if (!native)
		skip();
	other = vm_platform_find(streq(native->architecture, "amd64") ? "arm64" : "amd64");
	known = string_format("%s/kvm-%s", (char *)*state, other->architecture);
	assert_int_equal(file_write_atomic(known, "boot-1 yes\n", strlen("boot-1 yes\n"), 0600, NULL), 0);
	assert_int_equal(vm_kvm_works(other, *state, "boot-1", NULL), 0);
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
	yes = stand_in(*state, vm_platform_native()->probe_status);
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
			kvm_is_for_this_machines_architecture_alone, make_runtime, remove_runtime),
		cmocka_unit_test_setup_teardown(
			the_answer_is_kept_until_the_host_boots_again, make_runtime, remove_runtime),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
