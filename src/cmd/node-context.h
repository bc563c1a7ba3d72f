/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the verbs of orlop-node that concern this machine begin with.
 */
#pragma once

#include "base/progress.h"
#include "update/node-cycle.h"
#include "update/node-lock.h"

/* The program's name and the hidden verb by which it becomes the worker: argv. */
extern const char *const node_worker_arguments[];

/* Whom the worker becomes: the user "orlop-fetch". -ENOENT where there is none. */
int node_worker_options(struct worker_options *ret, struct error **err);

/* Opens the node that this machine is; $ORLOP_NODE_ROOT has its files for tests. */
int node_open_here(struct node **ret, struct error **err);

/*
 * As node_open_here(), for what needs no settings: where these are wrong, that is said on standard error, and
 * noted in *ret_fault* (may be NULL).
 */
int node_open_without_settings(struct node **ret, struct error **ret_fault, struct error **err);

/*
 * What the repository said last: its withdrawals and its floor hold, also when they are no longer valid.
 * Returns 0 with *ret*, which stays NULL where nothing was kept; the errors of node_releases_recall().
 */
int node_recall(const struct node *node, struct node_releases **ret, struct error **err);

/* A round that an operator asked for, on the terminal: refresh, decide, do it. */
struct node_round {
	const char *command; /* verb of orlop-node */
	struct node_order order;
	bool dry;    /* only say what would be done, … */
	bool json;   /* … in JSON */
	bool reboot; /* restart as soon as the release starts next */
	bool quiet;
};
int node_round_run(const struct node_round *round, struct error **err);
