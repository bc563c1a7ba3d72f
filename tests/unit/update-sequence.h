/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One random sequence of what can happen to a node and its repository: the world that it happens in, and what
 * a node goes through. Each step is told, so that a sequence that fails can be read.
 */
#pragma once

#include "http-process.h"
#include "update-model.h"

/* What happened in all sequences. */
struct sequence_totals {
	unsigned attacks[ATTACK_KINDS], outcomes[OUTCOME_EXPIRED + 1];
	unsigned cuts, kills, faults; /* that hit a write */
	size_t states;		      /* that a cut could have left, and that were looked at */
	unsigned falls_back, mended, rotations, unpublished;
};

struct sequence {
	const struct release_pool *pool;
	struct sequence_totals *totals;
	uint64_t first_seed, seed;
	char *folder;
	struct http_process server;
	struct model model;
	struct buffer log;
	bool is_told_at_once; /* on standard error */
	bool done;
};

/* Begins with a folder of its own below *folder*. Copies the release keys in *keys*. */
void sequence_begin(struct sequence *sequence, const struct release_pool *pool, const char *folder,
	const char *keys, uint64_t seed, struct sequence_totals *totals);

/* Where it is not *done*, it has failed, and says how to come back to that. */
void sequence_end(struct sequence *sequence);

void sequence_tell(struct sequence *sequence, const char *format, ...) __attribute__((format(printf, 2, 3)));
uint64_t sequence_below(struct sequence *sequence, uint64_t limit);

/* The version of a release; "" of POOL_RELEASES. */
const char *sequence_version(const struct sequence *sequence, size_t release);

/* One of those that are published. */
size_t sequence_pick_listed(struct sequence *sequence);

/* The boot loader starts what it chooses, until that is whole; which then may be found well. */
void sequence_restart(struct sequence *sequence);

/* The running release is found well. */
void sequence_bless(struct sequence *sequence);

/* ---- update-orders.c: what orders do ---- */

/* *to*: POOL_RELEASES: no release is named. */
void sequence_order(struct sequence *sequence, enum node_verb verb, size_t to);

/* The next of them with random orders: as they go, cut, with a write that fails. All return true. */
bool sequence_random_order(struct sequence *sequence);
bool sequence_random_cut(struct sequence *sequence);
bool sequence_random_fault(struct sequence *sequence);
