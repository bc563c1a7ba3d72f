/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The node's state for monitoring: a file in Prometheus's text format that the node exporter's textfile
 * collector, or anybody else, reads. docs/health.md lists the metrics.
 *
 * Format: Prometheus, "Exposition formats", text-based format 0.0.4.
 */
#pragma once

#include "base/buffer.h"
#include "base/error.h"
#include "update/health.h"

#define METRICS_PATH "/run/orlop/metrics.prom"
#define METRICS_MAX KiB(256) /* bytes: what a reader has to expect */

/* Errors since the agent began, by the step of an update that they happened in; each step once. */
struct metrics_errors {
	const char *step;
	uint64_t count;
};

/* Strings are the caller's, and UTF-8. What is not known is NULL, or below 0, and is left out. */
struct metrics {
	const char *version, *edition, *slot, *root_hash; /* of the running release */
	const char *available; /* version of the newest release that is meant for this node */
	const char *staged;    /* version in the other slot that is to start */
	int64_t last_check;    /* when the repository was asked last: seconds since 1970-01-01 … */
	int64_t last_success;  /* … and when its answer was good */
	int64_t expires;       /* when what it said last does */
	int64_t bytes_fetched; /* since the agent began */
	int64_t tries_left;    /* of a release on trial */
	int64_t place, places; /* where the node stands in the rollout of *available*: *place* of *places* */
	const struct metrics_errors *errors;
	size_t error_count;
	const struct health_report *health; /* NULL: not checked yet */
};
#define METRICS_INIT                                                                                        \
	{                                                                                                   \
		.last_check = -1, .last_success = -1, .expires = -1, .bytes_fetched = -1, .tries_left = -1, \
		.place = -1                                                                                 \
	}

/* Appends the text. Returns 0 or -ENOMEM. */
int metrics_format(const struct metrics *metrics, struct buffer *ret);

/* Writes the file, so that a reader sees either the old one or the new one whole. */
int metrics_write(const struct metrics *metrics, const char *path, struct error **err);
