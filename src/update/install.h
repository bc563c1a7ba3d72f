/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Changes what a node starts: brings a release into the slot that does not run, goes to the other slot, and
 * notes that a start went well. All of it is writes to one disk, in an order in which a power cut at any
 * moment leaves a node that starts, and makes no slot startable that is not whole. docs/update.md tells the
 * order and why.
 *
 * What holds at every moment:
 *
 *   - The boot entry of the running release, and its slot, are never touched while a release is brought.
 *   - A boot entry is there only while the slot that it starts is whole: the entries that the slot to be
 * written belongs to go first, and the new one comes last.
 *   - What is brought starts when somebody has said so, whenever the machine restarts before.
 *   - A slot has a release's ids only while it holds that release, read back and verified.
 *
 * Nobody else may change the disk's table or have its boot partition open meanwhile.
 */
#pragma once

#include "format/release-info.h"
#include "update/boot-entries.h"
#include "update/node-disk.h"
#include "update/usr-update.h"

#define INSTALL_TRIES 3 /* starts in which a release may prove itself */

struct install {
	const struct block_io *disk; /* the whole of it */
	uint32_t sector_size;	     /* 0: find out */
	const char *architecture;    /* Debian's name */
	uint8_t running_root[SHA256_SIZE];
	const char *running_version;
	int64_t now; /* seconds since 1970, for files on the boot partition */
};

enum install_step {
	INSTALL_PREPARE,   /* the other slot's entries go, and its name */
	INSTALL_USR,	   /* blocks */
	INSTALL_SIGNATURE, /* of the root hash */
	INSTALL_NAME,	   /* ids and labels */
	INSTALL_ENTRY,	   /* the kernel image */
};

struct install_release {
	const struct release_info *info; /* checked: release-trust.h */

	/* The kernel image, info->uki_size bytes that are proved (release-trust.h). It is read piece by
	 * piece, and once more it counts only as far as it has the digest info->uki_sha256. */
	const struct block_io *uki;

	/*
	 * Brings image and hash tree into *target*, verified as usr_update_run() does it. *slot* and
	 * *active_slot* say which partitions these are.
	 */
	int (*bring)(const struct node_slot *slot, const struct usr_slot *target,
		const struct node_slot *active_slot, const struct usr_slot *active, void *userdata,
		struct error **err);
	void (*step)(enum install_step step, void *userdata); /* told when one begins; may be NULL */
	void *userdata;
};

/*
 * Brings a release into the other slot and stages it: it has a boot entry then, and starts when
 * install_start_other() has said so. One that is there already is verified, and mended where it is not whole;
 * *ret_changed* (may be NULL) is false where nothing had to be done.
 *
 * Returns 0; -ENOENT where the running release's slot or boot entry is not on the disk; -EAGAIN where that
 * has not been found good yet (there would be nothing to fall back to); -EALREADY where the release is the
 * running one; -ENOSPC where a partition or the boot partition's free space is too small: nothing was changed
 * then; -EBADMSG where the kernel image is not what it was: it has no boot entry then; the errors of *bring*,
 * of reading the kernel image and of the disk, after which another call goes on from there.
 */
int install_release(const struct install *install, const struct install_release *release, bool *ret_changed,
	struct error **err);

/*
 * Sees to it that the release in the other slot starts next: it is given INSTALL_TRIES tries, unless it has
 * some left, and where the running one would come first, that is marked as bad and so becomes the last
 * resort.
 *
 * Returns 0; -ENOENT where the other slot holds nothing that can start.
 */
int install_start_other(const struct install *install, struct error **err);

/* Hands on the bytes of the running release's kernel image, as the boot partition has it. Returns 0; -ENOENT;
 * what *fn* returns. */
int install_read_running(const struct install *install, fat_bytes_fn fn, void *userdata, struct error **err);

/* Takes the other slot's release out of what can start: it was withdrawn. Returns 0, also where there is
 * none. */
int install_remove_other(const struct install *install, struct error **err);

/* The running release is good: its boot entry keeps no count. *ret_changed* (may be NULL): it had one. */
int install_bless(const struct install *install, bool *ret_changed, struct error **err);

/* What there is. */
struct install_state {
	struct node_slot running, other;
	struct boot_entries entries;			      /* in the order in which they are started */
	const struct boot_entry *running_entry, *other_entry; /* NULL: there is none */
	const struct boot_entry *next;			      /* what starts next */
	bool is_cut; /* the boot partition is marked as being changed: install_mend() */
};

void install_state_release(struct install_state *state);
#define _cleanup_install_state_ _cleanup_(install_state_release)

int install_look(const struct install *install, struct install_state *ret, struct error **err);

/* Puts right what a change that was cut has left on the boot partition, as any change of it does first. */
int install_mend(const struct install *install, struct error **err);
