/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reports of the health checks as JSON, and as a line.
 */
#include <errno.h>

#include "base/buffer.h"
#include "base/string-util.h"
#include "format/canonical-json.h"
#include "update/health-work.h"

#define CHECKS_MAX 10000

static const char *const outcome_names[] = {
	[HEALTH_FAILED] = "failed", [HEALTH_PASSED] = "passed", [HEALTH_SKIPPED] = "skipped"};

const char *health_outcome_name(enum health_outcome outcome)
{
	return outcome_names[outcome];
}

static json_t *check_json(const struct health_check *check)
{
	return json_pack("{s:s, s:s, s:I, s:s}", "name", check->name, "outcome",
		health_outcome_name(check->outcome), "ms", (json_int_t)check->ms, "detail", check->detail);
}

json_t *health_report_json(const struct health_report *report)
{
	_cleanup_json_ json_t *checks = json_array();

	for (size_t i = 0; i < report->count; i++)
		if (json_array_append_new(checks, check_json(&report->checks[i])) < 0)
			return NULL;
	if (!checks)
		return NULL;
	return json_pack(
		"{s:b, s:I, s:O}", "passed", report->passed, "ms", (json_int_t)report->ms, "checks", checks);
}

static int parse_outcome(const char *text, enum health_outcome *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(outcome_names); i++)
		if (streq(outcome_names[i], text)) {
			*ret = (enum health_outcome)i;
			return 0;
		}
	return -EBADMSG;
}

static int parse_check(const json_t *object, struct health_check *ret, struct error **err)
{
	const char *name, *outcome, *detail;
	json_error_t why;
	json_int_t ms;

	if (json_unpack_ex((json_t *)object, &why, 0, "{s:s, s:s, s:I, s:s}", "name", &name, "outcome",
		    &outcome, "ms", &ms, "detail", &detail) < 0)
		return error_set(err, -EBADMSG, "a check: %s", why.text);
	if (parse_outcome(outcome, &ret->outcome) < 0 || ms < 0)
		return error_set(err, -EBADMSG, "a check has an outcome or a time that is none");
	health_clean(ret->name, sizeof(ret->name), name, strlen(name));
	health_clean(ret->detail, sizeof(ret->detail), detail, strlen(detail));
	ret->ms = (uint64_t)ms;
	return 0;
}

int health_report_parse(const json_t *object, struct health_report *ret, struct error **err)
{
	_cleanup_health_report_ struct health_report report = {};
	json_t *checks, *check;
	json_error_t why;
	size_t index;
	json_int_t ms;
	int passed;

	if (!object || json_unpack_ex((json_t *)object, &why, 0, "{s:b, s:I, s:o}", "passed", &passed, "ms",
			       &ms, "checks", &checks) < 0)
		return error_set(err, -EBADMSG, "health: %s", object ? why.text : "is missing");
	if (!json_is_array(checks) || json_array_size(checks) > CHECKS_MAX || ms < 0)
		return error_set(err, -EBADMSG, "health: \"checks\" or \"ms\" is none");
	report.checks = calloc(json_array_size(checks) + 1, sizeof(*report.checks));
	if (!report.checks)
		return error_set_errno(err, -ENOMEM, "health");
	json_array_foreach(checks, index, check)
	{
		int r = parse_check(check, &report.checks[index], err);

		if (r < 0)
			return r;
	}
	report.count = json_array_size(checks);
	report.passed = passed;
	report.ms = (uint64_t)ms;
	*ret = report;
	report = (struct health_report){};
	return 0;
}

char *health_report_reason(const struct health_report *report)
{
	_cleanup_buffer_ struct buffer text = {};

	for (size_t i = 0; i < report->count; i++)
		if (report->checks[i].outcome == HEALTH_FAILED)
			buffer_printf(&text, "%s%s: %s", text.size > 0 ? "; " : "", report->checks[i].name,
				report->checks[i].detail);
	return buffer_take(&text, NULL);
}
