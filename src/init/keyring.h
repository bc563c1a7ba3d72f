/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A key of type "user" for as long as the kernel needs it (keyctl(2)). It stands in the thread's own keyring,
 * where dm-verity's look-up finds it and no other process does.
 */
#pragma once

#include "base/error.h"

/* Adds *size* bytes under *description*. Returns the key's serial number, or a negative errno. */
int64_t keyring_add(const char *description, const void *data, size_t size);
void keyring_remove(int64_t key);
