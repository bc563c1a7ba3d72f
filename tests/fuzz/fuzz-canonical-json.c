/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "format/canonical-json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool has_control(const struct buffer *text)
{
	for (size_t i = 0; i < text->size; i++)
		if (text->data[i] < ' ')
			return true;
	return false;
}

/* Without control characters the text is JSON again, of the same value, and its own canonical form. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_json_ json_t *value = NULL, *again = NULL;
	_cleanup_buffer_ struct buffer text = {}, second = {};

	value = json_loadb((const char *)data, size, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
	if (!value || canonical_json_write(value, &text, NULL) < 0 || has_control(&text))
		return 0;
	again = json_loadb((const char *)text.data, text.size, JSON_DECODE_ANY, NULL);
	if (!again || !json_equal(value, again) || canonical_json_write(again, &second, NULL) < 0 ||
		second.size != text.size || memcmp(second.data, text.data, text.size) != 0)
		__builtin_trap();
	return 0;
}
