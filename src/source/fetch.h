/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Downloads: many at once, from http, https and file URLs, each checked before it gets its name.
 *
 * What was received of a file stays beside it as PATH.part, and the next try, or the next run, asks for the
 * rest alone (RFC 9110, section 14). Passing faults (no connection, stalled or broken transfers, status 408,
 * 429 and 5xx) are tried again after a pause that doubles, with jitter, or that the server names in
 * Retry-After.
 */
#pragma once

#include "base/buffer.h"
#include "base/error.h"
#include "base/progress.h"
#include "base/sha256.h"

struct fetch_options {
	const char *proxy;	  /* URL of a proxy; NULL: what libcurl finds in the environment */
	unsigned connections;	  /* at once; 0: 8 */
	unsigned tries;		  /* of each file; 0: 5 */
	unsigned connect_seconds; /* until a connection stands; 0: 20 */
	unsigned stall_seconds;	  /* below 1 KiB/s for so long: try again; 0: 30 */
	unsigned pause_ms;	  /* before the second try; 0: 500 */
};

struct fetch_item {
	const char *name; /* for messages: "package bash" */
	const char *url;
	const uint8_t *sha256; /* the file's digest, NULL: not known (*body* only) */
	uint64_t size;	  /* the file's size where *sha256* is set; the most that is accepted otherwise */
	const char *path; /* where the file goes, in a folder that exists; NULL: into *body* */
	struct buffer *body;
	bool optional; /* a file that the server does not have is no error, but sets *missing* */
	bool missing;
};

struct fetch;

/* Strings in *options* (may be NULL) are copied. */
int fetch_new(const struct fetch_options *options, struct fetch **ret, struct error **err);
struct fetch *fetch_free(struct fetch *fetch);
DEFINE_CLEANUP(struct fetch *, fetch_free);
#define _cleanup_fetch_ _cleanup_(fetch_freep)

/*
 * Fetches all *items*; adds the bytes to the open step of *progress* as they come. Stops at the first one
 * that cannot be had: -ENOENT (the server does not have it), -EBADMSG (not what the digest says), -EPROTO (a
 * web page in its place), -ENOSPC, -ETIMEDOUT and others; *err* names the item, the URL and what to do.
 */
int fetch_run(struct fetch *fetch, struct fetch_item *items, size_t count, struct progress *progress,
	struct error **err);
