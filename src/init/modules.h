/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Kernel modules: which there are in the initrd, which the hardware wants, and loading them.
 *
 * The list /etc/orlop/modules of the initrd has a line for each module, in an order in which everything that
 * a module needs stands before it:
 *
 *     NAME FILE NEEDS [WANTED-BY…]
 *
 * FILE is an absolute path; NEEDS are names separated by commas, or "-"; WANTED-BY is "always", or patterns
 * as in modules.alias (fnmatch(3)) for the modalias of a device. A module that nothing wants is loaded when a
 * module that needs it is.
 */
#pragma once

#include "base/error.h"
#include "base/string-util.h"

struct module {
	char *name;
	char *file;
	struct strv needs;
	struct strv aliases;
	bool always;
	bool loaded; /* or tried */
};

struct modules {
	struct module *items;
	size_t count;
};

void modules_release(struct modules *modules);
#define _cleanup_modules_ _cleanup_(modules_release)

/*
 * Reads the list from *text*. Returns 0; -EINVAL with *err* naming the line where a field is missing, a file
 * is no absolute path, a module stands twice or needs one that does not stand before it; -ENOMEM.
 */
int modules_parse(const char *text, struct modules *ret, struct error **err);

/* True where one of the module's patterns fits the modalias of a device. */
bool module_matches(const struct module *module, const char *modalias);

/* Loads one module that is not loaded yet. The parameters are those of the command line. */
typedef int (*module_load_fn)(const struct module *module, void *userdata, struct error **err);

/*
 * Loads, with what they need: all modules that are always wanted; those that fit *modalias*. A failure of a
 * module that is always wanted is returned; one of a driver is reported and costs that device only.
 */
int modules_load_always(struct modules *modules, module_load_fn load, void *userdata, struct error **err);
void modules_load_for(struct modules *modules, const char *modalias, module_load_fn load, void *userdata);

/* A module_load_fn: finit_module(2), *userdata* being the `struct strv` of the command line's arguments. */
int module_load(const struct module *module, void *userdata, struct error **err);

/* Loads the drivers of all devices that are there by now. */
void modules_load_for_devices(struct modules *modules, const struct strv *arguments);
