/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "format/release-index.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was read can be written, reads and writes the same again, and its names are no paths. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_release_index_ struct release_index index = {}, again = {};
	_cleanup_buffer_ struct buffer once = {}, twice = {};

	if (release_index_parse(data, size, &index, NULL) < 0)
		return 0;
	for (size_t i = 0; i < index.count; i++) {
		const struct release_entry *entry = &index.entries[i];

		if (strchr(entry->edition, '/') || entry->architecture[0] == '.' ||
			!release_version_is_valid(entry->version) || entry->channels == 0 ||
			release_index_find(&index, entry->edition, entry->architecture, entry->version) !=
				entry ||
			(i > 0 && release_version_compare(entry->version, entry[-1].version) !=
					  -release_version_compare(entry[-1].version, entry->version)))
			__builtin_trap();
	}
	if (release_index_write(&index, &once, NULL) < 0)
		return 0; /* larger than it may be, now that it is indented */
	if (release_index_parse(once.data, once.size, &again, NULL) < 0 ||
		release_index_write(&again, &twice, NULL) < 0 || once.size != twice.size ||
		memcmp(once.data, twice.data, once.size) != 0)
		__builtin_trap();
	return 0;
}
