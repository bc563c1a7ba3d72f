/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whether the program and the JSON Schema take the same texts: each kind's function and its pattern are asked
 * about texts that are right, texts that are wrong, and everything that is one byte away from either. The
 * pattern is regcomp(3)'s matter here; tests/cli/documents.bats has one of JSON Schema's own judges.
 */
#include "unit.h"

#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "build/definition-text.h"
#include "build/definition.h"

static const struct {
	const struct yaml_text *kind;
	const char *right[12], *wrong[12];
} kinds[] = {
	{&definition_text_name, {"a", "container-linux", "0", "abcdefghijklmnopqrstuvwxyz012345"},
		{"X_1", "-a", "a b", "a.b", "abcdefghijklmnopqrstuvwxyz0123456"}},
	{&definition_text_title, {"Orlop Container Linux", "7", "a [b] (c)", "\u00e4\u20ac"},
		{"a $x", "a\tb", "'a'", "a\\b", "a\x7f", "`a`"}},
	{&definition_text_compression,
		{"none", "lz4", "lz4hc", "lz4hc:3", "lz4hc:12", "zstd", "zstd:1", "zstd:09", "zstd:22"},
		{"gzip", "zstd:99", "zstd:0", "zstd:23", "zstd:", "lz4:1", "none:1", "lz4hc:2", "lz4hc:13"}},
	{&definition_text_suite, {"trixie", "trixie-updates", "13.1", "A_b+c"}, {"../x", "a b", "-a", "a/b"}},
	{&definition_text_component, {"main", "non-free-firmware"}, {"a/../b", ".a", "a.b", "a b"}},
	{&definition_text_source, {"site", "a-1"}, {"Foo!", "-a", "a_b", "A"}},
	{&definition_text_url,
		{"https://a/b", "http://a", "file:///a", "repository", "../a", "/a/b", "https://a:8/b"},
		{"ftp://x", "https://", "http://", "file://", "file:///", "a b", "a:b", "https:/a",
			"https://a b", "\u00e4"}},
	{&definition_text_taken, {"site-*", "a?c", "*"}, {"A", "a b", "a/b", "[ab]"}},
	{&definition_text_package,
		{"bash", "libstdc++6", "linux-image-{architecture}", "linux-{architecture}-x", "0ad",
			"bash=5.2.37-2", "a=1:2~rc1+b", "linux-{architecture}=1"},
		{"Bash", "../x", "-bash", "bash=", "{architecture}", "a{architecture", "a{arch}",
			"bash [amd64]", "bash:amd64", "bash=1 2", "a{architecture}{architecture}"}},
	{&definition_text_absent, {"debconf-2.0", "-lsb-base", "perl:any"},
		{"--a", "-", "Perl", "perl:", "a=1", "linux-{architecture}"}},
	{&definition_text_path, {"usr/bin/su", "a", "...", ".a/..b/c.", "usr/\u00e4 b"},
		{"/usr/bin/su", "../x", "a//b", "a/", "./a", "a/..", "a/./b"}},
	{&definition_text_link, {"usr/b", "etc/resolv.conf", "var/a/b", "lib64/..a", "sbin/x"},
		{"/usr/x", "usr", "usr/", "opt/b", "usr/../b", "etc//b", "lib32x/b"}},
	{&definition_text_setting, {"vm.swappiness", "net/ipv4/conf/*/rp_filter", "kernel.a-1"},
		{"vm", "vm.", "-vm.a", "vm..a", "vm.a b", "vm .a", "v1.a", ".vm"}},
	{&definition_text_setting_value, {"1", "a b\\\"c\u00e4"}, {"1\nvm.b = 2", "\t"}},
	{&definition_text_account, {"sshd", "_a", "A-1_b", "abcdefghijklmnopqrstuvwxyz01234"},
		{"1a", "-a", "a b", "a.b", "abcdefghijklmnopqrstuvwxyz012345"}},
	{&definition_text_description, {"Collects logs", "\u00e4"}, {"a:b", "a\"", "50%", "a\\b", "a\nb"}},
	{&definition_text_absolute, {"/", "/bin/sh", "/var/lib/a"},
		{"bin/sh", "/a b", "/a:b", "/a\"", "/%h"}},
	{&definition_text_id, {"1", "999", "010", "0009"}, {"0", "1000", "abc", "-1", "1.5", "1 ", "0x1"}},
	{&definition_text_unit, {"ssh.service", "getty@tty2.service", "a\\x2db.mount", "e.automount"},
		{"sshd", "../b.service", ".service", ".a.service", "a b.service", "a.conf", "a.service "}},
	{&definition_text_argument,
		{"quiet", "console=ttyS0,115200 [amd64]", "a=b [arm64]", "a='b'", "\\", "[amd64]"},
		{"a b", "a [mips]", " [arm64]", "a\"b", "a [amd64] ", "a [amd64", "\u00e4", "a  [amd64]"}},
};

static void compile(const char *pattern, regex_t *ret)
{
	assert_int_equal(pattern[0], '^');
	assert_int_equal(regcomp(ret, pattern, REG_EXTENDED | REG_NOSUB), 0);
}

static bool matches(const regex_t *regex, const char *text)
{
	return regexec(regex, text, 0, NULL, 0) == 0;
}

static void compare(const struct yaml_text *kind, const regex_t *regex, const char *text)
{
	if (kind->is(text) != matches(regex, text))
		fail_msg("%s: \"%s\" is %s for the program alone", kind->pattern, text,
			kind->is(text) ? "right" : "wrong");
}

/* *length* bytes of *text*, and two more texts behind them. */
static void compare_joined(const struct yaml_text *kind, const regex_t *regex, const char *text,
	size_t length, const char *middle, const char *rest)
{
	_cleanup_free_ char *joined = string_format("%.*s%s%s", (int)length, text, middle, rest);

	assert_non_null(joined);
	compare(kind, regex, joined);
}

/* Each of its bytes replaced by each other one, and left out, and each one put between them. */
static void compare_around(const struct yaml_text *kind, const regex_t *regex, const char *text)
{
	for (size_t i = 0; i <= strlen(text); i++) {
		const char *rest = text + i + (text[i] != 0);

		for (int byte = 1; byte < 256; byte++) {
			const char one[] = {(char)byte, 0};

			compare_joined(kind, regex, text, i, one, rest);
			compare_joined(kind, regex, text, i, one, text + i);
		}
		compare_joined(kind, regex, text, i, "", rest);
	}
}

static void program_and_pattern_take_the_same_texts(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		const struct yaml_text *kind = kinds[i].kind;
		regex_t regex;

		compile(kind->pattern, &regex);
		for (size_t j = 0; j < ARRAY_SIZE(kinds[i].right) && kinds[i].right[j]; j++) {
			if (!kind->is(kinds[i].right[j]) || !matches(&regex, kinds[i].right[j]))
				fail_msg("%s: \"%s\" is right", kind->pattern, kinds[i].right[j]);
			compare_around(kind, &regex, kinds[i].right[j]);
		}
		for (size_t j = 0; j < ARRAY_SIZE(kinds[i].wrong) && kinds[i].wrong[j]; j++) {
			if (kind->is(kinds[i].wrong[j]) || matches(&regex, kinds[i].wrong[j]))
				fail_msg("%s: \"%s\" is wrong", kind->pattern, kinds[i].wrong[j]);
			compare_around(kind, &regex, kinds[i].wrong[j]);
		}
		regfree(&regex);
	}
}

/* No pattern has lengths of names in paths: they are in bytes. */
static void a_name_in_a_path_has_255_bytes_at_most(void **state)
{
	char text[4 + 256 + 1] = "usr/";

	(void)state;
	memset(text + 4, 'a', 256);
	assert_false(definition_text_path.is(text));
	assert_false(definition_text_link.is(text));
	text[4 + 255] = 0;
	assert_true(definition_text_path.is(text));
	assert_true(definition_text_link.is(text));
}

/* What definition_check() says of a command line. */
static bool is_taken_as_argument(const char *argument)
{
	_cleanup_definition_ struct definition *definition = NULL;
	_cleanup_error_ struct error *err = NULL;
	_cleanup_free_ char *text = string_format(
		"name: a\ntitle: a\nsuite: a\ncomponents: [a]\npackages: [a]\nboot-packages: [a]\n"
		"kernel: {command-line: ['%s'], modules: []}\n"
		"initrd: {modules: [dm_verity, erofs, overlay, efivarfs], devices: []}\n"
		"disk: {esp: 64M, usr: 64M, verity: 2M, signature: 1M, state: 1G}\n",
		argument);

	assert_non_null(text);
	if (definition_parse(text, strlen(text), "x.yaml", &definition, &err) >= 0)
		return true;
	assert_non_null(strstr(error_message(err), "kernel: command-line: "));
	return false;
}

static void program_and_pattern_refuse_the_same_arguments(void **state)
{
	static const char *const arguments[] = {"usrhash=abc", "usrhash", "usrhash [arm64]",
		"usrhash= [amd64]", "usrhashes", "usrhashes=1", "ausrhash=1", "rdinit=/bin/sh", "rdinit",
		"rdinits=1", "--", "-- [arm64]", "--a", "-", "---", "init=/a", "quiet"};
	regex_t regex;

	(void)state;
	compile(definition_text_argument.never, &regex);
	for (size_t i = 0; i < ARRAY_SIZE(arguments); i++) {
		assert_true(definition_text_argument.is(arguments[i]));
		if (is_taken_as_argument(arguments[i]) == matches(&regex, arguments[i]))
			fail_msg("%s", arguments[i]);
	}
	regfree(&regex);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(program_and_pattern_take_the_same_texts),
		cmocka_unit_test(a_name_in_a_path_has_255_bytes_at_most),
		cmocka_unit_test(program_and_pattern_refuse_the_same_arguments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
