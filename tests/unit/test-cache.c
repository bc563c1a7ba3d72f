/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/encoding.h"
#include "base/file.h"
#include "base/string-util.h"
#include "source/cache.h"

/* FIPS 180-4's example: the digest of "abc". */
#define DIGEST "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

struct fixture {
	char folder[64];
	struct cache *cache;
	uint8_t digest[SHA256_SIZE];
	char *path; /* of the object */
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	_cleanup_free_ char *deep = NULL;

	(void)snprintf(f->folder, sizeof(f->folder), "/tmp/orlop-test-cache-XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	deep = string_format("%s/not/yet/there", f->folder);
	assert_int_equal(cache_open(deep, &f->cache, NULL), 0);
	assert_int_equal(hex_decode(DIGEST, f->digest, SHA256_SIZE), 0);
	assert_int_equal(cache_object_path(f->cache, f->digest, &f->path, NULL), 0);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	cache_close(f->cache);
	assert_int_equal(remove_tree(f->folder, NULL), 0);
	free(f->path);
	free(f);
	return 0;
}

static void put(const struct fixture *f, const char *text)
{
	assert_int_equal(file_write_atomic(f->path, text, strlen(text), 0644, NULL), 0);
}

static int check(const struct fixture *f, uint64_t size, struct error **err)
{
	return cache_object_check(f->path, f->digest, size, err);
}

static void objects_are_named_by_their_digest(void **state)
{
	struct fixture *f = *state;

	assert_true(endswith(f->path, "/not/yet/there/sha256/ba/" DIGEST));
}

static void believes_only_what_has_the_digest_and_the_size(void **state)
{
	static const char *const wrong[] = {"abd", "ab", "abcd", ""};
	struct fixture *f = *state;
	_cleanup_error_ struct error *err = NULL;

	assert_int_equal(check(f, 3, &err), CACHE_MISSING);
	put(f, "abc");
	assert_int_equal(check(f, 3, &err), CACHE_WHOLE);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		put(f, wrong[i]);
		assert_int_equal(check(f, 3, &err), CACHE_DAMAGED);
		assert_int_not_equal(access(f->path, F_OK), 0);
	}
	/* The size is part of what is checked: whoever says another one is wrong, and the file stays. */
	put(f, "abc");
	assert_error(check(f, 4, &err), -EBADMSG, err, "has 3 bytes, and not 4");
	assert_int_equal(check(f, 3, &err), CACHE_WHOLE);
}

static void an_object_that_cannot_be_read_is_an_error(void **state)
{
	struct fixture *f = *state;
	_cleanup_error_ struct error *err = NULL;

	/* A folder in its place, which not even root can read as a file. */
	assert_int_equal(mkdir(f->path, 0755), 0);
	assert_true(check(f, 3, &err) < 0);
	assert_non_null(strstr(error_message(err), f->path));
}

static void names_of_files_stay_in_their_folder(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *path = NULL;

	assert_int_equal(cache_file_path(f->cache, "release", "http://m.test/../a b", &path, NULL), 0);
	assert_true(endswith(path, "/not/yet/there/release/http___m.test_.._a_b"));
}

static void says_why_it_cannot_be_opened(void **state)
{
	struct fixture *f = *state;
	_cleanup_error_ struct error *err = NULL;
	_cleanup_free_ char *file = string_format("%s/file", f->folder);
	struct cache *cache = NULL;

	assert_int_equal(file_write_atomic(file, "", 0, 0644, NULL), 0);
	assert_error(cache_open(file, &cache, &err), -ENOTDIR, err, "another folder with --cache");
	assert_null(cache);
}

/* A file of the cache, last used *days* ago. */
static char *put_old(const struct fixture *f, const char *name, int days)
{
	_cleanup_free_ char *path = string_format("%s/not/yet/there/%s", f->folder, name);
	const struct timespec then = {.tv_sec = time(NULL) - days * 86400}, times[] = {then, then};

	assert_int_equal(file_write_atomic(path, name, strlen(name), 0644, NULL), 0);
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
	return TAKE_PTR(path);
}

/* Puts old files there, prunes, and looks which ones are left. */
static struct cache_pruned prune(const struct fixture *f, int age, uint64_t days, const char *const *names,
	const char *const *expected)
{
	struct cache_pruned pruned;

	for (size_t i = 0; names[i]; i++) {
		_cleanup_free_ char *path = put_old(f, names[i], age);

		assert_int_equal(access(path, F_OK), 0);
	}
	cache_prune(f->cache, time(NULL), days, &pruned);
	for (size_t i = 0; names[i]; i++) {
		_cleanup_free_ char *path = string_format("%s/not/yet/there/%s", f->folder, names[i]);
		bool stays = false;

		for (size_t e = 0; expected[e]; e++)
			stays |= streq(names[i], expected[e]);
		if ((access(path, F_OK) == 0) != stays)
			fail_msg("%s %s", path, stays ? "was removed" : "is still there");
	}
	return pruned;
}

#define OBJECT "sha256/ba/" DIGEST

static const char *const files[] = {OBJECT, OBJECT ".part", OBJECT ".aB3dEf.part",
	"sha256/ba/." DIGEST ".aB3dEf.tmp", "solv/x-3-0.7.23.solv", "solv/.x-3-0.7.23.solv.aB3dEf.tmp",
	"release/http___m.test_debian_dists_trixie", "release/.http___m.test.aB3dEf.tmp", "sha256/ba/notes",
	"sha256/ba/" DIGEST "0", "solv/notes", "notes", NULL};

static void what_was_not_used_for_long_goes_and_nothing_else(void **state)
{
	static const char *const foreign[] = {"release/http___m.test_debian_dists_trixie", "sha256/ba/notes",
		"sha256/ba/" DIGEST "0", "solv/notes", "notes", NULL};
	struct fixture *f = *state;
	struct cache_pruned pruned = prune(f, 31, 30, files, foreign);

	assert_int_equal(pruned.files, 7);
	assert_true(pruned.bytes > 7 * strlen("solv/"));
}

static void what_was_used_stays_but_for_what_killed_processes_left(void **state)
{
	static const char *const kept[] = {OBJECT, OBJECT ".part", "solv/x-3-0.7.23.solv",
		"release/http___m.test_debian_dists_trixie", "sha256/ba/notes", "sha256/ba/" DIGEST "0",
		"solv/notes", "notes", NULL};
	struct fixture *f = *state;

	assert_int_equal(prune(f, 29, 30, files, kept).files, 4);
}

static void a_number_of_days_before_the_beginning_of_time_keeps_all(void **state)
{
	static const char *const object[] = {OBJECT, NULL};
	static const uint64_t days[] = {40000, UINT64_MAX / 86400, UINT64_MAX};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(days); i++)
		assert_int_equal(prune(f, 10000, days[i], object, object).files, 0);
}

static char *derived_path(const struct fixture *f)
{
	return string_format("%s/not/yet/there/derived/deb-1/ba/" DIGEST, f->folder);
}

/* "made of it", of which "made" and "it" are something by themselves. */
static struct cache_part parts[2] = {{.size = 4}, {.offset = 8, .size = 2}};
static struct cache_object made = {
	.data = (uint8_t[]){"made of it"}, .size = 10, .parts = parts, .part_count = ARRAY_SIZE(parts)};

static int digest_parts(void **state)
{
	for (size_t i = 0; i < made.part_count; i++)
		assert_int_equal(
			digests_compute(made.data + parts[i].offset, parts[i].size, &parts[i].digests), 0);
	return set_up(state);
}

static void what_was_made_is_read_again_under_its_kind_and_key_alone(void **state)
{
	struct fixture *f = *state;
	uint8_t other[SHA256_SIZE] = {1};
	_cleanup_free_ char *path = derived_path(f);
	_cleanup_cache_object_ struct cache_object object = {};

	assert_int_equal(cache_derived_read(f->cache, "deb-1", f->digest, &object), 0);
	cache_derived_write(f->cache, "deb-1", f->digest, &made);
	assert_int_equal(access(path, R_OK), 0);
	assert_int_equal(cache_derived_read(f->cache, "deb-1", f->digest, &object), 1);
	assert_int_equal(object.size, 10);
	assert_string_equal(object.data, "made of it");
	assert_int_equal(object.part_count, 2);
	assert_memory_equal(object.parts, parts, sizeof(parts));
	assert_ptr_equal(cache_object_part(&object, 8, 2), &object.parts[1]);
	assert_null(cache_object_part(&object, 8, 1));
	assert_null(cache_object_part(&object, 5, 2));
	assert_null(cache_object_part(&object, 9, 1));
	cache_object_release(&object);
	assert_int_equal(cache_derived_read(f->cache, "deb-2", f->digest, &object), 0);
	assert_int_equal(cache_derived_read(f->cache, "deb-1", other, &object), 0);
	assert_int_equal(cache_derived_read(NULL, "deb-1", f->digest, &object), 0);
	cache_derived_write(NULL, "deb-1", f->digest, &made);
	assert_null(object.data);
}

static void what_was_made_and_is_damaged_is_as_if_it_was_not_there(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *path = derived_path(f);
	_cleanup_free_ char *whole = NULL;
	struct cache_object object = {};
	size_t length;

	cache_derived_write(f->cache, "deb-1", f->digest, &made);
	assert_int_equal(file_read(path, 1000, &whole, &length, NULL), 0);
	for (size_t i = 0; i <= length; i++) {
		_cleanup_free_ char *damaged = malloc(length);

		memcpy(damaged, whole, length);
		if (i < length)
			damaged[i] = (char)(damaged[i] ^ 0x20);
		/* Each byte changed, and in the end one that is missing. */
		assert_int_equal(
			file_write_atomic(path, damaged, i < length ? length : length - 1, 0644, NULL), 0);
		assert_int_equal(cache_derived_read(f->cache, "deb-1", f->digest, &object), 0);
		assert_int_equal(access(path, F_OK), -1);
	}
	/* In the place of another key's object: that of …ac. */
	path[strlen(path) - 1] = 'c';
	assert_int_equal(file_write_atomic(path, whole, length, 0644, NULL), 0);
	f->digest[SHA256_SIZE - 1] ^= 1;
	assert_int_equal(cache_derived_read(f->cache, "deb-1", f->digest, &object), 0);
}

static void a_cache_that_takes_nothing_is_no_error(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *folder = string_format("%s/not/yet/there/derived", f->folder);
	struct cache_object object = {};

	assert_int_equal(rmdir(folder), 0);
	assert_int_equal(file_write_atomic(folder, "", 0, 0644, NULL), 0);
	cache_derived_write(f->cache, "deb-1", f->digest, &made);
	assert_int_equal(cache_derived_read(f->cache, "deb-1", f->digest, &object), 0);
	assert_int_equal(unlink(folder), 0);
}

/* An object that claims *size* bytes, in a hole, and was last used *days* ago. */
static char *put_derived(const struct fixture *f, char digit, uint64_t size, int days)
{
	_cleanup_free_ char *folder = string_format("%s/not/yet/there/derived/deb-1/%c0", f->folder, digit),
			    *path = NULL;
	const struct timespec then = {.tv_sec = time(NULL) - days * 86400}, times[] = {then, then};
	_cleanup_close_ int fd = -1;

	assert_int_equal(mkdir_parents(folder, NULL), 0);
	path = string_format("%s/%c0%.62s", folder, digit, DIGEST);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	assert_int_equal(futimens(fd, times), 0);
	return TAKE_PTR(path);
}

static void what_was_made_is_bounded_in_age_and_size(void **state)
{
	static const struct {
		uint64_t size;
		int days;
		bool stays;
	} objects[] = {{GiB(1), 40, false}, {GiB(2), 5, false}, {GiB(1), 4, true}, {GiB(2), 3, true},
		{GiB(1), 1, true}};
	struct fixture *f = *state;
	char *paths[ARRAY_SIZE(objects)];
	_cleanup_free_ char *notes = NULL, *left = NULL;
	struct cache_pruned pruned;

	for (size_t i = 0; i < ARRAY_SIZE(objects); i++)
		paths[i] = put_derived(f, (char)('1' + i), objects[i].size, objects[i].days);
	notes = put_old(f, "derived/deb-1/10/notes", 50);
	left = put_old(f, "derived/deb-1/10/." DIGEST ".aB3dEf.tmp", 0);
	cache_prune(f->cache, time(NULL), 30, &pruned);
	assert_int_equal(pruned.files, 3);
	for (size_t i = 0; i < ARRAY_SIZE(objects); i++) {
		assert_int_equal(access(paths[i], F_OK) == 0, objects[i].stays);
		free(paths[i]);
	}
	assert_int_equal(access(notes, F_OK), 0);
	assert_int_equal(access(left, F_OK), -1);
}

static void using_a_file_keeps_it(void **state)
{
	struct fixture *f = *state;
	struct cache_pruned pruned;
	_cleanup_free_ char *parsed = put_old(f, "solv/x.solv", 40);
	const struct timespec long_ago[] = {{.tv_sec = 1}, {.tv_sec = 1}};

	put(f, "abc");
	assert_int_equal(utimensat(AT_FDCWD, f->path, long_ago, 0), 0);
	assert_int_equal(check(f, 3, NULL), CACHE_WHOLE);
	cache_mark_used(parsed);
	cache_prune(f->cache, time(NULL), 30, &pruned);
	assert_int_equal(pruned.files, 0);
}

static void nothing_is_removed_while_another_uses_the_cache(void **state)
{
	static const char *const object[] = {OBJECT, NULL}, *const none[] = {NULL};
	struct fixture *f = *state;
	_cleanup_free_ char *path = string_format("%s/not/yet/there", f->folder);
	_cleanup_error_ struct error *err = NULL;
	struct cache *other = NULL;

	assert_ok(cache_open(path, &other, &err), err);
	assert_int_equal(prune(f, 100, 30, object, object).files, 0);
	other = cache_close(other);
	assert_int_equal(prune(f, 100, 30, object, none).files, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define DERIVED_TEST(name) cmocka_unit_test_setup_teardown(name, digest_parts, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(objects_are_named_by_their_digest),
		TEST(believes_only_what_has_the_digest_and_the_size),
		TEST(an_object_that_cannot_be_read_is_an_error),
		TEST(names_of_files_stay_in_their_folder),
		TEST(says_why_it_cannot_be_opened),
		TEST(what_was_not_used_for_long_goes_and_nothing_else),
		TEST(what_was_used_stays_but_for_what_killed_processes_left),
		TEST(a_number_of_days_before_the_beginning_of_time_keeps_all),
		DERIVED_TEST(what_was_made_is_read_again_under_its_kind_and_key_alone),
		DERIVED_TEST(what_was_made_and_is_damaged_is_as_if_it_was_not_there),
		DERIVED_TEST(a_cache_that_takes_nothing_is_no_error),
		TEST(what_was_made_is_bounded_in_age_and_size),
		TEST(using_a_file_keeps_it),
		TEST(nothing_is_removed_while_another_uses_the_cache),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
