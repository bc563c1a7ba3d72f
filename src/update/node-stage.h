/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Brings a release from the repository into the node's other slot: fetched by the worker, proved by this
 * side, written in the order of install.h.
 */
#pragma once

#include "update/node-releases.h"

/* What a stage tells of itself as it goes. */
struct node_stage_watch {
	void (*step)(enum install_step step, void *userdata);
	usr_update_progress_fn progress;
	void *userdata;
};

struct node_stage_result {
	bool changed;			 /* something had to be done */
	struct usr_update_result update; /* where the blocks came from */
	struct remote_counts counts;	 /* what was fetched for them, and for the kernel image */
	uint64_t size;			 /* bytes of /usr and of the kernel image */
	uint64_t ms;			 /* that it took */
	uint32_t measures;		 /* of the worker's sandbox */
};

/*
 * Does it. *watch* may be NULL. Returns 0 with *ret*; -ENOKEY where this machine's firmware or kernel would
 * not start the release; the errors of node_releases_get(), node_kernel_bring() and install_release().
 */
int node_stage(struct node *node, struct node_releases *releases, const char *version, int64_t now,
	const struct node_stage_watch *watch, struct node_stage_result *ret, struct error **err);
