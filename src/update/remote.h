/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where the files of a release come from, as whoever needs them sees it: ranges of named files. Behind it
 * stand HTTP (remote-http.h), a pipe to a process that may use the network, or whatever a test makes of it.
 *
 * What comes is not to be trusted. The remote sees to it that it is as long as was asked for, and tries
 * again what may pass; whoever takes it proves it.
 */
#pragma once

#include "base/error.h"

#define REMOTE_PARALLEL_MAX 16

struct remote_range {
	uint64_t offset, size; /* bytes, at least 1 */
};

/*
 * Takes the next *size* bytes of the range with this index. A range's bytes come in their order, those of
 * several ranges between each other. Returns 0; a negative errno with *err* set ends it all.
 */
typedef int (*remote_sink_fn)(
	size_t range, const uint8_t *data, size_t size, void *userdata, struct error **err);

/* What is fetched: ranges of one file, ascending and apart from each other. */
struct remote_request {
	const char *name;
	uint64_t file_size; /* signed: no range reaches behind it */
	const struct remote_range *ranges;
	size_t count;
	bool again;	  /* what caches on the way had of it was wrong: ask behind them */
	bool ranges_only; /* where the server sends nothing but the whole file, that is -EOPNOTSUPP, and no
			   * more than its beginning comes */
	bool is_optional; /* it can be done without: it is given up sooner */
	remote_sink_fn sink;
	void *userdata;
};

/* Ranges and bytes that were asked for and came, whatever became of them. */
struct remote_counts {
	uint64_t requests;
	uint64_t bytes;	   /* of bodies */
	uint64_t overhead; /* bytes of headers, both ways */
	uint64_t faults;   /* requests that failed and were made again */
	bool whole;	   /* a server ignores ranges: files came whole */
};

/*
 * Whether an error of fetching an optional file ends everything: nobody wants it any more, or memory is out.
 * All others are reasons to do without the file, and if it is the network that is gone, the next file will
 * say so.
 */
bool remote_fault_is_final(int code);

/* Adds what was counted elsewhere. */
void remote_counts_add(const struct remote_counts *counts, struct remote_counts *ret);

struct remote_ops {
	/* Returns 0 when all has come; -ENOENT where there is no such file; -ETIMEDOUT after too many tries;
	 * -EBADMSG where in all of them the server had a file of another size;
	 * … */
	int (*fetch)(void *userdata, const struct remote_request *request, struct error **err);
	void (*counts)(void *userdata, struct remote_counts *ret);
};

/* Copied by value; *userdata* belongs to somebody else. */
struct remote {
	const struct remote_ops *ops;
	void *userdata;
	unsigned parallel; /* the most ranges that are under way at once, 1 to REMOTE_PARALLEL_MAX */
};

int remote_fetch(const struct remote *remote, const struct remote_request *request, struct error **err);

/* Fetches the request's only range into a malloc()ed array that the caller frees. Its sink is not called. */
int remote_fetch_bytes(
	const struct remote *remote, const struct remote_request *request, uint8_t **ret, struct error **err);
