/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "format/release-info.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was read can be written, reads and writes the same again, and its names are no paths. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_release_info_ struct release_info info = {}, again = {};
	_cleanup_buffer_ struct buffer once = {}, twice = {};

	if (release_info_parse(data, size, &info, NULL) < 0)
		return 0;
	if (strchr(info.edition, '/') || info.architecture[0] == '.' || strchr(info.version, '/') ||
		info.signature_size == 0 || info.signature_size > RELEASE_SIGNATURE_MAX)
		__builtin_trap();
	if (release_info_write(&info, &once, NULL) < 0)
		return 0; /* larger than it may be, now that it is indented */
	if (release_info_parse(once.data, once.size, &again, NULL) < 0 ||
		release_info_write(&again, &twice, NULL) < 0 || once.size != twice.size ||
		memcmp(once.data, twice.data, once.size) != 0)
		__builtin_trap();
	return 0;
}
