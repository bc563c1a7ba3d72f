/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <string.h>

#include "format/cpio.h"

static const struct tree_attributes plain = {
	.mode = 0640, .uid = 3, .gid = 4, .mtime = 1700000000, .origin = "a"};

static void add_file(struct tree *tree, const char *path, const char *text)
{
	_cleanup_content_ struct content *content = content_copy(text, strlen(text));
	_cleanup_error_ struct error *err = NULL;

	assert_non_null(content);
	assert_ok(tree_add_file(tree, path, &plain, content, NULL, &err), err);
}

static struct tree *make_tree(void)
{
	_cleanup_error_ struct error *err = NULL;
	struct tree *tree = tree_new();

	assert_non_null(tree);
	add_file(tree, "etc/a", "x");
	add_file(tree, "etc/empty", "");
	assert_ok(tree_add_link(tree, "etc/z", "etc/a", &err), err);
	assert_ok(tree_add_symlink(tree, "lib", &plain, "usr/lib", NULL, &err), err);
	return tree;
}

/* Describes what libarchive reads, an entry a line: type, mode, owner, time, links, name, content or target.
 */
static void describe(const struct buffer *archive, struct buffer *ret)
{
	struct archive *reader = archive_read_new();
	struct archive_entry *entry;

	assert_non_null(reader);
	assert_int_equal(archive_read_support_format_cpio(reader), ARCHIVE_OK);
	assert_int_equal(archive_read_open_memory(reader, archive->data, archive->size), ARCHIVE_OK);
	while (archive_read_next_header(reader, &entry) == ARCHIVE_OK) {
		char text[64] = "";
		la_ssize_t size = archive_read_data(reader, text, sizeof(text) - 1);

		assert_true(size >= 0);
		buffer_printf(ret, "%o %lld:%lld %lld %u %s %s%s%s\n", archive_entry_mode(entry),
			(long long)archive_entry_uid(entry), (long long)archive_entry_gid(entry),
			(long long)archive_entry_mtime(entry), archive_entry_nlink(entry),
			archive_entry_pathname(entry), text,
			archive_entry_symlink(entry) ? archive_entry_symlink(entry) : "",
			archive_entry_hardlink(entry) ? archive_entry_hardlink(entry) : "");
	}
	assert_int_equal(archive_read_free(reader), ARCHIVE_OK);
	buffer_append_u8(ret, 0);
}

static void libarchive_reads_what_the_tree_holds(void **state)
{
	_cleanup_tree_ struct tree *tree = make_tree();
	_cleanup_buffer_ struct buffer archive = {}, text = {};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_ok(cpio_write(tree, &archive, &err), err);
	assert_int_equal(archive.size % 4, 0);
	describe(&archive, &text);
	/* The content of a hard link stands with its last name. */
	assert_string_equal((char *)text.data, "40755 0:0 1700000000 1 etc \n"
					       "100640 3:4 1700000000 2 etc/a \n"
					       "100640 3:4 1700000000 1 etc/empty \n"
					       "100640 3:4 1700000000 2 etc/z xetc/a\n"
					       "120777 3:4 1700000000 1 lib usr/lib\n");
}

static void content_begins_where_it_is_asked_to(void **state)
{
	_cleanup_tree_ struct tree *tree = make_tree();
	_cleanup_buffer_ struct buffer archive = {}, plain_text = {}, text = {}, other = {};
	_cleanup_error_ struct error *err = NULL;
	const uint8_t *at;

	(void)state;
	add_file(tree, "etc/m", "some-content");
	buffer_append_string(&other, "1234");
	assert_ok(cpio_write_aligned(tree, 64, &archive, &err), err);
	at = memmem(archive.data, archive.size, "some-content", 12);
	assert_non_null(at);
	assert_int_equal((at - archive.data) % 64, 0);
	/* From the archive's beginning, whatever is in front of it. */
	assert_ok(cpio_write_aligned(tree, 64, &other, &err), err);
	assert_memory_equal(other.data + 4, archive.data, archive.size);
	describe(&archive, &text);
	archive.size = 0;
	assert_ok(cpio_write(tree, &archive, &err), err);
	describe(&archive, &plain_text);
	assert_string_equal((char *)text.data, (char *)plain_text.data);
}

/* The kernel's documentation: six digits of magic, thirteen fields of eight digits, name, padding to four
 * bytes. */
static void header_is_as_the_kernel_documents(void **state)
{
	_cleanup_tree_ struct tree *tree = tree_new();
	_cleanup_buffer_ struct buffer archive = {};
	_cleanup_error_ struct error *err = NULL;
	static const char expected[] = "070701"
				       "00000001000081A0000000030000000400000001"
				       "6553F10000000005000000000000000000000000"
				       "000000000000000500000000"
				       "init\0\0";

	(void)state;
	assert_non_null(tree);
	add_file(tree, "init", "12345");
	assert_ok(cpio_write(tree, &archive, &err), err);
	assert_memory_equal(archive.data, expected, sizeof(expected) - 1);
	assert_memory_equal(archive.data + 116,
		"12345\0\0\0"
		"070701",
		14);
	assert_memory_equal(archive.data + 124 + 110, "TRAILER!!!", 11);
	assert_int_equal(archive.size, 124 + 124);
}

static void writing_twice_makes_the_same_bytes(void **state)
{
	_cleanup_tree_ struct tree *tree = make_tree();
	_cleanup_buffer_ struct buffer one = {}, two = {};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_ok(cpio_write(tree, &one, &err), err);
	assert_ok(cpio_write(tree, &two, &err), err);
	assert_int_equal(one.size, two.size);
	assert_memory_equal(one.data, two.data, one.size);
}

static void what_the_format_cannot_hold_is_an_error(void **state)
{
	_cleanup_tree_ struct tree *tree = make_tree();
	_cleanup_buffer_ struct buffer archive = {};
	_cleanup_error_ struct error *err = NULL;
	struct tree_inode *inode = tree_lookup(tree, "etc/a");

	(void)state;
	assert_int_equal(inode_set_xattr(inode, "security.capability", "x", 1), 0);
	assert_error(cpio_write(tree, &archive, &err), -EINVAL, err, "etc/a: cpio cannot hold the extended");
	assert_int_equal(inode_set_xattr(inode, "security.capability", NULL, 0), 0);
	inode->mtime = INT64_C(1) << 32;
	assert_error(cpio_write(tree, &archive, &err), -ERANGE, err, "the time 4294967296");
	inode->mtime = -1;
	assert_error(cpio_write(tree, &archive, &err), -ERANGE, err, "the time -1");
}

static void finds_a_file_in_archives_that_stand_one_after_another(void **state)
{
	_cleanup_tree_ struct tree *first = make_tree(), *second = tree_new();
	_cleanup_buffer_ struct buffer archives = {};
	struct error *err = NULL;
	size_t offset, size, end;

	(void)state;
	add_file(second, "carried/usr", "the second's");
	assert_ok(cpio_write(first, &archives, &err), err);
	buffer_append_zeros(&archives, 8);
	assert_ok(cpio_write(second, &archives, &err), err);
	end = archives.size;
	buffer_append_string(&archives,
		"\x28\xb5\x2f\xfd, and something compressed that is of no interest, as long as "
		"the header of an entry is, or longer still, for which this goes on");
	assert_ok(cpio_find(archives.data, archives.size, "carried/usr", &offset, &size, &err), err);
	assert_int_equal(size, 12);
	assert_memory_equal(archives.data + offset, "the second's", 12);
	assert_ok(cpio_find(archives.data, archives.size, "etc/empty", &offset, &size, &err), err);
	assert_int_equal(size, 0);
	assert_error(cpio_find(archives.data, archives.size, "etc/none", &offset, &size, &err), -ENOENT, err,
		"etc/none");
	/* Cut anywhere, it is not found or damaged, and nothing behind the end is read. */
	for (size_t cut = 0; cut < end; cut++) {
		_cleanup_buffer_ struct buffer part = {};
		int r;

		buffer_append(&part, archives.data, cut);
		r = cpio_find(part.data, cut, "carried/usr", &offset, &size, &err);
		if (r >= 0)
			assert_true(offset + size <= cut);
		else
			assert_true(r == -ENOENT || r == -EBADMSG);
		err = error_free(err);
	}
}

static void a_damaged_entry_is_an_error(void **state)
{
	static const struct {
		size_t at;
		const char *digits;
	} cases[] = {
		{54, "fffffff0"}, {54, "0000000g"}, {94, "00000000"}, {94, "ffffffff"}, {94, "00000002"}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_tree_ struct tree *tree = tree_new();
		_cleanup_buffer_ struct buffer archive = {};
		struct error *err = NULL;
		size_t offset, size;

		add_file(tree, "abc", "x");
		assert_ok(cpio_write(tree, &archive, &err), err);
		memcpy(archive.data + cases[i].at, cases[i].digits, 8);
		assert_error(cpio_find(archive.data, archive.size, "abc", &offset, &size, &err), -EBADMSG,
			err, "damaged");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(libarchive_reads_what_the_tree_holds),
		cmocka_unit_test(content_begins_where_it_is_asked_to),
		cmocka_unit_test(header_is_as_the_kernel_documents),
		cmocka_unit_test(writing_twice_makes_the_same_bytes),
		cmocka_unit_test(what_the_format_cannot_hold_is_an_error),
		cmocka_unit_test(finds_a_file_in_archives_that_stand_one_after_another),
		cmocka_unit_test(a_damaged_entry_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
