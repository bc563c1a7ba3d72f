/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/json-text.h"

#include <string.h>

#include "base/buffer.h"

json_t *json_text_sized(const char *text, size_t size)
{
	json_t *value = json_stringn(text, size);
	_cleanup_buffer_ struct buffer clean = {};

	if (value)
		return value;
	for (size_t i = 0; i < size; i++) {
		if ((uint8_t)text[i] < 0x80)
			buffer_append_u8(&clean, (uint8_t)text[i]);
		else
			buffer_append_string(&clean, "\xef\xbf\xbd");
	}
	return buffer_failed(&clean) ? NULL : json_stringn((char *)clean.data, clean.size);
}

json_t *json_text(const char *text)
{
	return text ? json_text_sized(text, strlen(text)) : json_null();
}
