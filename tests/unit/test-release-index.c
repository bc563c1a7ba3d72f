/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "json-cases.h"

#include "format/release-index.h"

#define PAUSED "\"paused\": \"2026-11-24T06:00:00Z\""

static const char good[] =
	"{\"format\": 1, \"releases\": ["
	"{\"edition\": \"container-linux\", \"architecture\": \"amd64\", \"version\": \"202611.23.10\","
	" \"channels\": [\"weekly\", \"security\"], \"published\": \"2026-11-23T06:00:00Z\","
	" \"rollout\": [{\"hours\": 0, \"percent\": 5}, {\"hours\": 24, \"percent\": 100, \"later\": 7}],"
	" \"begins\": \"2026-11-23T09:00:00Z\", " PAUSED ", \"later\": {}},"
	"{\"edition\": \"container-linux\", \"architecture\": \"amd64\", \"version\": \"202611.23.9\","
	" \"channels\": [\"security\"], \"published\": \"1970-01-01T00:00:00Z\", \"rollout\": [],"
	" \"withdrawn\": \"h\u00e4ngt bei \\\"start\\\"\"},"
	"{\"edition\": \"a\", \"architecture\": \"arm64\", \"version\": \"1\", \"channels\": [\"weekly\"],"
	" \"published\": \"9999-12-31T23:59:59Z\"}],"
	"\"floors\": [{\"edition\": \"container-linux\", \"architecture\": \"amd64\","
	" \"version\": \"202610.5.0\", \"later\": 1}],"
	"\"later\": [1.5]}";

static void reads_all_members(void **state)
{
	_cleanup_release_index_ struct release_index index = {};
	_cleanup_error_ struct error *err = NULL;
	const struct release_entry *entry;

	(void)state;
	assert_ok(release_index_parse(good, strlen(good), &index, &err), err);
	assert_int_equal(index.count, 3);
	entry = release_index_find(&index, "container-linux", "amd64", "202611.23.10");
	assert_non_null(entry);
	assert_int_equal(entry->channels, RELEASE_WEEKLY | RELEASE_SECURITY);
	assert_int_equal(entry->published, 1795413600); /* date -d 2026-11-23T06:00:00Z +%s */
	assert_int_equal(entry->step_count, 2);
	assert_int_equal(entry->steps[0].percent, 5);
	assert_int_equal(entry->steps[1].hours, 24);
	assert_int_equal(entry->steps[1].percent, 100);
	assert_int_equal(entry->paused, 1795500000);
	assert_int_equal(entry->begins, 1795413600 + 3 * 3600);
	assert_int_equal(release_entry_begins(entry), entry->begins);
	assert_null(entry->withdrawn);
	entry = release_index_find(&index, "container-linux", "amd64", "202611.23.9");
	assert_int_equal(entry->channels, RELEASE_SECURITY);
	assert_int_equal(entry->published, 0);
	assert_int_equal(entry->step_count, 0);
	assert_int_equal(entry->paused, 0);
	assert_int_equal(release_entry_begins(entry), entry->published);
	assert_string_equal(entry->withdrawn, "h\u00e4ngt bei \"start\"");
	assert_int_equal(index.floor_count, 1);
	assert_string_equal(release_index_floor(&index, "container-linux", "amd64")->version, "202610.5.0");
}

static void has_entries_in_order(void **state)
{
	_cleanup_release_index_ struct release_index index = {};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_ok(release_index_parse(good, strlen(good), &index, &err), err);
	assert_string_equal(index.entries[0].edition, "a");
	assert_string_equal(index.entries[1].version, "202611.23.9");
	assert_string_equal(index.entries[2].version, "202611.23.10");
}

static void finds_nothing_where_one_name_differs(void **state)
{
	_cleanup_release_index_ struct release_index index = {};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_ok(release_index_parse(good, strlen(good), &index, &err), err);
	assert_null(release_index_find(&index, "container-linux", "amd64", "202611.23.1"));
	assert_null(release_index_find(&index, "container-linux", "arm64", "202611.23.9"));
	assert_null(release_index_find(&index, "container-host", "amd64", "202611.23.9"));
	assert_null(release_index_floor(&index, "container-linux", "arm64"));
	assert_null(release_index_floor(&index, "a", "amd64"));
}

#define FIRST "\"amd64\", \"version\": \"202611.23.10\""
#define LONG "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define FLOOR "{\"edition\": \"container-linux\", \"architecture\": \"amd64\", \"version\": \"202610.5.0\""

static const struct json_case refused[] = {
	{"{\"format\"", "[{\"format\"", "line 1"},
	{"{\"format\"", "", "line 1"},
	{"[1.5]}", "[1.5], \"later\": 2}", "line 1"},
	{"\"format\": 1", "\"format\": 2", "a newer orlop-node is needed"},
	{"\"format\": 1", "\"format\": 0", "format: not a number"},
	{"\"format\": 1", "\"format\": -1", "format: not a number"},
	{"\"format\": 1", "\"format\": 1.0", "format: not a number"},
	{"\"format\": 1", "\"format\": \"1\"", "format: not a number"},
	{"\"format\"", "\"f\"", "format: not a number"},
	{"\"releases\": [", "\"releases\": 5, \"x\": [", "releases: not a list"},
	{"\"releases\"", "\"x\"", "releases: not a list"},
	{"\"releases\": [", "\"releases\": [7, ", "releases[0].: not an object"},
	{"\"edition\"", "\"x\"", "releases[0].edition: missing"},
	{"\"container-linux\"", "7", "releases[0].edition: missing"},
	{"\"container-linux\"", "null", "releases[0].edition: missing"},
	{"\"container-linux\"", "\"\"", "releases[0].edition: not the name"},
	{"\"container-linux\"", "\".\"", "releases[0].edition: not the name"},
	{"\"container-linux\"", "\"..\"", "releases[0].edition: not the name"},
	{"\"container-linux\"", "\"../x\"", "releases[0].edition: not the name"},
	{"\"container-linux\"", "\"a/b\"", "releases[0].edition: not the name"},
	{"\"container-linux\"", "\"/a\"", "releases[0].edition: not the name"},
	{"\"container-linux\"", "\"a\\\\b\"", "releases[0].edition: not the name"},
	{"\"container-linux\"", "\"a%2fb\"", "releases[0].edition: not the name"},
	{"\"container-linux\"", "\"a?b\"", "releases[0].edition: not the name"},
	{"\"container-linux\"", "\"a\\u0000b\"", "line 1"},
	{"\"container-linux\"", "\"a\\nb\"", "releases[0].edition: has control characters"},
	{"\"container-linux\"", "\"" LONG "x\"", "releases[0].edition: longer than 64"},
	{"\"architecture\"", "\"x\"", "releases[0].architecture: missing"},
	{FIRST, "\"../amd64\", \"version\": \"1\"", "releases[0].architecture: not the name"},
	{FIRST, "\"amd64\"", "releases[0].version: missing"},
	{FIRST, "\"amd64\", \"version\": \"..\"", "releases[0].version: not a version"},
	{FIRST, "\"amd64\", \"version\": \"\"", "releases[0].version: not a version"},
	{FIRST, "\"amd64\", \"version\": \"1/2\"", "releases[0].version: not a version"},
	{FIRST, "\"amd64\", \"version\": 1", "releases[0].version: missing"},
	{FIRST, "\"amd64\", \"version\": \"" LONG "x\"", "releases[0].version: longer"},
	{"\"channels\"", "\"x\"", "releases[0].channels: not a list"},
	{"[\"weekly\", \"security\"]", "[]", "releases[0].channels: empty"},
	{"[\"weekly\", \"security\"]", "\"weekly\"", "releases[0].channels: not a list"},
	{"[\"weekly\", \"security\"]", "[\"weekly\", \"weekly\"]", "releases[0].channels: not"},
	{"[\"weekly\", \"security\"]", "[\"nightly\"]", "releases[0].channels: not"},
	{"[\"weekly\", \"security\"]", "[7]", "releases[0].channels: not"},
	{"\"published\"", "\"x\"", "releases[0].published: missing"},
	{"2026-11-23T", "2026-02-30T", "releases[0].published: not a time"},
	{"2026-11-23T06:00:00Z", "2026-11-23T06:00:00+00:00", "releases[0].published: longer"},
	{"2026-11-23T06:00:00Z", "2026-11-23 06:00:00Z", "releases[0].published: not a time"},
	{"\"2026-11-23T06:00:00Z\"", "1795413600", "releases[0].published: missing"},
	{"[{\"hours\": 0", "7, \"x\": [{\"hours\": 0", "releases[0].rollout: not a list"},
	{"[{\"hours\": 0", "[7, {\"hours\": 0", "releases[0].rollout[0].: not an object"},
	{"\"hours\": 0", "\"x\": 0", "releases[0].rollout[0].hours: not a number"},
	{"\"hours\": 0", "\"hours\": -1", "releases[0].rollout[0].hours: not a number"},
	{"\"hours\": 0", "\"hours\": 87601", "releases[0].rollout[0].hours: not a number"},
	{"\"hours\": 0", "\"hours\": 4294967296", "releases[0].rollout[0].hours: not a number"},
	{"\"hours\": 24", "\"hours\": 0", "releases[0].rollout[1].hours: not more"},
	{"\"percent\": 5", "\"x\": 5", "releases[0].rollout[0].percent: not a number"},
	{"\"percent\": 5", "\"percent\": 0.5", "releases[0].rollout[0].percent: not a number"},
	{"\"percent\": 100", "\"percent\": 101", "releases[0].rollout[1].percent: not a number"},
	{"\"percent\": 100", "\"percent\": 4", "releases[0].rollout[1].percent: less"},
	{PAUSED, "\"paused\": true", "releases[0].paused: missing, or not a text"},
	{PAUSED, "\"paused\": null", "releases[0].paused: missing, or not a text"},
	{PAUSED, "\"paused\": \"yesterday\"", "releases[0].paused: not a time"},
	{PAUSED, "\"paused\": \"1970-01-01T00:00:00Z\"", "releases[0].paused: not a time after"},
	{"2026-11-23T09:00:00Z", "2026-11-23 09:00", "releases[0].begins: not a time"},
	{PAUSED, "\"withdrawn\": true", "releases[0].withdrawn: missing, or not a text"},
	{PAUSED, "\"withdrawn\": null", "releases[0].withdrawn: missing, or not a text"},
	{PAUSED, "\"withdrawn\": \"\"", "releases[0].withdrawn: doesn't say why"},
	{PAUSED, "\"withdrawn\": \"\\u001b[2J\"", "releases[0].withdrawn: has control"},
	{PAUSED, "\"withdrawn\": \"\\u009b2J\"", "releases[0].withdrawn: has control"},
	{"202611.23.10", "202611.23.9", "container-linux 202611.23.9 for amd64 is listed twice"},
	{FLOOR, FLOOR "}, " FLOOR, "floors: container-linux for amd64 is listed twice"},
	{FLOOR, "{\"edition\": \"container-linux\", \"architecture\": \"amd64\"",
		"floors[0].version: missing"},
	{FLOOR, "{\"edition\": \"a\", \"architecture\": \"../b\", \"version\": \"1\"",
		"floors[0].architecture: not the name"},
	{FLOOR, "{\"version\": \"1\"", "floors[0].edition: missing"},
	{"[" FLOOR, "[7, " FLOOR, "floors[0].: not an object"},
	{"\"floors\": [", "\"floors\": 7, \"x\": [", "floors: not a list"},
	{"\"floors\": [", "\"floors\": null, \"x\": [", "floors: not a list"},
};

static void refuses_by_name(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		_cleanup_free_ char *text = json_case_document(good, &refused[i]);
		_cleanup_release_index_ struct release_index index = {};
		_cleanup_error_ struct error *err = NULL;

		assert_error(release_index_parse(text, strlen(text), &index, &err), -EBADMSG, err,
			refused[i].text);
		assert_int_equal(index.count, 0);
		assert_null(index.entries);
	}
}

static const struct json_case accepted[] = {
	{PAUSED ", ", "", NULL},
	{"\"percent\": 100", "\"percent\": 5", NULL},
	{"\"percent\": 5", "\"percent\": 0", NULL},
	{"\"hours\": 24", "\"hours\": 87600", NULL},
	{FIRST, "\"amd64\", \"version\": \"" LONG "\"", NULL},
	{FIRST, "\"arm64\", \"version\": \"202611.23.9\"", NULL},
	{"\"floors\"", "\"x\"", NULL},
	{FLOOR, FLOOR "}, {\"edition\": \"a\", \"architecture\": \"b\", \"version\": \"1\"", NULL},
};

static void takes_what_is_just_within_bounds(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(accepted); i++) {
		_cleanup_free_ char *text = json_case_document(good, &accepted[i]);
		_cleanup_release_index_ struct release_index index = {};
		_cleanup_error_ struct error *err = NULL;

		assert_ok(release_index_parse(text, strlen(text), &index, &err), err);
	}
}

static void refuses_a_plan_of_too_many_steps(void **state)
{
	_cleanup_buffer_ struct buffer steps = {};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	for (unsigned i = 1; i <= RELEASE_STEPS_MAX + 1; i++) {
		struct json_case one = {"[{\"hours\": 0, \"percent\": 5}", NULL, NULL};
		_cleanup_release_index_ struct release_index index = {};
		_cleanup_free_ char *to = NULL, *text = NULL;
		int r;

		buffer_printf(&steps, "%s{\"hours\": %u, \"percent\": 5}", i > 1 ? "," : "", i);
		if (i < RELEASE_STEPS_MAX)
			continue;
		to = string_format("[%.*s], \"x\": [7", (int)steps.size, (const char *)steps.data);
		one.to = to;
		text = json_case_document(good, &one);
		r = release_index_parse(text, strlen(text), &index, &err);
		if (i == RELEASE_STEPS_MAX)
			assert_ok(r, err);
		else
			assert_error(r, -EBADMSG, err, "releases[0].rollout: not a list of at most 64");
	}
}

static void refuses_what_is_too_large(void **state)
{
	_cleanup_buffer_ struct buffer text = {};
	_cleanup_release_index_ struct release_index index = {};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	buffer_append_string(&text, good);
	while (text.size < RELEASE_INDEX_MAX)
		buffer_append_u8(&text, ' ');
	assert_false(buffer_failed(&text));
	assert_ok(release_index_parse(text.data, text.size, &index, &err), err);
	release_index_release(&index);
	buffer_append_u8(&text, ' ');
	assert_error(release_index_parse(text.data, text.size, &index, &err), -EBADMSG, err, "larger than");
}

static void what_is_written_reads_and_writes_the_same(void **state)
{
	_cleanup_release_index_ struct release_index first = {}, second = {};
	_cleanup_buffer_ struct buffer once = {}, twice = {};
	_cleanup_error_ struct error *err = NULL;
	const struct release_entry *entry;

	(void)state;
	assert_ok(release_index_parse(good, strlen(good), &first, &err), err);
	assert_ok(release_index_write(&first, &once, &err), err);
	assert_ok(release_index_parse(once.data, once.size, &second, &err), err);
	assert_ok(release_index_write(&second, &twice, &err), err);
	assert_int_equal(once.size, twice.size);
	assert_memory_equal(once.data, twice.data, once.size);
	assert_int_equal(second.count, 3);
	assert_int_equal(second.floor_count, 1);
	entry = release_index_find(&second, "container-linux", "amd64", "202611.23.10");
	assert_int_equal(entry->published, 1795413600);
	assert_int_equal(entry->step_count, 2);
	assert_memory_equal(entry->steps, first.entries[2].steps, 2 * sizeof(*entry->steps));
	assert_int_equal(entry->paused, 1795500000);
	assert_int_equal(entry->begins, 1795413600 + 3 * 3600);
	assert_string_equal(second.entries[1].withdrawn, "h\u00e4ngt bei \"start\"");
}

static void writes_in_order_whatever_the_order_is(void **state)
{
	struct release_entry entries[] = {
		{.edition = (char *)"b", .architecture = (char *)"x", .version = (char *)"2", .channels = 1},
		{.edition = (char *)"b", .architecture = (char *)"x", .version = (char *)"10", .channels = 1},
		{.edition = (char *)"a", .architecture = (char *)"x", .version = (char *)"9", .channels = 1},
	};
	struct release_entry reversed[] = {entries[2], entries[1], entries[0]};
	struct release_index index = {entries, 3, NULL, 0};
	_cleanup_buffer_ struct buffer once = {}, twice = {};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_ok(release_index_write(&index, &once, &err), err);
	assert_string_equal(entries[0].version, "2");
	index.entries = reversed;
	assert_ok(release_index_write(&index, &twice, &err), err);
	assert_int_equal(once.size, twice.size);
	assert_memory_equal(once.data, twice.data, once.size);
}

static void an_empty_index_is_one(void **state)
{
	_cleanup_release_index_ struct release_index index = {}, again = {};
	_cleanup_buffer_ struct buffer text = {};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_ok(release_index_write(&index, &text, &err), err);
	assert_ok(release_index_parse(text.data, text.size, &again, &err), err);
	assert_int_equal(again.count, 0);
	assert_null(release_index_find(&again, "a", "b", "1"));
}

static void does_not_write_what_no_node_would_read(void **state)
{
	struct release_step step = {.hours = 0, .percent = 101};
	struct release_entry fine = {.edition = (char *)"b",
		.architecture = (char *)"x",
		.version = (char *)"2",
		.channels = RELEASE_WEEKLY};
	struct release_entry wrong[6];
	static const char *const texts[] = {"channels: empty", "edition: not the name",
		"version: not a version", "percent: not a number", "withdrawn: doesn't say why", "no time"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		wrong[i] = fine;
	wrong[0].channels = 0;
	wrong[1].edition = (char *)"../b";
	wrong[2].version = (char *)"2/3";
	wrong[3].steps = &step;
	wrong[3].step_count = 1;
	wrong[4].withdrawn = (char *)"";
	wrong[5].published = INT64_MAX;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		const struct release_index index = {&wrong[i], 1, NULL, 0};
		_cleanup_buffer_ struct buffer text = {};
		_cleanup_error_ struct error *err = NULL;

		assert_error(release_index_write(&index, &text, &err), -EINVAL, err, texts[i]);
		assert_int_equal(text.size, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_all_members),
		cmocka_unit_test(has_entries_in_order),
		cmocka_unit_test(finds_nothing_where_one_name_differs),
		cmocka_unit_test(refuses_by_name),
		cmocka_unit_test(takes_what_is_just_within_bounds),
		cmocka_unit_test(refuses_a_plan_of_too_many_steps),
		cmocka_unit_test(refuses_what_is_too_large),
		cmocka_unit_test(what_is_written_reads_and_writes_the_same),
		cmocka_unit_test(writes_in_order_whatever_the_order_is),
		cmocka_unit_test(an_empty_index_is_one),
		cmocka_unit_test(does_not_write_what_no_node_would_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
