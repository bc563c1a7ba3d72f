/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The agent: follows the repository, brings what the node is to have into the other slot, and restarts when
 * it may. Runs until it is told to stop.
 */
#pragma once

#include "base/journal.h"
#include "update/node-cycle.h"

struct agent_options {
	struct node *node;
	const struct worker_options *worker;
	struct journal *journal;
	int signals; /* signalfd(2): SIGTERM and SIGINT end it, SIGHUP reads the settings anew and looks at
			once */
	int (*restart)(void *userdata, struct error **err); /* the machine */
	void *userdata;
};

/* Returns 0 when it was told to stop, or has asked for a restart; a negative errno where it can't go on at
 * all. */
int agent_run(const struct agent_options *options, struct error **err);
