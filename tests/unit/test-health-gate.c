/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scratch.h"

#include "format/canonical-json.h"
#include "update/health-gate.h"

#define VARIABLE "LoaderBootCountPath-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"

struct path_case {
	const char *path;
	int code;
	uint64_t left, done;
};

/* UAPI Boot Loader Specification, "Boot counting": NAME+LEFT[-DONE].EXTENSION. */
static const struct path_case path_cases[] = {
	{"/EFI/Linux/orlop_202611.23.0+3.efi", 0, 3, 0},
	{"/EFI/Linux/orlop_202611.23.0+2-1.efi", 0, 2, 1},
	{"/EFI/Linux/orlop_202611.23.0+0-3.efi", 0, 0, 3},
	{"/loader/entries/a+10-100.conf", 0, 10, 100},
	{"/EFI/Linux/a+b+02-01.efi", 0, 2, 1},
	{"a+1.efi", 0, 1, 0},
	{"/EFI/Linux/a.efi", -EBADMSG, 0, 0},
	{"/EFI+1/Linux/a.efi", -EBADMSG, 0, 0},
	{"/EFI/Linux/a+.efi", -EBADMSG, 0, 0},
	{"/EFI/Linux/a+1-.efi", -EBADMSG, 0, 0},
	{"/EFI/Linux/a+1-2", -EBADMSG, 0, 0},
	{"/EFI/Linux/a+1-2-3.efi", -EBADMSG, 0, 0},
	{"/EFI/Linux/a+-1.efi", -EBADMSG, 0, 0},
	{"/EFI/Linux/a+1x.efi", -EBADMSG, 0, 0},
	{"/EFI/Linux/a+99999999999999999999999.efi", -EBADMSG, 0, 0},
	{"", -EBADMSG, 0, 0},
	{"+", -EBADMSG, 0, 0},
};

static void counters_are_read_from_the_names_of_boot_entries(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(path_cases); i++) {
		const struct path_case *c = &path_cases[i];
		struct health_trial trial = {};

		assert_int_equal(health_trial_parse(c->path, &trial), c->code);
		assert_int_equal(trial.counted, c->code == 0);
		assert_int_equal(trial.left, c->left);
		assert_int_equal(trial.done, c->done);
		assert_string_equal(trial.entry, c->code == 0 ? c->path : "");
	}
}

static int read_trial(const char *folder, struct health_trial *ret, struct error **err)
{
	_cleanup_free_ char *blessed = string_format("%s/blessed", folder);

	return health_trial_read(folder, blessed, ret, err);
}

/* As efivarfs shows it: attributes 6, then UTF-16 with its NUL. */
#define MAKE_VARIABLE(text)                              \
	"{ printf '\\006\\000\\000\\000'; printf '" text \
	"' | iconv -t UTF-16LE; printf '\\000\\000'; } >" VARIABLE

static void the_boot_loader_s_variable_says_whether_this_is_a_trial(void **state)
{
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_error_ struct error *err = NULL;
	struct health_trial trial = {.counted = true};

	(void)state;
	assert_ok(read_trial(folder, &trial, &err), err);
	assert_false(trial.counted);
	shell(folder, MAKE_VARIABLE("\\\\EFI\\\\Linux\\\\orlop_202611.23.0+2-1.efi"));
	assert_ok(read_trial(folder, &trial, &err), err);
	assert_true(trial.counted);
	assert_string_equal(trial.entry, "/EFI/Linux/orlop_202611.23.0+2-1.efi");
	assert_int_equal(trial.left, 2);
	assert_int_equal(trial.done, 1);
	/* The variable stays until the next start: what counts from here on is that the release is kept. */
	shell(folder, ": >blessed");
	assert_ok(read_trial(folder, &trial, &err), err);
	assert_false(trial.counted);
}

static void a_variable_that_makes_no_sense_is_an_error(void **state)
{
	static const char *const bad[] = {
		": >" VARIABLE,
		"printf '\\006\\000\\000' >" VARIABLE,
		"printf '\\006\\000\\000\\000/\\000a' >" VARIABLE,
		MAKE_VARIABLE("/EFI/Linux/a.efi"),
		"printf '\\006\\000\\000\\000\\000\\330+\\0001\\000.\\000' >" VARIABLE, /* half a surrogate
											   pair */
		"{ printf '\\006\\000\\000\\000'; head -c 600 /dev/zero; } >" VARIABLE,
		"head -c 100000 /dev/zero >" VARIABLE,
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_scratch_ char *folder = scratch_new();
		_cleanup_error_ struct error *err = NULL;
		struct health_trial trial = {};

		shell(folder, bad[i]);
		assert_true(read_trial(folder, &trial, &err) < 0);
		assert_non_null(strstr(error_message(err), VARIABLE));
		assert_false(trial.counted);
	}
}

static void a_release_on_trial_that_is_not_well_restarts_three_times(void **state)
{
	static const struct {
		struct health_trial trial;
		bool passed;
		enum health_verdict verdict;
	} cases[] = {
		{{.counted = false}, true, HEALTH_VERDICT_GOOD},
		{{.counted = false}, false, HEALTH_VERDICT_STAY},
		{{.counted = true, .left = 2, .done = 1}, true, HEALTH_VERDICT_GOOD},
		{{.counted = true, .left = 2, .done = 1}, false, HEALTH_VERDICT_RESTART},
		{{.counted = true, .left = 0, .done = 3}, false, HEALTH_VERDICT_RESTART},
		/* The boot loader had nothing better than what it has tried often enough. */
		{{.counted = true, .left = 0, .done = 4}, false, HEALTH_VERDICT_STAY},
		{{.counted = true, .left = 0, .done = 4}, true, HEALTH_VERDICT_GOOD},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(health_decide(&cases[i].trial, cases[i].passed), cases[i].verdict);
}

struct written {
	char *folder, *report, *failure, *stay;
	struct health_gate_paths paths;
};

static void written_make(struct written *written)
{
	written->folder = scratch_new();
	written->report = string_format("%s/health.json", written->folder);
	written->failure = string_format("%s/health-failure.json", written->folder);
	written->stay = string_format("%s/health-stay", written->folder);
	written->paths = (struct health_gate_paths){written->report, written->failure, written->stay};
}

static void written_release(struct written *written)
{
	scratch_remove(&written->folder);
	free(written->report);
	free(written->failure);
	free(written->stay);
}

static struct health_check checks[] = {
	{.name = "units", .outcome = HEALTH_FAILED, .detail = "failed: a.service"}};
static const struct health_report bad_report = {.checks = checks, .count = 1};
static const struct health_report good_report = {.passed = true};

static void the_outcome_is_written_where_others_look_for_it(void **state)
{
	static const struct {
		enum health_verdict verdict;
		const struct health_report *report;
		const char *name;
		bool failure, stay;
	} cases[] = {
		{HEALTH_VERDICT_GOOD, &good_report, "good", false, false},
		{HEALTH_VERDICT_RESTART, &bad_report, "restart", true, false},
		{HEALTH_VERDICT_STAY, &bad_report, "stay", true, true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(written_release) struct written written = {};
		_cleanup_error_ struct error *err = NULL;
		_cleanup_health_report_ struct health_report again = {};
		_cleanup_json_ json_t *object = NULL;
		const struct health_gate gate = {.version = "202611.23.0",
			.slot = "b",
			.time = 1795435200,
			.trial = {true, "/EFI/Linux/orlop_202611.23.0+2-1.efi", 2, 1},
			.verdict = cases[i].verdict,
			.report = cases[i].report};

		written_make(&written);
		assert_ok(health_gate_write(&written.paths, &gate, &err), err);
		assert_int_equal(access(written.failure, F_OK) == 0, cases[i].failure);
		assert_int_equal(access(written.stay, F_OK) == 0, cases[i].stay);
		object = json_load_file(written.report, 0, NULL);
		assert_string_equal(json_string_value(json_object_get(object, "version")), "202611.23.0");
		assert_string_equal(json_string_value(json_object_get(object, "verdict")), cases[i].name);
		assert_int_equal(
			json_integer_value(json_object_get(json_object_get(object, "trial"), "left")), 2);
		assert_ok(health_gate_load(written.report, &again, &err), err);
		assert_int_equal(again.passed, cases[i].report->passed);
		assert_int_equal(again.count, cases[i].report->count);
		assert_int_equal(json_is_true(json_object_get(json_object_get(object, "health"), "passed")),
			cases[i].report->passed);
	}
}

static void what_the_gate_did_not_write_is_not_loaded(void **state)
{
	_cleanup_(written_release) struct written written = {};
	_cleanup_error_ struct error *err = NULL;
	struct health_report report = {};

	(void)state;
	written_make(&written);
	assert_error(health_gate_load(written.report, &report, &err), -ENOENT, err, "health.json");
	shell(written.folder, "echo '{\"health\":' >health.json");
	assert_error(health_gate_load(written.report, &report, &err), -EBADMSG, err, "health.json: line");
	shell(written.folder, "echo '{}' >health.json");
	assert_error(health_gate_load(written.report, &report, &err), -EBADMSG, err,
		"health.json: health: is missing");
	assert_null(report.checks);
}

static void what_is_not_known_is_null(void **state)
{
	const struct health_gate gate = {.report = &good_report};
	_cleanup_json_ json_t *object = health_gate_json(&gate);

	(void)state;
	assert_true(json_is_null(json_object_get(object, "version")));
	assert_true(json_is_null(json_object_get(object, "slot")));
	assert_true(json_is_null(json_object_get(object, "trial")));
}

/* State that can't be written may be why the node is not well: what decides must get through. */
static void one_file_that_can_not_be_written_does_not_stop_the_others(void **state)
{
	_cleanup_(written_release) struct written written = {};
	_cleanup_error_ struct error *err = NULL;
	const struct health_gate gate = {.verdict = HEALTH_VERDICT_STAY, .report = &bad_report};

	(void)state;
	written_make(&written);
	written.paths.failure = "/nowhere/health-failure.json";
	assert_error(health_gate_write(&written.paths, &gate, &err), -ENOENT, err, "/nowhere");
	assert_int_equal(access(written.stay, F_OK), 0);
	assert_int_equal(access(written.report, F_OK), 0);
	written.paths.failure = written.failure;
	written.paths.report = "/nowhere/health.json";
	assert_int_equal(unlink(written.stay), 0);
	assert_error(health_gate_write(&written.paths, &gate, &err), -ENOENT, err, "/nowhere");
	assert_int_equal(access(written.stay, F_OK), 0);
	assert_int_equal(access(written.failure, F_OK), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counters_are_read_from_the_names_of_boot_entries),
		cmocka_unit_test(the_boot_loader_s_variable_says_whether_this_is_a_trial),
		cmocka_unit_test(a_variable_that_makes_no_sense_is_an_error),
		cmocka_unit_test(a_release_on_trial_that_is_not_well_restarts_three_times),
		cmocka_unit_test(the_outcome_is_written_where_others_look_for_it),
		cmocka_unit_test(what_the_gate_did_not_write_is_not_loaded),
		cmocka_unit_test(what_is_not_known_is_null),
		cmocka_unit_test(one_file_that_can_not_be_written_does_not_stop_the_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
