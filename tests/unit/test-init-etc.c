/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scratch.h"

#include <fcntl.h>

#include "init/etc.h"

static void reads_plain_paths_only(void **state)
{
	static const char *const bad[] = {"/etc/x", "a//b", "a/", "..", "a/../b", ".", "a/.", " \n/x"};
	_cleanup_strv_ struct strv paths = {};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_ok(etc_parse_sealed("# why\nssl/certs\n\n..a/.b\nselinux", &paths, &err), err);
	assert_int_equal(paths.count, 3);
	assert_string_equal(paths.items[1], "..a/.b");
	assert_string_equal(paths.items[2], "selinux");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct strv none = {};

		assert_error(etc_parse_sealed(bad[i], &none, &err), -EINVAL, err, "not a path below /etc");
	}
}

static void unseal(const char *folder, const char *path)
{
	_cleanup_free_ char *name = string_format("%s/upper", folder);
	_cleanup_close_ int fd = open(name, O_RDONLY | O_DIRECTORY);

	assert_true(fd >= 0);
	assert_int_equal(etc_unseal_upper(fd, path), 0);
}

static void removes_what_state_says_of_a_sealed_path_and_no_more(void **state)
{
	_cleanup_scratch_ char *folder = scratch_new();

	(void)state;
	shell(folder,
		"mkdir -p upper/ssl/certs/deep upper/other; touch upper/ssl/certs/a upper/ssl/certs/deep/b "
		"upper/ssl/mine upper/other/c upper/ld.so.preload");
	unseal(folder, "ssl/certs");
	unseal(folder, "ld.so.preload");
	unseal(folder, "absent");
	unseal(folder, "other/absent/x");
	shell(folder,
		"test \"$(find upper | sort | tr '\\n' ' ')\" = 'upper upper/other upper/other/c upper/ssl "
		"upper/ssl/mine '");
}

/* A link or a device (overlayfs' mark of a removed name) in a parent's place would hide the image's copy. */
static void links_and_marks_in_the_way_are_removed_and_not_followed(void **state)
{
	_cleanup_scratch_ char *folder = scratch_new();

	(void)state;
	shell(folder, "mkdir -p upper target/certs; touch target/certs/keep; ln -s ../target upper/ssl; "
		      "ln -s ../target upper/selinux; mkfifo upper/pipe; echo x >upper/file");
	unseal(folder, "ssl/certs");
	unseal(folder, "selinux");
	unseal(folder, "pipe/x");
	unseal(folder, "file/x/y");
	shell(folder, "test -e target/certs/keep; test -z \"$(ls -A upper)\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_plain_paths_only),
		cmocka_unit_test(removes_what_state_says_of_a_sealed_path_and_no_more),
		cmocka_unit_test(links_and_marks_in_the_way_are_removed_and_not_followed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
