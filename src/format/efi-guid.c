/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/efi-guid.h"

#include <errno.h>
#include <string.h>

#include "base/encoding.h"

/* In text order, which byte comes next, and before which bytes a hyphen stands. */
static const uint8_t text_order[EFI_GUID_SIZE] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};

static bool hyphen_before(size_t i)
{
	return i == 4 || i == 6 || i == 8 || i == 10;
}

bool efi_guid_equal(const struct efi_guid *a, const struct efi_guid *b)
{
	return memcmp(a->bytes, b->bytes, EFI_GUID_SIZE) == 0;
}

void efi_guid_format(const struct efi_guid *guid, char ret[EFI_GUID_TEXT_SIZE])
{
	for (size_t i = 0; i < EFI_GUID_SIZE; i++) {
		if (hyphen_before(i))
			*ret++ = '-';
		hex_encode(&guid->bytes[text_order[i]], 1, ret);
		ret += 2;
	}
}

int efi_guid_parse(const char *text, struct efi_guid *ret)
{
	struct efi_guid guid;

	if (strlen(text) != EFI_GUID_TEXT_SIZE - 1)
		return -EINVAL;
	for (size_t i = 0; i < EFI_GUID_SIZE; i++) {
		if (hyphen_before(i) && *text++ != '-')
			return -EINVAL;
		if (hex_decode(text, &guid.bytes[text_order[i]], 1) < 0)
			return -EINVAL;
		text += 2;
	}
	*ret = guid;
	return 0;
}
