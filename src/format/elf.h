/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reading ELF files: what the finishers want to know of shared libraries (SONAME, needed libraries, the
 * notes that the dynamic loader looks at) and of kernel modules (sections by name, symbols).
 *
 * System V ABI, "Object Files" and "Dynamic Linking"; both classes, little-endian alone, as all of Debian's
 * architectures that Orlop builds for are. Nothing is copied: everything that is returned points into the
 * file's bytes, which must live as long. Every offset and size is checked against the file's size.
 */
#pragma once

#include "base/error.h"

enum {
	ELF_MACHINE_386 = 3,
	ELF_MACHINE_X86_64 = 62,
	ELF_MACHINE_AARCH64 = 183,
};

enum {
	ELF_TYPE_RELOCATABLE = 1,
	ELF_TYPE_EXECUTABLE = 2,
	ELF_TYPE_SHARED = 3,
};

enum {
	ELF_BINDING_LOCAL = 0,
	ELF_BINDING_GLOBAL = 1,
	ELF_BINDING_WEAK = 2,
};

enum {
	ELF_SECTION_INDEX_UNDEFINED = 0,
	ELF_SECTION_INDEX_ABSOLUTE = 0xfff1,
};

struct elf {
	const uint8_t *data;
	uint64_t size;
	bool is_64;
	uint16_t type, machine;
	uint32_t flags;

	/* Tables, known to lie inside the file. */
	uint64_t segments_at, sections_at;
	uint32_t segment_count, section_count;
	const char *names; /* of the sections; NULL where there are none */
	uint64_t names_size;
};

/* A piece of the file. */
struct elf_bytes {
	const uint8_t *data;
	uint64_t size;
};

struct elf_symbol {
	const char *name; /* ends with a NUL inside the string table */
	uint64_t value, size;
	uint16_t section; /* index, or one of ELF_SECTION_INDEX_… */
	uint8_t binding, type;
};

/* What the dynamic section tells. */
struct elf_dynamic {
	const char *soname;  /* NULL where there is none */
	const char **needed; /* malloc()ed array of pointers into the file, ended by NULL; NULL where none */
	size_t needed_count;
};

void elf_dynamic_release(struct elf_dynamic *dynamic);
#define _cleanup_elf_dynamic_ _cleanup_(elf_dynamic_release)

/* True where *data* begins like an ELF file of any kind. */
bool elf_is(const void *data, size_t size);

/*
 * Reads the header and finds the tables. Returns 0; -ENOEXEC where it is no little-endian ELF file;
 * -EBADMSG where it is a damaged one.
 */
int elf_open(const void *data, size_t size, struct elf *ret, struct error **err);

/*
 * The content of a section. -ENOENT where there is none of that name or number (with *err* untouched);
 * -EBADMSG where it does not lie inside the file. A section that takes no room in the file (NOBITS) is empty.
 */
int elf_section(const struct elf *elf, const char *name, struct elf_bytes *ret, struct error **err);
int elf_section_by_index(const struct elf *elf, uint32_t index, struct elf_bytes *ret, struct error **err);

/*
 * The symbol table (.symtab with .strtab), opened once and read by index from 1 to count - 1. -ENOENT where
 * the file has none, with *err* untouched; -EBADMSG where it is damaged.
 */
struct elf_symbols {
	struct elf_bytes table, strings;
	size_t count;
	bool is_64;
};
int elf_symbols_open(const struct elf *elf, struct elf_symbols *ret, struct error **err);
int elf_symbols_get(
	const struct elf_symbols *symbols, size_t index, struct elf_symbol *ret, struct error **err);

/* The dynamic section, found through the program headers. -ENOENT (*err* untouched) where there is none. */
int elf_dynamic(const struct elf *elf, struct elf_dynamic *ret, struct error **err);

/* The program interpreter, NULL where the file names none. */
int elf_interpreter(const struct elf *elf, const char **ret, struct error **err);

/*
 * The descriptor of the first note with that name ("GNU") and type in the program headers' notes. -ENOENT
 * (*err* untouched) where there is none.
 */
int elf_note(
	const struct elf *elf, const char *name, uint32_t type, struct elf_bytes *ret, struct error **err);

/* The string that begins at *offset* and ends with a NUL inside *bytes*; NULL where there is none. */
const char *elf_string(const struct elf_bytes *bytes, uint64_t offset);
