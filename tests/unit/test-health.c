/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The health checks against programs and files that are made up, on a clock that is made up as well: waiting
 * takes no time.
 */
#include "scratch.h"

#include <jansson.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "update/health-files.h"
#include "update/health-work.h"
#include "update/health.h"

enum {
	BUILT_IN = 6,
	REAL_MS = 20000, /* of a program that is to hang for longer: no time that a test waits for */
};

/* The made-up node: a folder with all that the checks look at. */
struct machine {
	char *folder;
	char *paths[10];
	int listener;
	uint64_t milliseconds; /* the clock */
	unsigned waits;
	const char *at_wait; /* a script that is run at each wait */
	struct health_options options;
};

static uint64_t fake_milliseconds(void *userdata)
{
	return ((struct machine *)userdata)->milliseconds;
}

/* 2026-11-23 12:00 UTC. */
static int64_t fake_seconds(void *userdata)
{
	(void)userdata;
	return 1795435200;
}

static void fake_wait(void *userdata, uint64_t milliseconds)
{
	struct machine *machine = userdata;

	machine->milliseconds += milliseconds;
	machine->waits++;
	if (machine->at_wait)
		shell(machine->folder, machine->at_wait);
}

static void listen_for_containerd(struct machine *machine, const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	machine->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(machine->listener >= 0 && strlen(path) < sizeof(address.sun_path));
	memcpy(address.sun_path, path, strlen(path) + 1);
	assert_int_equal(bind(machine->listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(machine->listener, 100), 0);
}

/* A node that is well. Files of systemd-networkd and the kernel are as a node of Debian 13 has them. */
static void machine_make(struct machine *machine)
{
	static const char *const names[] = {"systemctl", "ctr", "socket", "netif", "os-release", "boot.json",
		"mountinfo", "var", "health.d", "containerd"};

	*machine = (struct machine){.folder = scratch_new(), .listener = -1, .milliseconds = 5000};
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		machine->paths[i] = string_format("%s/%s", machine->folder, names[i]);
		assert_non_null(machine->paths[i]);
	}
	shell(machine->folder,
		"mkdir -p netif/links var health.d\n"
		"cat >systemctl <<'END'\n#!/bin/sh\ncase $1 in\n"
		"is-active) [ -e \"${0%/*}/down\" ] && { echo activating; exit 3; }; echo active ;;\n"
		"list-units) cat \"${0%/*}/failed\" ;;\nesac\nEND\n"
		"printf '#!/bin/sh\\necho \"$@\" >\"${0%%/*}/ctr.arguments\"\\n' >ctr\n"
		"chmod 755 systemctl ctr; : >failed; : >containerd\n"
		"printf '# This is private data. Do not "
		"parse.\\nOPER_STATE=routable\\nCARRIER_STATE=carrier\\n' >netif/state\n"
		"printf 'ADMIN_STATE=unmanaged\\nOPER_STATE=carrier\\n' >netif/links/1\n"
		"printf '# This is private data. Do not "
		"parse.\\nADMIN_STATE=configured\\nOPER_STATE=routable\\n"
		"CARRIER_STATE=carrier\\n' >netif/links/2\n"
		"touch -d '2026-11-23 00:00 UTC' os-release\n"
		"echo '{\"slot\":\"a\",\"state\":\"/dev/vda8\",\"degraded\":null}' >boot.json\n"
		"echo '22 1 0:21 / / rw,relatime shared:1 - tmpfs rootfs rw' >mountinfo\n"
		"echo \"40 22 254:8 / $PWD/var rw,nosuid,nodev shared:2 - ext4 /dev/vda8 rw\" >>mountinfo\n");
	listen_for_containerd(machine, machine->paths[2]);
	machine->options = health_defaults;
	machine->options.systemctl = machine->paths[0];
	machine->options.ctr = machine->paths[1];
	machine->options.containerd_socket = machine->paths[2];
	machine->options.network = machine->paths[3];
	machine->options.os_release = machine->paths[4];
	machine->options.boot_record = machine->paths[5];
	machine->options.mounts = machine->paths[6];
	machine->options.state = machine->paths[7];
	machine->options.hooks = machine->paths[8];
	machine->options.containerd = machine->paths[9];
	machine->options.version = "202611.23.0";
	machine->options.slot = "a";
	machine->options.each_ms = machine->options.limit_ms = REAL_MS;
	machine->options.clock = (struct health_clock){fake_milliseconds, fake_seconds, fake_wait, machine};
}

static void machine_release(struct machine *machine)
{
	cleanup_closep(&machine->listener);
	for (size_t i = 0; i < ARRAY_SIZE(machine->paths); i++)
		free(machine->paths[i]);
	scratch_remove(&machine->folder);
}
#define _cleanup_machine_ _cleanup_(machine_release)

static void examine(struct machine *machine, struct health_report *ret)
{
	_cleanup_error_ struct error *err = NULL;

	assert_ok(health_run(&machine->options, ret, &err), err);
}

static const struct health_check *find(const struct health_report *report, const char *name)
{
	for (size_t i = 0; i < report->count; i++)
		if (streq(report->checks[i].name, name))
			return &report->checks[i];
	fail_msg("no check is called %s", name);
	return NULL;
}

static void assert_check(
	const struct health_report *report, const char *name, enum health_outcome outcome, const char *detail)
{
	const struct health_check *check = find(report, name);

	if (check->outcome != outcome || !strstr(check->detail, detail))
		fail_msg("%s: %s: %s", name, health_outcome_name(check->outcome), check->detail);
}

static void a_node_that_is_well_passes(void **state)
{
	_cleanup_machine_ struct machine machine;
	_cleanup_health_report_ struct health_report report = {};
	_cleanup_free_ char *arguments = NULL, *expected = NULL;

	(void)state;
	machine_make(&machine);
	examine(&machine, &report);
	for (size_t i = 0; i < report.count; i++)
		assert_check(&report, report.checks[i].name, HEALTH_PASSED, "");
	assert_true(report.passed);
	assert_int_equal(report.count, BUILT_IN);
	assert_check(&report, "clock", HEALTH_PASSED, "2026-11-23 12:00:00 UTC");
	arguments = scratch_read(machine.folder, "ctr.arguments", NULL);
	expected = string_format("--address %s --timeout 10s version\n", machine.paths[2]);
	assert_string_equal(arguments, expected);
}

struct fault {
	const char *make; /* what goes wrong with the node that is well */
	const char *check;
	enum health_outcome outcome;
	const char *detail;
};

static const struct fault faults[] = {
	{": >down", "boot", HEALTH_FAILED, "multi-user.target is activating"},
	{"rm systemctl", "boot", HEALTH_FAILED, "No such file"},
	{"rm socket", "containerd", HEALTH_FAILED, "No such file"},
	{"rm containerd socket", "containerd", HEALTH_SKIPPED, "this edition has none"},
	{"rm socket; : >socket", "containerd", HEALTH_FAILED, "refused"},
	{"printf '#!/bin/sh\\necho \"ctr: context deadline exceeded\" >&2; exit 1' >ctr", "containerd",
		HEALTH_FAILED, "ctr: context deadline exceeded; exit status 1"},
	{"printf '#!/bin/sh\\nkill -ABRT $$' >ctr", "containerd", HEALTH_FAILED, "ended by signal 6"},
	{"chmod 644 ctr", "containerd", HEALTH_FAILED, "Permission denied"},
	{"printf 'kubelet.service loaded failed failed The kubelet\\nfoo.mount not-found failed failed "
	 "foo\\n' >failed",
		"units", HEALTH_FAILED, "failed: kubelet.service, foo.mount"},
	{"printf '#!/bin/sh\\necho no bus >&2; exit 1\\n' >systemctl", "units", HEALTH_FAILED,
		"no bus; exit status 1"},
	{"printf 'ADMIN_STATE=configuring\\nOPER_STATE=degraded\\n' >netif/links/2", "network", HEALTH_FAILED,
		"none of 1 interfaces is routable"},
	/* A container's bridge is routable, and the node has no network. */
	{"printf 'ADMIN_STATE=configuring\\nOPER_STATE=no-carrier\\n' >netif/links/2; "
	 "printf 'ADMIN_STATE=unmanaged\\nOPER_STATE=routable\\n' >netif/links/3",
		"network", HEALTH_FAILED, "none of 1 interfaces is routable"},
	{"printf 'ADMIN_STATE=unmanaged\\nOPER_STATE=routable\\n' >netif/links/2", "network", HEALTH_PASSED,
		"manages no interface"},
	{"rm netif/links/2; printf 'OPER_STATE=carrier\\n' >netif/state", "network", HEALTH_FAILED,
		"manages no interface"},
	{"printf 'ADMIN_STATE=configured\\nOPER_STATE=routable-not\\nX_OPER_STATE=routable\\n' "
	 ">netif/links/2",
		"network", HEALTH_FAILED, "none of 1"},
	{"rm -r netif", "network", HEALTH_FAILED, "No such file"},
	{"touch -d '2026-11-23 12:00:01 UTC' os-release", "clock", HEALTH_FAILED,
		"before the release was made"},
	{"touch -d '2026-11-23 12:00:00 UTC' os-release", "clock", HEALTH_PASSED, ""},
	{"rm os-release", "clock", HEALTH_FAILED, "No such file"},
	{"rm boot.json", "state", HEALTH_FAILED, "No such file"},
	{"echo '{\"state\":' >boot.json", "state", HEALTH_FAILED, "boot.json"},
	{"echo '{\"state\":8,\"degraded\":null}' >boot.json", "state", HEALTH_FAILED, "\"state\""},
	{"echo '{\"state\":\"/dev/vda8\"}' >boot.json", "state", HEALTH_FAILED, "\"degraded\""},
	{"echo '{\"state\":null,\"degraded\":\"the disk is full\"}' >boot.json", "state", HEALTH_FAILED,
		"volatile: the disk is full"},
	{"echo '{\"state\":null,\"degraded\":null}' >boot.json", "state", HEALTH_SKIPPED, "keeps no state"},
	{"sed -i '$ d' mountinfo", "state", HEALTH_FAILED, "nothing is mounted at"},
	{"echo \"41 40 0:50 / $PWD/var rw - tmpfs tmpfs rw\" >>mountinfo", "state", HEALTH_FAILED,
		"is tmpfs, not /dev/vda8"},
	{"rm -r var", "state", HEALTH_FAILED, "No such file"},
};

static void each_fault_is_found_and_nothing_else(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
		_cleanup_machine_ struct machine machine;
		_cleanup_health_report_ struct health_report report = {};

		machine_make(&machine);
		shell(machine.folder, faults[i].make);
		examine(&machine, &report);
		assert_check(&report, faults[i].check, faults[i].outcome, faults[i].detail);
		assert_int_equal(report.passed, faults[i].outcome != HEALTH_FAILED);
		for (size_t k = 0; k < report.count; k++)
			if (!streq(report.checks[k].name, faults[i].check) &&
				!strstr(faults[i].make, "systemctl"))
				assert_check(&report, report.checks[k].name, HEALTH_PASSED, "");
	}
}

static void state_that_can_not_be_written_is_a_fault(void **state)
{
	_cleanup_machine_ struct machine machine;
	_cleanup_health_report_ struct health_report report = {};

	(void)state;
	machine_make(&machine);
	/* /proc takes no files, whoever asks. */
	machine.options.state = "/proc";
	shell(machine.folder, "echo '40 22 254:8 / /proc rw - ext4 /dev/vda8 rw' >>mountinfo");
	examine(&machine, &report);
	assert_int_equal(find(&report, "state")->outcome, HEALTH_FAILED);
}

static void programs_of_the_administrator_are_checks(void **state)
{
	_cleanup_machine_ struct machine machine;
	_cleanup_health_report_ struct health_report report = {};
	static const char *const order[] = {"health.d/05-first", "health.d/10-good", "health.d/20-bad",
		"health.d/30-skipped", "health.d/40-crash", "health.d/50-flood", "health.d/60-folder",
		"health.d/70-readme", "health.d/80-nowhere", "health.d/90-no-program", "health.d/95-silent"};

	(void)state;
	machine_make(&machine);
	shell(machine.folder,
		"cd health.d; touch .hidden; chmod 755 .hidden\n"
		"printf '#!/bin/sh\\necho \"$ORLOP_VERSION in $ORLOP_SLOT${HOME:+ with $HOME}\"' >10-good\n"
		"printf '#!/bin/sh\\necho; echo \"  no GPU\"; echo more; exit 1' >20-bad\n"
		"printf '#!/bin/sh\\necho not here >&2; exit 77' >30-skipped\n"
		"printf '#!/bin/sh\\nkill -SEGV $$' >40-crash\n"
		"printf '#!/bin/sh\\nhead -c 1000000 /dev/zero | tr \"\\\\0\" x' >50-flood\n"
		"printf '#!/bin/sh\\n' >95-silent\nmkdir 60-folder\n"
		"chmod 755 *\necho 'how to' >70-readme; ln -s nowhere 80-nowhere\n"
		"echo text >90-no-program; chmod 755 90-no-program; ln -s 10-good 05-first\n");
	examine(&machine, &report);
	assert_false(report.passed);
	assert_int_equal(report.count, BUILT_IN + ARRAY_SIZE(order));
	for (size_t i = 0; i < ARRAY_SIZE(order); i++)
		assert_string_equal(report.checks[BUILT_IN + i].name, order[i]);
	assert_check(&report, "health.d/05-first", HEALTH_PASSED, "202611.23.0 in a");
	assert_check(&report, "health.d/10-good", HEALTH_PASSED, "202611.23.0 in a");
	assert_string_equal(find(&report, "health.d/10-good")->detail, "202611.23.0 in a");
	assert_string_equal(find(&report, "health.d/20-bad")->detail, "no GPU; exit status 1");
	assert_check(&report, "health.d/30-skipped", HEALTH_SKIPPED, "not here");
	assert_check(&report, "health.d/40-crash", HEALTH_FAILED, "ended by signal 11");
	assert_check(&report, "health.d/50-flood", HEALTH_PASSED, "xxxx");
	assert_int_equal(strlen(find(&report, "health.d/50-flood")->detail), HEALTH_DETAIL_MAX - 1);
	assert_check(&report, "health.d/60-folder", HEALTH_SKIPPED, "is a folder");
	assert_check(&report, "health.d/70-readme", HEALTH_SKIPPED, "is not executable");
	assert_check(&report, "health.d/80-nowhere", HEALTH_FAILED, "leads to nothing");
	assert_check(&report, "health.d/90-no-program", HEALTH_FAILED, "cannot run");
	assert_string_equal(find(&report, "health.d/95-silent")->detail, "");
}

static void without_a_folder_of_programs_there_are_none(void **state)
{
	_cleanup_machine_ struct machine machine;
	_cleanup_health_report_ struct health_report report = {}, second = {};

	(void)state;
	machine_make(&machine);
	shell(machine.folder, "rmdir health.d");
	examine(&machine, &report);
	assert_true(report.passed);
	assert_int_equal(report.count, BUILT_IN);
	/* But one that can't be read may hold checks. */
	shell(machine.folder, ": >health.d");
	examine(&machine, &second);
	assert_false(second.passed);
	assert_check(&second, "health.d", HEALTH_FAILED, "Not a directory");
}

static void a_program_that_hangs_is_given_up(void **state)
{
	_cleanup_machine_ struct machine machine;
	_cleanup_health_report_ struct health_report report = {};

	(void)state;
	machine_make(&machine);
	shell(machine.folder,
		"cd health.d; printf '#!/bin/sh\\necho waiting; sleep 1000' >hangs; chmod 755 hangs\n"
		"printf '#!/bin/sh\\n' >then; chmod 755 then");
	machine.options.each_ms = 2500;
	examine(&machine, &report);
	assert_check(&report, "health.d/hangs", HEALTH_FAILED, "did not end within 2.5 s: waiting");
	assert_check(&report, "health.d/then", HEALTH_PASSED, "");
}

static void what_is_late_is_tried_again(void **state)
{
	_cleanup_machine_ struct machine machine;
	_cleanup_health_report_ struct health_report report = {};

	(void)state;
	machine_make(&machine);
	/* First the node comes up, then a program passes, at the third try. */
	shell(machine.folder, ": >down; cd health.d; chmod 755 .\n"
			      "printf '#!/bin/sh\\necho >>\"$0.tries\"; [ $(wc -l <\"$0.tries\") -ge 3 ]' "
			      ">late; chmod 755 late");
	machine.at_wait = "rm -f down";
	machine.options.again = true;
	machine.options.pause_ms = 1000;
	examine(&machine, &report);
	assert_true(report.passed);
	/* One for the node, two for the program. */
	assert_int_equal(machine.waits, 3);
	assert_int_equal(report.ms, 3000);
}

static void without_again_each_check_is_made_once(void **state)
{
	_cleanup_machine_ struct machine machine;
	_cleanup_health_report_ struct health_report report = {};

	(void)state;
	machine_make(&machine);
	shell(machine.folder, ": >down");
	examine(&machine, &report);
	assert_false(report.passed);
	assert_int_equal(machine.waits, 0);
}

/* What passed while others had not yet must pass once more, together with them. */
static void all_have_to_pass_together(void **state)
{
	_cleanup_machine_ struct machine machine;
	_cleanup_health_report_ struct health_report report = {};

	(void)state;
	machine_make(&machine);
	shell(machine.folder,
		"printf '#!/bin/sh\\n[ -e \"${0%%/*}/../ready\" ]' >health.d/late; chmod 755 health.d/late");
	/* By the time that it passes, containerd is gone for good. */
	machine.at_wait = ": >ready; rm -f socket";
	machine.options.again = true;
	machine.options.limit_ms = 10000;
	examine(&machine, &report);
	assert_false(report.passed);
	assert_check(&report, "health.d/late", HEALTH_PASSED, "");
	assert_check(&report, "containerd", HEALTH_FAILED, "No such file");
}

static void the_time_ends_for_the_start_and_for_the_checks(void **state)
{
	_cleanup_machine_ struct machine machine, second;
	_cleanup_health_report_ struct health_report report = {}, second_report = {};

	(void)state;
	machine_make(&machine);
	shell(machine.folder, ": >down");
	machine.options.again = true;
	machine.options.pause_ms = 1000;
	machine.options.startup_ms = 50000;
	machine.options.limit_ms = 20000;
	examine(&machine, &report);
	assert_false(report.passed);
	assert_check(&report, "boot", HEALTH_FAILED, "activating");
	/* Each wait would end before its limit: 49 and 19 of them. */
	assert_int_equal(machine.waits, 49 + 19);

	machine_make(&second);
	shell(second.folder, "rm socket");
	second.options.again = true;
	second.options.pause_ms = 1000;
	second.options.limit_ms = 20000;
	examine(&second, &second_report);
	assert_false(second_report.passed);
	assert_int_equal(second.waits, 19);
}

static void text_is_made_fit_for_a_line(void **state)
{
	static const struct {
		const char *text;
		size_t size;
		const char *expected;
	} cases[] = {
		{"plain", 10, "plain"},
		{"a\tb\x1b[1m\x7f", 20, "a b [1m"},
		{"grün", 10, "grün"},
		{"gr\xfcn", 10, "gr?n"},
		{"gr\xc3", 10, "gr?"},
		{"trailing \r", 20, "trailing"},
		{"cut here", 4, "cut"},
		{"aä", 3, "a"}, /* a byte of the second character would have room */
		{"aä", 4, "aä"},
		{"a\xf0\x9f\x98\x80", 5, "a"},
		{"a\xf0\x9f\x98\x80", 6, "a\xf0\x9f\x98\x80"},
		{"", 5, ""},
		{"x", 1, ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[HEALTH_DETAIL_MAX];

		memset(text, '!', sizeof(text));
		health_clean(text, cases[i].size, cases[i].text, strlen(cases[i].text));
		assert_string_equal(text, cases[i].expected);
	}
}

/* Names that only differ in what is cut, or was no text. */
static void names_stay_different(void **state)
{
	_cleanup_machine_ struct machine machine;
	_cleanup_health_report_ struct health_report report = {};

	(void)state;
	machine_make(&machine);
	shell(machine.folder,
		"cd health.d; x=$(printf %0100d 0)\n"
		"for name in ${x}1 ${x}2 \"$(printf 'a\\377')\" \"$(printf 'a\\376')\" 'a?'; do\n"
		"printf '#!/bin/sh\\n' >\"$name\"; chmod 755 \"$name\"; done");
	examine(&machine, &report);
	assert_true(report.passed);
	assert_int_equal(report.count, BUILT_IN + 5);
	for (size_t i = 0; i < report.count; i++)
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(report.checks[i].name, report.checks[k].name);
}

static void mount_tables_are_read_as_the_kernel_writes_them(void **state)
{
	static const struct {
		const char *text, *path, *expected; /* NULL: nothing is mounted there */
	} cases[] = {
		/* The example of proc_pid_mountinfo(5). */
		{"36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue\n", "/mnt2",
			"/dev/root"},
		{"36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw\n", "/mnt1", NULL},
		{"36 35 98:0 / /m rw - ext3 /dev/a rw\n", "/m", "/dev/a"},
		{"36 35 98:0 / /m rw shared:1 master:2 unbindable - ext3 /dev/a rw\n", "/m", "/dev/a"},
		{"36 35 98:0 / /a\\040b\\134 rw - ext3 /dev/x\\011y rw\n", "/a b\\", "/dev/x\ty"},
		{"1 0 0:1 / /m rw - t a rw\n2 0 0:2 / /m rw - t b rw\n", "/m", "b"},
		{"1 0 0:1 / /m rw - t  rw\n2 0 0:2 / /n rw - t b rw\n", "/n", "b"}, /* an empty source */
		{"1 0 0:1 / /m rw - t a rw", "/m", "a"},
		{"1 0 0:1 / /m rw\n", "/m", NULL},
		{"", "/m", NULL},
		{"\n\n", "/m", NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *source = NULL;
		int r = health_mount_source(cases[i].text, cases[i].path, &source);

		assert_int_equal(r, cases[i].expected ? 0 : -ENOENT);
		if (cases[i].expected)
			assert_string_equal(source, cases[i].expected);
	}
}

static void the_report_is_json(void **state)
{
	struct health_check checks[] = {
		{.name = "units", .outcome = HEALTH_FAILED, .ms = 12, .detail = "failed: \"a\""},
		{.name = "state", .outcome = HEALTH_SKIPPED},
	};
	const struct health_report report = {.checks = checks, .count = 2, .ms = 34};
	_cleanup_health_report_ struct health_report again = {};
	_cleanup_error_ struct error *err = NULL;
	json_t *object = health_report_json(&report), *expected;

	(void)state;
	expected =
		json_loads("{\"passed\": false, \"ms\": 34, \"checks\": ["
			   "{\"name\": \"units\", \"outcome\": \"failed\", \"ms\": 12, \"detail\": \"failed: "
			   "\\\"a\\\"\"},"
			   "{\"name\": \"state\", \"outcome\": \"skipped\", \"ms\": 0, \"detail\": \"\"}]}",
			0, NULL);
	assert_true(json_equal(object, expected));
	assert_ok(health_report_parse(object, &again, &err), err);
	assert_false(again.passed);
	assert_int_equal(again.ms, 34);
	assert_int_equal(again.count, 2);
	assert_string_equal(again.checks[0].name, "units");
	assert_string_equal(again.checks[0].detail, "failed: \"a\"");
	assert_int_equal(again.checks[0].ms, 12);
	assert_int_equal(again.checks[0].outcome, HEALTH_FAILED);
	assert_int_equal(again.checks[1].outcome, HEALTH_SKIPPED);
	json_decref(object);
	json_decref(expected);
}

static void what_is_no_report_is_refused(void **state)
{
	static const char *const bad[] = {
		"[]",
		"{}",
		"{\"passed\": 1, \"ms\": 1, \"checks\": []}",
		"{\"passed\": true, \"ms\": 1, \"checks\": {}}",
		"{\"passed\": true, \"ms\": -1, \"checks\": []}",
		"{\"passed\": true, \"ms\": 1, \"checks\": [1]}",
		"{\"passed\": true, \"ms\": 1, \"checks\": [{\"name\": \"a\", \"outcome\": \"passed\", "
		"\"ms\": 1}]}",
		"{\"passed\": true, \"ms\": 1, \"checks\": [{\"name\": \"a\", \"outcome\": \"fine\", \"ms\": "
		"1, "
		"\"detail\": \"\"}]}",
		"{\"passed\": true, \"ms\": 1, \"checks\": [{\"name\": \"a\", \"outcome\": \"passed\", "
		"\"ms\": -1, "
		"\"detail\": \"\"}]}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct health_report report = {};
		_cleanup_error_ struct error *err = NULL;
		json_t *object = json_loads(bad[i], 0, NULL);

		assert_non_null(object);
		assert_error(health_report_parse(object, &report, &err), -EBADMSG, err, "");
		assert_null(report.checks);
		json_decref(object);
	}
}

static void the_reason_names_what_has_failed_alone(void **state)
{
	struct health_check checks[] = {
		{.name = "boot", .outcome = HEALTH_PASSED, .detail = "x"},
		{.name = "units", .outcome = HEALTH_FAILED, .detail = "failed: a.service"},
		{.name = "state", .outcome = HEALTH_SKIPPED, .detail = "y"},
		{.name = "network", .outcome = HEALTH_FAILED, .detail = "none of 1 interfaces is routable"},
	};
	_cleanup_free_ char *all = NULL, *none = NULL;

	(void)state;
	all = health_report_reason(&(struct health_report){.checks = checks, .count = ARRAY_SIZE(checks)});
	none = health_report_reason(&(struct health_report){.checks = checks, .count = 1});
	assert_string_equal(all, "units: failed: a.service; network: none of 1 interfaces is routable");
	assert_string_equal(none, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_node_that_is_well_passes),
		cmocka_unit_test(each_fault_is_found_and_nothing_else),
		cmocka_unit_test(state_that_can_not_be_written_is_a_fault),
		cmocka_unit_test(programs_of_the_administrator_are_checks),
		cmocka_unit_test(without_a_folder_of_programs_there_are_none),
		cmocka_unit_test(a_program_that_hangs_is_given_up),
		cmocka_unit_test(what_is_late_is_tried_again),
		cmocka_unit_test(without_again_each_check_is_made_once),
		cmocka_unit_test(all_have_to_pass_together),
		cmocka_unit_test(the_time_ends_for_the_start_and_for_the_checks),
		cmocka_unit_test(text_is_made_fit_for_a_line),
		cmocka_unit_test(names_stay_different),
		cmocka_unit_test(mount_tables_are_read_as_the_kernel_writes_them),
		cmocka_unit_test(the_report_is_json),
		cmocka_unit_test(what_is_no_report_is_refused),
		cmocka_unit_test(the_reason_names_what_has_failed_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
