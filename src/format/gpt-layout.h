/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where the fields of a GPT stand (UEFI 2.10, tables 5-3, 5-5 and 5-6), for gpt.c and gpt-disk.c alone. All
 * integers are little-endian.
 */
#pragma once

#include "format/gpt.h"

#define GPT_PRIMARY_LBA 1

#define GPT_HEADER_SIGNATURE 0 /* "EFI PART" */
#define GPT_HEADER_REVISION 8
#define GPT_HEADER_SIZE 12
#define GPT_HEADER_CRC 16
#define GPT_HEADER_MY_LBA 24
#define GPT_HEADER_ALTERNATE_LBA 32
#define GPT_HEADER_FIRST_USABLE 40
#define GPT_HEADER_LAST_USABLE 48
#define GPT_HEADER_DISK 56
#define GPT_HEADER_ENTRIES_LBA 72
#define GPT_HEADER_ENTRY_COUNT 80
#define GPT_HEADER_ENTRY_SIZE 84
#define GPT_HEADER_ENTRIES_CRC 88
#define GPT_HEADER_END 92

#define GPT_ENTRY_TYPE 0
#define GPT_ENTRY_ID 16
#define GPT_ENTRY_FIRST 32
#define GPT_ENTRY_LAST 40 /* the last sector itself, not the one behind it */
#define GPT_ENTRY_ATTRIBUTES 48
#define GPT_ENTRY_LABEL 56
#define GPT_ENTRY_MIN 128

/* Entries of more bytes than this are refused: 1024 partitions are enough. */
#define GPT_ENTRIES_MAX KiB(128)

static inline size_t gpt_entries_bytes(const struct gpt *gpt)
{
	return (size_t)gpt->entry_count * gpt->entry_size;
}

static inline uint64_t gpt_entries_sectors(const struct gpt *gpt)
{
	return div_round_up_u64(gpt_entries_bytes(gpt), gpt->sector_size);
}
