/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Folders: reading one, and going down into one that somebody else may have written to. State is not
 * verified: a link on it must not lead us to another file system, nor keep the node from starting.
 */
#pragma once

#include <dirent.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/string-util.h"

/* A DIR that is closed when it goes out of scope. */
static inline void cleanup_closedirp(DIR **dir)
{
	if (*dir)
		(void)closedir(*dir);
}

#define _cleanup_closedir_ __attribute__((cleanup(cleanup_closedirp)))

/*
 * Opens the folder *path* ("a/b/c") below the folder *parent*, a component at a time and without following
 * links. What is missing is made, the last component with *mode* and those before it with 0755. What is there
 * and no folder is set aside: it gets the name NAME.orlop-set-aside (or …-set-aside-2 and so on), its path
 * below *parent* is added to *aside*, and a folder made in its place. Returns a descriptor, or a negative
 * errno with *err* naming the component.
 */
int folder_open(int parent, const char *path, mode_t mode, struct strv *aside, struct error **err);

/* Makes sure that *folder* has nothing called *name*: a file or a link is removed, a folder set aside. */
int folder_free_name(int folder, const char *name, struct strv *aside, struct error **err);

/* Reports what the two above have set aside in *folder*. */
void folder_report_aside(const char *folder, const struct strv *aside);
