/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "source/lock.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was read can be written, reads and writes the same again, and leads nowhere but below an archive. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_lock_ struct lock lock = {}, again = {};
	_cleanup_buffer_ struct buffer once = {}, twice = {};

	if (lock_parse(data, size, &lock, NULL) < 0)
		return 0;
	for (size_t i = 0; i < lock.packages.count; i++)
		if (!package_path_is_safe(lock.packages.items[i].file) ||
			strchr(lock.packages.items[i].name, '/'))
			__builtin_trap();
	if (lock_write(&lock, &once, NULL) < 0)
		return 0; /* larger than it may be, now that it is indented */
	if (lock_parse(once.data, once.size, &again, NULL) < 0 || lock_write(&again, &twice, NULL) < 0 ||
		once.size != twice.size || memcmp(once.data, twice.data, once.size) != 0)
		__builtin_trap();
	return 0;
}
