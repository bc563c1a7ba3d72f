/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a kernel module says of itself: the names that it goes by, what it needs, and its symbols.
 *
 * A module is a relocatable ELF file. Its section .modinfo holds "key=value" strings, each ended by a NUL
 * (Linux: include/linux/module.h, scripts/mod/modpost.c). It exports the symbols for which its symbol table
 * has an entry "__crc_NAME", or, where the kernel has no symbol versions, those in __ksymtab_strings; it
 * imports its undefined symbols, and those that only __versions names.
 */
#pragma once

#include "base/error.h"
#include "base/string-util.h"

struct module_info {
	struct strv aliases;
	struct strv depends;  /* names of modules, as the kernel's build found them */
	struct strv softdeps; /* "pre: a b post: c", as it stands */
	struct strv weakdeps;
	struct strv firmware; /* files that it asks for: "tigon/tg3.bin"; some are patterns */
	struct strv exports;  /* names of symbols, in the file's order */
	struct strv imports;
};

void module_info_release(struct module_info *info);
#define _cleanup_module_info_ _cleanup_(module_info_release)

/*
 * Reads a module that is not compressed. Returns 0; -ENOEXEC where it is no relocatable ELF file; -EBADMSG
 * where it is damaged; -ENOMEM. *ret* is filled on success alone.
 */
int module_info_read(const void *data, size_t size, struct module_info *ret, struct error **err);

/* The same for a module that may be compressed with xz: *ret_plain* is what was decompressed, to be freed by
 * the caller, or NULL where *data* itself is the module. */
int module_info_read_compressed(const void *data, size_t size, struct module_info *ret, void **ret_plain,
	size_t *ret_plain_size, struct error **err);

/*
 * The name of a module, from the name or path of its file: what follows the last "/", up to the first ".",
 * with "_" for
 * "-". malloc()ed; NULL where memory is out.
 */
char *module_name(const char *file);

/* Compares the names of two modules as strcmp() does, each from the name or path of its file. */
int module_compare_names(const char *file, const char *other);

/* True where a path ends as a module's file does: ".ko" or ".ko.xz". */
bool module_is_file(const char *path);
