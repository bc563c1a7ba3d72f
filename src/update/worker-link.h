/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The worker's end of the socket: what it says to the parent while it works, and disks that it can read by
 * itself and write only by asking the parent.
 */
#pragma once

#include <pthread.h>

#include "base/block-io.h"
#include "update/wire.h"

struct slot_run;

/* A write that the parent has not said to have done. */
struct link_write {
	const struct link_disk *disk;
	uint64_t offset, size, serial;
};

struct link {
	int fd;
	struct wire_reader reader;
	pthread_mutex_t lock;	      /* of all below that writes and reads of disks use */
	uint64_t serial, taken;	      /* of the last write, flush or copy that was sent; that is done */
	uint64_t failed, failed_told; /* blocks that were not copied: the parent said; link_copied() did */
	struct link_write writes[WIRE_WINDOW_FRAMES]; /* in the order of their serials, from *first* on */
	size_t first, count;
	uint64_t bytes; /* of them */
	uint8_t *held;	/* what follows each other is sent together: WIRE_PAYLOAD_MAX bytes */
	struct link_write hold;
	uint64_t rate;			   /* what the parent said last */
	uint64_t alive_ms, progress_ms[8]; /* when something of the kind was last sent */
	bool is_broken;			   /* the parent is gone, or says what it can't */
};

struct link_disk {
	struct link *link;
	enum wire_type type;	/* WIRE_DATA or WIRE_TREE; 0: it can't be written */
	struct block_file file; /* to read from */
	uint64_t begin;		/* where the disk begins in it */
};

int link_init(struct link *link, int fd);
void link_release(struct link *link);

/* The disk behind *disk*, of *size* bytes. Reads see what was written before. */
struct block_io link_disk_io(struct link_disk *disk, uint64_t size);

/* Asks the parent to copy own blocks (slot-copy.h). Waits for nothing but room in the socket. Returns 0,
 * -EPIPE, -ENOMEM. */
int link_copy(struct link *link, const struct slot_run *runs, size_t count);

/* Waits until all is copied. *ret_failed*: blocks that were not, since the last call. Returns 0 or -EPIPE. */
int link_copied(struct link *link, uint64_t *ret_failed);

/*
 * Tells the parent that the worker is alive, at most once a second, and takes in what the parent has said.
 * Returns false where there is no parent any more.
 */
bool link_tick(struct link *link);

/* Tells of progress, at most ten times a second for each step, and of its end. Returns 0, or -EPIPE. */
int link_progress(struct link *link, unsigned step, uint64_t done, uint64_t total);

/*
 * worker-metadata.c: brings metadata up to date with what is in *kept*, fetches the targets that the job
 * wants, and puts all that came, and what did not, into *ret*; also where it fails.
 */
struct worker_refresh_job;
int worker_metadata_run(struct link *link, const struct worker_refresh_job *job, struct wire_files *kept,
	struct wire_files *ret, struct error **err);
