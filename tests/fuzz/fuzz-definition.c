/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "build/definition.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_definition_ struct definition *definition = NULL;
	_cleanup_error_ struct error *err = NULL;

	(void)definition_parse((const char *)data, size, "input.yaml", &definition, &err);
	return 0;
}
