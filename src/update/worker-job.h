/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The jobs of a worker and what comes of them, as payloads of messages (wire.h).
 * docs/formats/worker-protocol.md.
 */
#pragma once

#include "update/remote-http.h"
#include "update/sandbox.h"
#include "update/slot-copy.h"
#include "update/usr-update.h"
#include "update/wire.h"

#define WORKER_URL_MAX KiB(4)

/* What every job begins with. */
struct worker_source_job {
	uint32_t uid, gid;		 /* to become, where the worker starts as root */
	struct remote_http_options http; /* without hooks; its strings are those below */
	char *url, *proxy, *authorities;
	uint64_t rate;	 /* bytes a second to begin with */
	bool is_limited; /* WIRE_RATEs will come */
};

/* Where a place of a slot lies in its descriptor, which is inherited. A size of 0: there is none. */
struct worker_place_job {
	uint64_t begin, size;
	uint32_t align;
};

enum worker_place_number {
	WORKER_TARGET_DATA,
	WORKER_TARGET_HASH,
	WORKER_ACTIVE_DATA,
	WORKER_ACTIVE_HASH,
	WORKER_PLACES,
};

struct worker_bring_job {
	struct worker_source_job source;
	struct worker_place_job places[WORKER_PLACES];
	uint32_t threads;
	uint64_t window; /* blocks, at least 1 */
	bool no_patch, no_tree_delta, has_active_root;
	uint8_t active_root[SHA256_SIZE];
	struct image_files image;
};

struct worker_get_job {
	struct worker_source_job source;
	char *name;
	uint64_t size;
};

#define WORKER_WANTED_MAX 64
#define WORKER_ROOT_NAME "/root" /* the WIRE_FILE with the root that is trusted to begin with */
#define WORKER_KEPT_MAX 8	 /* files that follow the job, and their bytes */
#define WORKER_KEPT_BYTES MiB(16)

struct worker_wanted_job {
	char *name;
	uint64_t max; /* bytes */
};

struct worker_refresh_job {
	struct worker_source_job source; /* the URL above "metadata/" and "targets/" */
	int64_t now;
	uint32_t files; /* WIRE_FILEs that follow: the root, and what was kept */
	struct worker_wanted_job wanted[WORKER_WANTED_MAX];
	uint32_t wanted_count;
};

void worker_source_job_release(struct worker_source_job *job);
void worker_bring_job_release(struct worker_bring_job *job);
void worker_get_job_release(struct worker_get_job *job);
void worker_refresh_job_release(struct worker_refresh_job *job);

/*
 * The runs of a WIRE_COPY. worker_runs_parse() writes *size* / WIRE_RUN_SIZE of them, and takes any numbers:
 * slot_runs_check() judges them. worker_runs_write() returns 0 or -ENOMEM.
 */
int worker_runs_write(const struct slot_run *runs, size_t count, struct buffer *ret);
void worker_runs_parse(const uint8_t *data, size_t size, struct slot_run *ret);

/* Append a job to *ret*. Return 0 or -ENOMEM; -EFBIG where it is too large for a message. */
int worker_bring_job_write(const struct worker_bring_job *job, struct buffer *ret);
int worker_get_job_write(const struct worker_get_job *job, struct buffer *ret);
int worker_refresh_job_write(const struct worker_refresh_job *job, struct buffer *ret);

/* Read one. Return 0; -EPROTO, -EBADMSG with *err* set. What *ret* has been given is to be released in any
 * case. */
int worker_bring_job_parse(const void *data, size_t size, struct worker_bring_job *ret, struct error **err);
int worker_get_job_parse(const void *data, size_t size, struct worker_get_job *ret, struct error **err);

int worker_refresh_job_parse(
	const void *data, size_t size, struct worker_refresh_job *ret, struct error **err);

/* What comes of WIRE_BRING; of the other jobs, the counts alone. */
struct worker_outcome {
	struct usr_update_result update;
	struct remote_counts counts;
};

void worker_outcome_write(const struct worker_outcome *outcome, struct buffer *ret);

/* Reads it. -EPROTO with *err* set where a number is more than it can be with an image of *blocks* blocks. */
int worker_outcome_parse(
	const void *data, size_t size, uint64_t blocks, struct worker_outcome *ret, struct error **err);
