/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * orlop-node channel and pin: what an operator sets of node.yaml, and what follows from it.
 */
#include <errno.h>
#include <stddef.h>
#include <time.h>

#include "base/file.h"
#include "base/string-util.h"
#include "cmd/command-json.h"
#include "cmd/node-context.h"
#include "cmd/node-print.h"
#include "cmd/node.h"

struct values {
	bool explain, none, json;
};

#define OPTION_JSON                                                                              \
	{                                                                                        \
		"json", 0, NULL, "Print it as JSON.", OPTION_TRUE, offsetof(struct values, json) \
	}

/* The file is the administrator's from now on, also where a credential brought it first. */
static int own_config(const struct node *node, char **ret, struct error **err)
{
	_cleanup_free_ char *own = node_path(node, NODE_CONFIG_PATH), *folder = NULL, *text = NULL;
	size_t size;
	int r;

	if (!own)
		return error_set_errno(err, -ENOMEM, "settings");
	folder = node_path(node, "/etc/orlop");
	r = folder ? mkdir_parents(folder, err) : error_set_errno(err, -ENOMEM, "settings");
	if (r >= 0 && !streq(own, node->config_path)) {
		r = file_read(node->config_path, NODE_CONFIG_MAX, &text, &size, err);
		if (r >= 0)
			r = file_write_atomic(own, text, size, 0644, err);
	}
	if (r >= 0)
		*ret = TAKE_PTR(own);
	return r;
}

static int set(const char *key, const char *value, struct error **err)
{
	_cleanup_node_ struct node *node = NULL;
	_cleanup_free_ char *path = NULL, *zones = NULL;
	/* What is wrong in the file may be what is set right now. */
	int r = node_open_without_settings(&node, NULL, err);

	if (r >= 0)
		r = own_config(node, &path, err);
	if (r < 0)
		return r;
	zones = node_path(node, NODE_ZONES);
	return zones ? node_config_set(path, zones, key, value, err)
		     : error_set_errno(err, -ENOMEM, "settings");
}

/* ---- channel ---- */

static const struct command_option channel_options[] = {
	{"explain", 0, NULL, "Say what this node will do and when, and why.", OPTION_TRUE,
		offsetof(struct values, explain)},
	OPTION_JSON,
	{},
};

static const struct command_usage channel_usage = {
	.name = "orlop-node channel",
	.arguments = "[NAME]",
	.summary = "Prints which releases this node takes by itself, or changes it: None, Unmanaged, "
		   "SecurityPatch or "
		   "NodeImage.",
	.options = channel_options,
	.most = 1,
};

static int print_explanation(const struct node *node, const struct strv *lines, bool json, struct error **err)
{
	json_t *list = json ? json_array() : NULL;

	for (size_t i = 0; i < lines->count; i++)
		if (!json)
			printf("%s\n", lines->items[i]);
		else if (json_array_append_new(list, json_string(lines->items[i])) < 0)
			return json_decref(list), error_set_errno(err, -ENOMEM, "JSON");
	return json ? command_print_json(
			      json_pack("{s:s, s:o}", "channel", node_channel_name(node->config.channel),
				      "explanation", list),
			      err)
		    : 0;
}

static int explain(bool json, struct error **err)
{
	_cleanup_node_ struct node *node = NULL;
	_cleanup_node_releases_ struct node_releases *known = NULL;
	_cleanup_node_view_ struct node_view view = {};
	_cleanup_strv_ struct strv lines = {};
	static const struct node_order nobody = {};
	int r = node_open_here(&node, err);

	if (r >= 0)
		r = node_recall(node, &known, err);
	if (r < 0)
		return r;
	if (!known)
		fprintf(stderr, "orlop-node: the repository was not asked yet; orlop-node check does it\n");
	r = node_view_open(node, known ? &known->index : NULL, &nobody, (int64_t)time(NULL), &view, err);
	if (r >= 0)
		r = policy_explain(&view.input, &lines, err);
	return r < 0 ? r : print_explanation(node, &lines, json, err);
}

static int print_channel(bool json, struct error **err)
{
	_cleanup_node_ struct node *node = NULL;
	int r = node_open_here(&node, err);

	if (r >= 0 && json)
		return command_print_json(
			json_pack("{s:s}", "channel", node_channel_name(node->config.channel)), err);
	if (r >= 0)
		printf("%s\n", node_channel_name(node->config.channel));
	return r;
}

int node_channel(int argc, char **argv, struct error **err)
{
	struct values values = {};
	struct command_call call;
	enum node_channel channel;

	if (!command_parse(&channel_usage, argc, argv, &values, &call, err))
		return call.status;
	if (call.count > 0) {
		int r = node_channel_parse(call.arguments[0], &channel, err);

		if (r >= 0)
			r = set("channel", node_channel_name(channel), err);
		if (r < 0)
			return r;
	}
	if (values.explain)
		return explain(values.json, err);
	return call.count > 0 && !values.json ? 0 : print_channel(values.json, err);
}

/* ---- pin ---- */

static const struct command_option pin_options[] = {
	{"none", 0, NULL, "Pin no version any more.", OPTION_TRUE, offsetof(struct values, none)},
	OPTION_JSON,
	{},
};

static const struct command_usage pin_usage = {
	.name = "orlop-node pin",
	.arguments = "[VERSION]",
	.summary = "Prints the version that this node is pinned to, or changes it: the node goes to that "
		   "release, and to no "
		   "other by itself.",
	.options = pin_options,
	.most = 1,
};

static int print_pin(bool json, struct error **err)
{
	_cleanup_node_ struct node *node = NULL;
	int r = node_open_here(&node, err);

	if (r >= 0 && json)
		return command_print_json(json_pack("{s:s?}", "pin", node->config.pin), err);
	if (r >= 0)
		printf("%s\n", node->config.pin ? node->config.pin : "none");
	return r;
}

int node_pin(int argc, char **argv, struct error **err)
{
	struct values values = {};
	struct command_call call;

	if (!command_parse(&pin_usage, argc, argv, &values, &call, err))
		return call.status;
	if (values.none && call.count > 0)
		return command_usage_error(&pin_usage, err, "--none and a version contradict each other");
	if (values.none || call.count > 0) {
		int r = set("pin", values.none ? NULL : call.arguments[0], err);

		if (r < 0 || !values.json)
			return r;
	}
	return print_pin(values.json, err);
}
