/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * /etc/orlop/node.yaml: what those who run a node want of its updates. Which releases it takes, from where,
 * and when it may restart. Every key has a default; an empty file is valid, and turns updates off.
 *
 * Format: YAML, orlop-node.yaml(5). A key that is not known is an error.
 */
#pragma once

#include "update/window.h"

#define NODE_CONFIG_PATH "/etc/orlop/node.yaml"
#define NODE_CONFIG_MAX KiB(256) /* bytes */
#define NODE_ZONES "/usr/share/zoneinfo"

enum node_channel {
	NODE_CHANNEL_NONE,	     /* nothing by itself */
	NODE_CHANNEL_UNMANAGED,	     /* whatever is newest; restarts are somebody else's affair */
	NODE_CHANNEL_SECURITY_PATCH, /* what is published in the channel "security" */
	NODE_CHANNEL_NODE_IMAGE,     /* what is published in the channel "weekly" */
};

struct node_config {
	char *repository; /* its URL, without "/" at the end; NULL: updates are off */
	enum node_channel channel;
	char *pin;     /* the one version to go to and stay at; NULL: none */
	char *maximum; /* no version above; NULL: none */
	struct window *windows;
	size_t window_count;	       /* 0: a restart may come at any time */
	bool reboot;		       /* the agent may restart the machine */
	unsigned check_interval;       /* minutes */
	unsigned health_timeout;       /* seconds */
	char *proxy;		       /* URL; NULL: what the environment says */
	uint64_t rate_limit;	       /* bytes a second; 0: none */
	char *certificate_authorities; /* path of a PEM file; NULL: the system's */
};

/*
 * Reads *text*, which is called *name* in errors. *zones* is the folder of the time zones that windows name.
 * Returns 0; -EINVAL with *err* naming file, line and key; another negative errno.
 */
int node_config_parse(const char *text, size_t size, const char *name, const char *zones,
	struct node_config *ret, struct error **err);

/* Reads a file; one that is not there is as good as an empty one. */
int node_config_load(const char *path, const char *zones, struct node_config *ret, struct error **err);

void node_config_release(struct node_config *config);
#define _cleanup_node_config_ _cleanup_(node_config_release)

/* The name that the file has for a channel; and the channel of a name, -EINVAL with *err* listing them. */
const char *node_channel_name(enum node_channel channel);
int node_channel_parse(const char *name, enum node_channel *ret, struct error **err);

/*
 * Sets a key of the file whose value is a text or number to *value*, or removes it where *value* is NULL. All
 * else in the file stays as it is, comments too. The file appears whole or not at all; it is made where it is
 * not there. What would then not be valid is not written.
 *
 * Returns 0; -EINVAL where the value does not fit, or where the file is written in a way that has to be
 * changed by hand; another negative errno.
 */
int node_config_set(
	const char *path, const char *zones, const char *key, const char *value, struct error **err);
