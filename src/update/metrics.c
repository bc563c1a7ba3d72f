/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "update/metrics.h"

#include <errno.h>

#include "base/file.h"
#include "base/string-util.h"

struct label {
	const char *name, *value;
};

/* The lines that every metric begins with. Help texts are ours: nothing in them has to be escaped. */
static void begin(struct buffer *out, const char *name, const char *type, const char *help)
{
	buffer_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* A label's value: any UTF-8, with backslash, quote and newline escaped. */
static void append_value(struct buffer *out, const char *text)
{
	for (; *text; text++)
		if (*text == '\n')
			buffer_append_string(out, "\\n");
		else if (*text == '\\' || *text == '"')
			buffer_printf(out, "\\%c", *text);
		else
			buffer_append(out, text, 1);
}

/* Name and labels of a sample; a label without a value is left out, which is the same as an empty one. */
static void append_series(struct buffer *out, const char *name, const struct label *labels, size_t count)
{
	bool first = true;

	buffer_append_string(out, name);
	for (size_t i = 0; i < count; i++) {
		if (!labels[i].value)
			continue;
		buffer_printf(out, "%s%s=\"", first ? "{" : ",", labels[i].name);
		append_value(out, labels[i].value);
		buffer_append_u8(out, '"');
		first = false;
	}
	if (!first)
		buffer_append_u8(out, '}');
}

static void sample(
	struct buffer *out, const char *name, const struct label *labels, size_t count, int64_t value)
{
	append_series(out, name, labels, count);
	buffer_printf(out, " %lld\n", (long long)value);
}

/* A metric with one sample and no labels; nothing where the value is not known. */
static void single(struct buffer *out, const char *name, const char *type, const char *help, int64_t value)
{
	if (value < 0)
		return;
	begin(out, name, type, help);
	sample(out, name, NULL, 0, value);
}

/* A metric that is 1 for the version in its label, and not there where there is none. */
static void version_info(struct buffer *out, const char *name, const char *help, const char *version)
{
	const struct label label = {"version", version};

	if (!version)
		return;
	begin(out, name, "gauge", help);
	sample(out, name, &label, 1, 1);
}

static void format_release(const struct metrics *metrics, struct buffer *out)
{
	const struct label labels[] = {
		{"version", metrics->version},
		{"edition", metrics->edition},
		{"slot", metrics->slot},
		{"root_hash", metrics->root_hash},
	};

	begin(out, "orlop_node_info", "gauge", "The release that runs.");
	sample(out, "orlop_node_info", labels, ARRAY_SIZE(labels), 1);
	single(out, "orlop_boot_tries_left", "gauge",
		"Tries that the running release has left before the node goes back; not there when it is "
		"kept.",
		metrics->tries_left);
}

static void format_place(const struct metrics *metrics, struct buffer *out)
{
	const struct label label = {"version", metrics->available};
	const char *name = "orlop_rollout_place_ratio";

	if (metrics->place < 0 || metrics->places <= 0)
		return;
	begin(out, name, "gauge", "Share of all nodes that get the available release before this one.");
	append_series(out, name, &label, 1);
	/* Not printf()'s %f: its decimal point is the locale's. */
	buffer_printf(out, " %llde-4\n", (long long)(metrics->place * 10000 / metrics->places));
}

static void format_update(const struct metrics *metrics, struct buffer *out)
{
	const char *errors = "orlop_update_errors_total";

	version_info(out, "orlop_update_available", "The newest release that is meant for this node.",
		metrics->available);
	version_info(out, "orlop_update_staged", "The release in the other slot that is to start.",
		metrics->staged);
	single(out, "orlop_update_last_check_timestamp_seconds", "gauge",
		"When the repository was asked for releases last.", metrics->last_check);
	single(out, "orlop_update_last_success_timestamp_seconds", "gauge",
		"When the repository last answered with metadata that is right.", metrics->last_success);
	single(out, "orlop_update_metadata_expires_timestamp_seconds", "gauge",
		"When what the repository said last expires, and nothing is taken from it any more.",
		metrics->expires);
	single(out, "orlop_update_bytes_fetched_total", "counter", "Bytes that came from the repository.",
		metrics->bytes_fetched);
	format_place(metrics, out);
	if (metrics->error_count == 0)
		return;
	begin(out, errors, "counter", "Errors, by the step of the update that they happened in.");
	for (size_t i = 0; i < metrics->error_count; i++) {
		const struct label label = {"step", metrics->errors[i].step};

		append_series(out, errors, &label, 1);
		buffer_printf(out, " %llu\n", (unsigned long long)metrics->errors[i].count);
	}
}

static void format_health(const struct health_report *health, struct buffer *out)
{
	begin(out, "orlop_health_check", "gauge",
		"1 where the check did not fail the last time, 0 where it did.");
	for (size_t i = 0; i < health->count; i++) {
		const struct label label = {"name", health->checks[i].name};

		sample(out, "orlop_health_check", &label, 1, health->checks[i].outcome != HEALTH_FAILED);
	}
	single(out, "orlop_health", "gauge", "1 where no check failed the last time.", health->passed);
}

int metrics_format(const struct metrics *metrics, struct buffer *ret)
{
	format_release(metrics, ret);
	format_update(metrics, ret);
	if (metrics->health)
		format_health(metrics->health, ret);
	return buffer_failed(ret) ? -ENOMEM : 0;
}

int metrics_write(const struct metrics *metrics, const char *path, struct error **err)
{
	_cleanup_buffer_ struct buffer text = {};

	if (metrics_format(metrics, &text) < 0)
		return error_set_errno(err, -ENOMEM, "%s", path);
	if (text.size > METRICS_MAX)
		return error_set(err, -EFBIG, "%s: larger than the %llu bytes that it may have", path,
			(unsigned long long)METRICS_MAX);
	return file_write_atomic(path, text.data, text.size, 0644, err);
}
