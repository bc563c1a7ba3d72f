/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What has to hold of a node and its repository at every moment, whatever was done to them; and, where nobody
 * means harm, what an order has to lead to. Judged by the bytes on the disk and by the files that the node
 * keeps, which are read here by the test's own code.
 */
#pragma once

#include "boot-loader.h"
#include "node-machine.h"

struct model {
	struct publisher publisher;
	struct node_machine machine;
	enum attack attack;	    /* what is served */
	char slot;		    /* that runs: 'a', 'b' */
	bool damaged[LOADER_SLOTS]; /* the test has written to it since it was proved last */

	uint64_t seen[TUF_TYPES]; /* the newest versions that the node has accepted */
	struct publication known; /* what it knew when it had last done something about it */
};

/* Looks at disk and metadata, and fails the test where something is not as it has to be. */
void model_check(struct model *model);

/* The same of the disk alone. */
void model_check_disk(const struct model *model);

/* Of the pool, which release the boot loader would start now. */
size_t model_next(const struct model *model);

bool model_is_forbidden(const struct publication *publication, size_t release);

/* The boot entry of the running release, without its data. Returns whether there is one. */
bool model_find_running(const struct model *model, struct loader_entry *ret);

/* What is known to the node now; NULL: nothing. */
const struct publication *model_kept(const struct model *model);

/* Fails where what the node has accepted last is out of date. */
void model_check_freshness(const struct model *model);

/* Whether the slot holds the release, all of it. *ret_why* (may be NULL) is what is wrong with it. */
bool model_slot_is_whole(
	const struct model *model, const struct loader_slot *slot, size_t release, const char **ret_why);

/* ---- What is to be expected of an order ---- */

enum outcome {
	OUTCOME_NOTHING,
	OUTCOME_STARTS,	   /* the release starts next */
	OUTCOME_REFUSED,   /* -EPERM */
	OUTCOME_UNTRUSTED, /* -ENOKEY: this machine would not start it */
	OUTCOME_TOO_EARLY, /* -EAGAIN: what runs has not proved itself */
	OUTCOME_EXPIRED,   /* -EKEYEXPIRED: the publisher is late */
};

struct expected {
	enum outcome outcome;
	size_t release;
	bool staged; /* it has to be brought first */
};

/* Of a repository that is served as it is. *to* counts with --to only: POOL_RELEASES: there is none. */
struct expected model_expect(const struct model *model, enum node_verb verb, size_t to);

/* Whether the release failed on this node, or it was rolled back from it, by its history. */
bool model_is_rejected(const struct model *model, size_t release);
