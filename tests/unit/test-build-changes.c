/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <string.h>

#include "release/build-changes.h"

#define ROOT "0000000000000000000000000000000000000000000000000000000000000000"

/* What a manifest has of the strings is literals, and of the lists the test's: it is not released. */
static struct release_manifest manifest_of(const char *command_line)
{
	return (struct release_manifest){.command_line = (char *)command_line};
}

static struct release_output output_of(
	const char *kind, uint64_t size, const char *digest_name, uint8_t digest)
{
	return (struct release_output){
		.kind = (char *)kind, .size = size, .digest_name = digest_name, .digest = {digest}};
}

static void check_text(
	const struct release_manifest *before, const struct release_manifest *after, const char *expected)
{
	_cleanup_build_changes_ struct build_changes changes = {};
	_cleanup_buffer_ struct buffer text = {};
	_cleanup_error_ struct error *err = NULL;

	assert_ok(build_changes_find(before, after, &changes, &err), err);
	assert_ok(build_changes_text(&changes, &text, &err), err);
	buffer_append_u8(&text, 0);
	assert_string_equal((char *)text.data, expected);
}

static void check_words(const char *before, const char *after, const char *expected)
{
	const struct release_manifest from = manifest_of(before), to = manifest_of(after);

	check_text(&from, &to, expected);
}

static void words_of_the_command_line_are_told_one_by_one(void **state)
{
	(void)state;
	check_words("quiet a=1 b", "quiet a=1 b", "");
	check_words("quiet a=1 b", "quiet  a=2 b c ", "\nCommand line (3)\n  - a=1\n  + a=2\n  + c\n");
	check_words("", "a", "\nCommand line (1)\n  + a\n");
	check_words("console=tty0", "", "\nCommand line (1)\n  - console=tty0\n");
	/* As often as they are there. */
	check_words("a b a a", "a b", "\nCommand line (2)\n  - a\n  - a\n");
}

static void another_order_of_words_is_told(void **state)
{
	static const char moved[] = "  * words that both have come in another order\n";
	_cleanup_buffer_ struct buffer one = {}, two = {};

	(void)state;
	buffer_printf(&one, "\nCommand line (1)\n%s", moved);
	buffer_append_u8(&one, 0);
	check_words("a b", "b a", (char *)one.data);
	buffer_printf(&two, "\nCommand line (3)\n  - x\n  + y\n%s", moved);
	buffer_append_u8(&two, 0);
	check_words("x a b", "b y a", (char *)two.data);
	check_words("a x b", "a b y", "\nCommand line (2)\n  - x\n  + y\n");
}

static void a_root_hash_is_not_told_twice(void **state)
{
	struct release_manifest from = manifest_of("a usrhash=" ROOT), to = manifest_of("a usrhash=11" ROOT);

	(void)state;
	/* The other one is not the manifest's. */
	check_text(&from, &to, "\nCommand line (1)\n  + usrhash=11" ROOT "\n");
}

static void what_only_one_tells_is_not_compared(void **state)
{
	struct release_pcr pcrs[] = {{.index = 4}};
	struct release_manifest from = {}, to = manifest_of("a");

	(void)state;
	to.has_certificate = true;
	to.certificate[0] = 1;
	to.pcrs = pcrs;
	to.pcr_count = 1;
	check_text(&from, &to, "");
	check_text(&to, &from, "");
}

static void another_certificate_is_told(void **state)
{
	struct release_manifest from = {.has_certificate = true, .certificate = {1}},
				to = {.has_certificate = true, .certificate = {2}};

	(void)state;
	check_text(&from, &from, "");
	check_text(&from, &to, "\nSigning certificate\n  0100000000000000... -> 0200000000000000...\n");
}

static void outputs_are_told_by_size_and_digest(void **state)
{
	struct release_output before[] = {output_of("usr", 8, "fsverity", 1),
		output_of("uki", 8, "sha256", 1), output_of("disk", 1 << 30, "fsverity", 1),
		output_of("spdx", 2048, "sha256", 1), output_of("cyclonedx", 5, "sha256", 1),
		output_of("vhd", 7, "sha256", 1), output_of("vhdx", 7, "fsverity", 1)};
	struct release_output after[] = {output_of("usr", 8, "fsverity", 1), output_of("uki", 8, "sha256", 2),
		output_of("disk", 2U << 30, "fsverity", 2), output_of("spdx", 2048, "sha256", 2),
		output_of("cyclonedx", 5, "sha256", 1), output_of("vhd", 7, "fsverity", 1),
		output_of("netboot", 0, NULL, 0)};
	struct release_manifest from = {.outputs = before, .output_count = ARRAY_SIZE(before)},
				to = {.outputs = after, .output_count = ARRAY_SIZE(after)};

	(void)state;
	check_text(&from, &from, "");
	check_text(&from, &to,
		"\nOther outputs (5)\n"
		"  disk       1.0 GiB       2.0 GiB       +1.0 GiB\n"
		"  spdx       2.0 KiB       2.0 KiB       another content\n"
		"  vhd        7 B           7 B           not known: their digests are not of one kind\n"
		"  vhdx       7 B           -             removed\n"
		"  netboot    -             -             added\n");
}

static void what_the_root_hash_tells_is_not_told_again(void **state)
{
	struct release_output before[] = {
		output_of("usr", 8, "fsverity", 1), output_of("verity", 8, "sha256", 1)};
	struct release_output after[] = {
		output_of("usr", 9, "fsverity", 2), output_of("verity", 9, "sha256", 2)};
	struct release_manifest from = {.outputs = before, .output_count = 2, .root_hash = {1}},
				to = {.outputs = after, .output_count = 2, .root_hash = {2}};

	(void)state;
	check_text(&from, &to, "");
	to.root_hash[0] = 1;
	check_text(&from, &to,
		"\nOther outputs (2)\n"
		"  usr        8 B           9 B           +1 B\n"
		"  verity     8 B           9 B           +1 B\n");
}

static void registers_are_told_by_what_they_measure(void **state)
{
	struct release_pcr before[] = {{.index = 4}, {.index = 9}, {.index = 11}, {.index = 12},
		{.kernel_start = true, .index = 11}, {.netboot = true, .index = 4}};
	struct release_pcr after[] = {{.index = 4}, {.index = 9, .value = {1}}, {.index = 11, .value = {1}},
		{.index = 12}, {.kernel_start = true, .index = 11, .value = {2}},
		{.netboot = true, .index = 4, .value = {3}}};
	struct release_manifest from = {.pcrs = before, .pcr_count = ARRAY_SIZE(before)},
				to = {.pcrs = after, .pcr_count = ARRAY_SIZE(after)};

	(void)state;
	check_text(&from, &from, "");
	check_text(&from, &to,
		"\nPredicted PCRs (3)\n"
		"  9   command line and initrd\n"
		"  11  kernel image\n"
		"  4   boot programs, in a start from the network\n");
}

static void json_has_all_of_it(void **state)
{
	static const char expected[] =
		"{\"arguments_removed\":[\"a\"],\"arguments_added\":[\"b\",\"usrhash=" ROOT "\"],"
		"\"arguments_reordered\":false,\"outputs_changed\":[{\"kind\":\"uki\","
		"\"before\":{\"kind\":\"uki\",\"size\":8},\"after\":{\"kind\":\"uki\",\"name\":\"x\","
		"\"size\":9}}],"
		"\"outputs_added\":[],\"outputs_removed\":[{\"kind\":\"vhd\",\"sha256\":\"" ROOT "\"}],"
		"\"pcrs_changed\":[{\"register\":11,\"netboot\":false,\"kernel_start\":true,\"before\":"
		"\"" ROOT "\",\"after\":\"01";
	struct release_output before[] = {output_of("uki", 8, NULL, 0), output_of("vhd", 0, "sha256", 0)},
			      after[] = {output_of("uki", 9, NULL, 0)};
	struct release_pcr low = {.kernel_start = true, .index = 11}, high = low;
	struct release_manifest from = manifest_of("a q"), to = manifest_of("b q usrhash=" ROOT);
	_cleanup_build_changes_ struct build_changes changes = {};
	_cleanup_error_ struct error *err = NULL;
	json_t *json = json_object();
	char *text;

	(void)state;
	after[0].name = (char *)"x";
	from.outputs = before, from.output_count = 2, from.pcrs = &low, from.pcr_count = 1;
	high.value[0] = 1;
	to.outputs = after, to.output_count = 1, to.pcrs = &high, to.pcr_count = 1;
	assert_ok(build_changes_find(&from, &to, &changes, &err), err);
	assert_non_null(json);
	assert_int_equal(build_changes_json(&changes, json), 0);
	text = json_dumps(json, JSON_COMPACT | JSON_PRESERVE_ORDER);
	assert_non_null(text);
	text[MIN(strlen(text), strlen(expected))] = 0;
	assert_string_equal(text, expected);
	free(text);
	json_decref(json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_of_the_command_line_are_told_one_by_one),
		cmocka_unit_test(another_order_of_words_is_told),
		cmocka_unit_test(a_root_hash_is_not_told_twice),
		cmocka_unit_test(what_only_one_tells_is_not_compared),
		cmocka_unit_test(another_certificate_is_told),
		cmocka_unit_test(outputs_are_told_by_size_and_digest),
		cmocka_unit_test(what_the_root_hash_tells_is_not_told_again),
		cmocka_unit_test(registers_are_told_by_what_they_measure),
		cmocka_unit_test(json_has_all_of_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
