/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One round of a node's updates: what there is, what follows from it, and doing that. The agent goes round by
 * itself, orlop-node's verbs go round once for an operator.
 */
#pragma once

#include "update/history.h"
#include "update/node-stage.h"

#define NODE_HISTORY NODE_STATE "/history"

/* What an operator wants; zeros: nobody asked. */
struct node_order {
	enum policy_order order;
	const char *version; /* of POLICY_ORDER_TO */
	bool restart;	     /* the restart as well */
};

/* What a decision was made of. */
struct node_view {
	struct install_state state;
	struct strv rejected;
	struct policy_input input; /* points into the view, the node and the index */
};

void node_view_release(struct node_view *view);
#define _cleanup_node_view_ _cleanup_(node_view_release)

/* Looks at disk and history. *index* may be NULL, and must outlive the view. */
int node_view_open(struct node *node, const struct release_index *index, const struct node_order *order,
	int64_t now, struct node_view *ret, struct error **err);

/*
 * Writes into the history what happened without orlop-node: that a release was started, or that the boot
 * loader went back from one. To be called once after a start.
 */
int node_settle(struct node *node, int64_t now, struct error **err);

/* Puts right what a change of the boot partition that was cut has left there. *ret_mended*: there was
 * something. Under the update lock. */
int node_mend(struct node *node, int64_t now, bool *ret_mended, struct error **err);

/* Notes something about a version; a log that can't be written is reported by the caller, and stops nothing.
 */
int node_remember(const struct node *node, int64_t now, enum history_event event, const char *version,
	const char *detail, struct error **err);

/*
 * Takes the other slot's release out of what can start, where the index has withdrawn it or has a floor above
 * it. *ret_version* is what was taken out, malloc()ed; NULL: nothing was.
 */
int node_drop_withdrawn(struct node *node, const struct release_index *index, int64_t now, char **ret_version,
	struct error **err);

/* Makes the other slot's release the one that starts next. *version* is for the history where that is a way
 * back. */
int node_start_other(struct node *node, const char *version, int64_t now, struct error **err);

/* Asks systemd to restart the machine. Returns at once. */
int node_restart(struct error **err);
