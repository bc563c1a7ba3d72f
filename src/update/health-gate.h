/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The gate at boot: a release that has just been put into a slot is started on trial, with a counter in its
 * boot entry's name that the boot loader counts down. Only when the node is well in it is the counter taken
 * off (orlop-node bless). Otherwise the machine restarts, and when the tries are used up the boot loader
 * starts the other slot. docs/health.md tells the whole story.
 *
 * The gate only decides, and writes down what it saw: it is the unit orlop-fall-back.service that restarts,
 * so that it does so also where the gate crashes or hangs.
 */
#pragma once

#include "update/health.h"

#define HEALTH_EFIVARS "/sys/firmware/efi/efivars"
#define HEALTH_ENTRY_MAX 256 /* bytes with the NUL */

/*
 * So often is an entry tried. One that has been started more often is only started because the boot loader
 * has nothing better: then the node had better stay up and be looked at.
 */
#define HEALTH_TRIES 3

/* The trial that the running release is on. */
struct health_trial {
	bool counted;		      /* it is on one; the rest is 0 where it isn't */
	char entry[HEALTH_ENTRY_MAX]; /* path on the boot partition, with "/" */
	uint64_t left, done;	      /* tries, this one not among those left and among those done */
};

/*
 * Reads the counter out of the path of a boot entry, "/EFI/Linux/orlop_202611.23.0+2-1.efi" (UAPI Boot Loader
 * Specification, "Boot counting"). Returns 0; -EBADMSG where the path has none.
 */
int health_trial_parse(const char *path, struct health_trial *ret);

/*
 * What the boot loader says in LoaderBootCountPath (Boot Loader Interface), in the folder of variables. Where
 * there is no such variable, or the file *blessed* is there, nothing is counted (any more).
 *
 * Returns 0; -EBADMSG with *err* set where the variable is none; another negative errno.
 */
int health_trial_read(const char *efivars, const char *blessed, struct health_trial *ret, struct error **err);

enum health_verdict {
	HEALTH_VERDICT_GOOD,	/* all checks passed */
	HEALTH_VERDICT_RESTART, /* on trial, and not well */
	HEALTH_VERDICT_STAY,	/* not well, and nowhere to go back to */
};

enum health_verdict health_decide(const struct health_trial *trial, bool passed);

/* The outcome of a gate. Strings are the caller's. */
struct health_gate {
	const char *version, *slot; /* of the running release; NULL: not known */
	int64_t time;		    /* seconds since 1970-01-01, as the node believes */
	struct health_trial trial;
	enum health_verdict verdict;
	const struct health_report *report;
};

/* docs/formats/health.md; a new reference, NULL where memory is out. */
json_t *health_gate_json(const struct health_gate *gate);

/* Where the gate's outcome goes. */
struct health_gate_paths {
	const char *report;  /* the outcome of this boot, for everybody to read */
	const char *failure; /* kept over restarts: that of the last gate which did not pass */
	const char *stay;    /* this file stops orlop-fall-back.service */
};
extern const struct health_gate_paths health_gate_paths;
#define HEALTH_BLESSED "/run/orlop/blessed" /* orlop-bless.service makes it */

/*
 * Writes the outcome down. Tries all of it, whatever fails: a restart must not depend on a disk that has
 * room. Returns 0, or the first error.
 */
int health_gate_write(
	const struct health_gate_paths *paths, const struct health_gate *gate, struct error **err);

/*
 * The report of this boot's gate, for whoever tells others of it. Returns 0; -ENOENT where no gate has been
 * yet; another negative errno with *err* set.
 */
int health_gate_load(const char *path, struct health_report *ret, struct error **err);
