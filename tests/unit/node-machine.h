/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A machine that runs a release from a disk with two slots, as orlop-node finds it: the folders, the disk
 * that can be cut (crash-disk.h), and the verbs of orlop-node, which run in this process, or in one that the
 * power takes away.
 */
#pragma once

#include "crash-disk.h"
#include "publisher.h"

struct node_machine {
	const struct release_pool *pool;
	const struct publisher *publisher;
	char *root; /* folder */
	size_t running;
	int64_t now;  /* what the machine's clock says */
	bool restart; /* the agent has asked for it */
	char *said;   /* why the last verb failed; NULL: it did not */
};

/* Makes a folder for all that, whose files can be opened with O_DIRECT, as disks are. The caller frees the
 * path. */
char *node_machine_folder(void);

/* Puts a disk with the first release into slot a, and starts that. *url* is where the repository is. */
void node_machine_init(struct node_machine *machine, const struct publisher *publisher, const char *folder,
	const char *url, int64_t now);
void node_machine_release(struct node_machine *machine);

/* The running release is this one from now on, from that slot: what orlop-init would leave. */
void node_machine_boot(struct node_machine *machine, size_t release, char slot);

/* The text of a file below the root that the node keeps, "" where there is none; the caller frees it. */
char *node_machine_read(const struct node_machine *machine, const char *path);

enum node_verb { VERB_UPDATE, VERB_ROLLBACK, VERB_CHECK, VERB_BLESS, VERB_SETTLE, VERB_AGENT };

/* Runs `orlop-node VERB [--to VERSION]`; the agent goes round once. Returns what that does. */
int node_machine_run(struct node_machine *machine, enum node_verb verb, const char *to);

/* The same in a process that ends at the disk's write or flush number *at*. Returns whether it did. */
bool node_machine_run_cut(struct node_machine *machine, enum node_verb verb, const char *to,
	enum crash_kind kind, uint64_t at, uint64_t seed);

/* To be called first in main(): this program is the node's worker, too. */
void node_machine_worker(int argc, char **argv);
