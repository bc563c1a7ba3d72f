/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any bytes as a shared library, as the finisher "ldcache" reads one. */
#include "format/elf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_elf_dynamic_ struct elf_dynamic dynamic = {};
	_cleanup_error_ struct error *err = NULL;
	struct elf_bytes bytes;
	const char *interpreter;
	struct elf elf;

	if (elf_open(data, size, &elf, &err) < 0)
		return 0;
	(void)elf_dynamic(&elf, &dynamic, NULL);
	(void)elf_interpreter(&elf, &interpreter, NULL);
	(void)elf_note(&elf, "GNU", 5, &bytes, NULL);
	(void)elf_section(&elf, ".comment", &bytes, NULL);
	return 0;
}
