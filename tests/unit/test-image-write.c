/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "base/string-util.h"
#include "format/verity.h"
#include "release-files.h"

struct fixture {
	char folder[64];
	struct test_image old, new;
	struct image_source old_files, new_files;
};

static int write_temporary(const void *data, size_t size)
{
	char path[] = "/tmp/orlop-test-image-write-XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0 && unlink(path) == 0);
	assert_int_equal(pwrite_full(fd, data, size, 0), 0);
	return fd;
}

static struct image_source files_of(const struct test_image *image)
{
	struct image_source files = {
		.image_fd = write_temporary(image->data, image->blocks * VERITY_BLOCK_SIZE),
		.hash_fd = write_temporary(image->hash, image->hash_size)};

	memcpy(files.root, image->root, SHA256_SIZE);
	return files;
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	(void)snprintf(f->folder, sizeof(f->folder), "/tmp/orlop-test-image-write-XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	test_image_make(&f->old, 200, 21);
	test_image_change(&f->old, &f->new, 22);
	f->old_files = files_of(&f->old);
	f->new_files = files_of(&f->new);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(remove_tree(f->folder, NULL), 0);
	test_image_release(&f->old);
	test_image_release(&f->new);
	(void)close(f->old_files.image_fd);
	(void)close(f->old_files.hash_fd);
	(void)close(f->new_files.image_fd);
	(void)close(f->new_files.hash_fd);
	free(f);
	return 0;
}

static int publish(const struct fixture *f, const struct image_source *old, size_t count, unsigned threads,
	struct image_files *ret, struct error **err)
{
	const struct image_write_options options = {.level = 3, .threads = threads};

	return image_write(f->folder, &f->new_files, old, count, &options, ret, err);
}

static char *content_of(const struct fixture *f, const struct image_file *file)
{
	_cleanup_free_ char *path = string_format("%s/%s", f->folder, file->name);
	char *content;
	size_t size;

	assert_int_equal(file_read(path, MiB(16), &content, &size, NULL), 0);
	assert_int_equal(size, file->size);
	return content;
}

static void files_do_not_depend_on_the_number_of_threads(void **state)
{
	struct fixture *f = *state;
	_cleanup_image_files_ struct image_files one = {}, many = {};
	_cleanup_error_ struct error *err = NULL;

	assert_ok(publish(f, &f->old_files, 1, 1, &one, &err), err);
	assert_int_equal(one.delta_count, 1);
	{
		const struct image_file *files[] = {
			&one.tree, &one.image, &one.deltas[0].tree, &one.deltas[0].patch};
		char *before[ARRAY_SIZE(files)];

		for (size_t i = 0; i < ARRAY_SIZE(files); i++)
			before[i] = content_of(f, files[i]);
		assert_ok(publish(f, &f->old_files, 1, 5, &many, &err), err);
		for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
			_cleanup_free_ char *after = content_of(f, files[i]);

			assert_memory_equal(after, before[i], files[i]->size);
			free(before[i]);
		}
	}
	assert_int_equal(many.image.index, one.image.index);
	assert_int_equal(many.deltas[0].patch.index, one.deltas[0].patch.index);
}

static void an_image_that_is_not_its_tree_s_is_refused(void **state)
{
	struct fixture *f = *state;
	_cleanup_image_files_ struct image_files files = {};
	_cleanup_error_ struct error *err = NULL;
	struct dirent *entry;
	DIR *folder;

	assert_int_equal(pwrite_full(f->new_files.image_fd, "x", 1, 12345), 0);
	assert_error(publish(f, NULL, 0, 0, &files, &err), -EBADMSG, err, "corrupted");
	/* And nothing of it is there. */
	folder = opendir(f->folder);
	while ((entry = readdir(folder)))
		assert_true(entry->d_name[0] == '.');
	(void)closedir(folder);
	assert_int_equal(pwrite_full(f->new_files.image_fd, &f->new.data[12345], 1, 12345), 0);
	assert_int_equal(pwrite_full(f->old_files.image_fd, "x", 1, 12345), 0);
	assert_error(publish(f, &f->old_files, 1, 0, &files, &err), -EBADMSG, err, "corrupted");
}

static void the_same_release_twice_and_itself_are_left_out(void **state)
{
	struct fixture *f = *state;
	const struct image_source olds[] = {f->new_files, f->old_files, f->old_files};
	_cleanup_image_files_ struct image_files files = {};
	_cleanup_error_ struct error *err = NULL;

	assert_ok(publish(f, olds, ARRAY_SIZE(olds), 0, &files, &err), err);
	assert_int_equal(files.delta_count, 1);
	assert_memory_equal(files.deltas[0].from, f->old.root, SHA256_SIZE);
}

/* Digests with another salt never match: there is nothing to tell, and that is no error. */
static void a_release_with_another_salt_gives_no_delta(void **state)
{
	struct fixture *f = *state;
	const struct verity_options options = {.salt = {1}, .salt_size = 32};
	_cleanup_verity_ struct verity *tree = NULL;
	_cleanup_sha256_ struct sha256 *context = sha256_new();
	_cleanup_image_files_ struct image_files files = {};
	_cleanup_error_ struct error *err = NULL;
	const uint8_t *file;

	assert_int_equal(verity_new(&options, f->old.blocks, &tree, NULL), 0);
	verity_hash(tree, context, 0, f->old.data, f->old.blocks);
	assert_int_equal(verity_finish(tree, &file, f->old_files.root), 0);
	assert_int_equal(pwrite_full(f->old_files.hash_fd, file, verity_size(tree), 0), 0);
	assert_ok(publish(f, &f->old_files, 1, 0, &files, &err), err);
	assert_int_equal(files.delta_count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
		TEST(files_do_not_depend_on_the_number_of_threads),
		TEST(an_image_that_is_not_its_tree_s_is_refused),
		TEST(the_same_release_twice_and_itself_are_left_out),
		TEST(a_release_with_another_salt_gives_no_delta),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
