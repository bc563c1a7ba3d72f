/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The kernel's modules: which of them the image keeps, and which the initrd loads in what order.
 *
 *     r = kernel_modules_read(tree, 0, &modules, &err);                    // all that the package brought
 *     r = kernel_modules_table(modules, &always, &devices, &table, &err);  // for the initrd, and its files
 *     r = kernel_modules_keep(modules, tree, &patterns, &err);             // the tree keeps what the node
 * may use r = finish_depmod(&finish, &err);                                    // build/depmod.h, on what is
 * left
 *
 * Debian ships modules as .ko.xz. The tree keeps them as plain .ko: the kernel loads them from a file
 * descriptor without a decompressor, so that an IPE policy can vouch for the file they come from, deltas
 * between releases are small, and the bytes (and with them a signature) are those that the package holds.
 */
#pragma once

#include "base/string-util.h"
#include "format/tree.h"
#include "source/cache.h"

struct kernel_module {
	char *name;   /* "virtio_blk": the file's name with "_" for "-" */
	char *file;   /* "kernel/drivers/block/virtio_blk.ko", in the folder of the kernel's modules */
	char *path;   /* "usr/lib/modules/6.12.1-amd64/kernel/drivers/block/virtio_blk.ko" */
	char *stored; /* as *path*, with ".xz" where the package compressed it */
	struct content *content; /* the module itself, not compressed */
	struct strv firmware;	 /* files below /usr/lib/firmware that it asks for; some are patterns */
	struct strv aliases; /* patterns (fnmatch) over modaliases and other names: "virtio:d00000002v*" */

	/* Other modules, as pointers into the same list. What is built into the kernel is left out. */
	const struct kernel_module **needs; /* their symbols are used: loaded before this one */
	size_t need_count;
	const struct kernel_module **before; /* "softdep pre": loaded before this one where they are there */
	size_t before_count;
	const struct kernel_module **after; /* "softdep post" */
	size_t after_count;
	const struct kernel_module *
		*weak; /* loaded on demand, so kept with this one and not loaded with it */
	size_t weak_count;
};

struct kernel_modules {
	char *version;		     /* "6.12.1-amd64" */
	struct kernel_module *items; /* sorted by name */
	size_t count;
	struct strv builtin; /* "kernel/fs/ext4/ext4.ko": what the kernel has built in */
};

struct kernel_modules *kernel_modules_free(struct kernel_modules *modules);
DEFINE_CLEANUP(struct kernel_modules *, kernel_modules_free);
#define _cleanup_kernel_modules_ _cleanup_(kernel_modules_freep)

/*
 * Reads all modules of the kernel in the tree's /usr/lib/modules, decompressing on up to *threads* threads
 * (0: one for each processor) those that *cache* (may be NULL) doesn't keep decompressed. The tree is not
 * changed.
 *
 * Returns 0; -ENOENT where the tree has no kernel's modules, or a module needs one that is nowhere; -EEXIST
 * where there are those of several kernels, or two modules of one name; -EBADMSG where one is damaged.
 */
int kernel_modules_read(const struct tree *tree, struct cache *cache, unsigned threads,
	struct kernel_modules **ret, struct error **err);

/* The module of that name, "-" and "_" being the same; NULL where there is none. */
const struct kernel_module *kernel_modules_find(const struct kernel_modules *modules, const char *name);

/*
 * Leaves in the tree the modules that *patterns* choose, with all that those need or name as soft or weak
 * dependencies, each as a plain .ko with the owner, time and origin that the package's file had.
 *
 * A pattern with a "/" is one over *file* without its ".ko" ("kernel/drivers/net/ethernet/intel/" followed by
 * two stars); one without is over names ("nf_*"). "*" and "?" don't cross a "/", two stars do. "!" before a
 * pattern takes what it matches out again, unless something that stays needs it; "-" before a pattern says
 * that it may match nothing, which is otherwise -ENOENT (a module that is built into the kernel is a match).
 * The patterns apply in turn. No patterns at all: all modules stay.
 * Errors in all three functions that one pattern or name is to blame for are about it (error_about()).
 */
int kernel_modules_keep(const struct kernel_modules *modules, struct tree *tree, const struct strv *patterns,
	struct error **err);

/*
 * The modules to load for *names* and the order to do it in: each behind all that it needs and its "softdep
 * pre", no module twice. A name that is built into the kernel is passed over; one that is nowhere is -ENOENT,
 * unless it begins with "-". *ret* is a malloc()ed array of pointers into *modules*.
 */
int kernel_modules_order(const struct kernel_modules *modules, const struct strv *names,
	const struct kernel_module ***ret, size_t *ret_count, struct error **err);

/*
 * The initrd's list of modules (init/modules.h): those to load *always*, and *devices*' drivers, which are
 * loaded when a device has one of their aliases; what those need is as well (a bus may have to be there
 * before its devices are). A line for each module, in the order of kernel_modules_order():
 *
 *     NAME FILE NEEDS [WANTED-BY…]
 *
 * FILE is "/" and the module's path, NEEDS the names of the modules to load first, separated by commas, or
 * "-"; WANTED-BY "always", or the aliases. The initrd then holds the files of the modules in *ret_modules*.
 */
int kernel_modules_table(const struct kernel_modules *modules, const struct strv *always,
	const struct strv *devices, char **ret, const struct kernel_module ***ret_modules, size_t *ret_count,
	struct error **err);
