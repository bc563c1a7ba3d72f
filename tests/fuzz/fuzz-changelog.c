/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "format/changelog.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Entries follow each other without gaps and lie inside the text; ids have their form. */
static void walk(const char *text, size_t size)
{
	const char *at = text, *end = text + size, *before = NULL;
	struct changelog_entry entry;

	while (changelog_next(&at, end, &entry, NULL) > 0) {
		const char *inside = entry.text;
		char id[CHANGELOG_CVE_SIZE];

		if (entry.text < text || entry.size == 0 || entry.text + entry.size != at || at > end ||
			(before && entry.text != before) || !*entry.source || !*entry.version)
			__builtin_trap();
		before = at;
		while (changelog_next_cve(&inside, at, id))
			if (inside > at || strncmp(id, "CVE-", 4) != 0 ||
				strlen(id) < strlen("CVE-2026-1234"))
				__builtin_trap();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_buffer_ struct buffer text = {};

	walk((const char *)data, size);
	if (changelog_unpack(data, size, &text, NULL) == 0)
		walk((const char *)text.data, text.size);
	return 0;
}
