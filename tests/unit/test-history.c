/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scratch.h"

#include <jansson.h>
#include <sys/wait.h>

#include "update/history.h"

#define NOON 1795608000 /* date -ud 2026-11-25T12:00 +%s */

static char *log_of(const char *folder)
{
	char *path = string_format("%s/history", folder);

	assert_non_null(path);
	return path;
}

static void add(const char *path, enum history_event event, const char *version, const char *detail)
{
	const struct history_entry entry = {
		.time = NOON,
		.event = event,
		.version = (char *)(uintptr_t)version,
		.detail = (char *)(uintptr_t)detail,
	};
	_cleanup_error_ struct error *err = NULL;

	assert_ok(history_add(path, &entry, &err), err);
}

/* The versions that are not to be taken again, with a space behind each. */
static char *rejected(const char *path)
{
	_cleanup_history_ struct history history = {};
	_cleanup_error_ struct error *err = NULL;
	_cleanup_strv_ struct strv versions = {};
	char *text = strdup("");

	assert_ok(history_load(path, &history, &err), err);
	assert_ok(history_rejected(&history, &versions, &err), err);
	for (size_t i = 0; i < versions.count; i++) {
		char *longer = string_format("%s%s ", text, versions.items[i]);

		free(text);
		text = longer;
		assert_non_null(text);
	}
	return text;
}

static void what_is_added_is_read_again(void **state)
{
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_free_ char *path = log_of(folder), *text = NULL;
	const struct history_entry entry = {
		.time = NOON,
		.event = HISTORY_FAILED,
		.version = (char *)(uintptr_t) "202611.23.0",
		.from = (char *)(uintptr_t) "202611.16.0",
		.detail = (char *)(uintptr_t) "unit a.service: \"failed\"\n…",
	};
	_cleanup_history_ struct history history = {};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_ok(history_load(path, &history, &err), err);
	assert_int_equal(history.count, 0);
	assert_ok(history_add(path, &entry, &err), err);
	add(path, HISTORY_HEALTHY, "202611.16.0", NULL);
	assert_ok(history_load(path, &history, &err), err);
	assert_int_equal(history.count, 2);
	assert_int_equal(history.skipped, 0);
	assert_int_equal(history.entries[0].time, NOON);
	assert_int_equal(history.entries[0].event, HISTORY_FAILED);
	assert_string_equal(history.entries[0].from, "202611.16.0");
	assert_string_equal(history.entries[0].detail, "unit a.service: \"failed\" …");
	assert_int_equal(history.entries[1].event, HISTORY_HEALTHY);
	assert_null(history.entries[1].from);
	text = history_entry_text(&history.entries[0]);
	assert_string_equal(text, "2026-11-25 12:00:00 UTC  failed       202611.23.0 from 202611.16.0: unit "
				  "a.service: \"failed\" …");
}

/* As jansson, which wrote it, is no judge: the line as the format's description has it. */
static void the_file_is_as_its_description_says(void **state)
{
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_free_ char *path = log_of(folder), *text = NULL;

	(void)state;
	add(path, HISTORY_ROLLED_BACK, "2", "x\033[2J\xff");
	text = scratch_read(folder, "history", NULL);
	assert_string_equal(text,
		"{\"time\":\"2026-11-25T12:00:00Z\",\"event\":\"rolled-back\",\"version\":\"2\","
		"\"detail\":\"x [2J?\"}\n");
}

static void what_failed_is_rejected_until_it_was_healthy(void **state)
{
	static const struct {
		enum history_event event;
		const char *version, *rejected;
	} steps[] = {
		{HISTORY_STAGED, "2", ""},
		{HISTORY_STARTED, "2", ""},
		{HISTORY_FAILED, "2", "2 "},
		{HISTORY_HEALTHY, "1", "2 "},
		{HISTORY_STAGED, "3", "2 "},
		{HISTORY_ROLLED_BACK, "3", "2 3 "},
		{HISTORY_REFUSED, "4", "2 3 "},
		{HISTORY_ERROR, "5", "2 3 "},
		{HISTORY_FAILED, "2", "3 2 "},
		{HISTORY_STAGED, "3", "3 2 "},
		{HISTORY_STARTED, "3", "3 2 "},
		{HISTORY_HEALTHY, "3", "2 "},
		{HISTORY_REJECTED, "6", "2 6 "},
		{HISTORY_HEALTHY, "2", "6 "},
		{HISTORY_FAILED, "2", "6 2 "},
	};
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_free_ char *path = log_of(folder);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		_cleanup_free_ char *seen = NULL;

		add(path, steps[i].event, steps[i].version, NULL);
		seen = rejected(path);
		if (!streq(seen, steps[i].rejected))
			fail_msg("step %zu: %s, expected %s", i, seen, steps[i].rejected);
	}
}

/* Cut at every byte of its last line: what was before is there, and what comes next is, too. */
static void a_last_line_that_was_cut_costs_that_line_alone(void **state)
{
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_free_ char *path = log_of(folder), *text = NULL;
	size_t size, second;

	(void)state;
	add(path, HISTORY_FAILED, "1", NULL);
	add(path, HISTORY_FAILED, "2", NULL);
	text = scratch_read(folder, "history", &size);
	second = strcspn(text, "\n") + 1;
	for (size_t cut = second + 1; cut < size; cut++) {
		_cleanup_history_ struct history history = {};
		_cleanup_error_ struct error *err = NULL;
		bool whole = cut == size - 1;

		assert_ok(file_write_atomic(path, text, cut, 0644, &err), err);
		add(path, HISTORY_FAILED, "3", NULL);
		assert_ok(history_load(path, &history, &err), err);
		assert_int_equal(history.count, whole ? 3 : 2);
		assert_int_equal(history.skipped, whole ? 0 : 1);
		assert_string_equal(history.entries[0].version, "1");
		assert_string_equal(history.entries[history.count - 1].version, "3");
	}
}

static void lines_that_are_none_are_passed_over(void **state)
{
	static const char *const lines[] = {
		"x",
		"[]",
		"{}",
		"{\"time\":\"2026-11-25T12:00:00Z\",\"event\":\"failed\"}",
		"{\"time\":\"2026-11-25T12:00:00Z\",\"event\":\"melted\",\"version\":\"1\"}",
		"{\"time\":\"2026-02-30T12:00:00Z\",\"event\":\"failed\",\"version\":\"1\"}",
		"{\"time\":5,\"event\":\"failed\",\"version\":\"1\"}",
		"{\"time\":\"2026-11-25T12:00:00Z\",\"event\":\"failed\",\"version\":\"../1\"}",
		"{\"time\":\"2026-11-25T12:00:00Z\",\"event\":\"failed\",\"version\":\"1\",\"from\":\"\"}",
		"{\"time\":\"2026-11-25T12:00:00Z\",\"event\":\"failed\",\"version\":\"1\"} x",
	};
	static const char good[] =
		"{\"time\":\"2026-11-25T12:00:00Z\",\"event\":\"failed\",\"version\":\"1\","
		"\"later\":7}";

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		_cleanup_free_ char *text = string_format("%s\n%s\n\n%s", good, lines[i], good);
		_cleanup_history_ struct history history = {};
		_cleanup_error_ struct error *err = NULL;

		assert_ok(history_parse(text, strlen(text), &history, &err), err);
		if (history.count != 2 || history.skipped != 1)
			fail_msg("%s: %zu entries, %zu skipped", lines[i], history.count, history.skipped);
	}
}

static void an_entry_that_could_not_be_read_again_is_not_written(void **state)
{
	struct history_entry entry = {
		.time = NOON, .event = HISTORY_STAGED, .version = (char *)(uintptr_t) "a b"};
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_free_ char *path = log_of(folder);
	struct error *err = NULL;

	(void)state;
	assert_error(history_add(path, &entry, &err), -EINVAL, err, "no valid version");
	entry.version = (char *)(uintptr_t) "1";
	entry.time = INT64_MAX;
	assert_error(history_add(path, &entry, &err), -EINVAL, err, "no valid version or time");
	assert_int_equal(access(path, F_OK), -1);
}

static void a_long_text_is_cut_between_characters(void **state)
{
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_free_ char *path = log_of(folder);
	_cleanup_history_ struct history history = {};
	_cleanup_error_ struct error *err = NULL;
	char detail[4000];

	(void)state;
	/* Two bytes each, behind one: a character lies across the limit. */
	detail[0] = 'x';
	for (size_t i = 1; i + 2 < sizeof(detail); i += 2)
		memcpy(detail + i, "\xc3\xa4", 3);
	add(path, HISTORY_ERROR, "1", detail);
	assert_ok(history_load(path, &history, &err), err);
	assert_int_equal(history.count, 1);
	assert_int_equal(strlen(history.entries[0].detail), HISTORY_DETAIL_MAX - 1);
	assert_memory_equal(history.entries[0].detail, detail, HISTORY_DETAIL_MAX - 1);
}

static off_t size_of(const char *folder, const char *name)
{
	_cleanup_free_ char *path = string_format("%s/%s", folder, name);
	struct stat st;

	return stat(path, &st) == 0 ? st.st_size : -1;
}

/* Thousands of entries: two files of a bounded size, and what failed in the beginning is still known. */
static void it_stays_small_and_forgets_no_failure(void **state)
{
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_free_ char *path = log_of(folder), *seen = NULL;
	char detail[800] = {};

	(void)state;
	memset(detail, 'x', sizeof(detail) - 1);
	add(path, HISTORY_FAILED, "first", NULL);
	add(path, HISTORY_ROLLED_BACK, "second", NULL);
	for (unsigned i = 0; i < 1200; i++) {
		add(path, HISTORY_STAGED, "3", detail);
		assert_in_range(size_of(folder, "history"), 1, HISTORY_MAX);
		if (i == 700)
			add(path, HISTORY_HEALTHY, "second", NULL);
	}
	assert_in_range(size_of(folder, "history.1"), HISTORY_MAX / 2, HISTORY_MAX + KiB(64));
	assert_int_equal(size_of(folder, "history.2"), -1);
	seen = rejected(path);
	assert_string_equal(seen, "first ");
}

/* The older file alone, as it is where the power went at once after the renaming, knows it all. */
static void the_older_file_knows_all_that_failed_before(void **state)
{
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_free_ char *path = log_of(folder), *seen = NULL;
	_cleanup_history_ struct history history = {};
	_cleanup_error_ struct error *err = NULL;
	const struct history_entry *carried;
	char detail[800] = {};
	unsigned turns = 0;

	(void)state;
	memset(detail, 'x', sizeof(detail) - 1);
	add(path, HISTORY_FAILED, "first", NULL);
	for (unsigned i = 0; i < 3000 && turns < 3; i++) {
		off_t before = size_of(folder, "history");

		add(path, HISTORY_STAGED, "3", detail);
		turns += size_of(folder, "history") < before;
	}
	assert_int_equal(turns, 3);
	shell(folder, "rm history");
	seen = rejected(path);
	assert_string_equal(seen, "first ");
	assert_ok(history_load(path, &history, &err), err);
	carried = &history.entries[history.count - 1];
	assert_int_equal(carried->event, HISTORY_REJECTED);
	assert_string_equal(carried->detail, "failed");
}

static void the_latest_rejected_versions_are_kept(void **state)
{
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_free_ char *path = log_of(folder);
	_cleanup_history_ struct history history = {};
	_cleanup_error_ struct error *err = NULL;
	_cleanup_strv_ struct strv versions = {};

	(void)state;
	for (unsigned i = 0; i < HISTORY_REJECTED_MAX + 10; i++) {
		char version[16];

		(void)snprintf(version, sizeof(version), "%u", i);
		add(path, HISTORY_FAILED, version, NULL);
	}
	assert_ok(history_load(path, &history, &err), err);
	assert_ok(history_rejected(&history, &versions, &err), err);
	assert_int_equal(versions.count, HISTORY_REJECTED_MAX);
	assert_string_equal(versions.items[0], "10");
}

/* Four processes, which together fill one file and begin the next. */
static void processes_that_add_at_once_lose_nothing(void **state)
{
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_free_ char *path = log_of(folder);
	_cleanup_history_ struct history history = {};
	_cleanup_error_ struct error *err = NULL;
	char detail[800] = {};
	pid_t children[4];

	(void)state;
	memset(detail, 'x', sizeof(detail) - 1);
	for (size_t i = 0; i < ARRAY_SIZE(children); i++) {
		children[i] = fork();
		assert_int_not_equal(children[i], -1);
		for (unsigned k = 0; children[i] == 0 && k < 100; k++)
			add(path, HISTORY_STARTED, "1", detail);
		if (children[i] == 0)
			_exit(0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(children); i++) {
		int status;

		assert_int_equal(waitpid(children[i], &status, 0), children[i]);
		assert_int_equal(status, 0);
	}
	assert_ok(history_load(path, &history, &err), err);
	assert_int_equal(history.count, 400);
	assert_true(size_of(folder, "history.1") > 0);
	assert_int_equal(history.skipped, 0);
}

static void of_a_file_that_is_too_large_the_end_counts(void **state)
{
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_free_ char *path = log_of(folder), *seen = NULL;

	(void)state;
	shell(folder, "head -c 3000000 /dev/zero | tr '\\0' x >history");
	add(path, HISTORY_FAILED, "1", NULL);
	seen = rejected(path);
	assert_string_equal(seen, "1 ");
	assert_in_range(size_of(folder, "history"), 1, HISTORY_MAX);
}

static void a_full_disk_leaves_no_half_line(void **state)
{
	const struct history_entry entry = {
		.time = NOON, .event = HISTORY_STAGED, .version = (char *)(uintptr_t) "1"};
	struct error *err = NULL;

	(void)state;
	if (access("/dev/full", W_OK) < 0)
		skip();
	assert_error(
		history_add("/dev/full", &entry, &err), -ENOSPC, err, "/dev/full: No space left on device");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_added_is_read_again),
		cmocka_unit_test(the_file_is_as_its_description_says),
		cmocka_unit_test(what_failed_is_rejected_until_it_was_healthy),
		cmocka_unit_test(a_last_line_that_was_cut_costs_that_line_alone),
		cmocka_unit_test(lines_that_are_none_are_passed_over),
		cmocka_unit_test(an_entry_that_could_not_be_read_again_is_not_written),
		cmocka_unit_test(a_long_text_is_cut_between_characters),
		cmocka_unit_test(it_stays_small_and_forgets_no_failure),
		cmocka_unit_test(the_older_file_knows_all_that_failed_before),
		cmocka_unit_test(the_latest_rejected_versions_are_kept),
		cmocka_unit_test(processes_that_add_at_once_lose_nothing),
		cmocka_unit_test(of_a_file_that_is_too_large_the_end_counts),
		cmocka_unit_test(a_full_disk_leaves_no_half_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
