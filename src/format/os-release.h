/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * os-release(5): which release this is. Lines NAME=VALUE, the value plain or in single or double quotes as a
 * shell has them.
 */
#pragma once

#include "base/buffer.h"

#define OS_RELEASE_PATH "/usr/lib/os-release"
#define OS_RELEASE_MAX KiB(64)

/*
 * The value of a field, without quotes, malloc()ed. Where the field is there more than once, the last one
 * counts, as in a shell. Returns 0; -ENOENT where the field is not there; -EBADMSG where its value is no
 * text that a shell would take for one word; -ENOMEM.
 */
int os_release_value(const char *text, size_t size, const char *name, char **ret);
