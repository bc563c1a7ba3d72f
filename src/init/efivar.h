/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * UEFI variables as efivarfs shows them (Linux: Documentation/filesystems/efivarfs.rst): four bytes of
 * attributes, then the value.
 */
#pragma once

#include "base/error.h"

#define EFI_GLOBAL "8be4df61-93ca-11d2-aa0d-00e098032b8c" /* UEFI 2.10, 3.3 */
#define EFI_LOADER "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f" /* Boot Loader Interface */

/* The value of a variable of one byte. Returns it, or -ENOENT, -EBADMSG. */
int efivar_byte(const char *name, const char *vendor);

/* A variable that is a UTF-16 string of ASCII characters, into *ret* with its NUL. Returns 0, -ENOENT or
 * -EBADMSG. */
int efivar_text(const char *name, const char *vendor, char *ret, size_t size);

/* What efivar_text() makes of a file's content. */
int efivar_parse_text(const uint8_t *data, size_t data_size, char *ret, size_t size);
