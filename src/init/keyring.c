/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "init/keyring.h"

#include <errno.h>
#include <linux/keyctl.h>
#include <sys/syscall.h>

int64_t keyring_add(const char *description, const void *data, size_t size)
{
	long key = syscall(SYS_add_key, "user", description, data, size, KEY_SPEC_THREAD_KEYRING);

	return key < 0 ? -errno : key;
}

void keyring_remove(int64_t key)
{
	(void)syscall(SYS_keyctl, KEYCTL_UNLINK, (long)key, KEY_SPEC_THREAD_KEYRING);
}
