/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Programs from the verified /usr, run to their end in the new root.
 */
#pragma once

#include "base/error.h"

/*
 * Runs *arguments* (the first is an absolute path in the new root, NULL ends them) with /dev and /proc there
 * for the program alone, and *environment*. What it prints goes to the kernel's log. Returns its exit status,
 * 128 + the signal's number where a signal ended it, or a negative errno.
 */
int program_run(const char *const *arguments, const char *const *environment, struct error **err);
