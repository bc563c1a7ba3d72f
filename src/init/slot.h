/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The slot that this kernel belongs to: the usr partition whose unique id is the first half of the root hash,
 * and the hash partition whose id is the second half, on one disk (Discoverable Partitions Specification,
 * "usr verity").
 */
#pragma once

#include "format/gpt.h"
#include "format/verity-signature.h"
#include "init/block.h"
#include "init/settings.h"

#define SLOT_SIGNATURE_MAX KiB(64) /* bytes read of a signature partition */

struct slot_query {
	struct uuid usr_type, verity_type, signature_type;
	struct uuid usr, verity; /* unique ids, from the root hash */
	uint8_t root_hash[SHA256_SIZE];
	bool have_esp;	 /* the boot loader has said which partition it came from: */
	struct uuid esp; /* the slot has to be on that partition's disk */
};

struct slot {
	struct block_device disk, usr, verity;
	struct block_device esp; /* of the same disk, the one that the boot loader came from; no path: none */
	struct gpt gpt;		 /* the disk's table */
	unsigned number;
	char letter;		    /* 'a' for the first usr partition of the disk, and so on */
	char label[GPT_LABEL_SIZE]; /* of the usr partition: NAME_VERSION */
	bool carried; /* it came in the initrd (init/carried.h): usr and verity are all there is of it */
};

void slot_release(struct slot *slot);
#define _cleanup_slot_ _cleanup_(slot_release)

/*
 * Makes the query from the settings' types and the root hash. Returns 0; -EINVAL where a type is no UUID or
 * the root hash is not 64 digits of lower case.
 */
int slot_query_init(
	struct slot_query *ret, const struct settings *settings, const char *root_hash, struct error **err);

/* Reads the partition table of a disk. Returns 0 or a negative errno. */
int slot_read_table(const struct block_device *disk, struct gpt *ret);

/* The letter of the slot whose usr partition is *number*. */
char slot_letter(const struct gpt *gpt, const struct uuid *usr_type, unsigned number);

/*
 * Looks at all disks once, in the order of their names; *after* is the name of a disk that was looked at
 * before, NULL: begin with the first. Returns 0, or -ENOENT without *err* where the slot is not there (yet).
 */
int slot_find(const struct slot_query *query, const char *after, struct slot *ret, struct error **err);

/*
 * Reads the signature of the root hash from the slot's disk: the one of the signature partitions that is
 * about this root hash. Returns 0; -ENOENT where there is none; -EIO.
 */
int slot_signature(const struct slot_query *query, const struct slot *slot, struct verity_signature *ret,
	struct error **err);
