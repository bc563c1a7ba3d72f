/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The initial file system of the kernel: orlop-init, its settings, and the modules that it loads. Nothing
 * else is in it: no shell, no library, no device node.
 */
#pragma once

#include "base/buffer.h"
#include "build/definition.h"
#include "build/modules.h"

/* Where orlop-init finds in /usr what belongs to /etc. */
#define INITRD_ETC "/usr/share/orlop/etc"	/* the image's own /etc */
#define INITRD_SEALED "/usr/share/orlop/sealed" /* which of its paths can't be changed on the node */

/* Where orlop-init finds in the initrd the /usr that it carries (init/carried.h). */
#define INITRD_CARRIED "carried"

/* What is other in an initrd that carries its /usr. */
enum initrd_netboot {
	INITRD_NETBOOT_NONE,   /* /usr is on a disk */
	INITRD_NETBOOT_MEMORY, /* /var is in memory, and no disk is looked at */
	INITRD_NETBOOT_DISK,   /* /var is the state partition of a disk, which has to be there */
};

/* "memory", "disk"; NULL for none. */
const char *initrd_netboot_name(enum initrd_netboot netboot);

/*
 * The settings of orlop-init (docs/formats/init.md) for an edition on *architecture* (Debian's name), started
 * with *command_line*, with /usr where *netboot* says. *ret* is the caller's. Returns 0; -EINVAL where the
 * architecture has no /usr partition type.
 */
int initrd_settings(const struct definition *definition, const char *architecture, const char *command_line,
	enum initrd_netboot netboot, char **ret, struct error **err);

/* A /usr that the initrd carries: the files of a slot. *signature* is what its third partition holds. */
struct initrd_carried {
	struct content *usr, *verity, *signature;
};

struct initrd_options {
	const char *init; /* path of orlop-init for the architecture */
	const struct kernel_modules *modules;
	const struct strv *always, *devices; /* as for kernel_modules_table() */
	int64_t mtime;			     /* seconds since 1970, of all that is in it */
};

/*
 * The initrd is cpio archives, one behind the other: one with the settings, as it is, then one with what is
 * carried, where anything is, as it is, and one with all else, compressed with gzip. Each is appended to
 * *ret*. The same options always make the same bytes, and other settings leave those of the last archive as
 * they are: by no more than that need the kernel images of two releases differ, and the last one can be made
 * before there are any settings.
 *
 * Compressed it is a third as large, and the firmware, which reads it slowly, and the TPM's measurement of it
 * gain more than the kernel's unpacking costs. zstd would save a sixth of that, but makes something else with
 * each of its versions, and so on each version of Debian. Modules are stored plain inside: compressing them
 * twice makes neither smaller.
 */
int initrd_write_settings(const char *settings, int64_t mtime, struct buffer *ret, struct error **err);
int initrd_write_carried(
	const struct initrd_carried *carried, int64_t mtime, struct buffer *ret, struct error **err);
int initrd_write_rest(const struct initrd_options *options, struct buffer *ret, struct error **err);
