/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/bytes.h"
#include "base/file.h"
#include "base/process.h"
#include "base/string-util.h"
#include "erofs-image.h"
#include "trees.h"

static const struct tree_attributes plain = {.mode = 0644, .mtime = 1700000000, .origin = "test"};
static const struct erofs_options options = {
	.uuid = {0x0f, 1, 2, 3, 4, 5, 0x46, 7, 0x88, 9, 10, 11, 12, 13, 14, 15},
	.label = "orlop-usr",
	.build_time = 1700000000,
};

/* A scratch folder with an image and a place to mount it, gone after the test. */
struct scratch {
	char folder[64];
	char *image, *mountpoint;
	bool mounted;
};

static int set_up(void **state)
{
	struct scratch *scratch = calloc(1, sizeof(*scratch));

	assert_non_null(scratch);
	memcpy(scratch->folder, "/tmp/test-erofs-XXXXXX", sizeof("/tmp/test-erofs-XXXXXX"));
	assert_non_null(mkdtemp(scratch->folder));
	scratch->image = string_format("%s/image", scratch->folder);
	scratch->mountpoint = string_format("%s/mount", scratch->folder);
	assert_int_equal(mkdir(scratch->mountpoint, 0755), 0);
	*state = scratch;
	return 0;
}

/* Runs a program; returns its exit status, or -ENOENT where it isn't installed. */
static int run(const char *const *arguments, struct buffer *ret_output)
{
	_cleanup_process_result_ struct process_result result = {};
	_cleanup_error_ struct error *err = NULL;
	int r = process_run(arguments, NULL, 0, MiB(16), &result, &err);

	if (r == -ENOENT)
		return r;
	assert_ok(r, err);
	if (result.status != 0)
		print_message("%s: %.*s%.*s\n", arguments[0], (int)result.output.size, result.output.data,
			(int)result.message.size, result.message.data);
	if (ret_output)
		*ret_output =
			(struct buffer){.data = TAKE_PTR(result.output.data), .size = result.output.size};
	return result.status;
}

static int tear_down(void **state)
{
	struct scratch *scratch = *state;

	if (scratch->mounted)
		(void)run((const char *const[]){"umount", scratch->mountpoint, NULL}, NULL);
	assert_int_equal(remove_tree(scratch->folder, NULL), 0);
	free(scratch->image);
	free(scratch->mountpoint);
	free(scratch);
	return 0;
}

static struct erofs_plan *plan_of(struct tree_inode *folder, const struct erofs_options *with)
{
	_cleanup_error_ struct error *err = NULL;
	struct erofs_plan *plan = NULL;

	assert_ok(erofs_plan_new(folder, with, &plan, &err), err);
	return plan;
}

static void write_image(struct tree_inode *folder, const struct erofs_options *with, struct buffer *ret)
{
	_cleanup_erofs_plan_ struct erofs_plan *plan = plan_of(folder, with);

	append_image(plan, ret);
}

static void save_image(
	const struct scratch *scratch, struct tree_inode *folder, const struct erofs_options *with)
{
	_cleanup_buffer_ struct buffer image = {};
	_cleanup_error_ struct error *err = NULL;

	write_image(folder, with, &image);
	assert_ok(file_write_atomic(scratch->image, image.data, image.size, 0644, &err), err);
}

/* fsck.erofs reads every inode, folder and data block. */
static void assert_fsck(const struct scratch *scratch)
{
	int status = run((const char *const[]){"fsck.erofs", "--extract", scratch->image, NULL}, NULL);

	if (status == -ENOENT) {
		print_message("skipped, because fsck.erofs is not installed\n");
		skip();
	}
	assert_int_equal(status, 0);
}

/* Mounts the image, or skips the test where the host can't. */
static void mount_image(struct scratch *scratch)
{
	if (geteuid() != 0 || run((const char *const[]){"mount", "-t", "erofs", "-o", "loop,ro",
					  scratch->image, scratch->mountpoint, NULL},
				      NULL) != 0) {
		print_message("skipped, because this host can't mount EROFS from a file\n");
		skip();
	}
	scratch->mounted = true;
}

static void assert_mounts_as(struct scratch *scratch, struct tree_inode *folder, bool times)
{
	_cleanup_tree_ struct tree *seen = NULL;
	_cleanup_free_ char *difference = NULL;
	_cleanup_error_ struct error *err = NULL;

	mount_image(scratch);
	assert_ok(tree_read_folder(scratch->mountpoint, NULL, &seen, &err), err);
	difference = tree_difference(folder, tree_root(seen), times);
	if (difference)
		fail_msg("%s", difference);
}

static void random_trees_pass_fsck(void **state)
{
	for (uint64_t seed = 1; seed <= 12; seed++) {
		_cleanup_tree_ struct tree *tree = tree_random(seed, 20 * seed * seed, TREE_ALL);
		struct erofs_options with = options;

		with.layout = seed % 2 == 0 ? EROFS_DENSE : EROFS_STABLE;
		save_image(*state, tree_root(tree), &with);
		assert_fsck(*state);
	}
}

static void the_kernel_sees_what_the_tree_holds(void **state)
{
	_cleanup_tree_ struct tree *tree = tree_random(99, 3000, TREE_ALL);
	struct erofs_options with = options;

	with.keep_times = true;
	save_image(*state, tree_root(tree), &with);
	assert_mounts_as(*state, tree_root(tree), true);
}

static void the_kernel_sees_the_same_in_a_dense_image(void **state)
{
	_cleanup_tree_ struct tree *tree = tree_random(98, 3000, TREE_ALL);
	struct erofs_options with = options;

	with.layout = EROFS_DENSE;
	save_image(*state, tree_root(tree), &with);
	assert_mounts_as(*state, tree_root(tree), false);
}

static void a_folder_below_the_root_can_be_the_image(void **state)
{
	_cleanup_tree_ struct tree *tree = tree_random(7, 50, TREE_ALL);
	_cleanup_content_ struct content *content = content_copy("x", 1);
	_cleanup_error_ struct error *err = NULL;
	struct tree_inode *usr;

	assert_ok(tree_add_file(tree, "usr/bin/a", &plain, content, NULL, &err), err);
	assert_ok(tree_add_link(tree, "usr/bin/b", "usr/bin/a", &err), err);
	assert_ok(tree_add_symlink(tree, "usr/lib64", &plain, "lib", NULL, &err), err);
	usr = tree_child(tree_root(tree), "usr");
	save_image(*state, usr, &options);
	assert_fsck(*state);
	assert_mounts_as(*state, usr, true);
}

static void names_outside_do_not_count_as_links(void **state)
{
	_cleanup_tree_ struct tree *tree = tree_new();
	_cleanup_content_ struct content *content = content_copy("x", 1);
	_cleanup_error_ struct error *err = NULL;
	struct stat st;

	assert_ok(tree_add_file(tree, "usr/a", &plain, content, NULL, &err), err);
	assert_ok(tree_add_link(tree, "opt/b", "usr/a", &err), err);
	assert_ok(tree_add_link(tree, "usr/c", "usr/a", &err), err);
	assert_ok(tree_add_folder(tree, "usr/d", &plain, NULL, &err), err);
	save_image(*state, tree_child(tree_root(tree), "usr"), &options);
	mount_image(*state);
	_cleanup_free_ char *path = string_format("%s/a", ((struct scratch *)*state)->mountpoint);

	assert_int_equal(lstat(path, &st), 0);
	assert_int_equal(st.st_nlink, 2);
	assert_int_equal(lstat(((struct scratch *)*state)->mountpoint, &st), 0);
	assert_int_equal(st.st_nlink, 3);
}

static void huge_folders_and_many_links(void **state)
{
	_cleanup_tree_ struct tree *tree = tree_new();
	_cleanup_content_ struct content *content = content_copy("linked", 6);
	_cleanup_error_ struct error *err = NULL;
	char path[300];
	struct stat st;

	assert_ok(tree_add_file(tree, "first", &plain, content, NULL, &err), err);
	for (unsigned i = 0; i < 70000; i++) {
		/* "!" sorts before "." and "-" between "." and "..". */
		snprintf(path, sizeof(path), "big/%s%u", i % 3 == 0 ? "!" : i % 3 == 1 ? ".-" : "n", i);
		assert_ok(tree_add_link(tree, path, "first", &err), err);
	}
	for (unsigned i = 0; i < 40; i++) {
		memset(path, 'a' + (int)(i % 26), 255);
		snprintf(path + 250, sizeof(path) - 250, "%05u", i);
		assert_ok(tree_add_folder(tree, path, &plain, NULL, &err), err);
	}
	save_image(*state, tree_root(tree), &options);
	assert_fsck(*state);
	assert_mounts_as(*state, tree_root(tree), false);
	snprintf(path, sizeof(path), "%s/first", ((struct scratch *)*state)->mountpoint);
	assert_int_equal(lstat(path, &st), 0);
	assert_int_equal(st.st_nlink, 70001);
}

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#define SANITIZED __has_feature(address_sanitizer)
#else
#define SANITIZED 0
#endif

/* A content of *size* zeros that end in "end"; its pages exist only where they are written. */
static struct content *sparse_content(size_t size)
{
	uint8_t *data = SANITIZED ? NULL : calloc(1, size);

	if (!data) {
		print_message("skipped, because so large an array takes real memory here\n");
		skip();
	}
	memcpy(data + size - 3, "end", 3);
	return content_new(data, size);
}

static void files_may_be_larger_than_4_gib(void **state)
{
	struct scratch *scratch = *state;
	uint64_t size = GiB(4) + 4096 * 3 + 1500;
	_cleanup_content_ struct content *content = sparse_content(size);
	_cleanup_close_ int fd = open(scratch->image, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	_cleanup_free_ char *path = string_format("%s/large", scratch->mountpoint);
	_cleanup_erofs_plan_ struct erofs_plan *plan = NULL;
	_cleanup_tree_ struct tree *tree = tree_new();
	_cleanup_error_ struct error *err = NULL;
	char end[3];

	assert_ok(tree_add_file(tree, "large", &plain, content, NULL, &err), err);
	plan = plan_of(tree_root(tree), &options);
	assert_int_equal(erofs_plan_blocks(plan), 1 + (1 << 20) + 4);
	assert_int_equal(ftruncate(fd, (off_t)erofs_plan_blocks(plan) * EROFS_BLOCK_SIZE), 0);
	/* Not the gigabytes in between: the first blocks and the last. */
	for (uint64_t first = 0; first < erofs_plan_blocks(plan); first += erofs_plan_blocks(plan) - 4) {
		uint8_t blocks[4 * EROFS_BLOCK_SIZE];

		erofs_plan_fill(plan, first, 4, blocks);
		assert_int_equal(pwrite_full(fd, blocks, sizeof(blocks), first * EROFS_BLOCK_SIZE), 0);
	}
	mount_image(scratch);
	_cleanup_close_ int file = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	assert_int_equal(fstat(file, &st), 0);
	assert_int_equal(st.st_size, size);
	assert_int_equal(pread_full(file, end, 3, size - 3), 0);
	assert_memory_equal(end, "end", 3);
}

static void an_empty_folder_is_an_image(void **state)
{
	_cleanup_tree_ struct tree *tree = tree_new();

	save_image(*state, tree_root(tree), &options);
	assert_fsck(*state);
	assert_mounts_as(*state, tree_root(tree), false);
}

static void the_superblock_tells_label_uuid_and_time(void **state)
{
	const struct scratch *scratch = *state;
	_cleanup_tree_ struct tree *tree = tree_random(3, 200, TREE_ALL);
	_cleanup_buffer_ struct buffer text = {};

	save_image(scratch, tree_root(tree), &options);
	if (run((const char *const[]){"dump.erofs", "-s", scratch->image, NULL}, &text) == -ENOENT) {
		print_message("skipped, because dump.erofs is not installed\n");
		skip();
	}
	buffer_append_u8(&text, 0);
	assert_non_null(strstr((char *)text.data, "0f010203-0405-4607-8809-0a0b0c0d0e0f"));
	assert_non_null(strstr((char *)text.data, "sb_csum mtime"));
	assert_non_null(strstr((char *)text.data, "2023"));
}

static void any_range_of_blocks_is_that_of_the_whole(void **state)
{
	_cleanup_tree_ struct tree *tree = tree_random(5, 400, TREE_ALL);
	_cleanup_erofs_plan_ struct erofs_plan *plan = plan_of(tree_root(tree), &options);
	_cleanup_buffer_ struct buffer image = {};
	uint64_t blocks = erofs_plan_blocks(plan), random = 1;
	uint8_t part[20 * EROFS_BLOCK_SIZE];

	(void)state;
	append_image(plan, &image);
	for (unsigned i = 0; i < 500; i++) {
		uint64_t first = random_below(&random, blocks);
		size_t count = random_below(&random, MIN(blocks - first, (uint64_t)20) + 1);

		erofs_plan_fill(plan, first, count, part);
		assert_memory_equal(part, image.data + first * EROFS_BLOCK_SIZE, count * EROFS_BLOCK_SIZE);
	}
}

static void equal_trees_give_equal_images(void **state)
{
	_cleanup_tree_ struct tree *a = tree_random(11, 500, TREE_ALL), *b = tree_random(11, 500, TREE_ALL);
	_cleanup_buffer_ struct buffer x = {}, y = {}, z = {};

	(void)state;
	write_image(tree_root(a), &options, &x);
	write_image(tree_root(b), &options, &y);
	write_image(tree_root(a), &options, &z);
	assert_int_equal(x.size, y.size);
	assert_memory_equal(x.data, y.data, x.size);
	assert_int_equal(x.size, z.size);
	assert_memory_equal(x.data, z.data, x.size);
}

static void equal_contents_share_their_blocks(void **state)
{
	_cleanup_tree_ struct tree *tree = tree_new();
	_cleanup_free_ char *bytes = calloc(1, 100000);
	_cleanup_content_ struct content *one = content_copy(bytes, 100000),
					 *two = content_copy(bytes, 100000);
	_cleanup_erofs_plan_ struct erofs_plan *plan = NULL;
	_cleanup_error_ struct error *err = NULL;
	struct erofs_statistics statistics;

	(void)state;
	assert_ok(tree_add_file(tree, "a", &plain, one, NULL, &err), err);
	assert_ok(tree_add_file(tree, "b", &plain, two, NULL, &err), err);
	plan = plan_of(tree_root(tree), &options);
	erofs_plan_statistics(plan, &statistics);
	assert_int_equal(statistics.data_blocks, 25);
	assert_int_equal(statistics.shared_blocks, 25);
}

static void nothing_but_zeros_follows_a_files_end(void **state)
{
	_cleanup_tree_ struct tree *tree = tree_new();
	_cleanup_content_ struct content *content = NULL;
	_cleanup_buffer_ struct buffer image = {};
	_cleanup_error_ struct error *err = NULL;
	char bytes[6000];

	(void)state;
	memset(bytes, 'n', sizeof(bytes));
	content = content_copy(bytes, sizeof(bytes));
	assert_ok(tree_add_file(tree, "a", &plain, content, NULL, &err), err);
	write_image(tree_root(tree), &options, &image);
	assert_int_equal(image.size, 3 * EROFS_BLOCK_SIZE);
	assert_int_equal(image.data[EROFS_BLOCK_SIZE + 5999], 'n');
	for (size_t i = 6000; i < 2 * EROFS_BLOCK_SIZE; i++)
		assert_int_equal(image.data[EROFS_BLOCK_SIZE + i], 0);
}

static int compare_blocks(const void *a, const void *b)
{
	return memcmp(a, b, EROFS_BLOCK_SIZE);
}

/* The number of blocks of *image* that *old* (sorted) doesn't hold. */
static size_t missing_blocks(const struct buffer *image, const struct buffer *old)
{
	size_t missing = 0;

	for (size_t at = 0; at < image->size; at += EROFS_BLOCK_SIZE)
		missing += !bsearch(image->data + at, old->data, old->size / EROFS_BLOCK_SIZE,
			EROFS_BLOCK_SIZE, compare_blocks);
	return missing;
}

/* One small file grows and one large one appears, both early in the order: what is new is about that, and the
 * metadata, which holds the addresses. */
static void a_small_change_leaves_most_blocks_as_they_are(void **state)
{
	_cleanup_tree_ struct tree *tree = tree_random(21, 5000, TREE_HOST);
	_cleanup_content_ struct content *content = NULL;
	_cleanup_buffer_ struct buffer old = {}, new = {};
	_cleanup_erofs_plan_ struct erofs_plan *plan = NULL;
	_cleanup_error_ struct error *err = NULL;
	_cleanup_free_ char *bytes = calloc(1, 20480);
	struct erofs_statistics statistics;

	(void)state;
	write_image(tree_root(tree), &options, &old);
	qsort(old.data, old.size / EROFS_BLOCK_SIZE, EROFS_BLOCK_SIZE, compare_blocks);
	memset(bytes, 'n', 20480);
	content = content_copy(bytes, 20480);
	assert_ok(tree_add_file(tree, "\x01\x01-new", &plain, content, NULL, &err), err);
	content_unref(content);
	content = content_copy(bytes, 700);
	assert_ok(tree_add_file(tree, "\x01\x01-small", &plain, content, NULL, &err), err);
	write_image(tree_root(tree), &options, &new);
	plan = plan_of(tree_root(tree), &options);
	erofs_plan_statistics(plan, &statistics);
	assert_true(statistics.small_blocks > 100);
	assert_true(missing_blocks(&new, &old) <= statistics.metadata_blocks + 5 + 10);
}

/* Both pack as densely as they can. */
static void a_dense_image_is_no_larger_than_that_of_mkfs_erofs(void **state)
{
	const struct scratch *scratch = *state;
	_cleanup_tree_ struct tree *tree = tree_random(31, 2000, TREE_HOST);
	_cleanup_error_ struct error *err = NULL;
	struct erofs_options with = options;
	struct stat ours, theirs;
	int status;

	with.layout = EROFS_DENSE;
	save_image(scratch, tree_root(tree), &with);
	assert_int_equal(stat(scratch->image, &ours), 0);
	assert_ok(tree_write_folder(tree, scratch->mountpoint, &err), err);
	status = run((const char *const[]){"mkfs.erofs", "-T1700000000", scratch->image, scratch->mountpoint,
			     NULL},
		NULL);
	if (status == -ENOENT) {
		print_message("skipped, because mkfs.erofs is not installed\n");
		skip();
	}
	assert_int_equal(status, 0);
	assert_int_equal(stat(scratch->image, &theirs), 0);
	assert_true(ours.st_size <= theirs.st_size);
}

static void refuses_what_the_format_cannot_hold(void **state)
{
	_cleanup_tree_ struct tree *tree = tree_new();
	_cleanup_content_ struct content *content = content_copy("x", 1);
	_cleanup_error_ struct error *err = NULL;
	_cleanup_free_ uint8_t *large = calloc(1, 65536);
	struct erofs_options with = options;
	struct erofs_plan *plan = NULL;
	struct tree_inode *inode;

	(void)state;
	with.label = "seventeen letters";
	assert_error(erofs_plan_new(tree_root(tree), &with, &plan, &err), -EINVAL, err, "label");
	assert_ok(tree_add_file(tree, "a", &plain, content, &inode, &err), err);
	assert_int_equal(inode_set_xattr(inode, "os2.ea", "1", 1), 0);
	assert_error(erofs_plan_new(tree_root(tree), &options, &plan, &err), -EINVAL, err, "os2.ea");
	assert_int_equal(inode_set_xattr(inode, "os2.ea", NULL, 0), 0);
	assert_int_equal(inode_set_xattr(inode, "user.large", large, 65536), 0);
	assert_error(erofs_plan_new(tree_root(tree), &options, &plan, &err), -E2BIG, err, "user.large");
	assert_int_equal(inode_set_xattr(inode, "user.large", large, 65535), 0);
	for (char letter = 'a'; letter < 'd'; letter++)
		assert_int_equal(
			inode_set_xattr(inode, (char[]){'u', 's', 'e', 'r', '.', letter, 0}, large, 65535),
			0);
	assert_error(erofs_plan_new(tree_root(tree), &options, &plan, &err), -E2BIG, err, "of one file");
	assert_null(plan);
}

#define WITH_SCRATCH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SCRATCH(random_trees_pass_fsck),
		WITH_SCRATCH(the_kernel_sees_what_the_tree_holds),
		WITH_SCRATCH(the_kernel_sees_the_same_in_a_dense_image),
		WITH_SCRATCH(a_dense_image_is_no_larger_than_that_of_mkfs_erofs),
		WITH_SCRATCH(a_folder_below_the_root_can_be_the_image),
		WITH_SCRATCH(names_outside_do_not_count_as_links),
		WITH_SCRATCH(huge_folders_and_many_links),
		WITH_SCRATCH(files_may_be_larger_than_4_gib),
		WITH_SCRATCH(an_empty_folder_is_an_image),
		WITH_SCRATCH(the_superblock_tells_label_uuid_and_time),
		cmocka_unit_test(any_range_of_blocks_is_that_of_the_whole),
		cmocka_unit_test(equal_trees_give_equal_images),
		cmocka_unit_test(equal_contents_share_their_blocks),
		cmocka_unit_test(nothing_but_zeros_follows_a_files_end),
		cmocka_unit_test(a_small_change_leaves_most_blocks_as_they_are),
		cmocka_unit_test(refuses_what_the_format_cannot_hold),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
