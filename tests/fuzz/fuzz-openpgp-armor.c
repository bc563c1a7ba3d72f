/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/openpgp-armor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_buffer_ struct buffer keys = {};
	_cleanup_error_ struct error *err = NULL;

	(void)openpgp_keys_kind(data, size);
	(void)openpgp_dearmor((const char *)data, size, &keys, &err);
	return 0;
}
