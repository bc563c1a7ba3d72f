/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "base/process.h"
#include "base/string-util.h"
#include "vm/platform.h"

/* From the Discoverable Partitions Specification. */
#define ESP "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
#define USR_AMD64 "8484680c-9521-48c6-9c11-b0720656f69e"
#define USR_ARM64 "b0e01050-ee5f-4390-949a-9101b17104e9"
#define USR_RISCV64 "beaec34b-8442-439b-a40b-984381ed097d"

static int make_folder(void **state)
{
	char path[] = "/tmp/test-vm-platform.XXXXXX";

	*state = strdup(mkdtemp(path));
	return 0;
}

static int remove_folder(void **state)
{
	int r = remove_tree(*state, NULL);

	free(*state);
	return r;
}

/* A disk of 8 MiB that sfdisk has made; *partitions* are lines of its script. */
static char *make_disk(const char *folder, const char *partitions)
{
	char *path = string_format("%s/disk", folder);
	_cleanup_free_ char *script = string_format("label: gpt\n%s", partitions);
	_cleanup_process_result_ struct process_result result = {};
	_cleanup_error_ struct error *err = NULL;
	const char *const arguments[] = {"sfdisk", "--quiet", path, NULL};
	_cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_int_equal(ftruncate(fd, MiB(8)), 0);
	assert_ok(process_run(arguments, script, strlen(script), 65536, &result, &err), err);
	assert_int_equal(result.status, 0);
	return path;
}

static void a_disks_partitions_say_what_it_is_for(void **state)
{
	static const struct {
		const char *partitions, *architecture;
	} disks[] = {
		{"size=1M, type=" ESP "\nsize=1M, type=" USR_ARM64 "\n", "arm64"},
		{"size=1M, type=" ESP "\nsize=1M, type=" USR_AMD64 "\n", "amd64"},
		{"size=1M, type=" USR_RISCV64 "\nsize=1M, type=" USR_AMD64 "\n", "amd64"},
		{"size=1M, type=" ESP "\n", NULL},
		{"size=1M, type=" USR_RISCV64 "\n", NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(disks); i++) {
		_cleanup_free_ char *path = make_disk(*state, disks[i].partitions);
		const struct vm_platform *platform = vm_platform_of_disk(path);

		if (disks[i].architecture) {
			assert_non_null(platform);
			assert_string_equal(platform->architecture, disks[i].architecture);
		} else
			assert_null(platform);
	}
}

static void what_has_no_table_says_nothing(void **state)
{
	_cleanup_free_ char *path = make_disk(*state, "size=1M, type=" USR_ARM64 "\n");

	assert_int_equal(truncate(path, 4096), 0);
	assert_null(vm_platform_of_disk(path));
	assert_int_equal(truncate(path, 0), 0);
	assert_null(vm_platform_of_disk(path));
	assert_int_equal(unlink(path), 0);
	assert_null(vm_platform_of_disk(path));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_disks_partitions_say_what_it_is_for, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(what_has_no_table_says_nothing, make_folder, remove_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
