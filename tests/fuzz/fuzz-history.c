/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "update/history.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_history_ struct history history = {};
	_cleanup_strv_ struct strv versions = {};

	if (history_parse((const char *)data, size, &history, NULL) < 0 ||
		history_rejected(&history, &versions, NULL) < 0 || versions.count > HISTORY_REJECTED_MAX)
		__builtin_trap();
	for (size_t i = 0; i < history.count; i++) {
		char *text = history_entry_text(&history.entries[i]);

		/* One line for a terminal, whatever the file holds. */
		for (const char *at = text; at && *at; at++)
			if ((unsigned char)*at < ' ')
				__builtin_trap();
		if (!text)
			__builtin_trap();
		free(text);
	}
	return 0;
}
