/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "base/encoding.h"
#include "source/resolve.h"

#define DIGEST "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

/* A stanza with what every real one has. */
#define PACKAGE(name, version, fields)                                                              \
	"Package: " name "\nVersion: " version "\nArchitecture: amd64\nInstalled-Size: 12\n" fields \
	"Filename: pool/main/" name "_" version "_amd64.deb\nSize: 345\nSHA256: " DIGEST "\n\n"

static const uint8_t digests[2][SHA256_SIZE] = {{1}, {2}};
static const struct resolver_index stable = {"trixie", "main", "http://m.test/debian", digests[0]};
static const struct resolver_index updates = {"trixie-updates", "main", "http://m.test/debian", digests[1]};

static struct resolver *resolver_with(const char *packages, const char *newer)
{
	_cleanup_error_ struct error *err = NULL;
	struct resolver *resolver = NULL;

	assert_ok(resolver_new("amd64", &resolver, &err), err);
	assert_ok(resolver_add(resolver, &stable, packages, strlen(packages), NULL, &err), err);
	if (newer)
		assert_ok(resolver_add(resolver, &updates, newer, strlen(newer), NULL, &err), err);
	return resolver;
}

/* A list from words parted by spaces. */
static void split(const char *words, struct strv *ret)
{
	_cleanup_free_ char *copy = strdup(words);

	for (char *rest = copy, *word; (word = strsep(&rest, " "));)
		if (*word)
			assert_int_equal(strv_add(ret, word), 0);
}

static int resolve(struct resolver *resolver, const char *names, const char *absent, struct package_list *ret,
	struct error **err)
{
	_cleanup_strv_ struct strv wanted = {}, missing = {};

	split(names, &wanted);
	split(absent, &missing);
	return resolver_run(resolver, &wanted, &missing, ret, NULL, err);
}

/* Resolves and compares "name=version name=version …". */
static void assert_resolves(
	struct resolver *resolver, const char *names, const char *absent, const char *expected)
{
	_cleanup_package_list_ struct package_list list = {};
	_cleanup_buffer_ struct buffer seen = {};
	_cleanup_error_ struct error *err = NULL;

	assert_ok(resolve(resolver, names, absent, &list, &err), err);
	for (size_t i = 0; i < list.count; i++)
		buffer_printf(&seen, "%s%s=%s", i > 0 ? " " : "", list.items[i].name, list.items[i].version);
	buffer_append_u8(&seen, 0);
	assert_string_equal((char *)seen.data, expected);
}

static void assert_fails(
	struct resolver *resolver, const char *names, const char *absent, int code, const char *text)
{
	struct package_list list = {};
	struct error *err = NULL;

	assert_error(resolve(resolver, names, absent, &list, &err), code, err, text);
	assert_null(list.items);
}

static void takes_what_is_depended_on_and_nothing_else(void **state)
{
	_cleanup_resolver_ struct resolver *resolver = resolver_with(
		PACKAGE("a", "1", "Pre-Depends: b (>= 2)\nDepends: c, d:any\nRecommends: r\nSuggests: s\n")
			PACKAGE("b", "2", "Depends: c\n") PACKAGE("c", "1", "Depends: a\n") PACKAGE(
				"d", "1", "Multi-Arch: allowed\n") PACKAGE("r", "1", "") PACKAGE("s", "1", "")
				PACKAGE("e", "1", "Essential: yes\nPriority: required\nEnhances: a\n"),
		NULL);

	(void)state;
	assert_resolves(resolver, "a", "", "a=1 b=2 c=1 d=1");
	assert_resolves(resolver, "b", "", "a=1 b=2 c=1 d=1");
	assert_resolves(resolver, "d", "", "d=1");
	assert_resolves(resolver, "", "", "");
	assert_resolves(resolver, "r e", "", "e=1 r=1");
}

static void says_all_that_the_index_says(void **state)
{
	_cleanup_resolver_ struct resolver *resolver =
		resolver_with(PACKAGE("a", "1:2.0-3+b1", "Source: asrc (1:2.0-3)\nDepends: b\n")
				      PACKAGE("b", "4", "Source: bsrc\nDepends: c\n") PACKAGE("c", "5", ""),
			NULL);
	_cleanup_package_list_ struct package_list list = {};
	_cleanup_error_ struct error *err = NULL;
	uint8_t digest[SHA256_SIZE];
	const struct package *a, *b, *c;

	(void)state;
	assert_ok(resolve(resolver, "a", "", &list, &err), err);
	assert_int_equal(list.count, 3);
	a = package_list_find(&list, "a");
	b = package_list_find(&list, "b");
	c = package_list_find(&list, "c");
	assert_null(package_list_find(&list, "d"));
	assert_string_equal(a->version, "1:2.0-3+b1");
	assert_string_equal(a->architecture, "amd64");
	assert_string_equal(a->source, "asrc");
	assert_string_equal(a->source_version, "1:2.0-3");
	assert_string_equal(b->source, "bsrc");
	assert_string_equal(b->source_version, "4");
	assert_string_equal(c->source, "c");
	assert_string_equal(a->suite, "trixie");
	assert_string_equal(a->component, "main");
	assert_string_equal(a->file, "pool/main/a_1:2.0-3+b1_amd64.deb");
	assert_string_equal(a->url, "http://m.test/debian/pool/main/a_1:2.0-3+b1_amd64.deb");
	assert_int_equal(a->size, 345);
	assert_int_equal(a->installed_size, 12 * 1024);
	assert_int_equal(hex_decode(DIGEST, digest, SHA256_SIZE), 0);
	assert_memory_equal(a->sha256, digest, SHA256_SIZE);
	assert_null(a->path);
	assert_string_equal(a->why, "a");
	assert_string_equal(b->why, "a > b");
	assert_string_equal(c->why, "a > b > c");
}

/* Debian Policy 5.6.12: "~" sorts before everything, epochs before the rest. */
static void the_newest_version_wins_whatever_suite_it_is_in(void **state)
{
	_cleanup_resolver_ struct resolver *resolver =
		resolver_with(PACKAGE("a", "2.10", "") PACKAGE("b", "1:1", "") PACKAGE("c", "1.0~rc1", ""),
			PACKAGE("a", "2.9", "") PACKAGE("b", "9", "") PACKAGE("c", "1.0", ""));
	_cleanup_package_list_ struct package_list list = {};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_resolves(resolver, "a b c", "", "a=2.10 b=1:1 c=1.0");
	assert_ok(resolve(resolver, "c", "", &list, &err), err);
	assert_string_equal(list.items[0].suite, "trixie-updates");
}

static void a_version_may_be_asked_for(void **state)
{
	_cleanup_resolver_ struct resolver *resolver = resolver_with(
		PACKAGE("a", "1", "") PACKAGE("b", "1", "Depends: a (= 1)\n"), PACKAGE("a", "2", ""));

	(void)state;
	assert_resolves(resolver, "a=1", "", "a=1");
	assert_resolves(resolver, "b", "", "a=1 b=1");
	assert_fails(resolver, "a=3", "", -ENOPKG, "a = 3");
	assert_fails(resolver, "b a=2", "", -ENOPKG, "do not go together");
}

static void the_first_alternative_is_taken_where_it_can_be(void **state)
{
	_cleanup_resolver_ struct resolver *resolver = resolver_with(
		PACKAGE("a", "1", "Depends: z | b\n") PACKAGE("c", "1", "Depends: none | z | b\n")
			PACKAGE("d", "1", "Depends: z | b\nConflicts: z\n") PACKAGE("e", "1", "Depends: b\n")
				PACKAGE("f", "1", "Depends: m | b\n") PACKAGE("b", "1", "")
					PACKAGE("z", "1", "") PACKAGE("y", "1", "Provides: m\n"),
		NULL);

	(void)state;
	assert_resolves(resolver, "a", "", "a=1 z=1");
	assert_resolves(resolver, "c", "", "c=1 z=1");
	assert_resolves(resolver, "d", "", "b=1 d=1");
	/* What is there for another reason is enough. */
	assert_resolves(resolver, "a e", "", "a=1 b=1 e=1");
	assert_resolves(resolver, "a b", "z", "a=1 b=1");
	assert_resolves(resolver, "f b", "", "b=1 f=1");
}

static void absent_packages_are_there_in_every_version_and_never_taken(void **state)
{
	_cleanup_resolver_ struct resolver *resolver = resolver_with(
		PACKAGE("a", "1",
			"Pre-Depends: perl-base (= 5.40.1-6)\nDepends: perlapi-5.40, debconf (>= 0.5) | "
			"cdebconf\n") PACKAGE("b", "1",
			"Breaks: perl-base (<< 5.20)\nConflicts: perlapi-5.40\nReplaces: perl-base\nDepends: "
			"perl:any\n") PACKAGE("perl-base", "5.40.1-6",
			"Provides: perlapi-5.40, other (= 3)\nDepends: dpkg\n") PACKAGE("debconf", "1.5", "")
			PACKAGE("dpkg", "1", "") PACKAGE("cdebconf", "1", "") PACKAGE(
				"c", "1", "Depends: other (>= 9)\n") PACKAGE("d", "1", "Conflicts: b\n"),
		NULL);

	(void)state;
	assert_resolves(resolver, "a", "perl-base debconf", "a=1");
	assert_resolves(resolver, "a b", "perl-base debconf perl", "a=1 b=1");
	assert_resolves(resolver, "b", "perl:any perl-base", "b=1");
	assert_resolves(resolver, "c", "perl-base", "c=1");
	assert_resolves(resolver, "a", "debconf never-heard-of", "a=1 dpkg=1 perl-base=5.40.1-6");
	/* What a run took out of the packages is back for the next. */
	assert_fails(resolver, "a b", "debconf perl", -ENOPKG, "perl");
	assert_fails(resolver, "b d", "perl perl-base", -ENOPKG, "conflicts with b");
	assert_fails(resolver, "dpkg a", "dpkg", -EINVAL, "dpkg is asked for and said to be absent");
}

static void tells_absent_packages_that_nobody_asks_for(void **state)
{
	static const struct {
		const char *names, *absent, *idle;
	} cases[] = {
		{"a", "perl-base debconf", ""},
		{"a", "perl-base debconf cdebconf", ""}, /* one of two alternatives is asked for */
		{"a", "never-heard-of perl-base dpkg debconf", "never-heard-of dpkg"},
		{"a", "dpkg debconf", ""},	 /* by perl-base */
		{"c", "perl-base dpkg", "dpkg"}, /* by what it provides */
		{"b", "perl:any", ""},
		{"b", "perl prel", "prel"},
	};
	_cleanup_resolver_ struct resolver *resolver = resolver_with(
		PACKAGE("a", "1", "Pre-Depends: perl-base (= 5)\nDepends: cdebconf | debconf (>= 0.5)\n")
			PACKAGE("b", "1", "Depends: perl:any\n") PACKAGE("perl-base", "5",
				"Provides: other (= 3)\nDepends: dpkg\n") PACKAGE("debconf", "1.5", "")
				PACKAGE("dpkg", "1", "") PACKAGE("cdebconf", "1", "")
					PACKAGE("c", "1", "Depends: other (>= 2)\n"),
		NULL);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_strv_ struct strv names = {}, absent = {}, idle = {}, expected = {};
		_cleanup_package_list_ struct package_list list = {};
		_cleanup_error_ struct error *err = NULL;

		split(cases[i].names, &names);
		split(cases[i].absent, &absent);
		split(cases[i].idle, &expected);
		assert_ok(resolver_run(resolver, &names, &absent, &list, &idle, &err), err);
		assert_int_equal(idle.count, expected.count);
		for (size_t k = 0; k < idle.count; k++)
			assert_string_equal(idle.items[k], expected.items[k]);
	}
}

static void says_what_is_wrong(void **state)
{
	_cleanup_resolver_ struct resolver *resolver = resolver_with(
		PACKAGE("a", "1", "Depends: b\n") PACKAGE("b", "1", "Depends: lost (>= 3)\n")
			PACKAGE("x", "1", "Conflicts: y\n") PACKAGE("y", "1", "Provides: virtual\n")
				PACKAGE("z", "1", "Depends: x, y\n"),
		NULL);

	(void)state;
	assert_fails(resolver, "nowhere", "", -ENOENT, "no repository has a package nowhere");
	assert_fails(resolver, "lost", "", -ENOENT, "no repository has a package lost");
	assert_fails(resolver, "virtual", "", -ENOENT, "ask for one of y");
	assert_fails(resolver, "a", "", -ENOPKG, "nothing provides lost >= 3 needed by b-1.amd64");
	assert_fails(resolver, "x y", "", -ENOPKG, "x-1.amd64 conflicts with y");
	assert_fails(resolver, "z", "", -ENOPKG, "x-1.amd64 conflicts with y");
}

static void keeps_the_parsed_form(void **state)
{
	static const char packages[] = PACKAGE("a", "1:1", "Source: s (2)\nDepends: z | b\nConflicts: c\n")
		PACKAGE("b", "1", "") PACKAGE("c", "1", "") PACKAGE("z", "1", "Description: long\n text\n");
	_cleanup_resolver_ struct resolver *first = NULL, *second = NULL;
	_cleanup_package_list_ struct package_list one = {}, two = {};
	_cleanup_buffer_ struct buffer parsed = {};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_ok(resolver_new("amd64", &first, &err), err);
	assert_ok(resolver_add(first, &stable, packages, strlen(packages), &parsed, &err), err);
	assert_ok(resolver_new("amd64", &second, &err), err);
	assert_ok(resolver_load(second, &stable, parsed.data, parsed.size, &err), err);
	assert_ok(resolve(first, "a", "", &one, &err), err);
	assert_ok(resolve(second, "a", "", &two, &err), err);
	assert_int_equal(one.count, 2);
	assert_int_equal(two.count, 2);
	for (size_t i = 0; i < 2; i++) {
		assert_string_equal(one.items[i].name, two.items[i].name);
		assert_string_equal(one.items[i].version, two.items[i].version);
		assert_string_equal(one.items[i].source_version, two.items[i].source_version);
		assert_string_equal(one.items[i].url, two.items[i].url);
		assert_int_equal(one.items[i].size, two.items[i].size);
		assert_int_equal(one.items[i].installed_size, two.items[i].installed_size);
		assert_memory_equal(one.items[i].sha256, two.items[i].sha256, SHA256_SIZE);
	}
	assert_fails(second, "a c", "", -ENOPKG, "conflicts with c");
}

static void refuses_a_damaged_parsed_form(void **state)
{
	static const char packages[] = PACKAGE("a", "1", "");
	_cleanup_resolver_ struct resolver *resolver = NULL;
	_cleanup_buffer_ struct buffer parsed = {};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_ok(resolver_new("amd64", &resolver, &err), err);
	assert_ok(resolver_add(resolver, &stable, packages, strlen(packages), &parsed, &err), err);
	for (size_t i = 0; i < parsed.size; i++) {
		parsed.data[i] ^= 0x20;
		assert_error(resolver_load(resolver, &stable, parsed.data, parsed.size, &err), -EBADMSG, err,
			"is");
		parsed.data[i] ^= 0x20;
	}
	for (size_t size = 0; size < parsed.size; size++)
		assert_error(resolver_load(resolver, &stable, parsed.data, size, &err), -EBADMSG, err, "is");
	assert_error(resolver_load(resolver, &updates, parsed.data, parsed.size, &err), -EBADMSG, err,
		"is the parsed form of another index");
	assert_resolves(resolver, "a", "", "a=1");
}

static void takes_an_empty_index_and_refuses_malformed_ones(void **state)
{
	static const struct {
		const char *text, *message;
	} table[] = {
		{"Package: a\nVersion: 1\nArchitecture: amd64\nSize: x\n\n", "Size is malformed"},
		{"Package: a\nVersion: 1\nArchitecture: amd64\nSize: 1\njunk\n\n", "line 5"},
		{"Version: 1\nArchitecture: amd64\nSize: 1\n\n", "line"},
	};
	_cleanup_resolver_ struct resolver *resolver = resolver_with("", PACKAGE("a", "1", ""));

	(void)state;
	assert_resolves(resolver, "a", "", "a=1");
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct error *err = NULL;

		assert_error(
			resolver_add(resolver, &stable, table[i].text, strlen(table[i].text), NULL, &err),
			-EBADMSG, err, table[i].message);
	}
	assert_resolves(resolver, "a", "", "a=1");
}

static void a_package_without_digest_cannot_be_taken(void **state)
{
	_cleanup_resolver_ struct resolver *resolver = resolver_with(
		"Package: a\nVersion: 1\nArchitecture: amd64\nFilename: pool/a.deb\nSize: 3\n\n"
		"Package: b\nVersion: 1\nArchitecture: amd64\nFilename: pool/b.deb\nSHA256: " DIGEST "\n\n"
		"Package: c\nVersion: 1\nArchitecture: amd64\nSize: 3\nSHA256: " DIGEST "\n\n",
		NULL);

	(void)state;
	assert_fails(resolver, "a", "", -EBADMSG, "a of trixie has no");
	assert_fails(resolver, "b", "", -EBADMSG, "b of trixie has no Size");
	assert_fails(resolver, "c", "", -EBADMSG, "c of trixie has no");
}

static void a_file_outside_of_the_archive_cannot_be_taken(void **state)
{
	static const char *const bad[] = {
		"../../etc/passwd", "/etc/passwd", "pool/../../x.deb", "pool//x.deb", "./../x.deb", ".."};
	static const char *const good[] = {"pool/x.deb", "./x.deb", "x..deb"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad) + ARRAY_SIZE(good); i++) {
		const char *file = i < ARRAY_SIZE(bad) ? bad[i] : good[i - ARRAY_SIZE(bad)];
		_cleanup_free_ char *stanza = string_format(
			"Package: a\nVersion: 1\nArchitecture: amd64\nFilename: %s\nSize: 3\nSHA256: " DIGEST
			"\n\n",
			file);
		_cleanup_resolver_ struct resolver *resolver = resolver_with(stanza, NULL);

		if (i < ARRAY_SIZE(bad))
			assert_fails(resolver, "a", "", -EBADMSG,
				"a of trixie has a Filename that leads out of the archive");
		else
			assert_resolves(resolver, "a", "", "a=1");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_what_is_depended_on_and_nothing_else),
		cmocka_unit_test(says_all_that_the_index_says),
		cmocka_unit_test(the_newest_version_wins_whatever_suite_it_is_in),
		cmocka_unit_test(a_version_may_be_asked_for),
		cmocka_unit_test(the_first_alternative_is_taken_where_it_can_be),
		cmocka_unit_test(absent_packages_are_there_in_every_version_and_never_taken),
		cmocka_unit_test(tells_absent_packages_that_nobody_asks_for),
		cmocka_unit_test(says_what_is_wrong),
		cmocka_unit_test(keeps_the_parsed_form),
		cmocka_unit_test(refuses_a_damaged_parsed_form),
		cmocka_unit_test(takes_an_empty_index_and_refuses_malformed_ones),
		cmocka_unit_test(a_package_without_digest_cannot_be_taken),
		cmocka_unit_test(a_file_outside_of_the_archive_cannot_be_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
