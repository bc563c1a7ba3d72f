/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "update/node-cycle.h"

#include <errno.h>

#include "base/process.h"
#include "base/string-util.h"

void node_view_release(struct node_view *view)
{
	install_state_release(&view->state);
	strv_release(&view->rejected);
	*view = (struct node_view){};
}

static int load_history(const struct node *node, struct history *ret, struct error **err)
{
	_cleanup_free_ char *path = node_path(node, NODE_HISTORY);

	return path ? history_load(path, ret, err) : error_set_errno(err, -ENOMEM, "history");
}

static int look(struct node *node, int64_t now, struct install_state *ret, struct error **err)
{
	struct install install;
	int r = node_open_disk(node, false, err);

	if (r < 0)
		return r;
	install = node_install(node, now);
	return install_look(&install, ret, err);
}

static enum policy_other other_state(const struct install_state *state)
{
	if (!state->other_entry)
		return POLICY_OTHER_KEPT;
	if (boot_entry_is_staged(state->other_entry))
		return POLICY_OTHER_STAGED;
	if (boot_entry_is_bad(state->other_entry))
		return POLICY_OTHER_BAD;
	return state->next == state->other_entry ? POLICY_OTHER_NEXT : POLICY_OTHER_KEPT;
}

int node_view_open(struct node *node, const struct release_index *index, const struct node_order *order,
	int64_t now, struct node_view *ret, struct error **err)
{
	_cleanup_history_ struct history history = {};
	_cleanup_node_view_ struct node_view view = {};
	int r = look(node, now, &view.state, err);

	if (r >= 0)
		r = load_history(node, &history, err);
	if (r >= 0)
		r = history_rejected(&history, &view.rejected, err);
	if (r < 0)
		return r;
	*ret = view;
	view = (struct node_view){};
	ret->input = (struct policy_input){
		.index = index,
		.edition = node->edition,
		.architecture = node->architecture,
		.running = node->version,
		.other = ret->state.other_entry ? ret->state.other_entry->version : NULL,
		.other_state = other_state(&ret->state),
		.config = &node->config,
		.rejected = &ret->rejected,
		.machine = node->machine,
		.now = now,
		.order = order->order,
		.order_version = order->version,
		.order_restart = order->restart,
	};
	return 0;
}

/* ---- History ---- */

int node_remember(const struct node *node, int64_t now, enum history_event event, const char *version,
	const char *detail, struct error **err)
{
	_cleanup_free_ char *path = node_path(node, NODE_HISTORY);
	const struct history_entry entry = {.time = now,
		.event = event,
		.version = (char *)version,
		.from = streq(version, node->version) ? NULL : node->version,
		.detail = (char *)detail};

	return path ? history_add(path, &entry, err) : error_set_errno(err, -ENOMEM, "history");
}

/* What became of a version last; NULL where nothing is known. That it was refused, or that something about it
 * went wrong, changes nothing of where it stands. */
static const struct history_entry *last_of(const struct history *history, const char *version)
{
	for (size_t i = history->count; i > 0; i--) {
		const struct history_entry *entry = &history->entries[i - 1];

		if (streq(entry->version, version) && entry->event != HISTORY_REFUSED &&
			entry->event != HISTORY_ERROR)
			return entry;
	}
	return NULL;
}

int node_settle(struct node *node, int64_t now, struct error **err)
{
	_cleanup_install_state_ struct install_state state = {};
	_cleanup_history_ struct history history = {};
	const struct boot_entry *other;
	const struct history_entry *last;
	int r = look(node, now, &state, err);

	if (r >= 0)
		r = load_history(node, &history, err);
	if (r < 0)
		return r;
	last = last_of(&history, node->version);
	if (last && last->event == HISTORY_STAGED)
		r = node_remember(node, now, HISTORY_STARTED, node->version, NULL, err);
	other = state.other_entry;
	last = other ? last_of(&history, other->version) : NULL;
	if (r >= 0 && last && boot_entry_is_bad(other) &&
		(last->event == HISTORY_STAGED || last->event == HISTORY_STARTED))
		r = node_remember(node, now, HISTORY_FAILED, other->version,
			"it did not prove itself in the starts that it was given; the boot loader went back",
			err);
	return r;
}

/* ---- Doing it ---- */

int node_mend(struct node *node, int64_t now, bool *ret_mended, struct error **err)
{
	_cleanup_install_state_ struct install_state state = {};
	struct install install;
	int r = look(node, now, &state, err);

	*ret_mended = false;
	if (r < 0 || !state.is_cut)
		return r;
	r = node_open_disk(node, true, err);
	if (r < 0)
		return r;
	install = node_install(node, now);
	r = install_mend(&install, err);
	*ret_mended = r >= 0;
	return r;
}

static bool may_not_start(const struct node *node, const struct release_index *index, const char *version)
{
	const struct release_entry *entry =
		release_index_find(index, node->edition, node->architecture, version);
	const struct release_floor *floor = release_index_floor(index, node->edition, node->architecture);

	return (entry && entry->withdrawn) || (floor && release_version_compare(version, floor->version) < 0);
}

int node_drop_withdrawn(struct node *node, const struct release_index *index, int64_t now, char **ret_version,
	struct error **err)
{
	_cleanup_install_state_ struct install_state state = {};
	_cleanup_free_ char *version = NULL;
	struct install install;
	int r = look(node, now, &state, err);

	*ret_version = NULL;
	if (r < 0 || !state.other_entry || !may_not_start(node, index, state.other_entry->version))
		return r;
	/* What ran before and proved itself stays: it is all there is to go back to. It comes next by no
	 * decision. */
	if (!state.other_entry->counted && state.next != state.other_entry)
		return 0;
	version = strdup(state.other_entry->version);
	r = version ? node_open_disk(node, true, err) : error_set_errno(err, -ENOMEM, "version");
	if (r < 0)
		return r;
	install = node_install(node, now);
	r = install_remove_other(&install, err);
	if (r >= 0)
		*ret_version = TAKE_PTR(version);
	return r;
}

int node_start_other(struct node *node, const char *version, int64_t now, struct error **err)
{
	struct install install;
	int r = node_open_disk(node, true, err);

	if (r < 0)
		return r;
	install = node_install(node, now);
	r = install_start_other(&install, err);
	if (r >= 0 && release_version_compare(version, node->version) < 0) {
		_cleanup_free_ char *detail = string_format("to %s", version);

		r = node_remember(node, now, HISTORY_ROLLED_BACK, node->version, detail, err);
	}
	return r;
}

int node_restart(struct error **err)
{
	static const char *const reboot[] = {"systemctl", "--no-ask-password", "--no-wall", "reboot", NULL};
	_cleanup_process_result_ struct process_result result = {};
	int r = process_run(reboot, NULL, 0, KiB(64), &result, err);

	if (r >= 0 && result.status != 0)
		r = error_set(err, -EIO, "systemctl reboot ended with status %d", result.status);
	return r;
}
