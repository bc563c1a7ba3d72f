/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The machine that orlop-node runs on, as it finds it: which release runs, from which slot of which disk,
 * what it is told to do, and where it keeps what it remembers.
 */
#pragma once

#include "base/block-io.h"
#include "base/sha256.h"
#include "update/install.h"
#include "update/node-config.h"
#include "update/policy.h"

/*
 * Where things are, each below *root* ("" on a node; tests have a folder of their own):
 *
 *     /usr/lib/os-release           edition, version
 *     /usr/share/orlop/root.json    the releases' root of trust, of the running image
 *     /run/orlop/boot.json          what orlop-init found: docs/formats/init.md
 *     /etc/machine-id
 *     /etc/orlop/node.yaml          settings; where there is none, /run/orlop/node.yaml, from a credential
 *     /var/lib/orlop/update/tuf     metadata that was verified
 *     /var/lib/orlop/update/history
 *     /var/lib/orlop/update/releases.json, as it came last
 */
struct node_options {
	const char *root;

	/* For what must go on whatever the settings say: where this is not NULL, settings that are wrong are
	 * no error, those of an empty file count instead, and what is wrong with them is noted here. */
	struct error **settings_fault;
};

struct node {
	char *root; /* of paths */
	char *edition, *architecture, *version;
	uint8_t root_hash[SHA256_SIZE];
	bool netboot;	 /* /usr came with the kernel image, over the network: there are no slots */
	char slot;	 /* 0 on such a node */
	char *disk_path; /* NULL on such a node */
	char *degraded;	 /* why state is volatile; NULL: it is not */
	uint8_t machine[MACHINE_ID_SIZE];
	char *config_path; /* of the file that counts */
	struct node_config config;

	int disk_fd; /* from node_open_disk() on */
	struct block_file disk_file;
	struct block_io disk;
};

/* Finds out all but the disk. Returns 0; -ENOENT where this is no node of Orlop's; another negative errno. */
int node_open(const struct node_options *options, struct node **ret, struct error **err);
struct node *node_free(struct node *node);
DEFINE_CLEANUP(struct node *, node_free);
#define _cleanup_node_ _cleanup_(node_freep)

/* Reads the settings again. What was read before stays where they are wrong now. */
int node_reload(struct node *node, struct error **err);

/* ROOT + *path*, malloc()ed; NULL where memory is out. */
char *node_path(const struct node *node, const char *path);

/* Returns 0; -EOPNOTSUPP with *err* saying where updates come from where the node has no slots. */
int node_require_slots(const struct node *node, struct error **err);

/*
 * Opens the disk, past the kernel's cache: for reading, or for changes. For those, the boot partition is
 * unmounted where it is mounted; -EBUSY where somebody has it mounted for writing; as
 * node_require_slots().
 */
int node_open_disk(struct node *node, bool writing, struct error **err);

/* Opens the device of a partition of that disk by its number, read-only and past the kernel's cache. */
int node_open_partition(const struct node *node, unsigned number, struct error **err);

/* What install.h needs to know of the node. */
struct install node_install(const struct node *node, int64_t now);

/* Reads the certificates of the firmware's db (format/efi-signature.h). *ret* is the caller's. */
int node_trust_store(const struct node *node, struct buffer *ret, struct error **err);
