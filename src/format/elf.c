/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/elf.h"

#include <assert.h>
#include <elf.h>
#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/string-util.h"

_Static_assert(ELF_MACHINE_AARCH64 == EM_AARCH64 && ELF_MACHINE_X86_64 == EM_X86_64, "elf.h");

static int damaged(struct error **err, const char *what)
{
	return error_set(err, -EBADMSG, "damaged ELF file: %s", what);
}

/* True where *size* bytes at *offset* lie inside the file. */
static bool inside(const struct elf *elf, uint64_t offset, uint64_t size)
{
	return offset <= elf->size && size <= elf->size - offset;
}

/* A field of the file's address size. */
static uint64_t read_word(bool is_64, const uint8_t *at)
{
	return is_64 ? read_le64(at) : read_le32(at);
}

/* Fields have other places in the two classes: FIELD(Shdr, sh_offset, …) reads whichever it is. */
#define FIELD(is_64, at, type, field)                                                                   \
	((is_64) ? read_sized((at) + offsetof(Elf64_##type, field), sizeof(((Elf64_##type *)0)->field)) \
		 : read_sized((at) + offsetof(Elf32_##type, field), sizeof(((Elf32_##type *)0)->field)))
#define ENTRY_SIZE(is_64, type) ((is_64) ? sizeof(Elf64_##type) : sizeof(Elf32_##type))

static uint64_t read_sized(const uint8_t *at, size_t size)
{
	return size == 1 ? *at : size == 2 ? read_le16(at) : size == 4 ? read_le32(at) : read_le64(at);
}

bool elf_is(const void *data, size_t size)
{
	return size >= EI_NIDENT && memcmp(data, ELFMAG, SELFMAG) == 0;
}

const char *elf_string(const struct elf_bytes *bytes, uint64_t offset)
{
	if (offset >= bytes->size || !memchr(bytes->data + offset, 0, bytes->size - offset))
		return NULL;
	return (const char *)bytes->data + offset;
}

/* Checks a table of *count* entries of *entry* bytes at *offset*; the file says that they have *said* bytes.
 */
static int check_table(const struct elf *elf, uint64_t offset, uint64_t count, uint64_t said, size_t entry,
	const char *what, struct error **err)
{
	if (count > 0 && (said != entry || !inside(elf, offset, count * entry)))
		return error_set(err, -EBADMSG,
			"damaged ELF file: table of %s at %#jx with %ju entries of %ju bytes", what,
			(uintmax_t)offset, (uintmax_t)count, (uintmax_t)said);
	return 0;
}

static const uint8_t *section_header(const struct elf *elf, uint32_t index)
{
	return elf->data + elf->sections_at + (uint64_t)index * ENTRY_SIZE(elf->is_64, Shdr);
}

static const uint8_t *segment_header(const struct elf *elf, uint32_t index)
{
	return elf->data + elf->segments_at + (uint64_t)index * ENTRY_SIZE(elf->is_64, Phdr);
}

static int open_sections(struct elf *elf, struct error **err)
{
	const uint8_t *header = elf->data;
	uint64_t count = FIELD(elf->is_64, header, Ehdr, e_shnum);
	uint64_t entry = FIELD(elf->is_64, header, Ehdr, e_shentsize);
	uint64_t names = FIELD(elf->is_64, header, Ehdr, e_shstrndx);
	struct elf_bytes strings;
	int r;

	elf->sections_at = FIELD(elf->is_64, header, Ehdr, e_shoff);
	if (elf->sections_at == 0)
		return 0;
	/* Where there are too many for the field, the first section header holds the number. */
	if (count == 0) {
		r = check_table(
			elf, elf->sections_at, 1, entry, ENTRY_SIZE(elf->is_64, Shdr), "sections", err);
		if (r < 0)
			return r;
		count = FIELD(elf->is_64, section_header(elf, 0), Shdr, sh_size);
		if (count > UINT32_MAX)
			return damaged(err, "number of sections");
	}
	r = check_table(elf, elf->sections_at, count, entry, ENTRY_SIZE(elf->is_64, Shdr), "sections", err);
	if (r < 0)
		return r;
	elf->section_count = (uint32_t)count;
	if (names == SHN_XINDEX && count > 0)
		names = FIELD(elf->is_64, section_header(elf, 0), Shdr, sh_link);
	if (names == SHN_UNDEF)
		return 0;
	if (names >= count)
		return damaged(err, "there is no section with the sections' names");
	r = elf_section_by_index(elf, (uint32_t)names, &strings, err);
	if (r < 0)
		return r;
	elf->names = (const char *)strings.data;
	elf->names_size = strings.size;
	return 0;
}

int elf_open(const void *data, size_t size, struct elf *ret, struct error **err)
{
	struct elf elf = {.data = data, .size = size};
	int r;

	if (!elf_is(data, size))
		return error_set(err, -ENOEXEC, "not an ELF file");
	elf.is_64 = elf.data[EI_CLASS] == ELFCLASS64;
	if (!elf.is_64 && elf.data[EI_CLASS] != ELFCLASS32)
		return error_set(err, -ENOEXEC, "ELF file of unknown class %u", elf.data[EI_CLASS]);
	if (elf.data[EI_DATA] != ELFDATA2LSB)
		return error_set(err, -ENOEXEC, "ELF file that is not little-endian");
	if (size < ENTRY_SIZE(elf.is_64, Ehdr))
		return damaged(err, "it ends within its header");
	elf.type = (uint16_t)FIELD(elf.is_64, elf.data, Ehdr, e_type);
	elf.machine = (uint16_t)FIELD(elf.is_64, elf.data, Ehdr, e_machine);
	elf.flags = (uint32_t)FIELD(elf.is_64, elf.data, Ehdr, e_flags);
	elf.segments_at = FIELD(elf.is_64, elf.data, Ehdr, e_phoff);
	elf.segment_count = (uint32_t)FIELD(elf.is_64, elf.data, Ehdr, e_phnum);
	r = check_table(&elf, elf.segments_at, elf.segment_count,
		FIELD(elf.is_64, elf.data, Ehdr, e_phentsize), ENTRY_SIZE(elf.is_64, Phdr), "segments", err);
	if (r >= 0)
		r = open_sections(&elf, err);
	if (r < 0)
		return r;
	*ret = elf;
	return 0;
}

int elf_section_by_index(const struct elf *elf, uint32_t index, struct elf_bytes *ret, struct error **err)
{
	const uint8_t *header;
	uint64_t offset, size;

	if (index >= elf->section_count)
		return -ENOENT;
	header = section_header(elf, index);
	offset = FIELD(elf->is_64, header, Shdr, sh_offset);
	size = FIELD(elf->is_64, header, Shdr, sh_size);
	if (FIELD(elf->is_64, header, Shdr, sh_type) == SHT_NOBITS || index == 0)
		offset = size = 0;
	if (!inside(elf, offset, size))
		return error_set(err, -EBADMSG, "damaged ELF file: section %u lies outside of it", index);
	*ret = (struct elf_bytes){.data = elf->data + offset, .size = size};
	return 0;
}

int elf_section(const struct elf *elf, const char *name, struct elf_bytes *ret, struct error **err)
{
	struct elf_bytes names = {.data = (const uint8_t *)elf->names, .size = elf->names_size};

	for (uint32_t i = 1; i < elf->section_count; i++) {
		const char *other =
			elf_string(&names, FIELD(elf->is_64, section_header(elf, i), Shdr, sh_name));

		if (other && streq(other, name))
			return elf_section_by_index(elf, i, ret, err);
	}
	return -ENOENT;
}

int elf_symbols_open(const struct elf *elf, struct elf_symbols *ret, struct error **err)
{
	struct elf_symbols symbols = {.is_64 = elf->is_64};
	size_t entry = ENTRY_SIZE(elf->is_64, Sym);
	int r;

	r = elf_section(elf, ".symtab", &symbols.table, err);
	if (r >= 0)
		r = elf_section(elf, ".strtab", &symbols.strings, err);
	if (r < 0)
		return r;
	if (symbols.table.size % entry)
		return damaged(err, "the symbol table's size is no multiple of a symbol's");
	symbols.count = (size_t)(symbols.table.size / entry);
	*ret = symbols;
	return 0;
}

int elf_symbols_get(
	const struct elf_symbols *symbols, size_t index, struct elf_symbol *ret, struct error **err)
{
	bool is_64 = symbols->is_64;
	const uint8_t *at;
	const char *name;
	uint8_t info;

	if (index >= symbols->count)
		return -ENOENT;
	at = symbols->table.data + index * ENTRY_SIZE(is_64, Sym);
	name = elf_string(&symbols->strings, FIELD(is_64, at, Sym, st_name));
	if (!name)
		return error_set(err, -EBADMSG, "damaged ELF file: symbol %zu has no name", index);
	info = (uint8_t)FIELD(is_64, at, Sym, st_info);
	*ret = (struct elf_symbol){
		.name = name,
		.value = FIELD(is_64, at, Sym, st_value),
		.size = FIELD(is_64, at, Sym, st_size),
		.section = (uint16_t)FIELD(is_64, at, Sym, st_shndx),
		.binding = info >> 4,
		.type = info & 15,
	};
	return 0;
}

/* The content of segment *index*. */
static int segment(const struct elf *elf, uint32_t index, struct elf_bytes *ret, struct error **err)
{
	const uint8_t *header = segment_header(elf, index);
	uint64_t offset = FIELD(elf->is_64, header, Phdr, p_offset);
	uint64_t size = FIELD(elf->is_64, header, Phdr, p_filesz);

	if (!inside(elf, offset, size))
		return error_set(err, -EBADMSG, "damaged ELF file: segment %u lies outside of it", index);
	*ret = (struct elf_bytes){.data = elf->data + offset, .size = size};
	return 0;
}

static uint32_t segment_type(const struct elf *elf, uint32_t index)
{
	return (uint32_t)FIELD(elf->is_64, segment_header(elf, index), Phdr, p_type);
}

static int segment_of_type(const struct elf *elf, uint32_t type, struct elf_bytes *ret, struct error **err)
{
	for (uint32_t i = 0; i < elf->segment_count; i++)
		if (segment_type(elf, i) == type)
			return segment(elf, i, ret, err);
	return -ENOENT;
}

/* What the file holds from the virtual address *address* to the end of the segment loaded there. */
static int bytes_at(const struct elf *elf, uint64_t address, struct elf_bytes *ret, struct error **err)
{
	for (uint32_t i = 0; i < elf->segment_count; i++) {
		const uint8_t *header = segment_header(elf, i);
		uint64_t begin = FIELD(elf->is_64, header, Phdr, p_vaddr);
		int r;

		if (segment_type(elf, i) != PT_LOAD || address < begin ||
			address - begin >= FIELD(elf->is_64, header, Phdr, p_filesz))
			continue;
		r = segment(elf, i, ret, err);
		if (r < 0)
			return r;
		ret->data += address - begin;
		ret->size -= address - begin;
		return 0;
	}
	return damaged(err, "an address of the dynamic section is in no segment");
}

void elf_dynamic_release(struct elf_dynamic *dynamic)
{
	free(dynamic->needed);
	*dynamic = (struct elf_dynamic){};
}

struct dynamic_entry {
	uint64_t tag, value;
};

static struct dynamic_entry dynamic_entry(
	const struct elf *elf, const struct elf_bytes *section, size_t index)
{
	const uint8_t *at = section->data + index * ENTRY_SIZE(elf->is_64, Dyn);
	size_t word = elf->is_64 ? 8 : 4;

	return (struct dynamic_entry){read_word(elf->is_64, at), read_word(elf->is_64, at + word)};
}

/* The number of entries before the one that ends the section, the address of the strings, the number of
 * needed libraries. */
static size_t scan_dynamic(
	const struct elf *elf, const struct elf_bytes *section, uint64_t *ret_strings, size_t *ret_needed)
{
	size_t max = (size_t)(section->size / ENTRY_SIZE(elf->is_64, Dyn)), count;

	for (count = 0; count < max; count++) {
		struct dynamic_entry entry = dynamic_entry(elf, section, count);

		if (entry.tag == DT_NULL)
			break;
		if (entry.tag == DT_STRTAB)
			*ret_strings = entry.value;
		else if (entry.tag == DT_NEEDED)
			(*ret_needed)++;
	}
	return count;
}

int elf_dynamic(const struct elf *elf, struct elf_dynamic *ret, struct error **err)
{
	_cleanup_elf_dynamic_ struct elf_dynamic dynamic = {};
	struct elf_bytes section, strings = {};
	uint64_t strings_at = 0;
	size_t count, needed = 0;
	int r;

	r = segment_of_type(elf, PT_DYNAMIC, &section, err);
	if (r >= 0 && section.size == 0)
		r = -ENOENT; /* what is left where the debugging symbols were split off */
	if (r < 0)
		return r;
	count = scan_dynamic(elf, &section, &strings_at, &needed);
	if (count > 0) {
		r = bytes_at(elf, strings_at, &strings, err);
		if (r < 0)
			return r;
	}
	if (needed > 0) {
		dynamic.needed = calloc(needed + 1, sizeof(*dynamic.needed));
		if (!dynamic.needed)
			return error_set_errno(err, -ENOMEM, "dynamic section");
	}
	for (size_t i = 0; i < count; i++) {
		struct dynamic_entry entry = dynamic_entry(elf, &section, i);
		const char *string;

		if (entry.tag != DT_SONAME && entry.tag != DT_NEEDED)
			continue;
		string = elf_string(&strings, entry.value);
		if (!string)
			return damaged(err, "a name in the dynamic section lies outside of its strings");
		if (entry.tag == DT_SONAME) {
			dynamic.soname = string;
		} else {
			assert(dynamic.needed); /* it was counted */
			dynamic.needed[dynamic.needed_count++] = string;
		}
	}
	*ret = dynamic;
	dynamic = (struct elf_dynamic){};
	return 0;
}

int elf_interpreter(const struct elf *elf, const char **ret, struct error **err)
{
	struct elf_bytes bytes;
	const char *name;
	int r = segment_of_type(elf, PT_INTERP, &bytes, err);

	if (r == -ENOENT) {
		*ret = NULL;
		return 0;
	}
	if (r < 0)
		return r;
	name = elf_string(&bytes, 0);
	if (!name)
		return damaged(err, "the interpreter's name does not end");
	*ret = name;
	return 0;
}

/* Looks through the notes of one segment; sizes and padding are those of 4-byte words, or of the segment's
 * own alignment of 8. */
static int find_note(
	const struct elf_bytes *notes, uint64_t align, const char *name, uint32_t type, struct elf_bytes *ret)
{
	uint64_t at = 0, name_size = strlen(name) + 1;

	while (notes->size - at >= 12) {
		uint64_t length = read_le32(notes->data + at), size = read_le32(notes->data + at + 4);
		uint64_t body = at + 12, descriptor = round_up_u64(body + length, align), end;

		if (!checked_add(descriptor, size, &end) || end > notes->size)
			return -ENOENT;
		if (read_le32(notes->data + at + 8) == type && length == name_size &&
			memcmp(notes->data + body, name, name_size) == 0) {
			*ret = (struct elf_bytes){.data = notes->data + descriptor, .size = size};
			return 0;
		}
		at = MIN(round_up_u64(end, align), notes->size);
	}
	return -ENOENT;
}

int elf_note(
	const struct elf *elf, const char *name, uint32_t type, struct elf_bytes *ret, struct error **err)
{
	for (uint32_t i = 0; i < elf->segment_count; i++) {
		struct elf_bytes notes;
		uint64_t align;
		int r;

		if (segment_type(elf, i) != PT_NOTE)
			continue;
		r = segment(elf, i, &notes, err);
		if (r < 0)
			return r;
		align = FIELD(elf->is_64, segment_header(elf, i), Phdr, p_align);
		if (find_note(&notes, align == 8 ? 8 : 4, name, type, ret) >= 0)
			return 0;
	}
	return -ENOENT;
}
