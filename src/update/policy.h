/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a node does next: a pure function of what the repository offers, what runs, what the configuration
 * says, what happened before, what an operator asked for, and the time. docs/node-updates.md.
 *
 * Who acts on a decision asks again after each step of it: a staged release starts only when a decision made
 * after staging says so.
 */
#pragma once

#include "base/string-util.h"
#include "format/release-index.h"
#include "update/node-config.h"

#define MACHINE_ID_SIZE 16	/* bytes; machine-id(5) has them as hexadecimal digits */
#define POLICY_WINDOW_LEAST 600 /* seconds of a window that a restart needs */
#define POLICY_PLACES 10000

enum policy_order {
	POLICY_ORDER_NONE,     /* nobody asked: what the node does by itself */
	POLICY_ORDER_UPDATE,   /* to the newest release */
	POLICY_ORDER_TO,       /* to *order_version*, newer or older */
	POLICY_ORDER_ROLLBACK, /* to what the other slot has */
};

/* How a whole release in the other slot stands. */
enum policy_other {
	POLICY_OTHER_KEPT,   /* it ran here, and starts where the running one can't, or when told to */
	POLICY_OTHER_STAGED, /* it was brought there, and has not been told to start */
	POLICY_OTHER_NEXT,   /* it starts when the machine is restarted, for whatever reason */
	POLICY_OTHER_BAD,    /* its tries are used up, or were taken away */
};

/* Everything belongs to the caller. */
struct policy_input {
	const struct release_index *index; /* NULL: no metadata could be had yet */
	const char *edition, *architecture;
	const char *running; /* version */
	const char *other;   /* version of a whole release in the other slot; NULL: there is none */
	enum policy_other other_state;
	const struct node_config *config;
	const struct strv *rejected; /* versions that history_rejected() names; NULL: none */
	const uint8_t *machine;	     /* MACHINE_ID_SIZE bytes */
	int64_t now;		     /* Unix seconds */
	enum policy_order order;
	const char *order_version; /* of POLICY_ORDER_TO */
	bool order_restart;	   /* the operator wants the restart as well */
};

enum policy_action {
	POLICY_NOTHING,
	POLICY_STAGE,		  /* bring *version* into the other slot, and ask again */
	POLICY_SELECT,		  /* the other slot has it: whoever restarts the machine next starts it */
	POLICY_STAGE_AND_RESTART, /* bring it there, then ask again; as things are it would start at once */
	POLICY_RESTART,		  /* the other slot has it: start it */
};

enum policy_reason {
	POLICY_NEWER,		  /* a newer release is there for this node */
	POLICY_ORDERED,		  /* an operator asked */
	POLICY_RUNNING_WITHDRAWN, /* what runs should not */
	POLICY_UP_TO_DATE,	  /* nothing newer is published for it */
	POLICY_RUNNING_ALREADY,	  /* of an order */

	/* Why it waits. */
	POLICY_NO_REPOSITORY,	 /* updates are off, or there is no metadata */
	POLICY_CHANNEL_OFF,	 /* channel None */
	POLICY_WAITS_FOR_WINDOW, /* staged, or to be; starts at *when* */
	POLICY_WAITS_FOR_PERSON, /* staged, or to be; the agent may not restart */
	POLICY_WAITS_FOR_TURN,	 /* the rollout has not reached this node */

	/* Why a release is not taken; of an order: why it is refused. */
	POLICY_WITHDRAWN,
	POLICY_BELOW_FLOOR,
	POLICY_PINNED,
	POLICY_ABOVE_MAXIMUM,
	POLICY_OTHER_CHANNEL,
	POLICY_PAUSED,
	POLICY_REJECTED, /* it failed here, or this node was rolled back from it */
	POLICY_NOT_PUBLISHED,
	POLICY_NO_OTHER, /* a rollback, and the other slot has nothing to go back to */
};

struct policy_decision {
	enum policy_action action;
	char *version; /* that the action is about; NULL: none. After POLICY_NOTHING: what it waits for */
	enum policy_reason reason;
	bool refused;	/* an order that can't be followed */
	char *sentence; /* for people, without a full stop */
	int64_t when;	/* Unix seconds: when the answer may be another one; 0: not by the time alone */
};

void policy_decision_release(struct policy_decision *decision);
#define _cleanup_policy_decision_ _cleanup_(policy_decision_release)

/* Returns 0, also where an order is refused; -ENOMEM with *err* set. */
int policy_decide(const struct policy_input *input, struct policy_decision *ret, struct error **err);

/*
 * The decision in lines for people: what the node does now, what it does in the maintenance windows to come,
 * and of each release newer than the running one why it is taken or not. Adds to *ret*.
 */
int policy_explain(const struct policy_input *input, struct strv *ret, struct error **err);

/*
 * Where a node stands in the rollout of a release, from 0 on and below POLICY_PLACES: the SHA-256 of the
 * machine id's 16 bytes, the edition's and the version's characters, one behind the other; of it the first
 * eight bytes as a big-endian number, modulo POLICY_PLACES.
 *
 * A release is for the node from the first step of its rollout on whose percent, times 100, is above the
 * place.
 */
int policy_place(const uint8_t *machine, const char *edition, const char *version, unsigned *ret);

/*
 * When the node asks for metadata next after *instant*: once in each interval, at a place in it that the
 * machine id gives, so that nodes that were started together don't ask together.
 */
int policy_next_check(
	const struct node_config *config, const uint8_t *machine, int64_t instant, int64_t *ret);

/*
 * The first span from *instant* on in which the windows leave at least POLICY_WINDOW_LEAST seconds for a
 * restart; windows that touch are one. -ENOENT where none comes in ten years; without windows the span has no
 * end (INT64_MAX).
 */
int policy_next_span(const struct node_config *config, int64_t instant, struct window_span *ret);
