/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scratch.h"

#include <glob.h>
#include <zlib.h>

#include "format/changelog.h"

static const char sample[] = "# comment\n"
			     "\n"
			     "openssl (3.5.4-1~deb13u2) trixie-security; urgency=high\n"
			     "\n"
			     "  * CVE-2026-28387 (\"Potential use-after-free\"), cve-2026-28388.\n"
			     "  * See (1.2) stable; and the rest.\n"
			     "\n"
			     " -- A B <a@example.org>  Fri, 03 Apr 2026 14:29:32 +0200\n"
			     "\n"
			     "openssl (1:3.5.4-1+b1) sid trixie; urgency=low, binary-only=yes\n"
			     "\n"
			     "  * Rebuild.\n"
			     "\n"
			     " -- A B <a@example.org>  Fri, 03 Apr 2026 14:29:32 +0200\n"
			     "# Older entries have been removed from this changelog.\n";

static void reads_entries_in_turn(void **state)
{
	const char *at = sample, *end = sample + strlen(sample);
	_cleanup_error_ struct error *err = NULL;
	struct changelog_entry entry;

	(void)state;
	assert_int_equal(changelog_next(&at, end, &entry, &err), 1);
	assert_string_equal(entry.source, "openssl");
	assert_string_equal(entry.version, "3.5.4-1~deb13u2");
	assert_ptr_equal(entry.text, strstr(sample, "openssl (3.5.4-1~"));
	assert_ptr_equal(entry.text + entry.size, strstr(sample, "openssl (1:"));
	assert_int_equal(changelog_next(&at, end, &entry, &err), 1);
	assert_string_equal(entry.version, "1:3.5.4-1+b1");
	assert_ptr_equal(entry.text + entry.size, end);
	assert_int_equal(changelog_next(&at, end, &entry, &err), 0);
	assert_null(err);
}

static void knows_a_heading_from_a_sentence(void **state)
{
	static const struct {
		const char *line;
		int result;
	} cases[] = {
		{"a (1) b; c", 1},
		{"a (1) b c-d;", 1},
		{"a (1:2~3+4-5.6) b;", 1},
		{"libstdc++6 (1) b;", 1},
		{"a (1)b;", -EBADMSG},
		{"a(1) b;", -EBADMSG},
		{" a (1) b;", -EBADMSG},
		{"a (1) b", -EBADMSG},
		{"a (1 2) b;", -EBADMSG},
		{"a (1/2) b;", -EBADMSG},
		{"a () b;", -EBADMSG},
		{"a (1", -EBADMSG},
		{"a (", -EBADMSG},
		{"a", -EBADMSG},
		{"a (1) b (c);", -EBADMSG},
		{"\xc3\xa4 (1) b;", -EBADMSG},
		{"# a (1) b;", 0},
		{"  ", 0},
		{"", 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		/* Of exactly its size, so that a sanitizer sees a read behind it. */
		size_t size = strlen(cases[i].line);
		_cleanup_free_ char *copy = malloc(size + 1);
		const char *at = copy;
		struct changelog_entry entry;

		assert_non_null(copy);
		memcpy(copy, cases[i].line, size);
		if (changelog_next(&at, copy + size, &entry, NULL) != cases[i].result)
			fail_msg("'%s'", cases[i].line);
	}
}

static void a_version_has_a_bound(void **state)
{
	_cleanup_buffer_ struct buffer text = {};

	(void)state;
	for (size_t i = CHANGELOG_WORD_MAX; i <= CHANGELOG_WORD_MAX + 1; i++) {
		struct changelog_entry entry;
		const char *at;

		text.size = 0;
		buffer_printf(&text, "a (%0*d) b;", (int)i, 1);
		at = (const char *)text.data;
		assert_int_equal(changelog_next(&at, at + text.size, &entry, NULL),
			i == CHANGELOG_WORD_MAX ? 1 : -EBADMSG);
	}
}

static void finds_ids_and_nothing_like_them(void **state)
{
	static const struct {
		const char *text, *ids;
	} cases[] = {
		{"CVE-2026-1234", "CVE-2026-1234 "},
		{"(cve-2026-1234567)", "CVE-2026-1234567 "},
		{"fixes CVE-2026-1234, CVE-2026-1235: CVE-2026-1234.",
			"CVE-2026-1234 CVE-2026-1235 CVE-2026-1234 "},
		{"CVE-2026-1234CVE-2026-1235", "CVE-2026-1234 CVE-2026-1235 "},
		{"CVE-2026-1234abc", "CVE-2026-1234 "},
		{"CVE-CVE-2026-1234", "CVE-2026-1234 "},
		{"_CVE-2026-1234.patch", "CVE-2026-1234 "},
		{"CVE-2026-1234567890123456789", "CVE-2026-1234567890123456789 "},
		{"CVE-2026-12345678901234567890", ""},
		{"CVE-2026-123", ""},
		{"CVE-2026-", ""},
		{"CVE-2026", ""},
		{"CVE-202-1234", ""},
		{"CVE-20266-1234", ""},
		{"CVE-2026_1234", ""},
		{"CVE 2026-1234", ""},
		{"XCVE-2026-1234", ""},
		{"CAN-2004-1234", ""},
		{"", ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		size_t size = strlen(cases[i].text);
		_cleanup_free_ char *copy = malloc(size + 1);
		_cleanup_buffer_ struct buffer found = {};
		char id[CHANGELOG_CVE_SIZE];
		const char *at = copy;

		assert_non_null(copy);
		memcpy(copy, cases[i].text, size);
		while (changelog_next_cve(&at, copy + size, id))
			buffer_printf(&found, "%s ", id);
		buffer_append_u8(&found, 0);
		assert_string_equal((char *)found.data, cases[i].ids);
		assert_ptr_equal(at, copy + size);
	}
}

/* ---- gzip ---- */

static void pack(const void *data, size_t size, struct buffer *ret)
{
	z_stream stream = {.next_in = (void *)data, .avail_in = (uInt)size};
	size_t room;

	assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	room = deflateBound(&stream, size);
	stream.next_out = buffer_extend(ret, room);
	assert_non_null(stream.next_out);
	stream.avail_out = (uInt)room;
	assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
	ret->size -= stream.avail_out;
	assert_int_equal(deflateEnd(&stream), Z_OK);
}

#define ENTRY(version, cve) "a (" version ") b; c\n\n  * CVE-2026-" cve "\n\n -- A <a@b>\n\n"

static void the_entries_between_two_versions_have_what_came_between(void **state)
{
	static const char changelog[] = ENTRY("1.2-1~deb13u1", "10001") ENTRY("1.2-1", "1002 CVE-2026-1003")
		ENTRY("1.1-2", "1002") ENTRY("1.1-1~deb13u2", "1005") ENTRY("1.1-1~deb13u1", "1006")
			ENTRY("1.1-1", "1007") ENTRY("1.0-1", "1008");
	static const struct {
		const char *before, *after, *ids;
		int result;
	} cases[] = {
		{"1.1-2", "1.2-1", " 1002 1003 10001", 1},
		{"1.1-2", "1.2-1~deb13u1", " 1002 1003 10001", 1},
		{"1.1-1~deb13u1", "1.2-1~deb13u1", " 1002 1003 1005 10001", 1},
		{"1.1-1~deb13u1", "1.1-1~deb13u2", " 1005", 1},
		{"1.1-1~bpo12+1", "1.1-1~deb13u1", " 1006", 1},
		{"1.1-1~bpo12+1", "1.1-1", " 1005 1006", 1},
		{"1.0-1", "1.1-1~deb13u1", " 1006 1007", 1},
		{"1.1~rc1", "1.1-1~debug1", " 1005 1006", 1},
		{"0.9-1", "1.0-1", " 1008", 0},
		{"1.0-1", "1.0-1", "", 1},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_buffer_ struct buffer found = {};
		_cleanup_error_ struct error *err = NULL;
		_cleanup_strv_ struct strv ids = {};

		assert_int_equal(changelog_cves_between(changelog, strlen(changelog), cases[i].before,
					 cases[i].after, &ids, &err),
			cases[i].result);
		for (size_t k = 0; k < ids.count; k++)
			buffer_printf(&found, " %s", ids.items[k] + strlen("CVE-2026-"));
		buffer_append_u8(&found, 0);
		assert_string_equal((char *)found.data, cases[i].ids);
	}
}

static void unpacks_one_member_or_more(void **state)
{
	_cleanup_buffer_ struct buffer packed = {}, text = {};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	pack(sample, strlen(sample), &packed);
	assert_ok(changelog_unpack(packed.data, packed.size, &text, &err), err);
	assert_int_equal(text.size, strlen(sample));
	assert_memory_equal(text.data, sample, text.size);
	text.size = 0;
	pack("more", 4, &packed);
	assert_ok(changelog_unpack(packed.data, packed.size, &text, &err), err);
	assert_int_equal(text.size, strlen(sample) + 4);
	assert_memory_equal(text.data + text.size - 4, "more", 4);
}

static void refuses_what_is_damaged(void **state)
{
	_cleanup_buffer_ struct buffer packed = {};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	pack(sample, strlen(sample), &packed);
	for (size_t size = 0; size < packed.size; size++) {
		_cleanup_buffer_ struct buffer text = {};

		assert_error(changelog_unpack(packed.data, size, &text, &err), -EBADMSG, err, "damaged");
	}
	for (size_t at = packed.size - 8; at < packed.size; at++) { /* CRC-32 and length */
		_cleanup_buffer_ struct buffer text = {};

		packed.data[at] ^= 0x10;
		assert_error(
			changelog_unpack(packed.data, packed.size, &text, &err), -EBADMSG, err, "damaged");
		packed.data[at] ^= 0x10;
	}
}

static void refuses_a_bomb(void **state)
{
	_cleanup_free_ uint8_t *zeros = calloc(1, CHANGELOG_MAX + 1);
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_non_null(zeros);
	for (size_t extra = 0; extra <= 1; extra++) {
		_cleanup_buffer_ struct buffer packed = {}, text = {};
		int r;

		pack(zeros, CHANGELOG_MAX + extra, &packed);
		r = changelog_unpack(packed.data, packed.size, &text, &err);
		if (extra == 0)
			assert_ok(r, err);
		else
			assert_error(r, -EFBIG, err, "unpacks to more");
	}
}

/* ---- Changelogs of installed packages ---- */

/* "VERSION CVE… \n" for each entry. */
static void list_entries(const char *text, size_t size, struct buffer *ret)
{
	const char *at = text, *end = text + size;
	_cleanup_error_ struct error *err = NULL;
	struct changelog_entry entry;
	int r;

	while ((r = changelog_next(&at, end, &entry, &err)) > 0) {
		const char *inside = entry.text;
		char id[CHANGELOG_CVE_SIZE];

		buffer_printf(ret, "%s %s", entry.source, entry.version);
		while (changelog_next_cve(&inside, entry.text + entry.size, id))
			buffer_printf(ret, " %s", id);
		buffer_append_u8(ret, '\n');
	}
	assert_ok(r, err);
}

/* The same of what dpkg makes of it; the ids found with grep's regular expressions. */
static const char ask_dpkg[] =
	"set -eu; zcat -f \"$0\" >\"$1\"; dpkg-parsechangelog --all --format rfc822 -l \"$1\" 2>\"$2\" | "
	"awk '/^Source:/ { s = $2 } /^Version:/ { v = $2 } /^Changes:/ { printf \"%s%s %s\", n, s, v; n = "
	"\"\\n\"; "
	"c = 1; next } /^[^ ]/ { c = 0 } c { while (match($0, "
	"/(^|[^A-Za-z0-9])[Cc][Vv][Ee]-[0-9][0-9][0-9][0-9]-"
	"[0-9][0-9][0-9][0-9]+/)) { i = substr($0, RSTART, RLENGTH); sub(/^[^Cc]/, \"\", i); printf \" %s\", "
	"toupper(i); $0 = substr($0, RSTART + RLENGTH) } } END { print \"\" }'";

/* False where dpkg complains about the file: then it guesses, too, and not the same. */
static bool check_against_dpkg(const char *folder, const char *path)
{
	_cleanup_process_result_ struct process_result result = {};
	_cleanup_free_ char *plain = string_format("%s/plain", folder),
			    *faults = string_format("%s/faults", folder), *text = NULL, *complaint = NULL;
	_cleanup_buffer_ struct buffer found = {};
	_cleanup_error_ struct error *err = NULL;
	size_t size, complaint_size;

	assert_ok(process_run((const char *const[]){"sh", "-c", ask_dpkg, path, plain, faults, NULL}, NULL, 0,
			  MiB(16), &result, &err),
		err);
	assert_int_equal(result.status, 0);
	text = scratch_read(folder, "plain", &size);
	complaint = scratch_read(folder, "faults", &complaint_size);
	list_entries(text, size, &found);
	if (complaint_size > 0)
		return false;
	if (found.size != result.output.size || memcmp(found.data, result.output.data, found.size) != 0)
		fail_msg("%s:\n%.*s\ndpkg says:\n%.*s", path, (int)found.size, (char *)found.data,
			(int)result.output.size, (char *)result.output.data);
	return true;
}

static void reads_real_changelogs_as_dpkg_does(void **state)
{
	_cleanup_scratch_ char *folder = NULL;
	glob_t files = {};
	size_t checked = 0;

	(void)state;
	if (!have_program("dpkg-parsechangelog") ||
		glob("/usr/share/doc/*/changelog.Debian.gz", 0, NULL, &files) != 0) {
		print_message("skipped, because there is no dpkg-parsechangelog or no changelog here\n");
		skip();
	}
	folder = scratch_new();
	/* Some of them, spread over the alphabet. */
	for (size_t i = 0; i < files.gl_pathc; i += 1 + files.gl_pathc / 40)
		checked += check_against_dpkg(folder, files.gl_pathv[i]);
	assert_true(checked > 0);
	globfree(&files);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_entries_in_turn),
		cmocka_unit_test(knows_a_heading_from_a_sentence),
		cmocka_unit_test(a_version_has_a_bound),
		cmocka_unit_test(finds_ids_and_nothing_like_them),
		cmocka_unit_test(the_entries_between_two_versions_have_what_came_between),
		cmocka_unit_test(unpacks_one_member_or_more),
		cmocka_unit_test(refuses_what_is_damaged),
		cmocka_unit_test(refuses_a_bomb),
		cmocka_unit_test(reads_real_changelogs_as_dpkg_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
