/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/pe.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "base/string-util.h"

/* Offsets in the DOS header and behind the signature "PE\0\0". */
#define DOS_HEADER_SIZE 64
#define DOS_NEW_HEADER 0x3c
#define COFF_HEADER_SIZE 20
#define COFF_SECTION_COUNT 2
#define COFF_OPTIONAL_SIZE 16

/* Offsets in the optional header of PE32+. */
#define OPTIONAL_INITIALIZED_SIZE 8
#define OPTIONAL_SECTION_ALIGNMENT 32
#define OPTIONAL_FILE_ALIGNMENT 36
#define OPTIONAL_IMAGE_SIZE 56
#define OPTIONAL_HEADERS_SIZE 60
#define OPTIONAL_CHECKSUM 64
#define OPTIONAL_SUBSYSTEM 68
#define OPTIONAL_DLL_CHARACTERISTICS 70
#define OPTIONAL_DIRECTORY_COUNT 108
#define OPTIONAL_DIRECTORIES 112
#define DIRECTORY_SIZE 8
#define DIRECTORY_CERTIFICATES 4
#define OPTIONAL_CERTIFICATES (OPTIONAL_DIRECTORIES + DIRECTORY_CERTIFICATES * DIRECTORY_SIZE)
#define OPTIONAL_SIZE_MIN (OPTIONAL_CERTIFICATES + DIRECTORY_SIZE)

#define SECTION_HEADER_SIZE 40
#define IMAGE_SIZE_MAX GiB(2)

static int malformed(struct error **err, const char *what)
{
	return error_set(err, -EBADMSG, "not a well-formed PE32+ image: %s", what);
}

/* Reads what was found to lie within the file. */
static int copy(const struct pe *pe, uint64_t offset, void *ret, size_t size, struct error **err)
{
	int r = block_read(&pe->io, offset, ret, size);

	return r < 0 ? error_set_errno(err, r, "PE image: reading at byte %ju", (uintmax_t)offset) : 0;
}

/* The signature "PE\0\0", the COFF header, and as much of the optional one as there must be. */
struct headers {
	uint8_t signature[4], coff[COFF_HEADER_SIZE], optional[OPTIONAL_SIZE_MIN];
};
static_assert(
	sizeof(struct headers) == 4 + COFF_HEADER_SIZE + OPTIONAL_SIZE_MIN, "as they stand in the file");

/* Finds COFF and optional header and checks that the file holds them. */
static int parse_signatures(struct pe *pe, struct headers *ret, struct error **err)
{
	uint8_t dos[DOS_HEADER_SIZE];
	size_t begin, optional_size;
	int r;

	if (pe->size < DOS_HEADER_SIZE)
		return malformed(err, "no DOS header");
	r = copy(pe, 0, dos, sizeof(dos), err);
	if (r < 0)
		return r;
	if (memcmp(dos, "MZ", 2) != 0)
		return malformed(err, "no DOS header");
	begin = read_le32(dos + DOS_NEW_HEADER);
	if (begin > pe->size || pe->size - begin < sizeof(*ret))
		return malformed(err, "the file ends inside the headers");
	r = copy(pe, begin, ret, sizeof(*ret), err);
	if (r < 0)
		return r;
	if (memcmp(ret->signature, "PE\0\0", 4) != 0)
		return malformed(err, "no PE signature");
	pe->machine = read_le16(ret->coff);
	pe->optional_offset = begin + offsetof(struct headers, optional);
	optional_size = read_le16(ret->coff + COFF_OPTIONAL_SIZE);
	if (optional_size < OPTIONAL_SIZE_MIN || read_le16(ret->optional) != 0x20b)
		return malformed(err, "no PE32+ optional header with a certificate table entry");
	pe->section_table_offset = pe->optional_offset + optional_size;
	return 0;
}

static int parse_optional(struct pe *pe, const uint8_t *optional, struct error **err)
{
	uint32_t directories = read_le32(optional + OPTIONAL_DIRECTORY_COUNT);

	pe->section_alignment = read_le32(optional + OPTIONAL_SECTION_ALIGNMENT);
	pe->file_alignment = read_le32(optional + OPTIONAL_FILE_ALIGNMENT);
	pe->headers_size = read_le32(optional + OPTIONAL_HEADERS_SIZE);
	pe->subsystem = read_le16(optional + OPTIONAL_SUBSYSTEM);
	pe->dll_characteristics = read_le16(optional + OPTIONAL_DLL_CHARACTERISTICS);
	if (!is_power_of_two_u64(pe->section_alignment) || !is_power_of_two_u64(pe->file_alignment) ||
		pe->section_alignment < pe->file_alignment)
		return malformed(err, "section or file alignment is no power of two");
	if (pe->headers_size > pe->size)
		return malformed(err, "the headers are larger than the file");
	if (directories <= DIRECTORY_CERTIFICATES ||
		pe->section_table_offset <
			pe->optional_offset + OPTIONAL_DIRECTORIES + (uint64_t)directories * DIRECTORY_SIZE)
		return malformed(err, "the data directory has no certificate table entry or is cut off");
	return 0;
}

static int parse_section(
	const struct pe *pe, const uint8_t *header, struct pe_section *ret, struct error **err)
{
	uint32_t end;

	memcpy(ret->name, header, PE_SECTION_NAME_MAX);
	ret->name[PE_SECTION_NAME_MAX] = 0;
	ret->virtual_size = read_le32(header + 8);
	ret->virtual_address = read_le32(header + 12);
	ret->file_size = read_le32(header + 16);
	ret->file_offset = read_le32(header + 20);
	ret->flags = read_le32(header + 36);
	if (!checked_add(ret->virtual_address, ret->virtual_size, &end))
		return malformed(err, "a section's address wraps around");
	if (ret->file_size > 0 &&
		(ret->file_offset > pe->size || ret->file_size > pe->size - ret->file_offset))
		return malformed(err, "a section reaches behind the end of the file");
	return 0;
}

static int parse_sections(struct pe *pe, size_t count, struct error **err)
{
	uint8_t table[PE_SECTIONS_MAX * SECTION_HEADER_SIZE];
	int r;

	if (count > PE_SECTIONS_MAX)
		return malformed(err, "too many sections");
	if (pe->section_table_offset > pe->headers_size ||
		pe->headers_size - pe->section_table_offset < count * SECTION_HEADER_SIZE)
		return malformed(err, "the section table reaches behind the headers");
	r = copy(pe, pe->section_table_offset, table, count * SECTION_HEADER_SIZE, err);
	for (size_t i = 0; r >= 0 && i < count; i++)
		r = parse_section(pe, table + i * SECTION_HEADER_SIZE, &pe->sections[i], err);
	pe->section_count = count;
	return r;
}

static int parse_certificates(struct pe *pe, const uint8_t *entry, struct error **err)
{
	uint32_t offset = read_le32(entry), size = read_le32(entry + 4);

	pe->certificates_offset = pe->size;
	if (size == 0)
		return 0;
	if (offset < pe->headers_size || offset > pe->size || size > pe->size - offset)
		return malformed(err, "the certificate table reaches behind the end of the file");
	pe->certificates_offset = offset;
	pe->certificates_size = size;
	return 0;
}

static int parse(struct pe *pe, struct error **err)
{
	struct headers headers;
	int r = parse_signatures(pe, &headers, err);

	if (r >= 0)
		r = parse_optional(pe, headers.optional, err);
	if (r >= 0)
		r = parse_sections(pe, read_le16(headers.coff + COFF_SECTION_COUNT), err);
	return r < 0 ? r : parse_certificates(pe, headers.optional + OPTIONAL_CERTIFICATES, err);
}

int pe_parse(const void *data, size_t size, struct pe *ret, struct error **err)
{
	struct pe pe = {.io = block_io_bytes(data, size), .data = data, .size = size};
	int r = parse(&pe, err);

	if (r < 0)
		return r;
	pe.certificates = pe.data + pe.certificates_offset;
	*ret = pe;
	return 0;
}

int pe_read(const struct block_io *io, struct buffer *certificates, struct pe *ret, struct error **err)
{
	struct pe pe = {.io = *io, .size = (size_t)io->size};
	void *table;
	int r;

	assert(certificates->size == 0);
	if (io->size > IMAGE_SIZE_MAX)
		return malformed(err, "it has more than 2 GiB");
	r = parse(&pe, err);
	if (r < 0)
		return r;
	if (pe.certificates_size > PE_CERTIFICATES_MAX)
		return malformed(err, "its certificate table has more than 1 MiB");
	table = buffer_extend(certificates, pe.certificates_size);
	if (!table)
		return error_set_errno(err, -ENOMEM, "PE certificates");
	r = copy(&pe, pe.certificates_offset, table, pe.certificates_size, err);
	if (r < 0)
		return r;
	pe.certificates = table;
	*ret = pe;
	return 0;
}

const struct pe_section *pe_find_section(const struct pe *pe, const char *name)
{
	for (size_t i = 0; i < pe->section_count; i++)
		if (streq(pe->sections[i].name, name))
			return &pe->sections[i];
	return NULL;
}

const uint8_t *pe_section_data(const struct pe *pe, const struct pe_section *section, size_t *ret_size)
{
	assert(pe->data);
	*ret_size = MIN(section->virtual_size, section->file_size);
	return *ret_size > 0 ? pe->data + section->file_offset : pe->data;
}

int pe_section_read(const struct pe *pe, const struct pe_section *section, size_t max, struct buffer *ret,
	struct error **err)
{
	size_t size = MIN((size_t)MIN(section->virtual_size, section->file_size), max), before = ret->size;
	void *data;
	int r;

	if (size == 0)
		return 0;
	data = buffer_extend(ret, size);
	if (!data)
		return error_set_errno(err, -ENOMEM, "PE section %s", section->name);
	r = copy(pe, section->file_offset, data, size, err);
	if (r < 0)
		ret->size = before;
	return r;
}

static int compare_file_offset(const void *a, const void *b)
{
	const struct pe_section *x = a, *y = b;

	return x->file_offset < y->file_offset ? -1 : x->file_offset > y->file_offset;
}

/*
 * Checks that headers and sections follow each other without gap and overlap, and returns where the last one
 * ends. EDK2 hashes section by section and then as many bytes from the end as it hasn't counted: with a gap,
 * a part of the file would be loaded but not hashed.
 */
static int sections_end(const struct pe *pe, size_t *ret, struct error **err)
{
	struct pe_section sorted[PE_SECTIONS_MAX];
	size_t end = pe->headers_size;

	memcpy(sorted, pe->sections, pe->section_count * sizeof(sorted[0]));
	qsort(sorted, pe->section_count, sizeof(sorted[0]), compare_file_offset);
	for (size_t i = 0; i < pe->section_count; i++) {
		if (sorted[i].file_size == 0)
			continue;
		if (sorted[i].file_offset != end)
			return error_set(err, -EBADMSG,
				"PE section %s begins at %" PRIu32 " in the file and not at %zu, where the "
				"part before it ends: a signature would not cover all of the image",
				sorted[i].name, sorted[i].file_offset, end);
		end += sorted[i].file_size;
	}
	if (end > pe->certificates_offset)
		return malformed(err, "sections and certificate table overlap");
	*ret = end;
	return 0;
}

static int hash_range(const struct pe *pe, struct sha256 *hash, size_t begin, size_t end, struct error **err)
{
	int r = sha256_update_io(hash, &pe->io, begin, end - begin);

	return r < 0 ? error_set_errno(err, r, "PE image: reading bytes %zu to %zu", begin, end) : 0;
}

int pe_authenticode_digest(const struct pe *pe, uint8_t ret[SHA256_SIZE], struct error **err)
{
	_cleanup_sha256_ struct sha256 *hash = sha256_new();
	size_t checksum = pe->optional_offset + OPTIONAL_CHECKSUM;
	size_t entry = pe->optional_offset + OPTIONAL_CERTIFICATES;
	size_t end;
	int r;

	if (!hash)
		return error_set_errno(err, -ENOMEM, "Authenticode digest");
	r = sections_end(pe, &end, err);
	if (r < 0)
		return r;
	if (pe->certificates_size > 0 && pe->certificates_offset + pe->certificates_size != pe->size)
		return error_set(err, -EBADMSG,
			"PE image: %zu bytes behind the certificate table are not covered by a signature",
			pe->size - pe->certificates_offset - pe->certificates_size);
	r = hash_range(pe, hash, 0, checksum, err);
	if (r >= 0)
		r = hash_range(pe, hash, checksum + 4, entry, err);
	if (r >= 0)
		r = hash_range(pe, hash, entry + DIRECTORY_SIZE, pe->certificates_offset, err);
	if (r >= 0)
		sha256_final(hash, ret);
	return r;
}

/*
 * The checksum of the Windows loader: the 16-bit words of the file (the checksum's own taken as zero) added
 * with end-around carry, plus the file's length.
 */
static uint32_t image_checksum(const uint8_t *data, size_t size, size_t checksum_offset)
{
	uint64_t sum = 0;

	for (size_t i = 0; i + 1 < size; i += 2)
		if (i != checksum_offset && i != checksum_offset + 2)
			sum += read_le16(data + i);
	if (size % 2 != 0)
		sum += data[size - 1];
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint32_t)(sum + size);
}

int pe_set_certificates(
	const struct pe *pe, const void *certificates, size_t size, struct buffer *ret, struct error **err)
{
	uint8_t *optional;
	size_t offset;

	assert(pe->data && ret->size == 0 && size % PE_CERTIFICATE_ALIGN == 0);
	if (pe->certificates_offset > IMAGE_SIZE_MAX || size > PE_CERTIFICATES_MAX)
		return error_set(err, -EFBIG, "PE image or its certificates are too large to be signed");
	buffer_append(ret, pe->data, pe->certificates_offset);
	buffer_align(ret, PE_CERTIFICATE_ALIGN);
	offset = ret->size;
	buffer_append(ret, certificates, size);
	if (buffer_failed(ret))
		return error_set_errno(err, -ENOMEM, "PE certificates");
	optional = ret->data + pe->optional_offset;
	write_le32(optional + OPTIONAL_CERTIFICATES, size > 0 ? (uint32_t)offset : 0);
	write_le32(optional + OPTIONAL_CERTIFICATES + 4, (uint32_t)size);
	write_le32(optional + OPTIONAL_CHECKSUM,
		image_checksum(ret->data, ret->size, pe->optional_offset + OPTIONAL_CHECKSUM));
	return 0;
}

/* Where the next section goes in memory, unaligned. */
static uint64_t virtual_end(const struct pe *pe)
{
	uint64_t end = 0;

	for (size_t i = 0; i < pe->section_count; i++)
		end = MAX(end, (uint64_t)pe->sections[i].virtual_address + pe->sections[i].virtual_size);
	return end;
}

static void write_section_header(uint8_t *header, const struct pe_section *section)
{
	memset(header, 0, SECTION_HEADER_SIZE);
	memcpy(header, section->name, strnlen(section->name, PE_SECTION_NAME_MAX));
	write_le32(header + 8, section->virtual_size);
	write_le32(header + 12, section->virtual_address);
	write_le32(header + 16, section->file_size);
	write_le32(header + 20, section->file_offset);
	write_le32(header + 36, section->flags);
}

/* Puts new data into the section *index*, whose room in the file stays as it is. */
static int replace_section(struct pe *pe, size_t index, const struct pe_addition *addition,
	struct buffer *image, struct error **err)
{
	struct pe_section *section = &pe->sections[index];
	uint64_t room = section->file_size;

	for (size_t i = 0; i < pe->section_count; i++)
		if (pe->sections[i].virtual_address > section->virtual_address)
			room = MIN(
				room, (uint64_t)pe->sections[i].virtual_address - section->virtual_address);
	if (addition->size > room)
		return error_set(err, -ENOSPC,
			"PE section %s: %zu bytes do not fit into the %" PRIu64 " that the image has for it",
			addition->name, addition->size, room);
	memset(image->data + section->file_offset, 0, section->file_size);
	memcpy(image->data + section->file_offset, addition->data, addition->size);
	section->virtual_size = (uint32_t)addition->size;
	write_section_header(image->data + pe->section_table_offset + index * SECTION_HEADER_SIZE, section);
	return 0;
}

/* Appends a section; the lengths have been found to fit into 2 GiB before. */
static int append_section(
	struct pe *pe, const struct pe_addition *addition, struct buffer *image, struct error **err)
{
	struct pe_section *section = &pe->sections[pe->section_count];
	size_t header = pe->section_table_offset + pe->section_count * SECTION_HEADER_SIZE;
	uint8_t *initialized;

	if (pe->section_count == PE_SECTIONS_MAX || header + SECTION_HEADER_SIZE > pe->headers_size)
		return error_set(err, -ENOSPC,
			"PE section %s: the image's headers have no room for another section",
			addition->name);
	*section = (struct pe_section){
		.virtual_address = (uint32_t)round_up_u64(virtual_end(pe), pe->section_alignment),
		.virtual_size = (uint32_t)addition->size,
		.file_offset = (uint32_t)image->size,
		.file_size = (uint32_t)round_up_u64(addition->size, pe->file_alignment),
		.flags = addition->flags,
	};
	memcpy(section->name, addition->name, strlen(addition->name));
	buffer_append(image, addition->data, addition->size);
	buffer_append_zeros(image, section->file_size - addition->size);
	if (buffer_failed(image))
		return error_set_errno(err, -ENOMEM, "PE section %s", addition->name);
	write_section_header(image->data + header, section);
	initialized = image->data + pe->optional_offset + OPTIONAL_INITIALIZED_SIZE;
	write_le32(initialized, read_le32(initialized) + section->virtual_size);
	pe->section_count++;
	return 0;
}

static int check_additions(
	const struct pe *pe, const struct pe_addition *additions, size_t count, struct error **err)
{
	uint64_t total = MAX(virtual_end(pe), (uint64_t)pe->size);
	uint64_t align = MAX(pe->section_alignment, pe->file_alignment);

	for (size_t i = 0; i < count; i++) {
		if (*additions[i].name == 0 || strlen(additions[i].name) > PE_SECTION_NAME_MAX)
			return error_set(err, -EINVAL, "PE section name \"%s\": must have 1 to %d bytes",
				additions[i].name, PE_SECTION_NAME_MAX);
		if (additions[i].size == 0)
			return error_set(err, -EINVAL, "PE section %s: is empty", additions[i].name);
		if (additions[i].size > IMAGE_SIZE_MAX ||
			(total += round_up_u64(additions[i].size, align)) > IMAGE_SIZE_MAX)
			return error_set(
				err, -EFBIG, "PE section %s: the image would pass 2 GiB", additions[i].name);
	}
	return 0;
}

int pe_add_sections(const struct pe *pe, const struct pe_addition *additions, size_t count,
	struct buffer *ret, struct error **err)
{
	struct pe work = *pe;
	size_t end;
	uint8_t *optional, *coff;
	int r;

	assert(pe->data && ret->size == 0);
	r = check_additions(pe, additions, count, err);
	if (r < 0)
		return r;
	r = sections_end(pe, &end, err);
	if (r < 0)
		return r;
	if (pe->certificates_size > 0 || end != pe->size || end % pe->file_alignment != 0)
		return error_set(err, -EBADMSG,
			"PE image: signed, or its file does not end with its last section: nothing can be "
			"added");
	buffer_append(ret, pe->data, pe->size);
	if (buffer_failed(ret))
		return error_set_errno(err, -ENOMEM, "PE image");
	for (size_t i = 0; i < count; i++) {
		const struct pe_section *same = pe_find_section(&work, additions[i].name);

		if (same)
			r = replace_section(&work, (size_t)(same - work.sections), &additions[i], ret, err);
		else
			r = append_section(&work, &additions[i], ret, err);
		if (r < 0)
			return r;
	}
	optional = ret->data + pe->optional_offset;
	coff = optional - COFF_HEADER_SIZE;
	write_le16(coff + COFF_SECTION_COUNT, (uint16_t)work.section_count);
	write_le32(optional + OPTIONAL_IMAGE_SIZE,
		(uint32_t)round_up_u64(virtual_end(&work), work.section_alignment));
	write_le32(optional + OPTIONAL_CHECKSUM, 0);
	return 0;
}

void pe_clear_dll_characteristics(struct buffer *image, const struct pe *pe, uint16_t bits)
{
	uint8_t *field = image->data + pe->optional_offset + OPTIONAL_DLL_CHARACTERISTICS;

	write_le16(field, read_le16(field) & (uint16_t)~bits);
}
