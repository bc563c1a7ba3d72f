/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "build/signing-folder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Names that were read stay in the folder, and what was read can be written and reads the same again. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct signing_certificates none = {};
	static const struct signing nothing = {};
	_cleanup_signing_folder_ struct signing_folder folder = {}, again = {};
	_cleanup_buffer_ struct buffer once = {}, twice = {};

	if (signing_folder_parse(data, size, &folder, NULL) < 0)
		return 0;
	if (strchr(folder.edition, '/') || folder.file_count > SIGNING_FILES_MAX)
		__builtin_trap();
	for (size_t i = 0; i < folder.file_count; i++)
		if (strchr(folder.files[i].name, '/') || folder.files[i].name[0] == '.')
			__builtin_trap();
	(void)signing_folder_compare(&folder, &nothing, &none, NULL);
	if (signing_folder_write(&folder, &nothing, &none, &once, NULL) < 0 ||
		signing_folder_parse(once.data, once.size, &again, NULL) < 0 ||
		signing_folder_write(&again, &nothing, &none, &twice, NULL) < 0 || once.size != twice.size ||
		memcmp(once.data, twice.data, once.size) != 0)
		__builtin_trap();
	return 0;
}
