/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Lines of sysusers.d(5).
 */
#include "format/sysusers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_sysusers_ struct sysusers sysusers = {};
	_cleanup_error_ struct error *err = NULL;

	(void)sysusers_parse((const char *)data, size, "fuzz", "x86-64", &sysusers, &err);
	return 0;
}
