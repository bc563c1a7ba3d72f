/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Brings the kernel image of a release to the node: block by block, as /usr is brought, where the release has
 * it so. What it shares with that of the running release is then not fetched: of two releases with one kernel
 * nearly all of it. Otherwise, and where that does not do, it comes whole.
 */
#pragma once

#include "update/kernel-file.h"
#include "update/node-releases.h"

/*
 * *ret* holds the file, whose digest is the one that is signed; the caller releases it. What a try before
 * this one has brought of it is not fetched again. *counts* is what was fetched. The node's disk is opened
 * for reading.
 *
 * Returns 0; -EBADMSG where the server has another file; -ENOSPC; the errors of worker_bring() and
 * worker_get().
 */
int node_kernel_bring(struct node *node, struct node_releases *releases, const struct release_info *info,
	struct kernel_file *ret, struct remote_counts *counts, struct error **err);
