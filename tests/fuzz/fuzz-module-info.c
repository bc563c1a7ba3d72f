/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any bytes as a kernel module, compressed or not. */
#include "format/module-info.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_module_info_ struct module_info info = {};
	_cleanup_error_ struct error *err = NULL;
	_cleanup_free_ void *plain = NULL;
	size_t plain_size;

	(void)module_info_read_compressed(data, size, &info, &plain, &plain_size, &err);
	return 0;
}
