/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The finisher "ldcache": /etc/ld.so.cache and the links from libraries' sonames to their files, as
 * ldconfig(8) of the tree's own C library would make them.
 *
 * Searched are the folders that /etc/ld.so.conf names, with the files that it includes, then /lib/MULTIARCH,
 * /usr/lib/MULTIARCH, /lib and /usr/lib, each folder once, and the folders in their glibc-hwcaps. Of the
 * libraries in a folder with one soname, the cache names the newest.
 */
#pragma once

#include "build/finish.h"

/*
 * Writes the cache, makes soname links that are missing or lead to an older library, and removes links *.so.*
 * that lead nowhere.
 *
 * Returns 0; -ENOENT where the tree has no C library; -EBADMSG where a library is damaged; -EINVAL where a
 * configuration file can't be understood.
 */
int finish_ldcache(struct finish *finish, struct error **err);
