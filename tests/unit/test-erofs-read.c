/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/xattr.h>

#include "base/bytes.h"
#include "base/file.h"
#include "base/process.h"
#include "base/string-util.h"
#include "format/erofs-disk.h"
#include "format/erofs.h"
#include "trees.h"

static const struct tree_attributes plain = {.mode = 0644, .mtime = 1700000000, .origin = "test"};

static void write_image(struct tree_inode *folder, bool keep_times, struct buffer *ret)
{
	struct erofs_options options = {.layout = keep_times ? EROFS_DENSE : EROFS_STABLE,
		.build_time = 1700000000,
		.label = "sixteen letters!",
		.uuid = {9, 8, 7},
		.keep_times = keep_times};
	_cleanup_erofs_plan_ struct erofs_plan *plan = NULL;
	_cleanup_error_ struct error *err = NULL;
	size_t blocks;

	assert_ok(erofs_plan_new(folder, &options, &plan, &err), err);
	blocks = erofs_plan_blocks(plan);
	assert_non_null(buffer_extend(ret, blocks * EROFS_BLOCK_SIZE));
	erofs_plan_fill(plan, 0, blocks, ret->data);
}

static struct tree *read_image(const struct buffer *image)
{
	struct erofs_source source = {.data = image->data, .size = image->size};
	_cleanup_error_ struct error *err = NULL;
	struct tree *tree = NULL;

	assert_ok(erofs_read_tree(&source, NULL, &tree, &err), err);
	return tree;
}

static void assert_same(struct tree_inode *a, struct tree_inode *b, bool times)
{
	_cleanup_free_ char *difference = tree_difference(a, b, times);

	if (difference)
		fail_msg("%s", difference);
}

static void random_trees_come_back_as_they_were(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		_cleanup_tree_ struct tree *tree = tree_random(seed + 1000, 10 * seed * seed, TREE_ALL),
					   *back = NULL;
		_cleanup_buffer_ struct buffer image = {};

		write_image(tree_root(tree), true, &image);
		back = read_image(&image);
		assert_same(tree_root(tree), tree_root(back), true);
	}
}

static void uniform_times_are_the_build_time(void **state)
{
	_cleanup_tree_ struct tree *tree = tree_random(4, 50, TREE_ALL), *back = NULL;
	_cleanup_buffer_ struct buffer image = {};

	(void)state;
	write_image(tree_root(tree), false, &image);
	back = read_image(&image);
	assert_same(tree_root(tree), tree_root(back), false);
	for (size_t i = 0; i < tree_root(back)->entry_count; i++)
		assert_int_equal(tree_root(back)->entries[i].inode->mtime, 1700000000);
}

static void the_superblock_is_told(void **state)
{
	_cleanup_tree_ struct tree *tree = tree_random(4, 50, TREE_ALL);
	_cleanup_error_ struct error *err = NULL;
	_cleanup_buffer_ struct buffer image = {};
	struct erofs_source source;
	struct erofs_super super;

	(void)state;
	write_image(tree_root(tree), false, &image);
	source = (struct erofs_source){.data = image.data, .size = image.size};
	assert_ok(erofs_read_super(&source, &super, &err), err);
	assert_string_equal(super.label, "sixteen letters!");
	assert_int_equal(super.uuid[2], 7);
	assert_int_equal(super.build_time, 1700000000);
	assert_int_equal(super.blocks, image.size / EROFS_BLOCK_SIZE);
}

static void contents_in_the_same_blocks_are_shared(void **state)
{
	_cleanup_tree_ struct tree *tree = tree_new(), *back = NULL;
	_cleanup_free_ char *bytes = calloc(1, 51152);
	_cleanup_content_ struct content *content = content_copy(bytes, 51152);
	_cleanup_error_ struct error *err = NULL;
	_cleanup_buffer_ struct buffer image = {};

	(void)state;
	assert_ok(tree_add_file(tree, "a", &plain, content, NULL, &err), err);
	assert_ok(tree_add_file(tree, "b", &plain, content, NULL, &err), err);
	write_image(tree_root(tree), false, &image);
	back = read_image(&image);
	assert_ptr_equal(tree_lookup(back, "a")->content, tree_lookup(back, "b")->content);
	assert_ptr_not_equal(tree_lookup(back, "a"), tree_lookup(back, "b"));
}

struct scratch {
	char folder[64];
	char *source, *image;
};

static int set_up(void **state)
{
	struct scratch *scratch = calloc(1, sizeof(*scratch));

	assert_non_null(scratch);
	memcpy(scratch->folder, "/tmp/test-erofs-read-XXXXXX", sizeof("/tmp/test-erofs-read-XXXXXX"));
	assert_non_null(mkdtemp(scratch->folder));
	scratch->image = string_format("%s/image", scratch->folder);
	scratch->source = string_format("%s/source", scratch->folder);
	assert_int_equal(mkdir(scratch->source, 0755), 0);
	*state = scratch;
	return 0;
}

static int tear_down(void **state)
{
	struct scratch *scratch = *state;

	assert_int_equal(remove_tree(scratch->folder, NULL), 0);
	free(scratch->image);
	free(scratch->source);
	free(scratch);
	return 0;
}

/* Makes an image of the folder with mkfs.erofs and *option* (may be NULL), and reads it. */
static int read_theirs(
	const struct scratch *scratch, const char *option, struct tree **ret, struct error **err)
{
	_cleanup_process_result_ struct process_result result = {};
	const char *const without[] = {"mkfs.erofs", scratch->image, scratch->source, NULL};
	const char *const with[] = {"mkfs.erofs", option, scratch->image, scratch->source, NULL};
	int r = process_run(option ? with : without, NULL, 0, MiB(16), &result, NULL);
	struct stat st;

	if (r == -ENOENT) {
		print_message("skipped, because mkfs.erofs is not installed\n");
		skip();
	}
	assert_int_equal(r, 0);
	if (result.status != 0)
		fail_msg("mkfs.erofs %s: %.*s", option, (int)result.message.size, result.message.data);
	_cleanup_close_ int fd = open(scratch->image, O_RDONLY | O_CLOEXEC);

	assert_int_equal(fstat(fd, &st), 0);
	struct erofs_source source = {.fd = fd, .size = (uint64_t)st.st_size};

	return erofs_read_tree(&source, NULL, ret, err);
}

static void add_host_xattrs(const struct scratch *scratch)
{
	/* Whatever the file system takes: the comparison is with what the host then says. */
	for (unsigned i = 0; i < 5; i++) {
		_cleanup_free_ char *path = string_format("%s/with-attributes-%u", scratch->source, i);

		assert_int_equal(file_write_atomic(path, "text", 4, 0644, NULL), 0);
		(void)lsetxattr(path, "user.shared-by-all", "the same", 8, 0);
		(void)lsetxattr(path, "user.own", path, strlen(path), 0);
		(void)lsetxattr(path, "trusted.empty", "", 0, 0);
	}
}

static void images_of_mkfs_erofs_are_read(void **state)
{
	static const char *const options[] = {NULL, "-x0", "-x1", "-Eforce-inode-extended", "-Enoinline_data",
		"--chunksize=4096", "--chunksize=65536", "-Eforce-chunk-indexes"};
	const struct scratch *scratch = *state;
	_cleanup_tree_ struct tree *made = tree_random(77, 1500, TREE_HOST);
	_cleanup_error_ struct error *err = NULL;

	assert_ok(tree_write_folder(made, scratch->source, &err), err);
	add_host_xattrs(scratch);
	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		_cleanup_tree_ struct tree *host = NULL, *tree = NULL;

		assert_ok(tree_read_folder(scratch->source, NULL, &host, &err), err);
		assert_ok(read_theirs(scratch, options[i], &tree, &err), err);
		assert_same(tree_root(host), tree_root(tree), true);
	}
}

static void device_nodes_are_refused_by_name(void **state)
{
	const struct scratch *scratch = *state;
	_cleanup_free_ char *path = string_format("%s/pipe", scratch->source);
	_cleanup_error_ struct error *err = NULL;
	struct tree *tree = NULL;

	assert_int_equal(mkfifo(path, 0644), 0);
	assert_error(read_theirs(scratch, NULL, &tree, &err), -ENOTSUP, err, "/pipe: a device");
}

/* A small image to damage: "a" (two names), folder "d" with the link "l", "x" with an attribute. */
static void make_victim(struct buffer *ret)
{
	_cleanup_tree_ struct tree *tree = tree_new();
	_cleanup_content_ struct content *content = content_copy("0123456789", 10);
	_cleanup_error_ struct error *err = NULL;
	struct tree_inode *inode;

	assert_ok(tree_add_file(tree, "a", &plain, content, NULL, &err), err);
	assert_ok(tree_add_link(tree, "b", "a", &err), err);
	assert_ok(tree_add_symlink(tree, "d/l", &plain, "target", NULL, &err), err);
	assert_ok(tree_add_file(tree, "x", &plain, content, &inode, &err), err);
	assert_int_equal(inode_set_xattr(inode, "user.name", "value", 5), 0);
	write_image(tree_root(tree), false, ret);
}

static void seal(struct buffer *image)
{
	write_le32(image->data + EROFS_SUPER_OFFSET + SUPER_CHECKSUM,
		erofs_super_checksum(
			image->data + EROFS_SUPER_OFFSET, EROFS_BLOCK_SIZE - EROFS_SUPER_OFFSET));
}

#define ROOT (EROFS_SUPER_OFFSET + EROFS_SUPER_SIZE)
/* The root's entries (".", "..", a, b, d, x) stand behind its inode; "d" and its tail come next. */
#define ROOT_ENTRIES (ROOT + COMPACT_INODE_SIZE)
#define SMALL EROFS_BLOCK_SIZE /* a with 10 bytes (slots 0 and 1), l with 6 (2 and 3), x (4 and on) */

static void damage_is_found_and_named(void **state)
{
	static const struct {
		size_t offset;
		unsigned size;
		uint64_t value;
		int code;
		const char *text;
	} cases[] = {
		{EROFS_SUPER_OFFSET + SUPER_MAGIC, 4, 1, -EBADMSG, "not an EROFS image"},
		{EROFS_SUPER_OFFSET + SUPER_BLOCK_BITS, 1, 9, -ENOTSUP, "blocks of 2^9"},
		{EROFS_SUPER_OFFSET + SUPER_FEATURE_INCOMPAT, 4, 0x40, -ENOTSUP, "features"},
		{EROFS_SUPER_OFFSET + SUPER_BLOCKS, 4, 3, -ENODATA, "cut short"},
		{EROFS_SUPER_OFFSET + SUPER_BLOCKS, 4, 1, -EBADMSG, "outside the image"},
		{EROFS_SUPER_OFFSET + SUPER_ROOT_NID, 2, SMALL / 32, -EBADMSG, "root is no folder"},
		{EROFS_SUPER_OFFSET + SUPER_ROOT_NID, 2, 0xffff, -EBADMSG, "outside the image"},
		{EROFS_SUPER_OFFSET + SUPER_META_BLOCK, 4, 0xffffffff, -EBADMSG, "outside the image"},
		{ROOT + INODE_SIZE, 4, 0xffffffff, -EBADMSG, "more than the image"},
		{ROOT + INODE_SIZE, 4, 11, -EBADMSG, "folder is damaged"},
		{ROOT + INODE_SIZE, 4, 4090, -EBADMSG, "end of a block"},
		{ROOT + INODE_FORMAT, 2, LAYOUT_COMPRESSED_OLD << 1, -ENOTSUP, "compressed"},
		{ROOT + INODE_FORMAT, 2, 0x10, -ENOTSUP, "unknown format"},
		{ROOT_ENTRIES + DIRENT_NAME, 2, 11, -EBADMSG, "folder is damaged"},
		{ROOT_ENTRIES + DIRENT_NAME, 2, 0, -EBADMSG, "folder is damaged"},
		{ROOT_ENTRIES + DIRENT_NID, 8, 1, -EBADMSG, "\".\" is another inode"},
		{ROOT_ENTRIES + DIRENT_SIZE + DIRENT_NID, 8, 1, -EBADMSG, "not the folder above"},
		{ROOT_ENTRIES + 2 * DIRENT_SIZE + DIRENT_NAME, 2, 0xffff, -EBADMSG, "outside its block"},
		{ROOT_ENTRIES + 2 * DIRENT_SIZE + DIRENT_NID, 8, UINT64_MAX, -EBADMSG, "/a: inode"},
		{ROOT_ENTRIES + 2 * DIRENT_SIZE + DIRENT_TYPE, 1, 2, -EBADMSG,
			"/a: its folder calls it type 2"},
		{ROOT_ENTRIES + 4 * DIRENT_SIZE + DIRENT_NID, 8, ROOT / 32, -EBADMSG,
			"/d: a folder with two names"},
		{ROOT_ENTRIES + 6 * DIRENT_SIZE + 3, 1, 'c', -EBADMSG, "not in order"},
		{ROOT_ENTRIES + 6 * DIRENT_SIZE + 3, 1, '/', -EBADMSG, "holds a /"},
		{ROOT_ENTRIES + 6 * DIRENT_SIZE + 3, 1, 0, -EBADMSG, "NUL"},
		{SMALL + COMPACT_LINKS, 2, 1, -EBADMSG, "/b: a file with more names"},
		{SMALL + INODE_MODE, 2, S_IFCHR | 0600, -ENOTSUP, "/a: a device"},
		{SMALL + 2 * 32 + INODE_SIZE, 4, 0, -EBADMSG, "/d/l: a symbolic link"},
		{SMALL + 2 * 32 + INODE_SIZE, 4, 9, -EBADMSG, "/d/l: a symbolic link to a path with a NUL"},
		{SMALL + 4 * 32 + 32 + 12 + XATTR_PREFIX, 1, 99, -ENOTSUP,
			"/x: an extended attribute with the unknown prefix 99"},
		{SMALL + 4 * 32 + 32 + 12 + XATTR_VALUE_SIZE, 2, 500, -EBADMSG,
			"/x: an extended attribute is damaged"},
		{SMALL + 4 * 32 + 32 + 12 + XATTR_NAME_LENGTH, 1, 0, -EBADMSG,
			"/x: an extended attribute is damaged"},
		{SMALL + 4 * 32 + 32 + XATTR_HEADER_SHARED_COUNT, 1, 255, -EBADMSG, "/x: "},
		{SMALL + 4 * 32 + INODE_XATTR_COUNT, 2, 0xffff, -EBADMSG, "/x: "},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_buffer_ struct buffer image = {};
		_cleanup_error_ struct error *err = NULL;
		struct tree *tree = NULL;
		uint8_t value[8];

		make_victim(&image);
		write_le64(value, cases[i].value);
		memcpy(image.data + cases[i].offset, value, cases[i].size);
		seal(&image);
		struct erofs_source source = {.data = image.data, .size = image.size};

		assert_error(erofs_read_tree(&source, NULL, &tree, &err), cases[i].code, err, cases[i].text);
		assert_null(tree);
	}
}

/* Makes "a" a file of *size* bytes in chunks of one block, noted as *notes*. */
static struct tree *read_chunked(
	uint32_t format, uint32_t size, const uint32_t *notes, size_t count, struct error **err)
{
	_cleanup_buffer_ struct buffer image = {};
	struct tree *tree = NULL;

	make_victim(&image);
	write_le16(image.data + SMALL + INODE_FORMAT, LAYOUT_CHUNKS << INODE_LAYOUT_SHIFT);
	write_le32(image.data + SMALL + INODE_BLOCK, format);
	write_le32(image.data + SMALL + INODE_SIZE, size);
	for (size_t i = 0; i < count; i++)
		write_le32(image.data + SMALL + COMPACT_INODE_SIZE + 4 * i, notes[i]);
	struct erofs_source source = {.data = image.data, .size = image.size};

	(void)erofs_read_tree(&source, NULL, &tree, err);
	return tree;
}

static void chunks_have_holes_and_indexes(void **state)
{
	static const struct {
		uint32_t format, notes[6];
	} cases[] = {
		{0, {CHUNK_HOLE, 0, CHUNK_HOLE}},
		{CHUNK_INDEXES, {0, CHUNK_HOLE, 0, 0, 0, CHUNK_HOLE}},
	};
	static const uint32_t other_device[] = {1 << 16, 0}, outside[] = {1000};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_error_ struct error *err = NULL;
		_cleanup_tree_ struct tree *tree = read_chunked(cases[i].format, 2 * EROFS_BLOCK_SIZE + 9,
			cases[i].notes, ARRAY_SIZE(cases[i].notes), &err);
		const uint8_t *data;

		assert_non_null(tree);
		data = content_data(tree_lookup(tree, "a")->content);
		assert_int_equal(content_size(tree_lookup(tree, "a")->content), 2 * EROFS_BLOCK_SIZE + 9);
		assert_int_equal(data[EROFS_SUPER_OFFSET], 0);
		assert_int_equal(read_le32(data + EROFS_BLOCK_SIZE + EROFS_SUPER_OFFSET), EROFS_MAGIC);
		assert_int_equal(data[2 * EROFS_BLOCK_SIZE + 8], 0);
	}
	_cleanup_error_ struct error *err = NULL;

	assert_null(read_chunked(CHUNK_INDEXES, 9, other_device, 2, &err));
	assert_non_null(strstr(error_message(err), "another device"));
	err = error_free(err);
	assert_null(read_chunked(0, 9, outside, 1, &err));
	assert_non_null(strstr(error_message(err), "/a: "));
	err = error_free(err);
	assert_null(read_chunked(0x40, 9, outside, 1, &err));
	assert_non_null(strstr(error_message(err), "unknown format"));
}

static void a_changed_superblock_is_noticed(void **state)
{
	_cleanup_buffer_ struct buffer image = {};
	_cleanup_error_ struct error *err = NULL;
	struct tree *tree = NULL;

	(void)state;
	make_victim(&image);
	image.data[EROFS_SUPER_OFFSET + SUPER_UUID] ^= 1;
	struct erofs_source source = {.data = image.data, .size = image.size};

	assert_error(erofs_read_tree(&source, NULL, &tree, &err), -EBADMSG, err, "checksum");
}

static void every_shortened_image_is_refused(void **state)
{
	_cleanup_buffer_ struct buffer image = {};

	(void)state;
	make_victim(&image);
	for (size_t size = 0; size < image.size; size += 97) {
		_cleanup_error_ struct error *err = NULL;
		_cleanup_free_ uint8_t *cut = malloc(size + 1);
		struct erofs_source source = {.data = cut, .size = size};
		struct tree *tree = NULL;

		memcpy(cut, image.data, size);
		assert_true(erofs_read_tree(&source, NULL, &tree, &err) < 0);
		assert_non_null(err);
	}
}

/* Many inodes whose sizes say that each has all of the image: the sum is refused before it is read. */
static void overlapping_files_meet_a_limit(void **state)
{
	_cleanup_buffer_ struct buffer image = {};
	_cleanup_error_ struct error *err = NULL;
	struct tree *tree = NULL;
	static const struct erofs_limits small = {.bytes = 300}, few = {.names = 2};

	(void)state;
	make_victim(&image);
	struct erofs_source source = {.data = image.data, .size = image.size};

	assert_error(erofs_read_tree(&source, &few, &tree, &err), -EFBIG, err, "names");
	write_le16(image.data + SMALL + INODE_FORMAT, LAYOUT_PLAIN << 1);
	write_le32(image.data + SMALL + INODE_SIZE, EROFS_BLOCK_SIZE);
	assert_error(erofs_read_tree(&source, &small, &tree, &err), -EFBIG, err, "/a: ");
}

static void random_damage_does_no_harm(void **state)
{
	_cleanup_tree_ struct tree *small = tree_random(8, 120, TREE_ALL);
	_cleanup_buffer_ struct buffer image = {};
	uint64_t random = 12345;
	unsigned refused = 0;

	(void)state;
	write_image(tree_root(small), true, &image);
	for (unsigned i = 0; i < 3000; i++) {
		_cleanup_error_ struct error *err = NULL;
		_cleanup_tree_ struct tree *tree = NULL;
		uint8_t saved[8];
		size_t at = ROOT + random_below(&random, MIN(image.size, (size_t)KiB(40)) - ROOT - 8);
		struct erofs_source source = {.data = image.data, .size = image.size};

		memcpy(saved, image.data + at, 8);
		write_le64(image.data + at, random_next(&random));
		seal(&image);
		refused += erofs_read_tree(&source, NULL, &tree, &err) < 0;
		memcpy(image.data + at, saved, 8);
	}
	assert_true(refused > 100);
}

#define WITH_SCRATCH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_trees_come_back_as_they_were),
		cmocka_unit_test(uniform_times_are_the_build_time),
		cmocka_unit_test(the_superblock_is_told),
		cmocka_unit_test(contents_in_the_same_blocks_are_shared),
		WITH_SCRATCH(images_of_mkfs_erofs_are_read),
		WITH_SCRATCH(device_nodes_are_refused_by_name),
		cmocka_unit_test(damage_is_found_and_named),
		cmocka_unit_test(chunks_have_holes_and_indexes),
		cmocka_unit_test(a_changed_superblock_is_noticed),
		cmocka_unit_test(every_shortened_image_is_refused),
		cmocka_unit_test(overlapping_files_meet_a_limit),
		cmocka_unit_test(random_damage_does_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
