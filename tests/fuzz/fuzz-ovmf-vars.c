/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/ovmf-vars.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_signatures(const struct ovmf_variable *variable)
{
	struct efi_signature_reader reader = {.data = variable->data, .size = variable->size};
	struct efi_signature signature;
	volatile uint8_t sum = 0;

	while (efi_signature_next(&reader, &signature, NULL) > 0)
		for (size_t i = 0; i < signature.size; i++)
			sum = (uint8_t)(sum + signature.data[i]);
}

static size_t read_variables(const uint8_t *data, size_t size)
{
	struct ovmf_vars vars;
	size_t position = 0, count = 0;

	if (ovmf_vars_parse(data, size, &vars, NULL) < 0)
		return 0;
	for (;; count++) {
		_cleanup_ovmf_variable_ struct ovmf_variable variable = {};

		if (ovmf_vars_next(&vars, &position, &variable, NULL) <= 0)
			return count;
		read_signatures(&variable);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t der[] = {0x30, 0x00};
	static const struct efi_trust trust = {.pk = {der, 2}, .kek = {der, 2}, .db = {der, 2}};
	_cleanup_buffer_ struct buffer enrolled = {};

	(void)read_variables(data, size);
	if (ovmf_vars_enroll(data, size, &trust, 0, &enrolled, NULL) == 0 &&
		read_variables(enrolled.data, enrolled.size) < 5)
		abort();
	return 0;
}
