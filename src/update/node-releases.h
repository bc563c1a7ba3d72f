/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the repository offers a node: brings its metadata up to date, by way of the worker, and keeps what was
 * verified.
 *
 * The worker follows the repository (update/tuf-client.h) with rights to nothing but the network, and hands
 * over the documents that it took. This side takes the same steps again over these documents, from the
 * running image's root of trust. So a worker that was taken over can withhold something, and no more.
 */
#pragma once

#include "format/release-index.h"
#include "format/release-info.h"
#include "update/node.h"
#include "update/tuf-client.h"
#include "update/worker.h"

#define NODE_STATE "/var/lib/orlop/update" /* below the node's root */

struct node_releases_options {
	const struct worker_options *worker;
	int64_t now;
	bool (*stop)(void *userdata); /* may be NULL */
	void *userdata;
};

struct node_releases {
	const struct node *node;
	struct node_releases_options options;
	struct worker *worker;
	struct remote_http_options source; /* of targets: where, through what, how fast */
	char *targets_url;
	struct tuf_client *client;
	struct release_index index;
};

/*
 * Refreshes the metadata. Returns 0 with *ret*; -ENOTCONN where no repository is configured; -ENOKEY where
 * the image has no root of trust; the errors of worker_refresh() and tuf_client_refresh().
 */
int node_releases_open(const struct node *node, const struct node_releases_options *options,
	struct node_releases **ret, struct error **err);
struct node_releases *node_releases_free(struct node_releases *releases);
DEFINE_CLEANUP(struct node_releases *, node_releases_free);
#define _cleanup_node_releases_ _cleanup_(node_releases_freep)

/*
 * What the last refresh that went well has left, verified anew, for the time when the repository can't be
 * asked: what it forbids is forbidden, and what was brought before may start. *now* is what the metadata must
 * be valid at; 0: at any time. Of *ret*, only index and node_releases_expire() are of use: nothing can be
 * fetched.
 *
 * Returns 0; -ENOENT where nothing was left; -EKEYEXPIRED and the other errors of tuf_client_refresh();
 * -EBADMSG where the index is not the one that is signed for.
 */
int node_releases_recall(
	const struct node *node, int64_t now, struct node_releases **ret, struct error **err);

/* When the first of the documents that the releases are signed by expires: Unix seconds. */
int64_t node_releases_expire(const struct node_releases *releases);

/* One release for this node: what release.json says of it. The caller releases it. */
int node_releases_get(
	struct node_releases *releases, const char *version, struct release_info *ret, struct error **err);

/* What is signed of a target of at most *max* bytes. Returns 0; -ENOENT; -EFBIG. */
int node_releases_target(struct node_releases *releases, const char *name, uint64_t max,
	struct tuf_target_info *ret, struct error **err);

/* Fetches a target by worker_get(). */
int node_releases_fetch(struct node_releases *releases, const struct tuf_target_info *info,
	worker_bytes_fn fn, void *userdata, struct error **err);
