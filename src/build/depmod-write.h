/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The files that the finisher "depmod" writes (build/depmod.h), from what it has found out.
 */
#pragma once

#include "build/finish.h"
#include "format/module-info.h"

struct depmod_module {
	char *file; /* "kernel/fs/fuse/fuse.ko" */
	char *name;
	struct content *content; /* the tree's */
	struct module_info info;
	size_t order;  /* line in modules.order */
	size_t *needs; /* indexes of the modules whose symbols it uses, in the order of their first use */
	size_t need_count;
	size_t users; /* number of modules that need it */
	size_t place; /* in an order where all that a module needs stands behind it */
};

struct depmod_symbol {
	const char *name;
	size_t owner;
};

struct depmod {
	char *folder; /* "usr/lib/modules/VERSION" */
	struct depmod_module *modules;
	size_t count;
	struct depmod_symbol *symbols; /* sorted by name */
	size_t symbol_count;
};

/* Adds all files to the tree, in place of those that are there. */
int depmod_write(const struct depmod *depmod, struct finish *finish, struct error **err);
