/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/verity.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_error_ struct error *err = NULL;
	struct verity_header header;

	if (verity_header_parse(data, size, &header, &err) == 0 && header.size % VERITY_BLOCK_SIZE != 0)
		__builtin_trap();
	return 0;
}
