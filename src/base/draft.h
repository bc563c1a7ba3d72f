/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A draft: a hidden folder PARENT/.SOMETHING-XXXXXX in which files are made that are to appear beside it when
 * all of them are done. Its maker holds a lock on it for as long as it lives. So whoever comes next can tell
 * the draft of a process that was killed, and clears it away; the draft of one that works is left alone.
 *
 *     static const struct draft_kind kind = {".orlop-build-", take_back};
 *     r = draft_open(&draft, "out", &kind, &err);       // makes draft.path, clears away what was abandoned
 *     draft_close(&draft);                              // removes it
 *
 * The parent itself is locked while drafts come and go. What is done to the parent in more than one step, and
 * what take_back() undoes, belongs under that lock too.
 */
#pragma once

#include "base/error.h"

struct draft_kind {
	const char *prefix; /* of the names; begins with "." */

	/*
	 * Undoes what the abandoned draft *path* did to *parent* before it is removed; NULL: there is nothing
	 * to undo. It may be interrupted at any point, and is then called again. Where it fails (a negative
	 * errno) the draft stays, for the next one to try.
	 */
	int (*recover)(const char *parent, const char *path);
};

struct draft {
	char *path;
	int lock;
};
#define DRAFT_INIT         \
	{                  \
		.lock = -1 \
	}

/* Makes a draft in the folder *parent*, readable by this user alone. */
int draft_open(struct draft *ret, const char *parent, const struct draft_kind *kind, struct error **err);

/* Removes it with all that is in it. */
void draft_close(struct draft *draft);
#define _cleanup_draft_ _cleanup_(draft_close)

/* Lets go of it and leaves it where it is, as if this process had been killed. */
void draft_abandon(struct draft *draft);

/*
 * Waits for the lock on *parent* and clears away abandoned drafts of this kind and this user. Returns the
 * lock, which lasts until the caller closes it; -ENOENT where there is no such folder.
 */
int draft_lock(const char *parent, const struct draft_kind *kind, struct error **err);
