/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "base/process.h"
#include "base/string-util.h"
#include "build/usr-image.h"
#include "format/fsverity.h"
#include "trees.h"

struct scratch {
	char folder[64];
	char *image, *hash;
};

static int set_up(void **state)
{
	struct scratch *scratch = calloc(1, sizeof(*scratch));

	assert_non_null(scratch);
	memcpy(scratch->folder, "/tmp/test-usr-image-XXXXXX", sizeof("/tmp/test-usr-image-XXXXXX"));
	assert_non_null(mkdtemp(scratch->folder));
	scratch->image = string_format("%s/image", scratch->folder);
	scratch->hash = string_format("%s/hash", scratch->folder);
	*state = scratch;
	return 0;
}

static int tear_down(void **state)
{
	struct scratch *scratch = *state;

	assert_int_equal(remove_tree(scratch->folder, NULL), 0);
	free(scratch->image);
	free(scratch->hash);
	free(scratch);
	return 0;
}

static struct usr_image_options options_with(unsigned threads)
{
	return (struct usr_image_options){
		.erofs = {.build_time = 1700000000, .label = "usr"}, .threads = threads, .copy = -1};
}

static void image_tree_and_digests_belong_together(void **state)
{
	const struct scratch *scratch = *state;
	_cleanup_tree_ struct tree *tree = tree_random(1, 2000, TREE_ALL);
	struct usr_image_options options = options_with(0);
	_cleanup_error_ struct error *err = NULL;
	_cleanup_usr_image_result_ struct usr_image_result result = {};
	uint8_t digest[SHA256_SIZE];
	uint64_t size;

	assert_ok(usr_image_write(tree_root(tree), &options, scratch->image, scratch->hash, &result, &err),
		err);
	_cleanup_close_ int image = open(scratch->image, O_RDONLY | O_CLOEXEC);
	_cleanup_close_ int hash = open(scratch->hash, O_RDONLY | O_CLOEXEC);

	assert_ok(verity_verify(image, hash, result.root_hash, 0, NULL, &err), err);
	assert_ok(fsverity_digest(image, 0, NULL, digest, &size, &err), err);
	assert_memory_equal(digest, result.image_digest, SHA256_SIZE);
	assert_int_equal(size, result.image_size);
	assert_int_equal(sha256_file(hash, digest, &size), 0);
	assert_memory_equal(digest, result.hash_digest, SHA256_SIZE);
	assert_int_equal(size, result.hash_size);
}

static void the_number_of_threads_does_not_show(void **state)
{
	const struct scratch *scratch = *state;
	_cleanup_tree_ struct tree *tree = tree_random(2, 2000, TREE_ALL);
	struct usr_image_result results[3] = {};
	_cleanup_error_ struct error *err = NULL;

	for (unsigned i = 0; i < ARRAY_SIZE(results); i++) {
		struct usr_image_options options = options_with(1 + 3 * i);

		assert_ok(usr_image_write(tree_root(tree), &options, scratch->image, scratch->hash,
				  &results[i], &err),
			err);
		assert_memory_equal(results[i].leaves, results[0].leaves,
			results[0].image_size / VERITY_BLOCK_SIZE * SHA256_SIZE);
		assert_memory_equal(results[i].root_hash, results[0].root_hash, SHA256_SIZE);
		assert_memory_equal(results[i].image_digest, results[0].image_digest, SHA256_SIZE);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(results); i++)
		usr_image_result_release(&results[i]);
}

/* As a disk's file has it: behind other things, and with other things behind. */
static void a_copy_is_the_image_and_nothing_else(void **state)
{
	const struct scratch *scratch = *state;
	_cleanup_tree_ struct tree *tree = tree_random(5, 2000, TREE_ALL);
	struct usr_image_options options = options_with(3);
	_cleanup_usr_image_result_ struct usr_image_result result = {};
	_cleanup_free_ char *path = string_format("%s/disk", scratch->folder), *image = NULL, *disk = NULL;
	_cleanup_error_ struct error *err = NULL;
	size_t image_size, disk_size;

	options.copy = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	options.copy_offset = MiB(1);
	assert_true(options.copy >= 0);
	assert_int_equal(ftruncate(options.copy, (off_t)MiB(64)), 0);
	assert_ok(usr_image_write(tree_root(tree), &options, scratch->image, scratch->hash, &result, &err),
		err);
	assert_int_equal(close(options.copy), 0);
	assert_ok(file_read(scratch->image, MiB(64), &image, &image_size, &err), err);
	assert_ok(file_read(path, MiB(64), &disk, &disk_size, &err), err);
	assert_int_equal(image_size, result.image_size);
	assert_int_equal(disk_size, MiB(64));
	assert_memory_equal(disk + MiB(1), image, image_size);
	for (size_t i = 0; i < disk_size; i++)
		assert_true(disk[i] == 0 || (i >= MiB(1) && i < MiB(1) + image_size));
	assert_int_equal(unlink(path), 0);
}

static void a_failure_leaves_nothing_behind(void **state)
{
	const struct scratch *scratch = *state;
	_cleanup_tree_ struct tree *tree = tree_random(3, 100, TREE_ALL);
	struct usr_image_options options = options_with(2);
	_cleanup_error_ struct error *err = NULL;
	struct usr_image_result result;

	assert_error(usr_image_write(
			     tree_root(tree), &options, scratch->image, "/nonexistent/hash", &result, &err),
		-ENOENT, err, "/nonexistent/hash");
	assert_int_equal(rmdir(scratch->folder), 0);
	assert_int_equal(mkdir(scratch->folder, 0700), 0);
}

/* A file system of 1 MiB, too small for the image. */
static void a_full_disk_is_named(void **state)
{
	const struct scratch *scratch = *state;
	_cleanup_process_result_ struct process_result result = {};
	_cleanup_tree_ struct tree *tree = tree_random(4, 3000, TREE_ALL);
	struct usr_image_options options = options_with(2);
	_cleanup_error_ struct error *err = NULL;
	struct usr_image_result written;

	if (geteuid() != 0 ||
		process_run((const char *const[]){"mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs",
				    scratch->folder, NULL},
			NULL, 0, 4096, &result, NULL) < 0 ||
		result.status != 0) {
		print_message("skipped, because this host can't mount a small tmpfs\n");
		skip();
	}
	int r = usr_image_write(tree_root(tree), &options, scratch->image, scratch->hash, &written, &err);

	process_result_release(&result);
	result = (struct process_result){};
	assert_int_equal(rmdir(scratch->folder) < 0 ? errno : 0, EBUSY);
	assert_int_equal(process_run((const char *const[]){"umount", scratch->folder, NULL}, NULL, 0, 4096,
				 &result, NULL),
		0);
	assert_error(r, -ENOSPC, err, "No space left");
}

#define WITH_SCRATCH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SCRATCH(image_tree_and_digests_belong_together),
		WITH_SCRATCH(the_number_of_threads_does_not_show),
		WITH_SCRATCH(a_copy_is_the_image_and_nothing_else),
		WITH_SCRATCH(a_failure_leaves_nothing_behind),
		WITH_SCRATCH(a_full_disk_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
