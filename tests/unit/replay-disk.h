/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A disk in memory that records what is written to it, and shows every disk that a power cut could have left:
 * all writes before a flush that has returned, and of those after it any sectors or none, in any order
 * (base/block-io.h).
 */
#pragma once

#include "base/block-io.h"

struct replay_write {
	uint64_t offset;
	uint8_t *data; /* NULL: a flush */
	size_t size;
};

struct replay_undo;

struct replay_disk {
	uint8_t *data;
	uint64_t size;

	/* While *record* is set, writes and flushes are noted. */
	bool record;
	struct replay_write *writes;
	size_t count, capacity;

	/* Fault injection: the call of that number (from 1) of any kind fails with -EIO, all later ones too
	 * where *dead*. */
	uint64_t calls, fail_at;
	bool dead;

	/* Since replay_mark(): what to put back. */
	struct replay_undo *undo;
	size_t undo_count, undo_capacity;
	bool marked;
};

/* Takes *data* (malloc()ed, *size* bytes) over. */
void replay_disk_init(struct replay_disk *disk, uint8_t *data, uint64_t size);
void replay_disk_release(struct replay_disk *disk);
struct block_io replay_disk_io(struct replay_disk *disk);

/* From here on, replay_restore() puts back what was there. */
void replay_mark(struct replay_disk *disk);
void replay_restore(struct replay_disk *disk);

/*
 * Calls *fn* with *disk*, which holds what it did before the *writes* were recorded, in states that a cut
 * could leave it in: at every flush and at the end, and up to *per_epoch* mixtures of the sectors between two
 * flushes, chosen with *seed*. What *fn* changes is put back. The disk holds all of the writes at the end.
 * Returns the number of states.
 */
size_t replay_states(struct replay_disk *disk, const struct replay_write *writes, size_t count,
	size_t per_epoch, uint64_t seed, void (*fn)(struct replay_disk *disk, void *userdata),
	void *userdata);

void replay_writes_free(struct replay_write *writes, size_t count);
