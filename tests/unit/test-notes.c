/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What can be told without packages. How changelogs are found in them is tested with real ones, in
 * tests/cli/diff.bats.
 */
#include "unit.h"

#include <string.h>

#include "release/notes.h"

/* Name, version, source, source version. */
struct row {
	const char *name, *version, *source, *source_version;
};

/* The strings are literals: the list is not released. *digest* tells builds of one version apart. */
static struct package_list list_of(const struct row *rows, size_t count, uint8_t digest)
{
	struct package_list list = {.items = calloc(count + 1, sizeof(*list.items)), .count = count};

	assert_non_null(list.items);
	for (size_t i = 0; i < count; i++)
		list.items[i] = (struct package){
			.name = (char *)rows[i].name,
			.version = (char *)rows[i].version,
			.architecture = (char *)"amd64",
			.source = (char *)rows[i].source,
			.source_version = (char *)rows[i].source_version,
			.size = 1,
			.sha256 = {digest},
		};
	return list;
}

static struct release_manifest manifest_of(const char *version, struct package_list packages)
{
	return (struct release_manifest){
		.edition = (char *)"container-linux",
		.version = (char *)version,
		.architecture = (char *)"amd64",
		.kernel = (char *)"6.12.1",
		.usr_size = 8192,
		.uki_size = 4096,
		.packages = packages,
	};
}

/* "NAME BEFORE AFTER STATE" for each source, with "<" in front where it goes back. */
static void check_sources(const struct row *before, size_t before_count, const struct row *after,
	size_t after_count, const char *expected)
{
	struct package_list old = list_of(before, before_count, 1), new = list_of(after, after_count, 1);
	const struct release_manifest from = manifest_of("1", old), to = manifest_of("2", new);
	_cleanup_notes_ struct notes notes = {};
	_cleanup_buffer_ struct buffer found = {};
	_cleanup_error_ struct error *err = NULL;

	assert_ok(notes_compare(&(struct notes_input){&from, &to, NULL}, &notes, &err), err);
	for (size_t i = 0; i < notes.source_count; i++)
		buffer_printf(&found, "%s%s %s %s %d\n", notes.sources[i].backwards ? "<" : "",
			notes.sources[i].name, notes.sources[i].before, notes.sources[i].after,
			notes.sources[i].state);
	buffer_append_u8(&found, 0);
	assert_string_equal((char *)found.data, expected);
	free(old.items);
	free(new.items);
}

#define CHECK_SOURCES(before, after, expected) \
	check_sources(before, ARRAY_SIZE(before), after, ARRAY_SIZE(after), expected)

static void a_rebuild_has_no_other_source(void **state)
{
	static const struct row before[] = {{"bash", "5.2-1+b1", "bash", "5.2-1"}},
				after[] = {{"bash", "5.2-1+b2", "bash", "5.2-1"}};

	(void)state;
	CHECK_SOURCES(before, after, "");
}

static void a_source_of_several_packages_comes_once(void **state)
{
	static const struct row before[] = {
		{"libssl3", "3.0-1", "openssl", "3.0-1"}, {"openssl", "3.0-1", "openssl", "3.0-1"}};
	static const struct row after[] = {
		{"libssl3", "3.0-2", "openssl", "3.0-2"}, {"openssl", "3.0-2", "openssl", "3.0-2"}};

	(void)state;
	CHECK_SOURCES(before, after, "openssl 3.0-1 3.0-2 2\n");
}

static void an_epoch_outweighs_the_rest(void **state)
{
	static const struct row before[] = {{"a", "9", "a", "9"}, {"b", "1:1", "b", "1:1"}},
				after[] = {{"a", "1:1", "a", "1:1"}, {"b", "9", "b", "9"}};

	(void)state;
	CHECK_SOURCES(before, after, "a 9 1:1 2\n<b 1:1 9 2\n");
}

static void an_added_package_follows_the_newest_removed_one_of_its_source(void **state)
{
	static const struct row after[] = {
		{"linux-d", "11-1", "linux", "11-1"}, {"tools", "9-1", "tools", "9-1"}};
	static const struct row before[] = {{"linux-a", "9-1", "linux", "9-1"},
		{"linux-b", "10-1", "linux", "10-1"}, {"linux-c", "2-1", "linux", "2-1"},
		{"tools", "9-1", "tools", "9-1"}};

	(void)state;
	CHECK_SOURCES(before, after, "linux 10-1 11-1 2\n");
}

static void one_more_package_of_a_source_that_stays_is_no_change_of_it(void **state)
{
	static const struct row before[] = {{"a", "1", "a", "1"}},
				after[] = {{"a", "1", "a", "1"}, {"a-extra", "1", "a", "1"}};

	(void)state;
	CHECK_SOURCES(before, after, "");
}

static void versions_of_two_sources_are_not_compared(void **state)
{
	static const struct row before[] = {{"a", "9", "before", "9"}}, after[] = {{"a", "1", "after", "1"}};

	(void)state;
	CHECK_SOURCES(before, after, "after 9 1 5\n");
}

static void another_build_of_one_version_is_a_change(void **state)
{
	static const struct row rows[] = {{"a", "1", "a", "1"}};
	struct package_list old = list_of(rows, 1, 1), new = list_of(rows, 1, 2);
	const struct release_manifest from = manifest_of("1", old), to = manifest_of("2", new);
	_cleanup_notes_ struct notes notes = {};
	_cleanup_buffer_ struct buffer text = {};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_ok(notes_compare(&(struct notes_input){&from, &to, NULL}, &notes, &err), err);
	assert_int_equal(notes.package_count, 1);
	assert_int_equal(notes.source_count, 0);
	assert_ok(notes_markdown(&notes, &text, &err), err);
	buffer_append_u8(&text, 0);
	assert_non_null(strstr((char *)text.data, "| `a` | `1` | `1 (another build)` |\n"));
	free(old.items);
	free(new.items);
}

static void a_first_release_lists_its_packages(void **state)
{
	static const struct row rows[] = {{"a", "1", "a", "1"}, {"b", "2", "b", "2"}};
	struct package_list new = list_of(rows, 2, 1);
	const struct release_manifest to = manifest_of("2~rc_1", new);
	_cleanup_buffer_ struct buffer text = {};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_ok(notes_write(&(struct notes_input){NULL, &to, NULL}, &text, &err), err);
	buffer_append_u8(&text, 0);
	assert_string_equal((char *)text.data, "# container-linux 2\\~rc\\_1 for amd64\n\n"
					       "There is no release before it to compare with.\n\n"
					       "|  | 2\\~rc\\_1 |\n"
					       "|---|---|\n"
					       "| kernel | 6.12.1 |\n"
					       "| image of /usr (bytes) | 8.0 KiB (8192) |\n"
					       "| kernel image (bytes) | 4.0 KiB (4096) |\n"
					       "| root hash of /usr | 0000000000000000... |\n\n"
					       "## Packages\n\n"
					       "| package | version |\n"
					       "|---|---|\n"
					       "| `a` | `1` |\n"
					       "| `b` | `2` |\n");
	free(new.items);
}

/* The change that the text has for one row of sizes; *digest* is of the newer kernel image. */
static void check_image_rows(uint8_t digest, uint8_t root, const char *usr, const char *kernel)
{
	static const struct package_list nothing = {};
	struct release_output outputs[] = {
		{.kind = (char *)"uki", .size = 4096, .digest_name = "sha256"},
		{.kind = (char *)"uki", .size = 4096, .digest_name = "sha256", .digest = {digest}},
	};
	struct release_manifest from = manifest_of("1", nothing), to = manifest_of("1", nothing);
	_cleanup_notes_ struct notes notes = {};
	_cleanup_buffer_ struct buffer text = {};
	_cleanup_error_ struct error *err = NULL;

	from.outputs = &outputs[0], to.outputs = &outputs[1];
	from.output_count = to.output_count = 1;
	to.root_hash[0] = root;
	assert_ok(notes_compare(&(struct notes_input){&from, &to, NULL}, &notes, &err), err);
	assert_ok(notes_markdown(&notes, &text, &err), err);
	buffer_append_u8(&text, 0);
	assert_non_null(strstr((char *)text.data, usr));
	assert_non_null(strstr((char *)text.data, kernel));
}

static void an_image_of_the_same_size_can_be_another(void **state)
{
	(void)state;
	check_image_rows(0, 0, "| image of /usr (bytes) | 8.0 KiB (8192) | 8.0 KiB (8192) | none |",
		"| kernel image (bytes) | 4.0 KiB (4096) | 4.0 KiB (4096) | none |");
	check_image_rows(1, 1, "| image of /usr (bytes) | 8.0 KiB (8192) | 8.0 KiB (8192) | another image |",
		"| kernel image (bytes) | 4.0 KiB (4096) | 4.0 KiB (4096) | another image |");
}

static void two_kinds_of_releases_are_both_named(void **state)
{
	static const struct package_list nothing = {};
	struct release_manifest from = manifest_of("1", nothing), to = manifest_of("2", nothing);
	_cleanup_notes_ struct notes notes = {};
	_cleanup_buffer_ struct buffer text = {};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	from.architecture = (char *)"arm64";
	assert_ok(notes_compare(&(struct notes_input){&from, &to, NULL}, &notes, &err), err);
	assert_ok(notes_text(&notes, &text, &err), err);
	buffer_append_u8(&text, 0);
	assert_non_null(strstr((char *)text.data,
		"container-linux 2 for amd64, compared with container-linux 1 for arm64\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_rebuild_has_no_other_source),
		cmocka_unit_test(a_source_of_several_packages_comes_once),
		cmocka_unit_test(an_epoch_outweighs_the_rest),
		cmocka_unit_test(an_added_package_follows_the_newest_removed_one_of_its_source),
		cmocka_unit_test(one_more_package_of_a_source_that_stays_is_no_change_of_it),
		cmocka_unit_test(versions_of_two_sources_are_not_compared),
		cmocka_unit_test(another_build_of_one_version_is_a_change),
		cmocka_unit_test(a_first_release_lists_its_packages),
		cmocka_unit_test(an_image_of_the_same_size_can_be_another),
		cmocka_unit_test(two_kinds_of_releases_are_both_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
