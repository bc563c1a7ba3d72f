/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whether a node is well: the checks that are built in, and the programs that its administrator has put into
 * /etc/orlop/health.d. docs/health.md says what each looks at; docs/formats/health.md has the JSON.
 *
 *     boot         the node has come up as far as multi-user.target
 *     containerd   its socket takes a connection, and it answers; skipped where the image has none
 *     units        no unit has failed
 *     network      an interface that systemd-networkd manages is routable
 *     clock        it is not before the running release was made
 *     state        the state partition is mounted at /var and can be written to
 *     health.d/…   a program: exit status 0 passes, 77 is skipped, all else fails; its first line says why
 *
 * Health comes late at boot, so what does not pass is tried again until the time is up. All checks have to
 * pass one after the other, in one go: what passed a while ago may have failed since.
 */
#pragma once

#include <jansson.h>

#include "base/error.h"

#define HEALTH_NAME_MAX 80    /* bytes with the NUL */
#define HEALTH_DETAIL_MAX 240 /* likewise */
#define HEALTH_SKIPPED_STATUS 77

enum health_outcome {
	HEALTH_FAILED,
	HEALTH_PASSED,
	HEALTH_SKIPPED, /* it says nothing about this node; as good as passed */
};

struct health_check {
	char name[HEALTH_NAME_MAX]; /* of its own; UTF-8 without control characters, as is the detail */
	enum health_outcome outcome;
	uint64_t ms;			/* that the last try took */
	char detail[HEALTH_DETAIL_MAX]; /* one line; may be empty */
};

struct health_report {
	struct health_check *checks; /* the built-in ones, then programs in the order of their names */
	size_t count;
	bool passed; /* none has failed */
	uint64_t ms; /* from the beginning to the end, waiting included */
};

void health_report_release(struct health_report *report);
#define _cleanup_health_report_ _cleanup_(health_report_release)

/* Time, as a test can make it. Programs run in real time all the same. */
struct health_clock {
	uint64_t (*milliseconds)(void *userdata); /* of a clock that nobody sets */
	int64_t (*seconds)(void *userdata);	  /* since 1970-01-01, as the node believes */
	void (*wait)(void *userdata, uint64_t milliseconds);
	void *userdata;
};

struct health_options {
	const char *systemctl, *ctr; /* programs */
	const char *target;	     /* the unit that is active when the node has come up */
	const char *containerd;	     /* the program; paths from here on */
	const char *containerd_socket;
	const char *network;	    /* the folder in which systemd-networkd keeps what it knows */
	const char *os_release;	    /* its time is the release's */
	const char *boot_record;    /* /run/orlop/boot.json */
	const char *mounts;	    /* /proc/self/mountinfo */
	const char *state;	    /* where the state partition is mounted */
	const char *hooks;	    /* the folder of programs; need not be there */
	const char *version, *slot; /* told to the programs; NULL: not known */
	bool again;		    /* try again what does not pass */
	uint64_t startup_ms;	    /* with *again*: how long the node may take to come up … */
	uint64_t limit_ms;	    /* … and all checks together from then on */
	uint64_t each_ms;	    /* each program */
	uint64_t pause_ms;	    /* between two tries */
	struct health_clock clock;
};

/* What holds on a node: paths of Container Linux, generous times, the real clock. */
extern const struct health_options health_defaults;

/*
 * Runs the checks. Returns 0 with the report, whatever is in it; -ENOMEM with *err* set.
 */
int health_run(const struct health_options *options, struct health_report *ret, struct error **err);

/* "passed", "failed", "skipped". */
const char *health_outcome_name(enum health_outcome outcome);

/* The report as a JSON object, a new reference; NULL where memory is out. */
json_t *health_report_json(const struct health_report *report);

/* Back again. Returns 0; -EBADMSG with *err* naming what is missing or wrong; -ENOMEM. */
int health_report_parse(const json_t *object, struct health_report *ret, struct error **err);

/* What has failed, in one line: "units: failed: a.service; network: …", malloc()ed; NULL where memory is out.
 */
char *health_report_reason(const struct health_report *report);
