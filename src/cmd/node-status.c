/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * orlop-node status and history: what this node runs, what it would do, and what happened to it.
 */
#include <errno.h>
#include <jansson.h>
#include <stddef.h>
#include <time.h>

#include "base/encoding.h"
#include "base/string-util.h"
#include "cmd/command-json.h"
#include "cmd/node-context.h"
#include "cmd/node-print.h"
#include "cmd/node.h"
#include "format/canonical-json.h"
#include "format/json-text.h"
#include "format/tuf.h"

struct values {
	bool json;
};

#define OPTION_JSON                                                                              \
	{                                                                                        \
		"json", 0, NULL, "Print it as JSON.", OPTION_TRUE, offsetof(struct values, json) \
	}

static const struct command_option options[] = {OPTION_JSON, {}};

/* ---- status ---- */

static const struct command_usage status_usage = {
	.name = "orlop-node status",
	.arguments = "",
	.summary = "Prints which release runs from which slot, what the other slot holds, what starts next, "
		   "and what the node "
		   "is going to do, by what is known of the repository.",
	.options = options,
};

struct status {
	struct node *node;
	struct error *fault;	     /* of the settings, which do not count then */
	struct node_releases *known; /* what the repository said last; NULL: nothing that can be believed */
	struct error *doubt;	     /* why not, where it was asked */
	bool is_busy;
	struct node_lock_holder holder;
	struct node_view view;
	struct policy_decision decision;
};

static void status_release(struct status *status)
{
	policy_decision_release(&status->decision);
	node_view_release(&status->view);
	node_releases_free(status->known);
	error_free(status->doubt);
	error_free(status->fault);
	node_free(status->node);
}

static int look(struct status *status, struct error **err)
{
	static const struct node_order nobody = {};
	int r = node_open_without_settings(&status->node, &status->fault, err);

	if (r < 0)
		return r;
	if (status->node->netboot)
		return 0;
	status->is_busy = node_lock_find_holder(status->node, &status->holder) > 0;
	r = node_recall(status->node, &status->known, &status->doubt);
	if (r < 0 && !status->doubt)
		return error_set_errno(err, r, "status");
	r = node_view_open(status->node, status->known ? &status->known->index : NULL, &nobody,
		(int64_t)time(NULL), &status->view, err);
	return r < 0 ? r : policy_decide(&status->view.input, &status->decision, err);
}

static json_t *entry_json(const struct boot_entry *entry)
{
	if (!entry)
		return json_null();
	if (!entry->counted)
		return json_pack(
			"{s:s, s:s, s:s}", "file", entry->name, "version", entry->version, "state", "good");
	return json_pack("{s:s, s:s, s:s, s:i, s:i}", "file", entry->name, "version", entry->version, "state",
		boot_entry_is_staged(entry) ? "staged"
		: boot_entry_is_bad(entry)  ? "bad"
					    : "on trial",
		"tries_left", (int)entry->left, "tries_done", (int)entry->done);
}

static json_t *slot_json(const struct node_slot *slot, const struct boot_entry *entry)
{
	const char letter[] = {slot->letter, 0};

	return json_pack("{s:s, s:s?, s:o}", "slot", letter, "version", node_slot_version(slot), "entry",
		entry_json(entry));
}

static json_t *holder_json(const struct status *status)
{
	const struct node_lock_holder *holder = &status->holder;
	char since[TUF_TIME_SIZE] = "";

	if (!status->is_busy)
		return json_null();
	(void)tuf_time_format(holder->since, since);
	return json_pack("{s:I, s:s, s:s, s:s?, s:s?}", "pid", (json_int_t)holder->pid, "command",
		holder->command, "since", since, "version", holder->version[0] ? holder->version : NULL,
		"step", holder->step[0] ? holder->step : NULL);
}

static json_t *settings_json(const struct status *status)
{
	const struct node *node = status->node;

	return json_pack("{s:s, s:s, s:s, s:o, s:s?, s:s, s:s?, s:s?}", "edition", node->edition,
		"architecture", node->architecture, "version", node->version, "settings_error",
		json_text(status->fault ? error_message(status->fault) : NULL), "repository",
		node->config.repository, "channel", node_channel_name(node->config.channel), "pin",
		node->config.pin, "degraded", node->degraded);
}

/* Of a node without slots, which has no plan either. */
static int print_netboot_json(const struct status *status, struct error **err)
{
	_cleanup_free_ char *root = hex_encode_new(status->node->root_hash, SHA256_SIZE);
	json_t *object = settings_json(status);

	if (!root || json_object_set_new(object, "root_hash", json_string(root)) < 0 ||
		json_object_set_new(object, "netboot", json_true()) < 0) {
		json_decref(object);
		object = NULL;
	}
	return command_print_json(object, err);
}

static int print_status_json(const struct status *status, struct error **err)
{
	const struct install_state *state = &status->view.state;
	_cleanup_free_ char *root = hex_encode_new(status->node->root_hash, SHA256_SIZE);
	json_t *object = settings_json(status);
	json_t *more = json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "root_hash", root,
		"metadata_expires", node_time_json(status->known ? node_releases_expire(status->known) : 0),
		"metadata_error", json_text(status->doubt ? error_message(status->doubt) : NULL), "running",
		slot_json(&state->running, state->running_entry), "other",
		slot_json(&state->other, state->other_entry), "next", entry_json(state->next), "at_work",
		holder_json(status), "decision", node_decision_json(&status->decision));

	if (!more || json_object_update(object, more) < 0) {
		json_decref(object);
		object = NULL;
	}
	json_decref(more);
	return command_print_json(object, err);
}

static const char *entry_text(const struct boot_entry *entry, char ret[64])
{
	if (!entry)
		return "no boot entry";
	if (!entry->counted)
		return "good";
	if (boot_entry_is_staged(entry))
		return "staged";
	if (boot_entry_is_bad(entry))
		return "bad, starts only if nothing else does";
	(void)snprintf(ret, 64, "on trial, %u tries left", entry->left);
	return ret;
}

static void print_slot(const char *title, const struct node_slot *slot, const struct boot_entry *entry)
{
	const char *version = node_slot_version(slot);
	char text[64];

	if (version)
		printf("%-12s %s in slot %c (%s)\n", title, version, slot->letter, entry_text(entry, text));
	else
		printf("%-12s nothing in slot %c\n", title, slot->letter);
}

static void print_holder(const struct status *status)
{
	_cleanup_free_ char *text = status->is_busy ? node_lock_holder_text(&status->holder) : NULL;
	char since[TUF_TIME_SIZE] = "";

	if (!text)
		return;
	(void)tuf_time_format(status->holder.since, since);
	printf("%-12s %s, since %s\n", "at work", text, since);
}

/* How long what the repository said last may be believed. */
static void print_validity(const struct status *status)
{
	char when[TUF_TIME_SIZE] = "";
	int64_t expires;

	if (status->doubt)
		printf("%-12s no: %s\n", "valid", error_message(status->doubt));
	if (!status->known)
		return;
	expires = node_releases_expire(status->known);
	(void)tuf_time_format(expires, when);
	if (expires > (int64_t)time(NULL))
		printf("%-12s until %s\n", "valid", when);
	else
		printf("%-12s no: what it said last expired at %s, and nothing new is taken from it "
		       "(orlop-node "
		       "check says why)\n",
			"valid", when);
}

static void print_netboot(const struct status *status)
{
	const struct node *node = status->node;

	printf("%-12s %s, started from the network\n", "running", node->version);
	if (status->fault)
		printf("%-12s wrong, and none count: %s\n", "settings", error_message(status->fault));
	if (node->degraded)
		printf("%-12s %s\n", "degraded", node->degraded);
	printf("%-12s none of its own: another release comes with the next start, from the server\n", "plan");
}

static void print_status(const struct status *status)
{
	const struct node *node = status->node;
	const struct install_state *state = &status->view.state;

	print_slot("running", &state->running, state->running_entry);
	print_slot("other", &state->other, state->other_entry);
	printf("%-12s %s\n", "starts next", state->next ? state->next->version : "nothing");
	print_holder(status);
	if (status->fault)
		printf("%-12s wrong, and none count: %s\n", "settings", error_message(status->fault));
	printf("%-12s %s\n", "repository",
		node->config.repository ? node->config.repository : "none: updates are off");
	print_validity(status);
	printf("%-12s %s\n", "channel", node_channel_name(node->config.channel));
	if (node->config.pin)
		printf("%-12s %s\n", "pinned to", node->config.pin);
	if (node->degraded)
		printf("%-12s %s\n", "degraded", node->degraded);
	printf("%-12s %s%s\n", "plan", status->decision.sentence,
		status->known || status->doubt || !node->config.repository
			? ""
			: " (the repository was not asked yet)");
}

int node_status(int argc, char **argv, struct error **err)
{
	_cleanup_(status_release) struct status status = {};
	struct values values = {};
	struct command_call call;
	int r;

	if (!command_parse(&status_usage, argc, argv, &values, &call, err))
		return call.status;
	r = look(&status, err);
	if (r >= 0 && status.node->netboot && values.json)
		return print_netboot_json(&status, err);
	if (r >= 0 && status.node->netboot)
		print_netboot(&status);
	else if (r >= 0 && values.json)
		return print_status_json(&status, err);
	else if (r >= 0)
		print_status(&status);
	return r;
}

/* ---- history ---- */

static const struct command_usage history_usage = {
	.name = "orlop-node history",
	.arguments = "",
	.summary = "Prints what happened to this node's releases: staged, started, found good, failed, "
		   "rolled back from.",
	.options = options,
};

static json_t *history_json(const struct history *history)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < history->count; i++) {
		const struct history_entry *entry = &history->entries[i];
		char when[TUF_TIME_SIZE] = "";

		(void)tuf_time_format(entry->time, when);
		if (json_array_append_new(
			    list, json_pack("{s:s, s:s, s:s, s:s*, s:s*}", "time", when, "event",
					  history_event_name(entry->event), "version", entry->version, "from",
					  entry->from, "detail", entry->detail)) < 0) {
			json_decref(list);
			list = NULL;
		}
	}
	return list;
}

int node_history(int argc, char **argv, struct error **err)
{
	_cleanup_node_ struct node *node = NULL;
	_cleanup_history_ struct history history = {};
	_cleanup_free_ char *path = NULL;
	struct values values = {};
	struct command_call call;
	int r;

	if (!command_parse(&history_usage, argc, argv, &values, &call, err))
		return call.status;
	r = node_open_without_settings(&node, NULL, err);
	if (r < 0)
		return r;
	path = node_path(node, NODE_HISTORY);
	r = path ? history_load(path, &history, err) : error_set_errno(err, -ENOMEM, "history");
	if (r >= 0 && values.json)
		return command_print_json(history_json(&history), err);
	for (size_t i = 0; r >= 0 && i < history.count; i++) {
		_cleanup_free_ char *line = history_entry_text(&history.entries[i]);

		if (line)
			printf("%s\n", line);
	}
	return r;
}
