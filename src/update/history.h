/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What happened to this node: a log that is only ever added to, one JSON object a line. The policy reads from
 * it which versions are not to be taken again.
 *
 * Each line is on disk when history_add() returns. A last line that a power cut left half written is passed
 * over, and the next one begins behind it. A log that has grown to HISTORY_MAX becomes PATH.1, in the place
 * of the one before; what the policy needs is carried over.
 *
 * Format: docs/formats/history.md.
 */
#pragma once

#include "base/error.h"
#include "base/string-util.h"

#define HISTORY_MAX KiB(256)	/* bytes of a file */
#define HISTORY_DETAIL_MAX 1024 /* bytes; the rest of a longer text is left out */
#define HISTORY_REJECTED_MAX 64 /* versions; the latest ones */

enum history_event {
	HISTORY_STAGED,	     /* *version* is in the other slot, whole */
	HISTORY_STARTED,     /* *version* has started, for the first time since it was staged */
	HISTORY_HEALTHY,     /* *version* was well: it is what starts from now on */
	HISTORY_FAILED,	     /* *version* was not well, or did not start */
	HISTORY_ROLLED_BACK, /* the node went back from *version*, because an operator wanted it */
	HISTORY_REFUSED,     /* *version* was not taken, though an operator wanted it */
	HISTORY_ERROR,	     /* an update to *version* ended with an error */
	HISTORY_REJECTED,    /* carried over from an older log: *version* failed or was rolled back from */
};

struct history_entry {
	int64_t time; /* Unix seconds, of 1970 to 9999 */
	enum history_event event;
	char *version;
	char *from;   /* what ran before, or runs instead; may be NULL */
	char *detail; /* for people; may be NULL */
};

struct history {
	struct history_entry *entries; /* the oldest first */
	size_t count;
	size_t skipped; /* lines that are none */
};

void history_release(struct history *history);
#define _cleanup_history_ _cleanup_(history_release)

/* Reads the lines of a log and adds them to *ret*. Only -ENOMEM is an error. */
int history_parse(const char *text, size_t size, struct history *ret, struct error **err);

/* Reads PATH.1 and *path*; what is not there is empty. Of a file that is too large, the end is read. */
int history_load(const char *path, struct history *ret, struct error **err);

/* Adds one line. The texts stay the caller's. Returns 0 or a negative errno. */
int history_add(const char *path, const struct history_entry *entry, struct error **err);

/*
 * Adds the versions to *ret* that are not to be taken again by themselves: that failed or were rolled back
 * from, and were not healthy later.
 */
int history_rejected(const struct history *history, struct strv *ret, struct error **err);

/* "staged", "failed" … as the file has it. */
const char *history_event_name(enum history_event event);

/* "2026-11-24 02:10:00 UTC  staged       202611.23.0 from 202611.16.0: …". A malloc()ed text; NULL where
 * memory is out. */
char *history_entry_text(const struct history_entry *entry);
