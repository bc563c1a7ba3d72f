/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The lock under which a node's disk and what it remembers are changed. Whoever holds it says what it is
 * about, and makes way where somebody of a higher rank wants it: an update can be stopped at any point and
 * goes on later, so that a server that is slow keeps nobody from going back.
 *
 * It is /run/orlop/update.lock: its first byte is locked by the holder, the byte RANK + 1 by each one that
 * waits with that rank (fcntl(2), open file description locks), and its text, a JSON object filled up with
 * spaces, is what the last holder was about.
 */
#pragma once

#include "update/node.h"

enum node_lock_rank {
	NODE_LOCK_AGENT,
	NODE_LOCK_OPERATOR, /* somebody who asked for an update, … */
	NODE_LOCK_URGENT,   /* … or to go back; or the running release proved itself: is done in seconds */
	NODE_LOCK_RANKS,
};

#define NODE_LOCK_SECONDS 120 /* that one waits at most for a holder to make way */

struct node_lock_holder {
	int64_t pid, since; /* since: Unix seconds */
	enum node_lock_rank rank;
	char command[16];	    /* verb of orlop-node */
	char version[72], step[40]; /* "": of no version; nothing in particular yet */
};

struct node_lock {
	int fd; /* -1: it is not held */
	struct node_lock_holder holder;
};
#define NODE_LOCK_INIT   \
	{                \
		.fd = -1 \
	}

struct node_lock_request {
	enum node_lock_rank rank;
	const char *command;
	int64_t now;
	/* Called once where it has to wait. May be NULL. */
	void (*waits)(const struct node_lock_holder *holder, void *userdata);
	void *userdata;
};

/*
 * Takes the lock. Where somebody of a lower rank has it, or of NODE_LOCK_URGENT as well, waits until that one
 * made way. Returns 0; -EBUSY with *err* saying who has it. *ret* is node_lock_release()d.
 */
int node_lock_take(const struct node *node, const struct node_lock_request *request, struct node_lock *ret,
	struct error **err);
void node_lock_release(struct node_lock *lock);
#define _cleanup_node_lock_ _cleanup_(node_lock_release)

/* Does somebody of a higher rank wait for it? Costs a system call. */
bool node_lock_is_wanted(const struct node_lock *lock);

/* Says what the holder is about now. *version* NULL: the one from before. Others read it; nothing depends on
 * it. */
void node_lock_note(struct node_lock *lock, const char *version, const char *step);

/* Who has it: 1 with *ret*; 0: nobody, or that can't be told. */
int node_lock_find_holder(const struct node *node, struct node_lock_holder *ret);

/* "process 12 (orlop-node update) is at work on 1.2 (fetch blocks)", malloc()ed; NULL where memory is out. */
char *node_lock_holder_text(const struct node_lock_holder *holder);
