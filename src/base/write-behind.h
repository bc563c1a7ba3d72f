/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Writes to a disk while their owner does something else: a thread that takes buffers over and writes them,
 * one after the other.
 *
 *     r = write_behind_new(&disk, &writer, &err);
 *     r = write_behind_put(writer, offset, buffer, size, &buffer);   // *buffer*: one to fill again, or NULL
 *     r = write_behind_drain(writer, &offset);
 *
 * Nobody else may write to the same blocks meanwhile. All functions are for one thread, the owner's.
 */
#pragma once

#include "base/block-io.h"

#define WRITE_BEHIND_DEPTH 3 /* buffers that are held at once: one that is written, the others wait */

struct write_behind;

/* *disk* is copied. Returns 0; -ENOMEM, -EAGAIN, -EMFILE with *err* set. */
int write_behind_new(const struct block_io *disk, struct write_behind **ret, struct error **err);

/* Waits for what was put, and ends the thread. */
struct write_behind *write_behind_free(struct write_behind *writer);
DEFINE_CLEANUP(struct write_behind *, write_behind_free);
#define _cleanup_write_behind_ _cleanup_(write_behind_freep)

/*
 * Has *size* bytes written at *offset*, once there is room for them. *data* was malloc()ed and belongs to the
 * writer from now on, also where this fails. *ret_spare* is one that was written, which belongs to the caller
 * again, or NULL.
 *
 * Returns 0, or the -errno of a write that has failed: nothing is written after that one.
 */
int write_behind_put(
	struct write_behind *writer, uint64_t offset, uint8_t *data, size_t size, uint8_t **ret_spare);

/*
 * Waits until all that was put is written. Returns 0, or the -errno of the write that has failed, and with
 * *ret_offset* (may be NULL) where that was. Flushes nothing.
 */
int write_behind_drain(struct write_behind *writer, uint64_t *ret_offset);

/* How many of the buffers that were put are written. */
uint64_t write_behind_count(struct write_behind *writer);

/* A descriptor, the writer's, that can be read from (poll(2)) where one was written since the last call of
 * write_behind_count(). */
int write_behind_fd(const struct write_behind *writer);
