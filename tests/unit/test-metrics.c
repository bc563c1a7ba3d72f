/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The reader below is written from "Exposition formats" (text-based format 0.0.4), and refuses what that does
 * not allow: the node exporter drops a file with one bad line whole.
 */
#include "scratch.h"

#include <ctype.h>

#include "update/metrics.h"

enum {
	SERIES_MAX = 200,
	NAMES_MAX = 50,
};

struct series {
	char text[1024]; /* name{label="value",…}, values not escaped any more */
	double value;
};

struct exposition {
	struct series series[SERIES_MAX];
	size_t count;
	char names[NAMES_MAX][128]; /* in the order of their first line */
	char types[NAMES_MAX][16];
	bool helped[NAMES_MAX], sampled[NAMES_MAX];
	size_t name_count;
};

/* "[a-zA-Z_:][a-zA-Z0-9_:]*" for metrics, without ":" for labels. */
static size_t name_length(const char *at, bool colon)
{
	size_t length = 0;

	while (at[length] &&
		(isalnum((unsigned char)at[length]) || at[length] == '_' || (colon && at[length] == ':')))
		length++;
	assert_true(length > 0 && !isdigit((unsigned char)at[0]));
	return length;
}

/* "All lines for a given metric must be provided as one single group." */
static size_t find_name(struct exposition *ret, const char *name, size_t length)
{
	assert_true(length < sizeof(ret->names[0]));
	for (size_t i = 0; i < ret->name_count; i++)
		if (strlen(ret->names[i]) == length && memcmp(ret->names[i], name, length) == 0) {
			assert_int_equal(i, ret->name_count - 1);
			return i;
		}
	assert_true(ret->name_count < NAMES_MAX);
	memcpy(ret->names[ret->name_count], name, length);
	return ret->name_count++;
}

static void read_comment(const char *line, struct exposition *ret)
{
	static const char *const types[] = {"counter", "gauge", "histogram", "summary", "untyped"};
	const char *rest;
	bool known = false;
	size_t length, name;

	if (!startswith(line, "# HELP ") && !startswith(line, "# TYPE "))
		return; /* a comment */
	rest = line + strlen("# HELP ");
	length = name_length(rest, true);
	name = find_name(ret, rest, length);
	assert_int_equal(rest[length], ' ');
	rest += length + 1;
	if (startswith(line, "# HELP ")) {
		/* "Only one HELP line may exist for any given metric name." A backslash begins \\ or \n. */
		assert_false(ret->helped[name]);
		ret->helped[name] = true;
		for (; *rest; rest++)
			assert_true(*rest != '\\' || *++rest == '\\' || *rest == 'n');
		return;
	}
	/* "The TYPE line for a metric name must appear before the first sample is reported", and once. */
	assert_true(!ret->types[name][0] && !ret->sampled[name]);
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		known = known || streq(types[i], rest);
	assert_true(known);
	memcpy(ret->types[name], rest, strlen(rest) + 1);
}

/* A label's value, behind its quote; returns what is behind the closing one. */
static const char *read_value(const char *at, struct buffer *text)
{
	for (; *at != '"'; at++) {
		assert_true(*at);
		if (*at == '\\') {
			at++;
			assert_true(*at == '\\' || *at == '"' || *at == 'n');
			buffer_append_u8(text, *at == 'n' ? '\n' : (uint8_t)*at);
		} else {
			buffer_append_u8(text, (uint8_t)*at);
		}
	}
	return at + 1;
}

static const char *read_labels(const char *at, struct buffer *text)
{
	buffer_append_u8(text, '{');
	while (*++at != '}') {
		size_t length = name_length(at, false);

		buffer_append(text, at, length);
		at += length;
		assert_true(at[0] == '=' && at[1] == '"');
		buffer_append_string(text, "=\"");
		at = read_value(at + 2, text);
		buffer_append_u8(text, '"');
		assert_true(*at == ',' || *at == '}');
		buffer_append_u8(text, (uint8_t)*at);
		if (*at == '}')
			return at + 1;
	}
	return at + 1;
}

static void read_sample(const char *line, struct exposition *ret)
{
	size_t length = name_length(line, true), name = find_name(ret, line, length);
	struct series *series = &ret->series[ret->count];
	_cleanup_buffer_ struct buffer text = {};
	const char *at = line + length;
	char *end;

	assert_true(ret->count < SERIES_MAX);
	buffer_append(&text, line, length);
	if (*at == '{')
		at = read_labels(at, &text);
	assert_int_equal(*at, ' ');
	/* What Go's ParseFloat() takes, strtod() takes too, but for white space and hexadecimal digits. */
	assert_true(isdigit((unsigned char)at[1]) && !strpbrk(at + 1, "xX \t"));
	series->value = strtod(at + 1, &end);
	assert_int_equal(*end, 0); /* no time stamp: the textfile collector refuses those */
	buffer_append_u8(&text, 0);
	assert_true(!buffer_failed(&text) && text.size <= sizeof(series->text));
	memcpy(series->text, text.data, text.size);
	/* "Each line must have a unique combination of a metric name and labels." */
	for (size_t i = 0; i < ret->count; i++)
		assert_string_not_equal(ret->series[i].text, series->text);
	ret->sampled[name] = true;
	ret->count++;
}

static void read_exposition(const char *text, size_t size, struct exposition *ret)
{
	*ret = (struct exposition){};
	/* "Lines are separated by a line feed character. The last line must end with a line feed character."
	 */
	assert_true(size > 0 && text[size - 1] == '\n' && strlen(text) == size);
	while (*text) {
		size_t length = strcspn(text, "\n");
		_cleanup_free_ char *line = strndup(text, length);

		assert_non_null(line);
		if (*line == '#')
			read_comment(line, ret);
		else if (*line)
			read_sample(line, ret);
		text += length + 1;
	}
	for (size_t i = 0; i < ret->name_count; i++)
		assert_true(ret->types[i][0] && ret->sampled[i]);
}

static void format(const struct metrics *metrics, struct exposition *ret)
{
	_cleanup_buffer_ struct buffer text = {};

	assert_int_equal(metrics_format(metrics, &text), 0);
	buffer_append_u8(&text, 0);
	read_exposition((const char *)text.data, text.size - 1, ret);
}

static void assert_sample(const struct exposition *exposition, const char *series, double value)
{
	for (size_t i = 0; i < exposition->count; i++)
		if (streq(exposition->series[i].text, series)) {
			assert_true(exposition->series[i].value - value < 1e-9 &&
				    value - exposition->series[i].value < 1e-9);
			return;
		}
	fail_msg("%s is missing", series);
}

static const char *type_of(const struct exposition *exposition, const char *name)
{
	for (size_t i = 0; i < exposition->name_count; i++)
		if (streq(exposition->names[i], name))
			return exposition->types[i];
	return "none";
}

static void a_node_that_updates_itself_is_all_there(void **state)
{
	static struct exposition exposition;
	static const struct metrics_errors errors[] = {{"check", 3}, {"fetch", UINT64_MAX}};
	struct health_check checks[] = {
		{.name = "containerd", .outcome = HEALTH_PASSED},
		{.name = "health.d/10-gpu", .outcome = HEALTH_FAILED},
		{.name = "health.d/20-rack", .outcome = HEALTH_SKIPPED},
	};
	const struct health_report health = {.checks = checks, .count = ARRAY_SIZE(checks)};
	const struct metrics metrics = {
		.version = "202611.23.0",
		.edition = "container-linux",
		.slot = "a",
		.root_hash = "00ff",
		.available = "202611.30.0",
		.staged = "202611.30.0",
		.last_check = 1795860000,
		.last_success = 1795859999,
		.expires = 1796464799,
		.bytes_fetched = 123456789012,
		.tries_left = 2,
		.place = 2503,
		.places = 10000,
		.errors = errors,
		.error_count = ARRAY_SIZE(errors),
		.health = &health,
	};

	(void)state;
	format(&metrics, &exposition);
	assert_sample(&exposition,
		"orlop_node_info{version=\"202611.23.0\",edition=\"container-linux\",slot=\"a\",root_hash="
		"\"00ff\"}",
		1);
	assert_sample(&exposition, "orlop_boot_tries_left", 2);
	assert_sample(&exposition, "orlop_update_available{version=\"202611.30.0\"}", 1);
	assert_sample(&exposition, "orlop_update_staged{version=\"202611.30.0\"}", 1);
	assert_sample(&exposition, "orlop_update_last_check_timestamp_seconds", 1795860000);
	assert_sample(&exposition, "orlop_update_last_success_timestamp_seconds", 1795859999);
	assert_sample(&exposition, "orlop_update_metadata_expires_timestamp_seconds", 1796464799);
	assert_sample(&exposition, "orlop_update_bytes_fetched_total", 123456789012.0);
	assert_sample(&exposition, "orlop_rollout_place_ratio{version=\"202611.30.0\"}", 0.2503);
	assert_sample(&exposition, "orlop_update_errors_total{step=\"check\"}", 3);
	assert_sample(&exposition, "orlop_update_errors_total{step=\"fetch\"}", 18446744073709551615.0);
	assert_sample(&exposition, "orlop_health_check{name=\"containerd\"}", 1);
	assert_sample(&exposition, "orlop_health_check{name=\"health.d/10-gpu\"}", 0);
	assert_sample(&exposition, "orlop_health_check{name=\"health.d/20-rack\"}", 1);
	assert_sample(&exposition, "orlop_health", 0);
	assert_int_equal(exposition.count, 15);
	/* What only grows is a counter, and only that; its name ends in _total. */
	for (size_t i = 0; i < exposition.name_count; i++)
		assert_int_equal(
			streq(exposition.types[i], "counter"), endswith(exposition.names[i], "_total"));
	assert_string_equal(type_of(&exposition, "orlop_update_bytes_fetched_total"), "counter");
}

static void what_is_not_known_is_not_there(void **state)
{
	static struct exposition exposition;
	const struct metrics metrics = METRICS_INIT;

	(void)state;
	format(&metrics, &exposition);
	assert_int_equal(exposition.count, 1);
	assert_sample(&exposition, "orlop_node_info", 1);
}

static void a_label_may_hold_anything(void **state)
{
	static struct exposition exposition;
	struct metrics metrics = METRICS_INIT;

	(void)state;
	metrics.version = "a\\b\"c\nd\\n{}=,ä";
	format(&metrics, &exposition);
	assert_sample(&exposition, "orlop_node_info{version=\"a\\b\"c\nd\\n{}=,ä\"}", 1);
}

static void the_file_is_replaced_whole_and_all_may_read_it(void **state)
{
	static struct exposition exposition;
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_free_ char *path = string_format("%s/metrics.prom", folder), *text = NULL;
	_cleanup_error_ struct error *err = NULL;
	struct metrics metrics = METRICS_INIT;
	struct stat st, second;
	size_t size;

	(void)state;
	metrics.version = "1";
	assert_ok(metrics_write(&metrics, path, &err), err);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0644);
	metrics.version = "2";
	assert_ok(metrics_write(&metrics, path, &err), err);
	assert_int_equal(stat(path, &second), 0);
	assert_true(st.st_ino != second.st_ino);
	text = scratch_read(folder, "metrics.prom", &size);
	read_exposition(text, size, &exposition);
	assert_sample(&exposition, "orlop_node_info{version=\"2\"}", 1);
	assert_error(metrics_write(&metrics, "/nowhere/metrics.prom", &err), -ENOENT, err, "/nowhere");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_node_that_updates_itself_is_all_there),
		cmocka_unit_test(what_is_not_known_is_not_there),
		cmocka_unit_test(a_label_may_hold_anything),
		cmocka_unit_test(the_file_is_replaced_whole_and_all_may_read_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
