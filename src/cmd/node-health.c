/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * orlop-node health: whether this node is well, for people and for the gate at boot.
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <time.h>

#include "base/file.h"
#include "base/journal.h"
#include "base/string-util.h"
#include "cmd/command-json.h"
#include "cmd/node-print.h"
#include "cmd/node.h"
#include "format/canonical-json.h"
#include "format/os-release.h"
#include "update/health-gate.h"
#include "update/node-cycle.h"

#define BOOT_RECORD_MAX KiB(64)
#define ONCE_LIMIT_MS 60000
#define GIVEN_CONFIG_PATH "/run/orlop/node.yaml" /* from the first start's credential */

/* Of the journal's entries about health: `journalctl MESSAGE_ID=…` finds them. docs/health.md has them. */
#define MESSAGE_HEALTH_GOOD "27c99d94c9224eeba6bea8acc8c83ede"
#define MESSAGE_HEALTH_BAD "4a5ecd666bc24ffdae8f55c8dae0b5e8"

struct values {
	bool json, gate;
	uint64_t timeout; /* seconds; 0: not given */
};

static const struct command_option options[] = {
	{"json", 0, NULL, "Print a JSON object.", OPTION_TRUE, offsetof(struct values, json)},
	{"gate", 0, NULL,
		"Be the gate at boot (orlop-health.service): wait until the node has come up, try again what "
		"does "
		"not pass, and write down what orlop-fall-back.service and the next start are to know.",
		OPTION_TRUE, offsetof(struct values, gate)},
	{"timeout", 0, "S",
		"Try again what does not pass, for S seconds in all. Without it each check is made once; "
		"with --gate S is healthTimeout of the node's settings, else 300.",
		OPTION_NUMBER, offsetof(struct values, timeout)},
	{},
};

static const struct command_usage usage = {
	.name = "orlop-node health",
	.arguments = "",
	.summary =
		"Says whether this node is well: what is built in (boot, containerd, units, network, clock, "
		"state), and the programs in /etc/orlop/health.d.",
	.notes =
		"Exit status: 0 where nothing has failed, 1 where something has, 2 where the command line is "
		"wrong.",
	.options = options,
};

/* Which release this is. What can't be found out stays NULL: health does not depend on it. */
struct running {
	char *version, *slot;
};

static void running_release(struct running *running)
{
	free(running->version);
	free(running->slot);
}

static void find_running(const struct health_options *health, struct running *ret)
{
	_cleanup_free_ char *release = NULL, *record = NULL;
	_cleanup_json_ json_t *object = NULL;
	const char *slot;
	size_t size;

	if (file_read(health->os_release, OS_RELEASE_MAX, &release, &size, NULL) >= 0 &&
		os_release_value(release, size, "IMAGE_VERSION", &ret->version) < 0)
		ret->version = NULL;
	if (file_read(health->boot_record, BOOT_RECORD_MAX, &record, NULL, NULL) >= 0)
		object = json_loads(record, 0, NULL);
	slot = json_string_value(json_object_get(object, "slot"));
	ret->slot = slot ? strdup(slot) : NULL;
}

static void print_report(const struct health_report *report, FILE *out)
{
	for (size_t i = 0; i < report->count; i++) {
		const struct health_check *check = &report->checks[i];

		fprintf(out, "%-16s %-8s %5.1f s%s%s\n", check->name, health_outcome_name(check->outcome),
			(double)check->ms / 1000, *check->detail ? "  " : "", check->detail);
	}
}

static const char *verdict_text(const struct health_gate *gate)
{
	switch (gate->verdict) {
	case HEALTH_VERDICT_GOOD:
		return "the node is well";
	case HEALTH_VERDICT_RESTART:
		return gate->trial.left > 0
			       ? "the node is not well in this release; restarting for another try"
			       : "the node is not well in this release; restarting into the other one";
	case HEALTH_VERDICT_STAY:
		break;
	}
	return gate->trial.counted
		       ? "the node is not well; it stays up, since there is nothing better to start"
		       : "the node is not well";
}

/* One entry for each check that has failed, and one for the verdict. */
static void tell_journal(const struct health_gate *gate)
{
	_cleanup_journal_ struct journal journal = JOURNAL_INIT;
	bool good = gate->verdict == HEALTH_VERDICT_GOOD;
	struct journal_field fields[] = {
		{"MESSAGE_ID", good ? MESSAGE_HEALTH_GOOD : MESSAGE_HEALTH_BAD, 0},
		{"ORLOP_VERSION", gate->version, 0},
		{"ORLOP_SLOT", gate->slot, 0},
		{"ORLOP_STEP", "health", 0},
		{"ORLOP_CHECK", NULL, 0},
	};

	journal_open(&journal, JOURNAL_SOCKET, "orlop-node", STDERR_FILENO);
	for (size_t i = 0; i < gate->report->count; i++) {
		const struct health_check *check = &gate->report->checks[i];

		if (check->outcome != HEALTH_FAILED)
			continue;
		fields[ARRAY_SIZE(fields) - 1].value = check->name;
		(void)journal_log(&journal, LOG_ERR, fields, ARRAY_SIZE(fields), "health: %s: %s",
			check->name, check->detail);
	}
	(void)journal_log(&journal, good ? LOG_NOTICE : LOG_ERR, fields, ARRAY_SIZE(fields) - 1, "%s",
		verdict_text(gate));
}

/* Somebody may stand before the screen. A console that is not there, or does not take it, is no matter. */
static void tell_console(const struct health_gate *gate)
{
	_cleanup_close_ int fd = open("/dev/console", O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	_cleanup_buffer_ struct buffer text = {};

	if (fd < 0 || gate->verdict == HEALTH_VERDICT_GOOD)
		return;
	for (size_t i = 0; i < gate->report->count; i++)
		if (gate->report->checks[i].outcome == HEALTH_FAILED)
			buffer_printf(&text, "orlop-node: health: %s: %s\r\n", gate->report->checks[i].name,
				gate->report->checks[i].detail);
	buffer_printf(&text, "orlop-node: %s\r\n", verdict_text(gate));
	if (!buffer_failed(&text))
		(void)write_full(fd, text.data, text.size);
}

/*
 * That this release failed a try is in the history, so that it isn't taken again by itself; should it pass a
 * later one, that comes behind it. What fails when it was kept long ago is no reason against the release.
 */
static int tell_history(const struct health_gate *gate, struct error **err)
{
	_cleanup_free_ char *reason = health_report_reason(gate->report);
	const struct history_entry entry = {.time = gate->time,
		.event = HISTORY_FAILED,
		.version = (char *)gate->version,
		.detail = reason};

	if (gate->verdict == HEALTH_VERDICT_GOOD || !gate->trial.counted || !gate->version)
		return 0;
	return history_add(NODE_HISTORY, &entry, err);
}

/*
 * Decides, and tells everybody. A variable of the firmware that can't be read does not make a bad release a
 * good one: the machine restarts then, as orlop-fall-back.service does without further word.
 */
static int run_gate(
	const struct running *running, const struct health_report *report, bool json, struct error **err)
{
	struct health_gate gate = {
		.version = running->version, .slot = running->slot, .time = time(NULL), .report = report};
	_cleanup_error_ struct error *trial_err = NULL, *write_err = NULL, *history_err = NULL;
	int r = health_trial_read(HEALTH_EFIVARS, HEALTH_BLESSED, &gate.trial, &trial_err);

	if (r < 0)
		gate.trial = (struct health_trial){.counted = true};
	gate.verdict = health_decide(&gate.trial, report->passed);
	if (health_gate_write(&health_gate_paths, &gate, &write_err) < 0)
		fprintf(stderr, "orlop-node: health: %s\n", error_message(write_err));
	if (tell_history(&gate, &history_err) < 0)
		fprintf(stderr, "orlop-node: health: %s\n", error_message(history_err));
	tell_journal(&gate);
	tell_console(&gate);
	if (r < 0)
		fprintf(stderr, "orlop-node: health: %s\n", error_message(trial_err));
	return json ? command_print_json(health_gate_json(&gate), err) : 0;
}

static int show(
	const struct running *running, const struct health_report *report, bool json, struct error **err)
{
	if (!json) {
		print_report(report, stdout);
		return 0;
	}
	return command_print_json(json_pack("{s:s?, s:s?, s:o}", "version", running->version, "slot",
					  running->slot, "health", health_report_json(report)),
		err);
}

/* The time that the node's settings give a release; settings that are wrong are no fault of the release. */
static uint64_t gate_limit_ms(void)
{
	const char *path = access(NODE_CONFIG_PATH, F_OK) == 0 ? NODE_CONFIG_PATH : GIVEN_CONFIG_PATH;
	_cleanup_node_config_ struct node_config config = {};
	_cleanup_error_ struct error *err = NULL;

	if (node_config_load(path, NODE_ZONES, &config, &err) >= 0)
		return (uint64_t)config.health_timeout * 1000;
	fprintf(stderr, "orlop-node: health: %s\n", error_message(err));
	return health_defaults.limit_ms;
}

int node_health(int argc, char **argv, struct error **err)
{
	struct health_options health = health_defaults;
	_cleanup_health_report_ struct health_report report = {};
	_cleanup_(running_release) struct running running = {};
	struct values values = {};
	struct command_call call;
	int r;

	if (!command_parse(&usage, argc, argv, &values, &call, err))
		return call.status;
	if (values.timeout > 86400)
		return command_usage_error(&usage, err, "--timeout: a day (86400) is the most");
	find_running(&health, &running);
	health.version = running.version;
	health.slot = running.slot;
	health.again = values.gate || values.timeout > 0;
	if (values.timeout > 0)
		health.limit_ms = values.timeout * 1000;
	else
		health.limit_ms = values.gate ? gate_limit_ms() : ONCE_LIMIT_MS;
	if (!values.gate)
		health.startup_ms = health.limit_ms;
	r = health_run(&health, &report, err);
	if (r >= 0)
		r = values.gate ? run_gate(&running, &report, values.json, err)
				: show(&running, &report, values.json, err);
	if (r < 0)
		return r;
	return report.passed ? EXIT_SUCCESS : EXIT_FAILURE;
}
