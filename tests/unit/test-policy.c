/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/bytes.h"
#include "update/policy.h"

#define EDITION "container-linux"
#define HOUR 3600
#define ZONES "/usr/share/zoneinfo"

static const uint8_t machine[MACHINE_ID_SIZE] = {
	0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff};

/* "YYYY-MM-DD HH:MM" in UTC. */
static int64_t utc(const char *text)
{
	struct tm tm = {};
	const char *end = strptime(text, "%Y-%m-%d %H:%M", &tm);

	assert_true(end && !*end);
	return timegm(&tm);
}

static void configure(const char *text, struct node_config *ret)
{
	_cleanup_free_ char *all = string_format("repository: https://example.org/r\n%s", text ? text : "");
	_cleanup_error_ struct error *err = NULL;

	assert_ok(node_config_parse(all, strlen(all), "node.yaml", ZONES, ret, &err), err);
}

/* ---- What is published in the examples ---- */

static struct release_step plan[] = {{0, 1}, {24, 10}, {72, 100}};
static struct release_step never[] = {{0, 0}};
static struct release_step everybody[] = {{0, 100}};

static const struct {
	const char *edition, *architecture, *version;
	unsigned channels;
} releases[] = {
	{EDITION, "amd64", "1", RELEASE_WEEKLY | RELEASE_SECURITY},
	{EDITION, "amd64", "2", RELEASE_WEEKLY},
	{EDITION, "amd64", "3", RELEASE_SECURITY},
	{EDITION, "amd64", "4", RELEASE_WEEKLY},
	{EDITION, "arm64", "9", RELEASE_WEEKLY},
	{"other", "amd64", "8", RELEASE_WEEKLY},
};
enum { TWO = 1, FOUR = 3 };

/* How the index differs from the above in an example. */
struct change {
	const char *withdrawn; /* of the entry *entry* */
	bool paused;
	struct release_step *steps;
	unsigned entry;
	const char *least; /* the floor */
	bool absent;	   /* the entry is not there */
};

#define AT "2026-11-25 12:00" /* a Wednesday */
#define DAILY "windows: [{daily: {intervalDays: 1}, startTime: '02:00', durationHours: 4}]\n"

struct example {
	const char *what, *config, *running, *other;
	const char *now;
	struct change change, second;
	enum policy_order order;
	const char *to;
	const char *rejected;
	enum policy_other state;
	bool restart;

	enum policy_action action;
	const char *version;
	enum policy_reason reason;
	const char *when;
	const char *sentence; /* is in it */
	bool refused;
};

static const struct example examples[] = {
	/* By itself. */
	{"without windows the newest weekly one starts at once", "", "1", NULL, AT,
		.action = POLICY_STAGE_AND_RESTART, .version = "4", .reason = POLICY_NEWER,
		.sentence = "4 is to be staged and started now"},
	{"what is staged already is only started", "", "1", "4", AT, .action = POLICY_RESTART, .version = "4",
		.reason = POLICY_NEWER},
	{"an older one that is staged gives way to a newer", "", "1", "2", AT,
		.action = POLICY_STAGE_AND_RESTART, .version = "4", .reason = POLICY_NEWER},
	{"the newest runs", "", "4", "2", AT, .action = POLICY_NOTHING, .reason = POLICY_UP_TO_DATE,
		.sentence = "4 runs, and nothing newer"},
	{"what runs is newer than all that is published", "", "5", "4", AT, .action = POLICY_NOTHING,
		.reason = POLICY_UP_TO_DATE},
	{"the other slot's older release is never started", "", "4", "1", AT, .action = POLICY_NOTHING,
		.reason = POLICY_UP_TO_DATE},
	{"what runs is not published", "", "3.5", NULL, AT, .action = POLICY_STAGE_AND_RESTART,
		.version = "4", .reason = POLICY_NEWER},
	{"no repository: nothing", "repository: ", "1", NULL, AT, .action = POLICY_NOTHING,
		.reason = POLICY_NO_REPOSITORY, .sentence = "updates are off"},

	/* Channels. */
	{"None takes nothing", "channel: None", "1", "4", AT, .action = POLICY_NOTHING,
		.reason = POLICY_CHANNEL_OFF, .sentence = "channel in node.yaml says None"},
	{"Unmanaged stages, and leaves the restart to others", "channel: Unmanaged", "1", NULL, AT,
		.action = POLICY_STAGE, .version = "4", .reason = POLICY_WAITS_FOR_PERSON},
	{"Unmanaged has staged: that starts next", "channel: Unmanaged", "1", "4", AT,
		.state = POLICY_OTHER_STAGED, .action = POLICY_SELECT, .version = "4",
		.reason = POLICY_WAITS_FOR_PERSON, .sentence = "4 is staged; it starts when the machine"},
	{"Unmanaged has done all", "channel: Unmanaged", "1", "4", AT, .state = POLICY_OTHER_NEXT,
		.action = POLICY_NOTHING, .version = "4", .reason = POLICY_WAITS_FOR_PERSON,
		.sentence = "4 is staged; it starts when the machine"},
	{"Unmanaged pays no heed to windows", DAILY "channel: Unmanaged", "1", NULL, AT,
		.action = POLICY_STAGE, .version = "4", .reason = POLICY_WAITS_FOR_PERSON},
	{"Unmanaged takes security releases as well", "channel: Unmanaged\nmaximum: '3'", "2", NULL, AT,
		.action = POLICY_STAGE, .version = "3", .reason = POLICY_WAITS_FOR_PERSON},
	{"SecurityPatch takes what is published in security", "channel: SecurityPatch", "1", NULL, AT,
		.action = POLICY_STAGE_AND_RESTART, .version = "3", .reason = POLICY_NEWER},
	{"SecurityPatch does not take a newer weekly one", "channel: SecurityPatch", "3", NULL, AT,
		.action = POLICY_NOTHING, .reason = POLICY_UP_TO_DATE},
	{"a weekly one that is staged does not start under SecurityPatch", "channel: SecurityPatch", "3", "4",
		AT, .action = POLICY_NOTHING, .reason = POLICY_UP_TO_DATE},
	{"NodeImage passes a security release over", "maximum: '3'", "1", NULL, AT,
		.action = POLICY_STAGE_AND_RESTART, .version = "2", .reason = POLICY_NEWER},

	/* Windows: every night, 02:00 to 06:00. */
	{"outside of the windows it is staged", DAILY, "1", NULL, AT, .action = POLICY_STAGE, .version = "4",
		.reason = POLICY_WAITS_FOR_WINDOW, .when = "2026-11-26 02:00",
		.sentence = "starts in the maintenance window of 2026-11-26 02:00 +00:00"},
	{"staged, it waits", DAILY, "1", "4", AT, .action = POLICY_NOTHING, .version = "4",
		.reason = POLICY_WAITS_FOR_WINDOW, .when = "2026-11-26 02:00"},
	{"a second before the window it waits", DAILY, "1", "4", "2026-11-26 01:59", .action = POLICY_NOTHING,
		.version = "4", .reason = POLICY_WAITS_FOR_WINDOW, .when = "2026-11-26 02:00"},
	{"when the window begins it starts", DAILY, "1", "4", "2026-11-26 02:00", .action = POLICY_RESTART,
		.version = "4", .reason = POLICY_NEWER},
	{"ten minutes of the window are enough", DAILY, "1", "4", "2026-11-26 05:50",
		.action = POLICY_RESTART, .version = "4", .reason = POLICY_NEWER},
	{"nine are not", DAILY, "1", "4", "2026-11-26 05:51", .action = POLICY_NOTHING, .version = "4",
		.reason = POLICY_WAITS_FOR_WINDOW, .when = "2026-11-27 02:00"},
	{"nor to begin with staging: it is staged for the next", DAILY, "1", NULL, "2026-11-26 05:51",
		.action = POLICY_STAGE, .version = "4", .reason = POLICY_WAITS_FOR_WINDOW,
		.when = "2026-11-27 02:00"},
	{"a window that follows at once makes one of the two",
		"windows: [{daily: {intervalDays: 1}, startTime: '02:00', durationHours: 1},"
		" {daily: {intervalDays: 1}, startTime: '03:00', durationHours: 1}]",
		"1", "4", "2026-11-26 02:55", .action = POLICY_RESTART, .version = "4",
		.reason = POLICY_NEWER},
	{"of windows that overlap the longer one counts",
		"windows: [{daily: {intervalDays: 1}, startTime: '02:00', durationHours: 1},"
		" {daily: {intervalDays: 1}, startTime: '02:30', durationHours: 1}]",
		"1", "4", "2026-11-26 03:15", .action = POLICY_RESTART, .version = "4",
		.reason = POLICY_NEWER},
	{"past midnight, in the window of the day before",
		"windows: [{weekly: {intervalWeeks: 1, daysOfWeek: [Wednesday]}, startTime: '23:00',"
		" durationHours: 4}]",
		"1", "4", "2026-11-26 01:30", .action = POLICY_RESTART, .version = "4",
		.reason = POLICY_NEWER},
	{"a window that a forbidden day leaves five minutes of is none",
		"windows: [{daily: {intervalDays: 1}, startTime: '23:55', durationHours: 4, notAllowedDates:"
		" [{start: 2026-11-26, end: 2026-11-26}]}]",
		"1", "4", "2026-11-25 12:00", .action = POLICY_NOTHING, .version = "4",
		.reason = POLICY_WAITS_FOR_WINDOW, .when = "2026-11-27 23:55"},
	{"before clocks are put back, a window of the zone",
		"windows: [{daily: {intervalDays: 1}, startTime: '02:00', durationHours: 1, timeZone:"
		" Europe/Berlin}]",
		"1", "4", "2026-10-24 12:00", .action = POLICY_NOTHING, .version = "4",
		.reason = POLICY_WAITS_FOR_WINDOW, .when = "2026-10-25 00:00",
		.sentence = "2026-10-25 02:00 +02:00"},
	{"after they were put back, an hour later",
		"windows: [{daily: {intervalDays: 1}, startTime: '02:00', durationHours: 1, timeZone:"
		" Europe/Berlin}]",
		"1", "4", "2026-10-25 12:00", .action = POLICY_NOTHING, .version = "4",
		.reason = POLICY_WAITS_FOR_WINDOW, .when = "2026-10-26 01:00",
		.sentence = "2026-10-26 02:00 +01:00"},
	{"where clocks skip the time of the window, an hour later on the wall",
		"windows: [{daily: {intervalDays: 1}, startTime: '02:30', durationHours: 1, timeZone:"
		" Europe/Berlin}]",
		"1", "4", "2026-03-28 12:00", .action = POLICY_NOTHING, .version = "4",
		.reason = POLICY_WAITS_FOR_WINDOW, .when = "2026-03-29 01:30",
		.sentence = "2026-03-29 03:30 +02:00"},
	{"windows that never come",
		"windows: [{daily: {intervalDays: 1}, startTime: '02:30', durationHours: 1, notAllowedDates:"
		" [{start: 2026-01-01, end: 2099-12-31}]}]",
		"1", "4", AT, .action = POLICY_NOTHING, .version = "4", .reason = POLICY_WAITS_FOR_WINDOW,
		.sentence = "no maintenance window comes"},
	{"reboot: false stages", "reboot: false", "1", NULL, AT, .action = POLICY_STAGE, .version = "4",
		.reason = POLICY_WAITS_FOR_PERSON, .sentence = "reboot: false"},
	{"reboot: false never restarts", "reboot: false", "1", "4", AT, .state = POLICY_OTHER_NEXT,
		.action = POLICY_NOTHING, .version = "4", .reason = POLICY_WAITS_FOR_PERSON},

	/* Paused, withdrawn, floor, failed. */
	{"a paused one is passed over", "", "1", NULL, AT, {.entry = FOUR, .paused = true},
		.action = POLICY_STAGE_AND_RESTART, .version = "2", .reason = POLICY_NEWER},
	{"a paused one is why there is none", "", "2", NULL, AT, {.entry = FOUR, .paused = true},
		.action = POLICY_NOTHING, .version = "4", .reason = POLICY_PAUSED, .sentence = "is paused"},
	{"a paused one that is staged starts", "", "2", "4", AT, {.entry = FOUR, .paused = true},
		.action = POLICY_RESTART, .version = "4", .reason = POLICY_NEWER},
	{"a withdrawn one is passed over", "", "1", NULL, AT, {.entry = FOUR, .withdrawn = "eats data"},
		.action = POLICY_STAGE_AND_RESTART, .version = "2", .reason = POLICY_NEWER},
	{"one that was withdrawn after it was staged does not start", "", "2", "4", AT,
		{.entry = FOUR, .withdrawn = "eats data"}, .action = POLICY_NOTHING, .version = "4",
		.reason = POLICY_WITHDRAWN, .sentence = "withdrawn: eats data"},
	{"a text of the repository moves no cursor", "", "2", "4", AT,
		{.entry = FOUR, .withdrawn = "a\033[2Jb\n"}, .action = POLICY_NOTHING, .version = "4",
		.reason = POLICY_WITHDRAWN, .sentence = "withdrawn: a [2Jb "},
	{"nothing below the floor", "maximum: '3'", "1", NULL, AT, {.least = "3"}, .action = POLICY_NOTHING,
		.version = "4", .reason = POLICY_ABOVE_MAXIMUM},
	{"why nothing below the floor", "", "1", NULL, AT, {.least = "5"}, .action = POLICY_NOTHING,
		.version = "4", .reason = POLICY_BELOW_FLOOR, .sentence = "no version below 5"},
	{"the floor itself may be taken", "", "1", NULL, AT, {.least = "4"},
		.action = POLICY_STAGE_AND_RESTART, .version = "4", .reason = POLICY_NEWER},
	{"what failed here is not taken again", "", "2", NULL, AT, .rejected = "4", .action = POLICY_NOTHING,
		.version = "4", .reason = POLICY_REJECTED, .sentence = "orlop-node update --to 4"},
	{"what failed here leaves room for older ones", "", "1", NULL, AT, .rejected = "4",
		.action = POLICY_STAGE_AND_RESTART, .version = "2", .reason = POLICY_NEWER},
	{"what was staged and has no tries left is not started", "", "2", "4", AT, .state = POLICY_OTHER_BAD,
		.action = POLICY_NOTHING, .version = "4", .reason = POLICY_REJECTED},
	{"what failed here does not start from the other slot", "", "2", "4", AT, .rejected = "4",
		.action = POLICY_NOTHING, .version = "4", .reason = POLICY_REJECTED},
	{"what is staged and published no more does not start", "", "2", "4", AT,
		{.entry = FOUR, .absent = true}, .action = POLICY_NOTHING, .reason = POLICY_UP_TO_DATE},

	/* What runs was withdrawn. */
	{"the running one was withdrawn: a newer one at once, whatever the rollout", "", "2", NULL, AT,
		{.entry = TWO, .withdrawn = "eats data"}, {.entry = FOUR, .steps = never},
		.action = POLICY_STAGE_AND_RESTART, .version = "4", .reason = POLICY_RUNNING_WITHDRAWN,
		.sentence = "2, which runs, was withdrawn: eats data"},
	{"there is no newer one: the newest older one", "", "4", NULL, AT, {.entry = FOUR, .withdrawn = "x"},
		.action = POLICY_STAGE_AND_RESTART, .version = "2", .reason = POLICY_RUNNING_WITHDRAWN},
	{"but none below the floor", "", "4", NULL, AT, {.entry = FOUR, .withdrawn = "x", .least = "4"},
		.action = POLICY_NOTHING, .version = "2", .reason = POLICY_BELOW_FLOOR,
		.sentence = "4, which runs, was withdrawn: x"},
	{"nor one that is paused", "", "4", NULL, AT, {.entry = FOUR, .withdrawn = "x"},
		{.entry = TWO, .paused = true}, .action = POLICY_STAGE_AND_RESTART, .version = "1",
		.reason = POLICY_RUNNING_WITHDRAWN},
	{"its restart waits for a window", DAILY, "4", NULL, AT, {.entry = FOUR, .withdrawn = "x"},
		.action = POLICY_STAGE, .version = "2", .reason = POLICY_WAITS_FOR_WINDOW,
		.when = "2026-11-26 02:00", .sentence = "was withdrawn: x"},
	{"channel None says it and does nothing", "channel: None", "4", NULL, AT,
		{.entry = FOUR, .withdrawn = "x"}, .action = POLICY_NOTHING, .reason = POLICY_CHANNEL_OFF,
		.sentence = "4, which runs, was withdrawn: x"},

	/* Pin and maximum. */
	{"nothing above the maximum", "maximum: '3'", "2", NULL, AT, .action = POLICY_NOTHING, .version = "4",
		.reason = POLICY_ABOVE_MAXIMUM, .sentence = "maximum in node.yaml says 3"},
	{"the maximum itself may be taken", "maximum: '4'", "2", NULL, AT, .action = POLICY_STAGE_AND_RESTART,
		.version = "4", .reason = POLICY_NEWER},
	{"the pinned one is taken", "pin: '2'", "1", NULL, AT, .action = POLICY_STAGE_AND_RESTART,
		.version = "2", .reason = POLICY_NEWER},
	{"the pinned one is taken whatever its channel", "pin: '3'", "1", NULL, AT,
		.action = POLICY_STAGE_AND_RESTART, .version = "3", .reason = POLICY_NEWER},
	{"the pinned one is paused", "pin: '2'", "1", NULL, AT, {.entry = TWO, .paused = true},
		.action = POLICY_NOTHING, .version = "2", .reason = POLICY_PAUSED},
	{"the pinned one is staged and starts", "pin: '2'", "1", "2", AT, .action = POLICY_RESTART,
		.version = "2", .reason = POLICY_NEWER},
	{"a newer one that is staged does not start against the pin", "pin: '2'", "2", "4", AT,
		.action = POLICY_NOTHING, .reason = POLICY_PINNED, .sentence = "2 runs, and pin"},
	{"a pin below what runs is no reason to go back", "pin: '1'", "2", NULL, AT, .action = POLICY_NOTHING,
		.reason = POLICY_PINNED, .sentence = "rollback --to 1"},
	{"a pin that is not published", "pin: '7'", "2", NULL, AT, .action = POLICY_NOTHING,
		.reason = POLICY_PINNED, .sentence = "says 7, which is not published"},

	/* The rollout: 0 h 1 %, 24 h 10 %, 72 h 100 %. The place of 4 on this machine is 455, of 2 it is
	   2234. */
	{"before its turn", "", "2", NULL, "2026-11-25 23:59", {.entry = FOUR, .steps = plan},
		.action = POLICY_NOTHING, .version = "4", .reason = POLICY_WAITS_FOR_TURN,
		.when = "2026-11-26 00:00",
		.sentence = "place 455 of 10000) with 10 %, at 2026-11-26 00:00 UTC"},
	{"at its turn", "", "2", NULL, "2026-11-26 00:00", {.entry = FOUR, .steps = plan},
		.action = POLICY_STAGE_AND_RESTART, .version = "4", .reason = POLICY_NEWER},
	{"the turn of another release is another", "maximum: '3'", "1", NULL, "2026-11-26 00:00",
		{.entry = TWO, .steps = plan}, .action = POLICY_NOTHING, .version = "4",
		.reason = POLICY_ABOVE_MAXIMUM, .when = "2026-11-28 00:00"},
	{"an older one meanwhile", "", "1", NULL, "2026-11-25 12:00", {.entry = FOUR, .steps = plan},
		.action = POLICY_STAGE_AND_RESTART, .version = "2", .reason = POLICY_NEWER,
		.when = "2026-11-26 00:00"},
	{"the sooner of window and turn is when to ask again", DAILY, "1", NULL, "2026-11-25 12:00",
		{.entry = FOUR, .steps = plan}, .action = POLICY_STAGE, .version = "2",
		.reason = POLICY_WAITS_FOR_WINDOW, .when = "2026-11-26 00:00"},
	{"a clock before publication is at it", "", "2", NULL, "2020-01-01 00:00",
		{.entry = FOUR, .steps = plan}, .action = POLICY_NOTHING, .version = "4",
		.reason = POLICY_WAITS_FOR_TURN, .when = "2026-11-26 00:00"},
	{"a clock before publication, and everybody may", "", "2", NULL, "2020-01-01 00:00",
		.action = POLICY_STAGE_AND_RESTART, .version = "4", .reason = POLICY_NEWER},
	{"a clock before publication, and a step that begins with it", "", "2", NULL, "2020-01-01 00:00",
		{.entry = FOUR, .steps = everybody}, .action = POLICY_STAGE_AND_RESTART, .version = "4",
		.reason = POLICY_NEWER},
	{"a plan that does not reach this node", "", "2", NULL, AT, {.entry = FOUR, .steps = never},
		.action = POLICY_NOTHING, .version = "4", .reason = POLICY_WAITS_FOR_TURN,
		.sentence = "planned up to 0 %"},
	{"what is staged had its turn", "", "2", "4", AT, {.entry = FOUR, .steps = never},
		.action = POLICY_RESTART, .version = "4", .reason = POLICY_NEWER},
	{"Unmanaged waits for its turn as well", "channel: Unmanaged", "3", NULL, "2026-11-25 12:00",
		{.entry = FOUR, .steps = plan}, .action = POLICY_NOTHING, .version = "4",
		.reason = POLICY_WAITS_FOR_TURN, .when = "2026-11-26 00:00"},

	/* Orders. */
	{"update goes to the newest", DAILY, "1", NULL, AT, .order = POLICY_ORDER_UPDATE,
		.action = POLICY_STAGE, .version = "4", .reason = POLICY_ORDERED},
	{"update with a restart, whatever the window", DAILY "reboot: false", "1", NULL, AT,
		.order = POLICY_ORDER_UPDATE, .restart = true, .action = POLICY_STAGE_AND_RESTART,
		.version = "4", .reason = POLICY_ORDERED},
	{"update whatever the rollout", "", "2", NULL, AT, {.entry = FOUR, .steps = never},
		.order = POLICY_ORDER_UPDATE, .action = POLICY_STAGE, .version = "4",
		.reason = POLICY_ORDERED},
	{"update whatever is paused", "", "2", NULL, AT, {.entry = FOUR, .paused = true},
		.order = POLICY_ORDER_UPDATE, .action = POLICY_STAGE, .version = "4",
		.reason = POLICY_ORDERED},
	{"update passes over what was withdrawn", "", "1", NULL, AT, {.entry = FOUR, .withdrawn = "x"},
		.order = POLICY_ORDER_UPDATE, .action = POLICY_STAGE, .version = "2",
		.reason = POLICY_ORDERED},
	{"update passes over what failed here", "", "1", NULL, AT, .rejected = "4",
		.order = POLICY_ORDER_UPDATE, .action = POLICY_STAGE, .version = "2",
		.reason = POLICY_ORDERED},
	{"update, channel None", "channel: None", "1", NULL, AT, .order = POLICY_ORDER_UPDATE,
		.action = POLICY_STAGE, .version = "4", .reason = POLICY_ORDERED},
	{"update, channel SecurityPatch", "channel: SecurityPatch", "1", NULL, AT,
		.order = POLICY_ORDER_UPDATE, .action = POLICY_STAGE, .version = "3",
		.reason = POLICY_ORDERED},
	{"update, and the newest runs", "", "4", NULL, AT, .order = POLICY_ORDER_UPDATE,
		.action = POLICY_NOTHING, .reason = POLICY_UP_TO_DATE},
	{"update, and it is staged", DAILY, "1", "4", AT, .state = POLICY_OTHER_STAGED,
		.order = POLICY_ORDER_UPDATE, .action = POLICY_SELECT, .version = "4",
		.reason = POLICY_ORDERED, .sentence = "when the machine is restarted"},
	{"update, and it starts next", "", "1", "4", AT, .state = POLICY_OTHER_NEXT,
		.order = POLICY_ORDER_UPDATE, .action = POLICY_NOTHING, .version = "4",
		.reason = POLICY_ORDERED, .sentence = "when the machine is restarted"},
	{"update stays at the pin", "pin: '2'", "1", NULL, AT, .order = POLICY_ORDER_UPDATE,
		.action = POLICY_STAGE, .version = "2", .reason = POLICY_ORDERED},
	{"to a version, of any channel", "channel: SecurityPatch", "1", NULL, AT, .order = POLICY_ORDER_TO,
		.to = "4", .restart = true, .action = POLICY_STAGE_AND_RESTART, .version = "4",
		.reason = POLICY_ORDERED},
	{"to an older version", "", "4", NULL, AT, .order = POLICY_ORDER_TO, .to = "1", .restart = true,
		.action = POLICY_STAGE_AND_RESTART, .version = "1", .reason = POLICY_ORDERED},
	{"to what the other slot has", "", "4", "1", AT, .order = POLICY_ORDER_TO, .to = "1", .restart = true,
		.action = POLICY_RESTART, .version = "1", .reason = POLICY_ORDERED},
	{"to what is paused and not rolled out", "", "2", NULL, AT,
		{.entry = FOUR, .paused = true, .steps = never}, .order = POLICY_ORDER_TO, .to = "4",
		.action = POLICY_STAGE, .version = "4", .reason = POLICY_ORDERED},
	{"to what failed here", "", "2", NULL, AT, .order = POLICY_ORDER_TO, .to = "4", .rejected = "4",
		.action = POLICY_STAGE, .version = "4", .reason = POLICY_ORDERED},
	{"to what has no tries left: it is brought there again", "", "2", "4", AT, .order = POLICY_ORDER_TO,
		.to = "4", .state = POLICY_OTHER_BAD, .restart = true, .action = POLICY_STAGE_AND_RESTART,
		.version = "4", .reason = POLICY_ORDERED},
	{"to what runs", "", "2", NULL, AT, .order = POLICY_ORDER_TO, .to = "2", .action = POLICY_NOTHING,
		.version = "2", .reason = POLICY_RUNNING_ALREADY},
	{"to what was withdrawn", "", "2", "4", AT, {.entry = FOUR, .withdrawn = "eats data"},
		.order = POLICY_ORDER_TO, .to = "4", .action = POLICY_NOTHING, .version = "4",
		.reason = POLICY_WITHDRAWN, .sentence = "4 was withdrawn: eats data", .refused = true},
	{"to what is below the floor", "", "4", "1", AT, {.least = "2"}, .order = POLICY_ORDER_TO, .to = "1",
		.action = POLICY_NOTHING, .version = "1", .reason = POLICY_BELOW_FLOOR,
		.sentence = "no version below 2", .refused = true},
	{"to what is above the pin", "pin: '2'", "1", NULL, AT, .order = POLICY_ORDER_TO, .to = "4",
		.action = POLICY_NOTHING, .version = "4", .reason = POLICY_PINNED,
		.sentence = "above the 2 that pin in node.yaml says", .refused = true},
	{"to what is above the maximum", "maximum: '3'", "1", NULL, AT, .order = POLICY_ORDER_TO, .to = "4",
		.action = POLICY_NOTHING, .version = "4", .reason = POLICY_ABOVE_MAXIMUM,
		.sentence = "maximum in node.yaml says", .refused = true},
	{"to what is for another architecture", "", "1", NULL, AT, .order = POLICY_ORDER_TO, .to = "9",
		.action = POLICY_NOTHING, .version = "9", .reason = POLICY_NOT_PUBLISHED,
		.sentence = "9 is published for container-linux on arm64; this is", .refused = true},
	{"to what is for another edition", "", "1", NULL, AT, .order = POLICY_ORDER_TO, .to = "8",
		.action = POLICY_NOTHING, .version = "8", .reason = POLICY_NOT_PUBLISHED,
		.sentence = "8 is published for other on amd64", .refused = true},
	{"to what nobody has published", "", "1", NULL, AT, .order = POLICY_ORDER_TO, .to = "7",
		.action = POLICY_NOTHING, .version = "7", .reason = POLICY_NOT_PUBLISHED,
		.sentence = "no release 7", .refused = true},
	{"back to the other slot", DAILY, "4", "2", AT, .order = POLICY_ORDER_ROLLBACK, .restart = true,
		.action = POLICY_RESTART, .version = "2", .reason = POLICY_ORDERED},
	{"back to the other slot, whose release is published no more", "", "4", "2", AT,
		{.entry = TWO, .absent = true}, .order = POLICY_ORDER_ROLLBACK, .restart = true,
		.action = POLICY_RESTART, .version = "2", .reason = POLICY_ORDERED},
	{"back, and the other slot has nothing", "", "4", NULL, AT, .order = POLICY_ORDER_ROLLBACK,
		.action = POLICY_NOTHING, .reason = POLICY_NO_OTHER, .sentence = "rollback --to",
		.refused = true},
	{"back, and the other slot has what comes next", DAILY, "1", "4", AT, .state = POLICY_OTHER_STAGED,
		.order = POLICY_ORDER_ROLLBACK, .action = POLICY_NOTHING, .version = "4",
		.reason = POLICY_NO_OTHER, .sentence = "newer and has not run yet", .refused = true},
	{"back to an older one that was fetched for it", "", "4", "2", AT, .state = POLICY_OTHER_STAGED,
		.order = POLICY_ORDER_ROLLBACK, .restart = true, .action = POLICY_RESTART, .version = "2",
		.reason = POLICY_ORDERED},
	{"back to what was withdrawn", "", "4", "2", AT, {.entry = TWO, .withdrawn = "x"},
		.order = POLICY_ORDER_ROLLBACK, .action = POLICY_NOTHING, .version = "2",
		.reason = POLICY_WITHDRAWN, .refused = true},
	{"back to what is below the floor and published no more", "", "4", "2", AT,
		{.entry = TWO, .absent = true, .least = "3"}, .order = POLICY_ORDER_ROLLBACK,
		.action = POLICY_NOTHING, .version = "2", .reason = POLICY_BELOW_FLOOR, .refused = true},
	{"back to what has no tries left and is published no more", "", "4", "2", AT,
		{.entry = TWO, .absent = true}, .order = POLICY_ORDER_ROLLBACK, .state = POLICY_OTHER_BAD,
		.action = POLICY_NOTHING, .version = "2", .reason = POLICY_NOT_PUBLISHED, .refused = true},
};

struct published {
	struct release_entry entries[ARRAY_SIZE(releases)];
	struct release_floor floor;
	struct release_index index;
};

/* An index owns its texts; these are nobody's to free. */
static char *text(const char *constant)
{
	return (char *)(uintptr_t)constant;
}

static void change(struct published *published, const struct change *change)
{
	struct release_entry *entry = &published->entries[change->entry];

	if (change->withdrawn)
		entry->withdrawn = text(change->withdrawn);
	entry->paused |= change->paused;
	if (change->steps) {
		entry->steps = change->steps;
		entry->step_count = change->steps == plan ? ARRAY_SIZE(plan) : 1;
	}
	if (change->absent)
		entry->edition = text("gone");
	if (change->least) {
		published->floor = (struct release_floor){text(EDITION), text("amd64"), text(change->least)};
		published->index.floors = &published->floor;
		published->index.floor_count = 1;
	}
}

static void publish(struct published *ret, const struct change *first, const struct change *second)
{
	memset(ret, 0, sizeof(*ret));
	ret->index.entries = ret->entries;
	ret->index.count = ARRAY_SIZE(releases);
	for (size_t i = 0; i < ARRAY_SIZE(releases); i++)
		ret->entries[i] = (struct release_entry){
			.edition = text(releases[i].edition),
			.architecture = text(releases[i].architecture),
			.version = text(releases[i].version),
			.channels = releases[i].channels,
			.published = utc("2026-11-25 00:00"),
		};
	change(ret, first);
	change(ret, second);
}

static void check(const struct example *example)
{
	_cleanup_policy_decision_ struct policy_decision seen = {};
	_cleanup_node_config_ struct node_config config = {};
	_cleanup_error_ struct error *err = NULL;
	char *rejected[] = {text(example->rejected), NULL};
	const struct strv list = {rejected, 1};
	struct published published;
	struct policy_input input = {
		.index = &published.index,
		.edition = EDITION,
		.architecture = "amd64",
		.running = example->running,
		.other = example->other,
		.other_state = example->state,
		.config = &config,
		.rejected = example->rejected ? &list : NULL,
		.machine = machine,
		.now = utc(example->now),
		.order = example->order,
		.order_version = example->to,
		.order_restart = example->restart,
	};

	publish(&published, &example->change, &example->second);
	if (strncmp(example->config, "repository", 10) == 0)
		config.reboot = true;
	else
		configure(example->config, &config);
	assert_ok(policy_decide(&input, &seen, &err), err);
	if (seen.action != example->action || seen.reason != example->reason ||
		seen.refused != example->refused || seen.when != (example->when ? utc(example->when) : 0) ||
		!streq(seen.version ? seen.version : "", example->version ? example->version : "") ||
		(example->sentence && !strstr(seen.sentence, example->sentence)))
		fail_msg("%s: action %d, version %s, reason %d, refused %d, when %lld: %s", example->what,
			seen.action, seen.version, seen.reason, seen.refused, (long long)seen.when,
			seen.sentence);
}

static void decides_as_in_the_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(examples); i++)
		check(&examples[i]);
}

/* Places from sha256sum: of the 16 bytes, edition and version behind them, the first 16 digits modulo 10000.
 */
static void the_place_is_that_of_the_definition(void **state)
{
	static const struct {
		const char *edition, *version;
		unsigned place;
	} cases[] = {
		{"container-linux", "1", 8180},
		{"container-linux", "2", 2234},
		{"container-linux", "3", 1551},
		{"container-linux", "4", 455},
		{"container-linux", "202611.23.0", 9296},
		{"container-linux", "202611.30.0", 1014},
	};
	uint8_t ones[MACHINE_ID_SIZE];
	unsigned place;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(policy_place(machine, cases[i].edition, cases[i].version, &place), 0);
		assert_int_equal(place, cases[i].place);
	}
	memset(ones, 0xff, sizeof(ones));
	assert_int_equal(policy_place(ones, "container-host", "1", &place), 0);
	assert_int_equal(place, 6365);
}

/* Of 10,000 machines, those that may start at once with 1, 10 and 37 percent: three standard deviations off.
 */
static void a_step_reaches_its_percentage_of_all_machines(void **state)
{
	static const unsigned percents[] = {0, 1, 10, 37, 50, 99, 100};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(percents); i++) {
		_cleanup_node_config_ struct node_config config = {};
		struct release_step step = {0, percents[i]};
		struct published published;
		double percent = percents[i], off;
		unsigned in = 0;

		configure("", &config);
		publish(&published, &(struct change){}, &(struct change){});
		published.entries[FOUR].steps = &step;
		published.entries[FOUR].step_count = 1;
		for (uint32_t k = 0; k < 10000; k++) {
			_cleanup_policy_decision_ struct policy_decision seen = {};
			uint8_t id[MACHINE_ID_SIZE] = {};
			const struct policy_input input = {
				.index = &published.index,
				.edition = EDITION,
				.architecture = "amd64",
				.running = "3",
				.config = &config,
				.machine = id,
				.now = utc(AT),
			};

			write_be32(id + 4, k);
			assert_int_equal(policy_decide(&input, &seen, NULL), 0);
			in += seen.action == POLICY_STAGE_AND_RESTART;
		}
		off = in > 100 * percent ? in - 100 * percent : 100 * percent - in;
		/* (3 σ)² = 9 n p (1 - p) */
		if (off * off > 9 * percent * (100 - percent))
			fail_msg("%u percent: %u of 10000", percents[i], in);
	}
}

/* Whoever has a release with some percent has it with more. */
static void a_later_step_takes_nobody_out(void **state)
{
	struct published published;

	(void)state;
	publish(&published, &(struct change){.entry = FOUR, .steps = plan}, &(struct change){});
	for (uint32_t k = 0; k < 1000; k++) {
		uint8_t id[MACHINE_ID_SIZE] = {};
		bool before = false;

		write_be32(id, k);
		for (int64_t hour = 0; hour <= 72; hour += 12) {
			_cleanup_policy_decision_ struct policy_decision seen = {};
			_cleanup_node_config_ struct node_config config = {};
			const struct policy_input input = {
				.index = &published.index,
				.edition = EDITION,
				.architecture = "amd64",
				.running = "3",
				.config = &config,
				.machine = id,
				.now = utc("2026-11-25 00:00") + hour * HOUR,
			};

			configure("", &config);
			assert_int_equal(policy_decide(&input, &seen, NULL), 0);
			assert_true(!before || seen.action == POLICY_STAGE_AND_RESTART);
			before = seen.action == POLICY_STAGE_AND_RESTART;
			/* When the node is told to look again, the answer is another one; not before. */
			if (!before)
				assert_int_equal((seen.when - utc("2026-11-25 00:00")) % (24 * HOUR), 0);
		}
		assert_true(before);
	}
}

/* With any sequence of orders and times, a decision names no version that must not run. */
static void no_decision_names_what_must_not_run(void **state)
{
	static const char *const versions[] = {NULL, "1", "2", "3", "4", "7", "8", "9"};
	static const char *const configs[] = {"", "channel: Unmanaged", "channel: SecurityPatch", DAILY,
		"pin: '2'", "maximum: '3'", "reboot: false", "channel: None"};
	const struct change withdrawn = {.entry = TWO, .withdrawn = "x", .least = "2"};
	struct published published;
	unsigned seen_actions = 0;

	(void)state;
	publish(&published, &withdrawn, &(struct change){.entry = FOUR, .steps = plan});
	for (size_t i = 0; i < ARRAY_SIZE(configs) * ARRAY_SIZE(versions) * ARRAY_SIZE(versions) * 16 * 24;
		i++) {
		_cleanup_policy_decision_ struct policy_decision seen = {};
		_cleanup_node_config_ struct node_config config = {};
		size_t rest = i;
		struct policy_input input = {
			.index = &published.index,
			.edition = EDITION,
			.architecture = "amd64",
			.config = &config,
			.machine = machine,
		};

		configure(configs[rest % ARRAY_SIZE(configs)], &config);
		rest /= ARRAY_SIZE(configs);
		input.other = versions[rest % ARRAY_SIZE(versions)];
		rest /= ARRAY_SIZE(versions);
		input.order_version = versions[rest % ARRAY_SIZE(versions)];
		rest /= ARRAY_SIZE(versions);
		input.order = (enum policy_order)(rest % 4);
		input.other_state = (enum policy_other)(rest / 4 % 4);
		rest /= 16;
		input.running = versions[1 + rest % 4];
		input.now = utc(AT) + (int64_t)(rest / 4) * 7 * HOUR;
		input.order_restart = rest % 2;
		if (input.order == POLICY_ORDER_TO && !input.order_version)
			continue;
		assert_int_equal(policy_decide(&input, &seen, NULL), 0);
		assert_non_null(seen.sentence);
		if (seen.action == POLICY_NOTHING)
			continue;
		seen_actions++;
		assert_false(seen.refused);
		assert_string_not_equal(seen.version, input.running);
		/* Withdrawn, below the floor, not published for this node. */
		assert_string_not_equal(seen.version, "2");
		assert_string_not_equal(seen.version, "1");
		if (!input.other || !streq(seen.version, input.other))
			assert_true(seen.version[0] < '7');
		if (seen.action == POLICY_RESTART || seen.action == POLICY_SELECT)
			assert_true(
				streq(seen.version, input.other) && input.other_state != POLICY_OTHER_BAD);
		if (seen.action == POLICY_SELECT)
			assert_int_not_equal(input.other_state, POLICY_OTHER_NEXT);
		if (input.order == POLICY_ORDER_NONE && !streq(input.running, "2"))
			assert_true(release_version_compare(seen.version, input.running) > 0);
		if (config.maximum)
			assert_true(release_version_compare(seen.version, config.maximum) <= 0);
	}
	assert_true(seen_actions > 1000);
}

static void checks_come_once_in_an_interval_at_a_place_of_the_machine(void **state)
{
	_cleanup_node_config_ struct node_config config = {};
	int64_t next, after;

	(void)state;
	configure("checkInterval: 60", &config);
	/* sha256sum of the 16 bytes, the first 16 digits modulo 3600: 1346. */
	assert_int_equal(policy_next_check(&config, machine, utc(AT), &next), 0);
	assert_int_equal(next, utc(AT) + 1346);
	assert_int_equal(policy_next_check(&config, machine, next - 1, &after), 0);
	assert_int_equal(after, next);
	assert_int_equal(policy_next_check(&config, machine, next, &after), 0);
	assert_int_equal(after, next + HOUR);
}

/* ---- What people are told ---- */

static void explain(const char *settings, const struct policy_input *base, const struct change *first,
	const struct change *second, const char *const *expected)
{
	_cleanup_node_config_ struct node_config config = {};
	_cleanup_error_ struct error *err = NULL;
	struct policy_input input = *base;
	_cleanup_strv_ struct strv lines = {};
	struct published published;
	size_t at = 0;

	configure(settings, &config);
	publish(&published, first, second);
	input.index = &published.index;
	input.config = &config;
	assert_ok(policy_explain(&input, &lines, &err), err);
	for (size_t i = 0; i < lines.count && expected[at]; i++)
		at += streq(lines.items[i], expected[at]);
	if (!expected[at])
		return;
	for (size_t i = 0; i < lines.count; i++)
		print_error("%s\n", lines.items[i]);
	fail_msg("%s is not there, or not in its place", expected[at]);
}

static void says_what_happens_in_which_window_and_why(void **state)
{
	const struct policy_input input = {
		.edition = EDITION,
		.architecture = "amd64",
		.running = "1",
		.other = "2",
		.machine = machine,
		.now = utc(AT),
	};

	(void)state;
	explain("channel: NodeImage\nwindows: [{weekly: {intervalWeeks: 1, daysOfWeek: [Thursday, Saturday]},"
		" startTime: '02:00', durationHours: 4, timeZone: Europe/Berlin}]",
		&input, &(struct change){.entry = TWO, .withdrawn = "eats data"},
		&(struct change){.entry = FOUR, .steps = plan},
		(const char *const[]){
			"Running:    1 (container-linux, amd64)",
			"Other slot: 2 (kept to go back to)",
			"Repository: https://example.org/r",
			"Channel:    NodeImage (weekly releases are staged, and start in maintenance "
			"windows)",
			"Now:        4 is not taken: its rollout reaches this node (place 455 of 10000) with "
			"10 %, at "
			"2026-11-26 01:00 +01:00",
			"Next:       looked at again at 2026-11-26 01:00 +01:00",
			"Windows:",
			"  2026-11-26 02:00 +01:00 to 2026-11-26 06:00 +01:00: 4 starts",
			"  2026-11-28 02:00 +01:00 to 2026-11-28 06:00 +01:00: nothing: 4 runs, and nothing "
			"newer is "
			"published for this node",
			"Newer:",
			"  4 (weekly): no: its rollout reaches this node (place 455 of 10000) with 10 %, at "
			"2026-11-26 01:00 +01:00",
			"  3 (security): no: channel in node.yaml says NodeImage, and it is published in "
			"security "
			"alone",
			"  2 (weekly): no: it was withdrawn: eats data",
			NULL,
		});
}

/* The turn comes within the window: what is older starts when it begins, the newer one later. */
static void says_what_starts_in_the_middle_of_a_window(void **state)
{
	const struct policy_input input = {
		.edition = EDITION,
		.architecture = "amd64",
		.running = "1",
		.machine = machine,
		.now = utc("2026-11-25 12:00"),
	};

	(void)state;
	explain("windows: [{daily: {intervalDays: 1}, startTime: '23:00', durationHours: 4}]", &input,
		&(struct change){.entry = FOUR, .steps = plan}, &(struct change){},
		(const char *const[]){"Now:        2 is to be staged; it starts in the maintenance window of "
				      "2026-11-25 23:00 +00:00",
			"  2026-11-25 23:00 +00:00 to 2026-11-26 03:00 +00:00: 4 starts", NULL});
	explain("reboot: false", &input, &(struct change){}, &(struct change){},
		(const char *const[]){"Windows:    not used: the agent does not restart this machine",
			"  4 (weekly): yes: it is for this node", NULL});
	explain("pin: '2'\nmaximum: '3'", &input, &(struct change){}, &(struct change){},
		(const char *const[]){"Pin:        2", "Maximum:    3",
			"Windows:    none are set: a restart may come at any time",
			"  4 (weekly): no: pin in node.yaml says 2", NULL});
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decides_as_in_the_table),
		cmocka_unit_test(the_place_is_that_of_the_definition),
		cmocka_unit_test(a_step_reaches_its_percentage_of_all_machines),
		cmocka_unit_test(a_later_step_takes_nobody_out),
		cmocka_unit_test(no_decision_names_what_must_not_run),
		cmocka_unit_test(checks_come_once_in_an_interval_at_a_place_of_the_machine),
		cmocka_unit_test(says_what_happens_in_which_window_and_why),
		cmocka_unit_test(says_what_starts_in_the_middle_of_a_window),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
