/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Writing /etc/ld.so.cache, in which the dynamic loader of the GNU C library looks libraries up: the format
 * "glibc-ld.so.cache1.1" as ldconfig of glibc 2.33 and later writes it. docs/formats/ld-cache.md describes
 * it.
 */
#pragma once

#include "base/buffer.h"
#include "base/error.h"
#include "base/string-util.h"

/* What kind of library it is: bits 0 to 7 say "glibc 2", bits 8 to 15 which of a machine's ABIs. */
enum {
	LD_CACHE_LIBC6 = 0x0003,
	LD_CACHE_X86_64 = 0x0303,
	LD_CACHE_X32 = 0x0803,
	LD_CACHE_AARCH64 = 0x0a03,
};

struct ld_cache_entry {
	char *name; /* "libc.so.6" */
	char *path; /* "/lib/x86_64-linux-gnu/libc.so.6" */
	int32_t flags;
	char *hwcaps; /* "x86-64-v3", of a library in a folder glibc-hwcaps/x86-64-v3; NULL for any other */
	unsigned isa_level; /* that such a library needs, below 1024 */
};

struct ld_cache {
	struct ld_cache_entry *entries;
	size_t count;
	struct strv hwcaps; /* names of all folders in glibc-hwcaps, also of those that hold no library */
	char *generator;    /* "ldconfig (Debian GLIBC 2.41-12) stable release version 2.41" */
};

void ld_cache_release(struct ld_cache *cache);
#define _cleanup_ld_cache_ _cleanup_(ld_cache_release)

/* Adds copies. Returns 0 or -ENOMEM. */
int ld_cache_add(struct ld_cache *cache, const struct ld_cache_entry *entry);

/*
 * How the loader and ldconfig compare names: as strings in which numbers count by their value, so that
 * libz.so.9 is less than libz.so.10.
 */
int ld_cache_compare(const char *a, const char *b);

/*
 * Sorts the entries as the loader expects them and appends the file to *to*. Entries that are alike stay in
 * the order in which they were added. Returns 0; -EFBIG where it would be larger than its 32-bit offsets
 * reach; -ENOMEM.
 */
int ld_cache_write(struct ld_cache *cache, struct buffer *to, struct error **err);
