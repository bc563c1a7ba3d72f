/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The inside of the parent's side of a worker (worker.h): starting one, and the exchange that all jobs have
 * in common.
 */
#pragma once

#include "update/wire.h"
#include "update/worker-job.h"
#include "update/worker.h"

struct worker {
	const struct worker_options *options;
	uint32_t measures;
	struct remote_counts counts;
};

struct exchange;

/*
 * Takes a message that belongs to the job alone. Returns 0; 1 when the job is done; a negative errno with
 * *err* set, and the worker is killed. May set *exchange->taken*.
 */
typedef int (*exchange_fn)(struct exchange *exchange, const struct wire_message *message, struct error **err);

struct exchange {
	struct worker *worker;
	const struct remote_http_options *source;
	exchange_fn take;
	void *userdata;
	const int *fds; /* for the worker, from WORKER_FD_PLACES on; -1: none there */
	size_t fd_count;
	const struct wire_files *files; /* that belong to the job; may be NULL */

	/* Where work goes on elsewhere: a descriptor that tells when some is done, and what is called then,
	 * to set *taken*. */
	int wake_fd;
	void (*wake)(struct exchange *exchange); /* NULL: none does */

	/* Set by exchange_run(). */
	int fd;
	pid_t pid;
	struct wire_reader reader;
	bool is_ready;
	uint64_t begun_ms, heard_ms, asked_ms;
	uint64_t messages;	    /* of those that cost the worker nothing */
	uint64_t taken, taken_said; /* serials: done, and told to the worker, with … */
	uint64_t failed;	    /* … how many blocks were not copied, which *take* counts */
	uint64_t rate, rate_said;
};

/* What every job begins with. */
void exchange_source(const struct exchange *exchange, struct worker_source_job *ret);

/*
 * Starts a worker, gives it the job and takes what it says until it is done. It has ended when this returns.
 * Returns what *take* returned, or a negative errno with *err* set.
 */
int exchange_run(
	struct exchange *exchange, enum wire_type type, const struct buffer *job, struct error **err);

/* Takes a WIRE_FINISHED. */
int exchange_outcome(struct exchange *exchange, const struct wire_message *message, uint64_t blocks,
	struct worker_outcome *ret, struct error **err);
