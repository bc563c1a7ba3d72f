/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * GUIDs as UEFI keeps them (UEFI 2.10, appendix A): 16 bytes, of which the first three fields are
 * little-endian, and the text form with its fields in reading order.
 */
#pragma once

#include "base/macro.h"

#define EFI_GUID_SIZE 16
#define EFI_GUID_TEXT_SIZE 37 /* with the NUL */

struct efi_guid {
	uint8_t bytes[EFI_GUID_SIZE];
};

#define EFI_GUID(a, b, c, ...)                                                                         \
	{                                                                                              \
		{                                                                                      \
			(uint8_t)(a), (uint8_t)((a) >> 8), (uint8_t)((a) >> 16), (uint8_t)((a) >> 24), \
				(uint8_t)(b), (uint8_t)((b) >> 8), (uint8_t)(c), (uint8_t)((c) >> 8),  \
				__VA_ARGS__                                                            \
		}                                                                                      \
	}

bool efi_guid_equal(const struct efi_guid *a, const struct efi_guid *b);

/* Writes "8be4df61-93ca-11d2-aa0d-00e098032b8c" and a NUL. */
void efi_guid_format(const struct efi_guid *guid, char ret[EFI_GUID_TEXT_SIZE]);

/* Reads exactly that form, digits of either case. Returns 0 or -EINVAL. */
int efi_guid_parse(const char *text, struct efi_guid *ret);
