/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "format/image-files.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was read can be written again, and reads the same; names are no paths. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_image_files_ struct image_files files = {}, again = {};
	json_t *json = json_loadb((const char *)data, size, JSON_ALLOW_NUL, NULL), *written;
	int r = image_files_parse(json, &files, NULL);

	json_decref(json);
	if (r < 0)
		return 0;
	written = image_files_json(&files);
	if (strchr(files.tree.name, '/') || strchr(files.image.name, '/') || !written ||
		image_files_parse(written, &again, NULL) < 0 || again.delta_count != files.delta_count)
		__builtin_trap();
	json_decref(written);
	return 0;
}
