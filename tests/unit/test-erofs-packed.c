/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Compressed EROFS images: written here, judged by the kernel, fsck.erofs and mkfs.erofs, and read here. */
#include "tool.h"

#include <errno.h>
#include <pthread.h>

#include "base/string-util.h"
#include "erofs-image.h"
#include "format/erofs-store.h"
#include "trees.h"

static const struct compression compressions[] = {{COMPRESSION_LZ4, 0}, {COMPRESSION_LZ4HC, 3},
	{COMPRESSION_LZ4HC, 0}, {COMPRESSION_ZSTD, 0}, {COMPRESSION_ZSTD, 9}};

static const struct tree_attributes plain = {.mode = 0644, .mtime = 1700000000, .origin = "test"};

/* Runs of words, zeros and noise, of which *kinds* says how many of each there are in ten. */
static void fill_content(uint8_t *data, size_t size, const unsigned kinds[3], uint64_t *seed)
{
	static const char *const words[] = {
		"deck ", "orlop ", "hold ", "beneath\n", "containers ", "of a ship, "};
	size_t at = 0;

	while (at < size) {
		uint64_t kind = random_below(seed, 10);
		size_t run = 1 + (size_t)random_below(seed, 90000), end = MIN(size, at + run);

		for (; at < end; at++) {
			if (kind < kinds[0]) {
				const char *word = words[random_below(seed, ARRAY_SIZE(words))];
				size_t length = MIN(strlen(word), end - at);

				memcpy(data + at, word, length);
				at += length - 1;
			} else {
				data[at] = kind < kinds[0] + kinds[1] ? 0 : (uint8_t)random_next(seed);
			}
		}
	}
}

static void add_content(
	struct tree *tree, size_t number, size_t size, const unsigned kinds[3], uint64_t *seed)
{
	_cleanup_free_ char *path = string_format("folder-%zu/file-%zu", number % 7, number);
	_cleanup_content_ struct content *content = NULL;
	_cleanup_error_ struct error *err = NULL;
	uint8_t *data = malloc(size + 1);

	assert_non_null(data);
	data[size] = 0;
	fill_content(data, size, kinds, seed);
	content = content_new(data, size);
	assert_ok(tree_add_file(tree, path, &plain, content, NULL, &err), err);
}

/* Files whose sizes lie around all borders, of four mixtures, among others of all kinds. */
static struct tree *awkward_tree(uint64_t seed)
{
	static const size_t borders[] = {128, 512, 4096, 8192, 12288, 65536, 65536 * 2};
	static const unsigned mixtures[][3] = {{10, 0, 0}, {4, 1, 5}, {0, 0, 10}, {1, 9, 0}};
	struct tree *tree = tree_random(seed, 300, TREE_ALL);
	size_t number = 0;

	for (size_t i = 0; i < ARRAY_SIZE(borders); i++)
		for (size_t j = 0; j < ARRAY_SIZE(mixtures); j++)
			for (int off = -1; off <= 1; off++)
				add_content(tree, number++, borders[i] + (size_t)off, mixtures[j], &seed);
	for (size_t i = 0; i < 30; i++)
		add_content(tree, number++, 1 + (size_t)random_below(&seed, 200000), mixtures[i % 4], &seed);
	/* A segment, and what begins behind it. */
	add_content(tree, number++, MiB(4), mixtures[1], &seed);
	add_content(tree, number++, MiB(4) + 1 + (size_t)random_below(&seed, 9000), mixtures[1], &seed);
	return tree;
}

static void write_image(const struct tree *tree, const struct compression *compression,
	enum erofs_layout layout, unsigned threads, struct buffer *ret)
{
	const struct erofs_options options = {
		.build_time = 1700000000, .layout = layout, .compression = *compression, .threads = threads};
	_cleanup_erofs_plan_ struct erofs_plan *plan = NULL;
	_cleanup_error_ struct error *err = NULL;

	assert_ok(erofs_plan_new(tree_root(tree), &options, &plan, &err), err);
	append_image(plan, ret);
}

static const char *save(const struct buffer *image)
{
	const char *path = tool_path("image");
	_cleanup_error_ struct error *err = NULL;

	assert_ok(file_write_atomic(path, image->data, image->size, 0644, &err), err);
	return path;
}

static void assert_same(const struct tree *a, const struct tree *b)
{
	_cleanup_free_ char *difference = tree_difference(tree_root(a), tree_root(b), false);

	if (difference)
		fail_msg("%s", difference);
}

static void assert_mounts_as(const char *image, const struct tree *tree)
{
	const char *mountpoint = tool_path("mount");
	_cleanup_tree_ struct tree *seen = NULL;
	_cleanup_error_ struct error *err = NULL;
	int r;

	(void)mkdir(mountpoint, 0755);
	tool_do("mount", "-t", "erofs", "-o", "loop,ro", image, mountpoint);
	r = tree_read_folder(mountpoint, NULL, &seen, &err);
	tool_do("umount", mountpoint);
	assert_ok(r, err);
	assert_same(tree, seen);
}

static void the_kernel_sees_what_was_compressed(void **state)
{
	(void)state;
	if (geteuid() != 0) {
		print_message("skipped, because mounting needs root\n");
		skip();
	}
	for (size_t i = 0; i < ARRAY_SIZE(compressions); i++) {
		_cleanup_tree_ struct tree *tree = awkward_tree(i + 1);
		_cleanup_buffer_ struct buffer image = {};

		write_image(tree, &compressions[i], i % 2 ? EROFS_DENSE : EROFS_STABLE, 0, &image);
		assert_mounts_as(save(&image), tree);
	}
}

static void fsck_erofs_finds_no_fault(void **state)
{
	(void)state;
	for (uint64_t seed = 20; seed < 24; seed++) {
		_cleanup_tree_ struct tree *tree = awkward_tree(seed);
		_cleanup_buffer_ struct buffer image = {};

		write_image(tree, &compressions[seed % 3], seed % 2 ? EROFS_DENSE : EROFS_STABLE, 0, &image);
		tool_do("fsck.erofs", "--extract", save(&image));
	}
}

static struct tree *read_back(const struct buffer *image)
{
	const struct erofs_source source = {.data = image->data, .size = image->size};
	_cleanup_error_ struct error *err = NULL;
	struct tree *tree = NULL;

	assert_ok(erofs_read_tree(&source, NULL, &tree, &err), err);
	return tree;
}

static void what_was_written_is_read_again(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(compressions); i++) {
		_cleanup_tree_ struct tree *tree = awkward_tree(i + 40), *seen = NULL;
		_cleanup_buffer_ struct buffer image = {};

		write_image(tree, &compressions[i], EROFS_STABLE, 2, &image);
		seen = read_back(&image);
		assert_same(tree, seen);
	}
}

static void images_do_not_depend_on_the_number_of_threads(void **state)
{
	_cleanup_tree_ struct tree *tree = awkward_tree(60);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(compressions); i++) {
		struct buffer images[3] = {};

		for (unsigned n = 0; n < 3; n++)
			write_image(tree, &compressions[i], EROFS_STABLE, 1 + 2 * n, &images[n]);
		for (unsigned n = 1; n < 3; n++) {
			assert_int_equal(images[0].size, images[n].size);
			assert_memory_equal(images[0].data, images[n].data, images[0].size);
		}
		for (unsigned n = 0; n < 3; n++)
			buffer_release(&images[n]);
	}
}

static void equal_contents_are_stored_once(void **state)
{
	static const unsigned words[] = {10, 0, 0};
	size_t sizes[2];

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		_cleanup_tree_ struct tree *tree = tree_new();
		_cleanup_buffer_ struct buffer image = {};

		for (size_t j = 0; j < 20; j++) {
			uint64_t seed = i == 0 ? 5 : 5 + j;

			add_content(tree, j, 300000, words, &seed);
		}
		write_image(tree, &compressions[3], EROFS_STABLE, 0, &image);
		sizes[i] = image.size;
	}
	assert_true(sizes[0] < sizes[1] / 10);
}

static void write_their_image(const struct tree *tree, const char *const *options, struct buffer *ret)
{
	const char *folder = tool_path("folder"), *image = tool_path("theirs");
	const char *arguments[8] = {"mkfs.erofs", "-T1700000000"};
	_cleanup_error_ struct error *err = NULL;
	size_t n = 2, size;
	char *data;

	for (; *options; options++)
		arguments[n++] = *options;
	arguments[n++] = image;
	arguments[n] = folder;
	(void)remove_tree(folder, NULL);
	(void)unlink(image);
	assert_int_equal(mkdir(folder, 0755), 0);
	assert_ok(tree_write_folder(tree, folder, &err), err);
	tool_quiet(arguments, NULL);
	assert_ok(file_read(image, MiB(256), &data, &size, &err), err);
	*ret = (struct buffer){.data = (uint8_t *)data, .size = size};
}

/* A tree that any host can hold, files of which are worth compressing. */
static struct tree *host_tree(uint64_t seed)
{
	static const unsigned mixtures[][3] = {{10, 0, 0}, {6, 1, 3}};
	struct tree *tree = tree_random(seed, 200, TREE_HOST);

	for (size_t i = 0; i < 120; i++)
		add_content(tree, i, 1 + (size_t)random_below(&seed, 600000), mixtures[i % 2], &seed);
	return tree;
}

static void images_of_mkfs_erofs_are_read(void **state)
{
	static const char *const options[][4] = {
		{"-zlz4"},
		{"-zlz4hc,12", "-C65536"},
		{"-zlz4hc", "-C16384"},
		{"-zlz4", "-Eztailpacking"},
	};
	_cleanup_tree_ struct tree *tree = host_tree(70);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		_cleanup_buffer_ struct buffer image = {};
		_cleanup_tree_ struct tree *seen = NULL;

		write_their_image(tree, options[i], &image);
		seen = read_back(&image);
		assert_same(tree, seen);
	}
}

static void an_image_is_no_larger_than_that_of_mkfs_erofs(void **state)
{
	static const struct {
		const char *const options[4];
		struct compression compression;
	} cases[] = {
		{{"-zlz4", "-C65536"}, {COMPRESSION_LZ4, 0}},
		{{"-zlz4hc,9", "-C65536"}, {COMPRESSION_LZ4HC, 9}},
	};
	_cleanup_tree_ struct tree *tree = host_tree(80);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_buffer_ struct buffer ours = {}, theirs = {};

		write_image(tree, &cases[i].compression, EROFS_STABLE, 0, &ours);
		write_their_image(tree, cases[i].options, &theirs);
		assert_true(ours.size <= theirs.size);
	}
}

static void the_index_of_before_linux_5_3_is_refused_by_name(void **state)
{
	static const char *const options[] = {"-zlz4", "-Elegacy-compress", NULL};
	_cleanup_tree_ struct tree *tree = host_tree(90), *seen = NULL;
	_cleanup_buffer_ struct buffer image = {};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	write_their_image(tree, options, &image);
	assert_error(erofs_read_tree(&(struct erofs_source){.data = image.data, .size = image.size}, NULL,
			     &seen, &err),
		-ENOTSUP, err, "before Linux 5.3");
}

/* Whatever bytes are changed, what is read is a tree or an error. */
static void damage_does_no_harm(void **state)
{
	static const unsigned words[] = {8, 1, 1};
	uint64_t seed = 7;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(compressions); i++) {
		_cleanup_tree_ struct tree *tree = tree_new();
		_cleanup_buffer_ struct buffer image = {};
		size_t errors = 0;

		for (size_t j = 0; j < 6; j++)
			add_content(tree, j, 3000 + j * 30000, words, &seed);
		write_image(tree, &compressions[i], EROFS_STABLE, 0, &image);
		for (size_t round = 0; round < 400; round++) {
			_cleanup_tree_ struct tree *seen = NULL;
			_cleanup_error_ struct error *err = NULL;
			uint8_t *at = image.data + 1152 + random_below(&seed, image.size - 1152), old = *at;
			struct erofs_source source = {.data = image.data, .size = image.size};

			*at ^= (uint8_t)(1 + random_below(&seed, 255));
			errors += erofs_read_tree(&source, NULL, &seen, &err) < 0;
			*at = old;
		}
		assert_true(errors > 10);
	}
}

/* A store that has what it is given, in the order in which it came, and can be damaged. */
struct shelf {
	struct digests digests[2000];
	struct buffer data[2000];
	size_t count, loads;
	pthread_mutex_t lock;
};

static int shelf_load(void *userdata, struct content *content, struct buffer *ret)
{
	struct shelf *shelf = userdata;
	const struct digests *digests;
	int r = 0;

	assert_int_equal(content_digests(content, &digests), 0);
	(void)pthread_mutex_lock(&shelf->lock);
	for (size_t i = 0; i < shelf->count && r == 0; i++)
		if (memcmp(&shelf->digests[i], digests, sizeof(*digests)) == 0) {
			buffer_append(ret, shelf->data[i].data, shelf->data[i].size);
			shelf->loads++;
			r = 1;
		}
	(void)pthread_mutex_unlock(&shelf->lock);
	return r;
}

static void shelf_save(void *userdata, struct content *content, const struct buffer *data)
{
	struct shelf *shelf = userdata;
	const struct digests *digests;

	assert_int_equal(content_digests(content, &digests), 0);
	(void)pthread_mutex_lock(&shelf->lock);
	assert_true(shelf->count < ARRAY_SIZE(shelf->data));
	shelf->digests[shelf->count] = *digests;
	buffer_append(&shelf->data[shelf->count++], data->data, data->size);
	(void)pthread_mutex_unlock(&shelf->lock);
}

static void write_stored(const struct tree *tree, struct shelf *shelf, struct buffer *ret)
{
	const struct erofs_store store = {.load = shelf_load, .save = shelf_save, .userdata = shelf};
	const struct erofs_options options = {.build_time = 1700000000,
		.compression = {COMPRESSION_ZSTD, 3},
		.store = &store,
		.threads = 3};
	_cleanup_erofs_plan_ struct erofs_plan *plan = NULL;
	_cleanup_error_ struct error *err = NULL;

	assert_ok(erofs_plan_new(tree_root(tree), &options, &plan, &err), err);
	append_image(plan, ret);
}

static void what_was_kept_makes_the_same_image(void **state)
{
	_cleanup_tree_ struct tree *tree = awkward_tree(7);
	_cleanup_buffer_ struct buffer unstored = {}, first = {}, again = {};
	struct shelf *shelf = calloc(1, sizeof(*shelf));
	size_t saved;

	(void)state;
	assert_non_null(shelf);
	(void)pthread_mutex_init(&shelf->lock, NULL);
	write_image(tree, &(struct compression){COMPRESSION_ZSTD, 3}, EROFS_STABLE, 2, &unstored);
	write_stored(tree, shelf, &first);
	saved = shelf->count;
	assert_true(saved > 50);
	assert_int_equal(shelf->loads, 0);
	write_stored(tree, shelf, &again);
	assert_int_equal(shelf->loads, saved);
	assert_int_equal(shelf->count, saved);
	assert_int_equal(first.size, unstored.size);
	assert_memory_equal(first.data, unstored.data, unstored.size);
	assert_int_equal(again.size, unstored.size);
	assert_memory_equal(again.data, unstored.data, unstored.size);
	for (size_t i = 0; i < saved; i++)
		buffer_release(&shelf->data[i]);
	(void)pthread_mutex_destroy(&shelf->lock);
	free(shelf);
}

/* Whatever is in them: an error, or something that is as long as the content. */
static void objects_that_cannot_be_are_refused(void **state)
{
	uint64_t seed = 11;
	_cleanup_free_ uint8_t *content = malloc(MiB(5));
	struct erofs_packed packed = {.content = content, .size = MiB(5)};
	_cleanup_buffer_ struct buffer saved = {};
	_cleanup_error_ struct error *err = NULL;
	unsigned refused = 0;

	(void)state;
	assert_non_null(content);
	for (size_t i = 0; i < MiB(5); i++)
		content[i] = (uint8_t)(i % 3000 < 1500 ? i / 7 : random_below(&seed, 256));
	assert_ok(erofs_pack(&packed, 1, &(struct compression){COMPRESSION_LZ4, 0}, NULL, 2, &err), err);
	erofs_packed_save(&packed, &saved);
	erofs_packed_release(&packed);
	assert_false(buffer_failed(&saved));
	for (size_t size = 0; size < saved.size; size += 1 + size / 5)
		assert_int_equal(erofs_packed_load(&packed, saved.data, size), -EBADMSG);
	for (unsigned i = 0; i < 3000; i++) {
		/* Where the numbers are: of the object, the first segment, its first clusters. */
		size_t at = (size_t)random_below(&seed, 200);
		uint8_t byte = saved.data[at];
		int r;

		saved.data[at] = (uint8_t)(byte ^ (1 + random_below(&seed, 255)));
		r = erofs_packed_load(&packed, saved.data, saved.size);
		assert_true(r == 0 || r == -EBADMSG);
		refused += r < 0;
		erofs_packed_release(&packed);
		saved.data[at] = byte;
	}
	assert_true(refused > 2000);
	assert_int_equal(erofs_packed_load(&packed, saved.data, saved.size), 0);
	packed.size++;
	erofs_packed_release(&packed);
	packed.size = MiB(8) + 1;
	assert_int_equal(erofs_packed_load(&packed, saved.data, saved.size), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_kernel_sees_what_was_compressed),
		cmocka_unit_test(fsck_erofs_finds_no_fault),
		cmocka_unit_test(what_was_written_is_read_again),
		cmocka_unit_test(images_do_not_depend_on_the_number_of_threads),
		cmocka_unit_test(equal_contents_are_stored_once),
		cmocka_unit_test(images_of_mkfs_erofs_are_read),
		cmocka_unit_test(an_image_is_no_larger_than_that_of_mkfs_erofs),
		cmocka_unit_test(the_index_of_before_linux_5_3_is_refused_by_name),
		cmocka_unit_test(damage_does_no_harm),
		cmocka_unit_test(what_was_kept_makes_the_same_image),
		cmocka_unit_test(objects_that_cannot_be_are_refused),
	};

	return cmocka_run_group_tests(tests, tool_setup, tool_cleanup);
}
