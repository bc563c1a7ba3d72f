/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where things are that no option has named: the XDG folders, and what is installed beside the program.
 */
#pragma once

#include "base/error.h"

/* Each returns a malloc()ed path, NULL with *err* set where there is none. */

/* A copy of what an option says. */
char *path_given(const char *path, struct error **err);

/* $XDG_CACHE_HOME/orlop, or ~/.cache/orlop */
char *path_cache(struct error **err);

/* $XDG_DATA_HOME/orlop/keys, or ~/.local/share/orlop/keys */
char *path_keys(struct error **err);

/* $XDG_DATA_HOME/orlop/vm-ssh-key, or below ~/.local/share */
char *path_vm_key(struct error **err);

/*
 * $XDG_RUNTIME_DIR/orlop, or /tmp/orlop-UID: for what lives no longer than the host is up. Who makes the
 * second one sees to it that it is ours.
 */
char *path_runtime(struct error **err);

/*
 * The definition that *name* means: a path where it holds a "/" or ends in ".yaml"; otherwise NAME.yaml in
 * $ORLOP_EDITIONS, in the source tree that the program was built in, or in the installed folder.
 */
char *path_edition(const char *name, struct error **err);

/*
 * A program of ours for nodes of that architecture: what *variable* of the environment names, if it is set;
 * else what was built with this program, or installed with it.
 */
char *path_program(const char *name, const char *variable, const char *architecture, struct error **err);
