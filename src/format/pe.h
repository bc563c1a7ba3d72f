/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * PE32+ images as UEFI loads them (Microsoft's "PE Format"; UEFI 2.10, 2.1.1): reading the headers, adding
 * sections, and the digest that Authenticode signs and measured boot records.
 *
 * Only images whose every byte counts are accepted where it matters: the sections must follow each other in
 * the file without gap or overlap, so that the digest covers all that is loaded.
 */
#pragma once

#include "base/block-io.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/sha256.h"

#define PE_SECTIONS_MAX 96 /* more than this the Windows loader refuses; EDK2 has no smaller limit */
#define PE_SECTION_NAME_MAX 8
#define PE_CERTIFICATE_ALIGN 8
#define PE_CERTIFICATES_MAX MiB(1) /* bytes of signatures */

enum pe_machine {
	PE_MACHINE_AMD64 = 0x8664,
	PE_MACHINE_ARM64 = 0xaa64,
};

#define PE_SUBSYSTEM_EFI_APPLICATION 10
#define PE_DLL_NX_COMPAT 0x0100

enum pe_section_flags {
	PE_SECTION_CODE = 0x00000020,
	PE_SECTION_INITIALIZED_DATA = 0x00000040,
	PE_SECTION_READ = 0x40000000,
};

struct pe_section {
	char name[PE_SECTION_NAME_MAX + 1]; /* NUL-terminated */
	uint32_t virtual_address;	    /* from the image's base, in bytes */
	uint32_t virtual_size;		    /* in memory; what the file doesn't hold of it is zero */
	uint32_t file_offset;
	uint32_t file_size;
	uint32_t flags;
};

/*
 * A parsed image, in memory or not; it owns nothing, and the bytes must outlive it. Offsets are from the
 * start of the file.
 */
struct pe {
	struct block_io io;  /* all of it */
	const uint8_t *data; /* the same; NULL where it is not in memory */
	size_t size;
	uint16_t machine;
	uint16_t subsystem;
	uint16_t dll_characteristics;
	uint32_t section_alignment;
	uint32_t file_alignment;
	uint32_t headers_size; /* SizeOfHeaders */
	size_t optional_offset;
	size_t section_table_offset;
	struct pe_section sections[PE_SECTIONS_MAX];
	size_t section_count;
	size_t certificates_offset; /* of the attribute certificate table; the file's size where there is none
				     */
	size_t certificates_size;
	const uint8_t *certificates; /* the table, in memory in any case */
};

/*
 * Reads the headers of an image in memory. Every offset and length is checked against *size*. Returns 0, or
 * -EBADMSG with *err* set where this is no well-formed PE32+ image.
 */
int pe_parse(const void *data, size_t size, struct pe *ret, struct error **err);

/*
 * The same of an image that is not in memory, and does not get there: headers and certificates are read, and
 * the rest piece by piece where a function says that it takes such images. The certificates go into
 * *certificates* (empty before), which must outlive *ret*. Returns 0; -EBADMSG, also where these have more
 * than PE_CERTIFICATES_MAX; -ENOMEM; the errors of block_read().
 */
int pe_read(const struct block_io *io, struct buffer *certificates, struct pe *ret, struct error **err);

/* The first section with this name, or NULL. */
const struct pe_section *pe_find_section(const struct pe *pe, const char *name);

/* What the file holds of a section, without the padding behind its virtual size. The image is in memory. */
const uint8_t *pe_section_data(const struct pe *pe, const struct pe_section *section, size_t *ret_size);

/*
 * Appends the first *max* bytes of that to *ret*, or all where there are fewer; of any image. Returns 0;
 * -ENOMEM; the errors of block_read().
 */
int pe_section_read(const struct pe *pe, const struct pe_section *section, size_t max, struct buffer *ret,
	struct error **err);

/*
 * The SHA-256 Authenticode digest ("Windows Authenticode Portable Executable Signature Format"): the file
 * without its checksum, the certificate table's entry in the data directory, and the certificate table.
 * Takes any image. Returns 0; -EBADMSG where a part of the image would escape the digest (a gap or overlap
 * between sections, data behind the certificates); -ENOMEM; the errors of block_read().
 */
int pe_authenticode_digest(const struct pe *pe, uint8_t ret[SHA256_SIZE], struct error **err);

/*
 * Appends to *ret* (empty before) a copy of an unsigned image in memory, padded to 8 bytes as a signature
 * needs it, with *certificates* (a complete attribute certificate table, a multiple of 8 bytes) behind it and
 * the checksum made right. Certificates that the image already has are dropped.
 */
int pe_set_certificates(
	const struct pe *pe, const void *certificates, size_t size, struct buffer *ret, struct error **err);

/* A section to be put into an image. */
struct pe_addition {
	const char *name;
	const void *data;
	size_t size; /* not 0 */
	uint32_t flags;
};

/*
 * Writes to *ret* (empty before) a copy of an unsigned image in memory with sections added behind those that
 * it has, each at the next address and file offset that the image's alignments allow. A section whose name
 * the image has already takes that one's place and must fit into it. Returns 0, -ENOSPC where there is no
 * room in the headers or in a section that is replaced, -EFBIG where the image would pass 2 GiB, -EBADMSG or
 * -ENOMEM.
 */
int pe_add_sections(const struct pe *pe, const struct pe_addition *additions, size_t count,
	struct buffer *ret, struct error **err);

/* Clears bits of DllCharacteristics in an image that is being built. */
void pe_clear_dll_characteristics(struct buffer *image, const struct pe *pe, uint16_t bits);
