/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/encoding.h"
#include "boot-data.h"
#include "watched-io.h"

/* Offsets in addonx64.efi.stub, as objdump -p and a hex dump show them. */
#define NEW_HEADER 0x3c
#define COFF(image) ((image)->data + read_le32((image)->data + NEW_HEADER) + 4)
#define OPTIONAL(image) (COFF(image) + 20)
#define SECTION(image, i) (OPTIONAL(image) + read_le16(COFF(image) + 16) + 40 * (i))

static void reads_what_objdump_reads(void **state)
{
	/* objdump -h linuxx64.efi.stub; addresses less the image base 0x14df90000 */
	static const struct pe_section expected[] = {
		{.name = ".text", .virtual_address = 0x1000, .virtual_size = 0x1080e, .file_offset = 0x600},
		{.name = ".rodata",
			.virtual_address = 0x12000,
			.virtual_size = 0x4ef0,
			.file_offset = 0x11000},
		{.name = ".data", .virtual_address = 0x17000, .virtual_size = 0xc0, .file_offset = 0x16000},
		{.name = ".sbat", .virtual_address = 0x18000, .virtual_size = 0xf9, .file_offset = 0x16200},
		{.name = ".sdmagic",
			.virtual_address = 0x19000,
			.virtual_size = 0x33,
			.file_offset = 0x16400},
		{.name = ".reloc", .virtual_address = 0x1a000, .virtual_size = 0x88, .file_offset = 0x16600},
	};
	_cleanup_buffer_ struct buffer stub = boot_data("linuxx64.efi.stub");
	_cleanup_error_ struct error *err = NULL;
	const uint8_t *text;
	struct pe pe;
	size_t size;

	(void)state;
	assert_ok(pe_parse(stub.data, stub.size, &pe, &err), err);
	assert_int_equal(pe.machine, PE_MACHINE_AMD64);
	assert_int_equal(pe.subsystem, PE_SUBSYSTEM_EFI_APPLICATION);
	assert_int_equal(pe.dll_characteristics, 0x160);
	assert_int_equal(pe.headers_size, 0x600);
	assert_int_equal(pe.section_count, ARRAY_SIZE(expected));
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
		assert_string_equal(pe.sections[i].name, expected[i].name);
		assert_int_equal(pe.sections[i].virtual_address, expected[i].virtual_address);
		assert_int_equal(pe.sections[i].virtual_size, expected[i].virtual_size);
		assert_int_equal(pe.sections[i].file_offset, expected[i].file_offset);
	}
	text = pe_section_data(&pe, pe_find_section(&pe, ".sdmagic"), &size);
	assert_int_equal(size, 0x33);
	assert_memory_equal(text, "#### LoaderInfo: systemd-stub 257.13", 36);
	assert_null(pe_find_section(&pe, ".linux"));
}

/* osslsigncode verify: Calculated message digest */
static const char addon_digest[] = "cf9f98edc997e3717bb93a395c6a0aed30b1274ff46f19143f3b72e7aa90edca";

static void digest_is_the_same_signed_and_unsigned(void **state)
{
	static const char *const files[] = {"addonx64.efi.stub", "addon.sbsign.efi"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		_cleanup_buffer_ struct buffer image = boot_data(files[i]);
		_cleanup_error_ struct error *err = NULL;
		uint8_t digest[SHA256_SIZE];
		char text[SHA256_HEX_SIZE];
		struct pe pe;

		assert_ok(pe_parse(image.data, image.size, &pe, &err), err);
		assert_ok(pe_authenticode_digest(&pe, digest, &err), err);
		hex_encode(digest, sizeof(digest), text);
		assert_string_equal(text, addon_digest);
	}
}

/* Every byte but those of the checksum, the certificate entry and the certificates changes the digest. */
static void no_byte_escapes_the_digest(void **state)
{
	_cleanup_buffer_ struct buffer image = boot_data("addon.sbsign.efi");
	_cleanup_error_ struct error *err = NULL;
	uint8_t digest[SHA256_SIZE], changed[SHA256_SIZE];
	size_t checksum, entry;
	struct pe pe, other;

	(void)state;
	assert_ok(pe_parse(image.data, image.size, &pe, &err), err);
	assert_ok(pe_authenticode_digest(&pe, digest, &err), err);
	checksum = pe.optional_offset + 64;
	entry = pe.optional_offset + 144;
	for (size_t i = 0; i < image.size; i++) {
		bool covered = !(i >= checksum && i < checksum + 4) && !(i >= entry && i < entry + 8) &&
			       i < pe.certificates_offset;

		image.data[i] ^= 0x01;
		if (pe_parse(image.data, image.size, &other, NULL) == 0 &&
			pe_authenticode_digest(&other, changed, NULL) == 0 &&
			covered != (memcmp(digest, changed, SHA256_SIZE) != 0))
			fail_msg("byte %zu", i);
		image.data[i] ^= 0x01;
	}
}

static void refuses_truncation_at_every_length(void **state)
{
	_cleanup_buffer_ struct buffer image = boot_data("addon.sbsign.efi");

	(void)state;
	for (size_t size = 0; size < image.size; size++) {
		/* A copy, so that AddressSanitizer sees a read behind its end. */
		uint8_t *copy = malloc(size + 1);
		struct pe pe;

		assert_non_null(copy);
		memcpy(copy, image.data, size);
		if (pe_parse(copy, size, &pe, NULL) == 0)
			fail_msg("%zu bytes were taken for a whole image", size);
		free(copy);
	}
}

/* What can be said of an image, in memory or not. */
struct view {
	struct pe pe;
	int parsed, digested;
	uint8_t digest[SHA256_SIZE];
	char *why;
};

static void view_release(struct view *view)
{
	free(view->why);
}

static void look(int r, struct view *ret, struct error *err)
{
	_cleanup_error_ struct error *fault = err;

	ret->parsed = r;
	if (r >= 0)
		ret->digested = pe_authenticode_digest(&ret->pe, ret->digest, &fault);
	ret->why = strdup(fault ? error_message(fault) : "");
}

/* Whether it is in memory makes no difference to what an image is. */
static void assert_same_from_a_file(const struct buffer *image)
{
	struct watched watched = {.image = image};
	const struct block_io io = watched_io(&watched);
	_cleanup_(view_release) struct view memory = {}, file = {};
	_cleanup_buffer_ struct buffer certificates = {};
	struct error *err = NULL, *fault = NULL;
	int r = pe_parse(image->data, image->size, &memory.pe, &err);

	look(r, &memory, err);
	r = pe_read(&io, &certificates, &file.pe, &fault);
	look(r, &file, fault);
	assert_int_equal(file.parsed, memory.parsed);
	assert_int_equal(file.digested, memory.digested);
	assert_string_equal(file.why, memory.why);
	assert_memory_equal(file.digest, memory.digest, SHA256_SIZE);
	if (file.parsed < 0)
		return;
	assert_null(file.pe.data);
	assert_int_equal(file.pe.certificates_size, memory.pe.certificates_size);
	assert_memory_equal(file.pe.certificates, memory.pe.certificates, memory.pe.certificates_size);
	assert_memory_equal(file.pe.sections, memory.pe.sections, sizeof(file.pe.sections));
}

static void a_file_is_read_as_memory_is(void **state)
{
	static const char *const files[] = {"addonx64.efi.stub", "addon.sbsign.efi", "linuxx64.efi.stub"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		_cleanup_buffer_ struct buffer image = boot_data(files[i]);
		size_t headers = 0x600;

		assert_same_from_a_file(&image);
		/* Each byte of the headers damaged, and some further on. */
		for (size_t at = 0; at < image.size; at += at < headers ? 1 : 997)
			for (unsigned bit = 0; bit < 8; bit += 7) {
				image.data[at] ^= (uint8_t)(1 << bit);
				assert_same_from_a_file(&image);
				image.data[at] ^= (uint8_t)(1 << bit);
			}
		for (struct buffer cut = image; cut.size > 0; cut.size -= MIN(cut.size, (size_t)61))
			assert_same_from_a_file(&cut);
	}
}

static void a_section_of_a_file_is_read_up_to_a_limit(void **state)
{
	_cleanup_buffer_ struct buffer stub = boot_data("linuxx64.efi.stub"), certificates = {}, text = {};
	const struct block_io io = block_io_bytes(stub.data, stub.size);
	_cleanup_error_ struct error *err = NULL;
	const struct pe_section *section;
	struct pe pe;

	(void)state;
	assert_ok(pe_read(&io, &certificates, &pe, &err), err);
	section = pe_find_section(&pe, ".sdmagic");
	buffer_append_string(&text, "> ");
	assert_ok(pe_section_read(&pe, section, 15, &text, &err), err);
	assert_int_equal(text.size, 17);
	assert_memory_equal(text.data, "> #### LoaderInfo", 17);
	text.size = 0;
	assert_ok(pe_section_read(&pe, section, SIZE_MAX, &text, &err), err);
	assert_int_equal(text.size, 0x33);
}

/* However large it is. */
static void little_of_a_file_is_in_memory_at_a_time(void **state)
{
	_cleanup_buffer_ struct buffer stub = boot_data("linuxx64.efi.stub"), image = {}, certificates = {};
	_cleanup_free_ uint8_t *large = calloc(1, MiB(5));
	const struct pe_addition addition = {".linux", large, MiB(5), PE_SECTION_READ};
	struct watched watched = {.image = &image};
	_cleanup_error_ struct error *err = NULL;
	uint8_t digest[SHA256_SIZE], expected[SHA256_SIZE];
	struct block_io io;
	struct pe pe;

	(void)state;
	assert_ok(pe_parse(stub.data, stub.size, &pe, &err), err);
	assert_ok(pe_add_sections(&pe, &addition, 1, &image, &err), err);
	assert_ok(pe_parse(image.data, image.size, &pe, &err), err);
	assert_ok(pe_authenticode_digest(&pe, expected, &err), err);
	io = watched_io(&watched);
	assert_ok(pe_read(&io, &certificates, &pe, &err), err);
	assert_ok(pe_authenticode_digest(&pe, digest, &err), err);
	assert_memory_equal(digest, expected, SHA256_SIZE);
	assert_in_range(watched.largest, 1, KiB(64));
	assert_in_range(certificates.capacity, 0, KiB(4));
}

static void every_fault_of_reading_is_told(void **state)
{
	_cleanup_buffer_ struct buffer image = boot_data("addon.sbsign.efi");
	unsigned faults = 0;

	(void)state;
	for (struct watched watched = {.image = &image, .fail_at = 1};; watched.fail_at++, faults++) {
		const struct block_io io = watched_io(&watched);
		_cleanup_buffer_ struct buffer certificates = {}, text = {};
		_cleanup_error_ struct error *err = NULL;
		uint8_t digest[SHA256_SIZE];
		struct pe pe;
		int r;

		watched.reads = 0;
		r = pe_read(&io, &certificates, &pe, &err);
		if (r >= 0)
			r = pe_section_read(&pe, &pe.sections[0], 10, &text, &err);
		if (r >= 0)
			r = pe_authenticode_digest(&pe, digest, &err);
		if (watched.reads < watched.fail_at) {
			assert_ok(r, err);
			break;
		}
		assert_error(r, -EIO, err, "PE image: reading ");
		assert_true(text.size == 0 || text.size == 10);
	}
	assert_int_equal(faults, 8); /* DOS header, headers, sections, certificates, text, three ranges */
}

static void more_certificates_than_any_signature_needs_are_refused(void **state)
{
	_cleanup_buffer_ struct buffer image = boot_data("addonx64.efi.stub"), certificates = {};
	_cleanup_error_ struct error *err = NULL;
	struct block_io io;
	struct pe pe;

	(void)state;
	assert_ok(pe_parse(image.data, image.size, &pe, &err), err);
	write_le32(OPTIONAL(&image) + 144, (uint32_t)image.size);
	write_le32(OPTIONAL(&image) + 148, MiB(1) + 8);
	buffer_append_zeros(&image, MiB(1) + 8);
	assert_false(buffer_failed(&image));
	assert_ok(pe_parse(image.data, image.size, &pe, &err), err);
	io = block_io_bytes(image.data, image.size);
	assert_error(pe_read(&io, &certificates, &pe, &err), -EBADMSG, err, "more than 1 MiB");
	assert_int_equal(certificates.capacity, 0);
}

static void set32(struct buffer *image, size_t offset, uint32_t value)
{
	write_le32(image->data + offset, value);
}

static void refuses_headers_that_lie(void **state)
{
	enum { COFF_, OPTIONAL_, SECTION_ };
	static const struct {
		int base;
		size_t offset;
		uint32_t value;
		const char *text;
	} cases[] = {
		{OPTIONAL_, 0, 0x10b, "PE32+"},
		{OPTIONAL_, 32, 3, "power of two"},
		{OPTIONAL_, 36, 0, "power of two"},
		{OPTIONAL_, 36, 0x10000000, "power of two"},
		{OPTIONAL_, 60, 0x7fffffff, "larger than the file"},
		{OPTIONAL_, 60, 64, "behind the headers"},
		{OPTIONAL_, 108, 4, "certificate table entry"},
		{OPTIONAL_, 108, 0xffffffff, "certificate table entry"},
		{OPTIONAL_, 144, 0xffffff00, "end of the file"},
		{OPTIONAL_, 144, 8, "end of the file"},
		{SECTION_, 16, 0xffffffff, "behind the end"},
		{SECTION_, 20, 0xffffff00, "behind the end"},
		{SECTION_, 12, 0xffffffff, "wraps around"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_buffer_ struct buffer image = boot_data("addon.sbsign.efi");
		_cleanup_error_ struct error *err = NULL;
		const uint8_t *base = cases[i].base == OPTIONAL_ ? OPTIONAL(&image) : SECTION(&image, 0);
		struct pe pe;

		set32(&image, (size_t)(base - image.data) + cases[i].offset, cases[i].value);
		assert_error(pe_parse(image.data, image.size, &pe, &err), -EBADMSG, err, cases[i].text);
	}
}

static void refuses_to_digest_what_would_not_be_covered(void **state)
{
	_cleanup_buffer_ struct buffer image = boot_data("addon.sbsign.efi");
	_cleanup_error_ struct error *err = NULL;
	uint8_t digest[SHA256_SIZE], *second;
	struct pe pe;

	(void)state;
	/* Bytes behind the certificates. */
	buffer_append_zeros(&image, 8);
	assert_ok(pe_parse(image.data, image.size, &pe, &err), err);
	assert_error(pe_authenticode_digest(&pe, digest, &err), -EBADMSG, err, "8 bytes behind");
	image.size -= 8;

	/* The second section loads what the first does: overlap, and a gap where it was. */
	second = SECTION(&image, 1);
	write_le32(second + 20, read_le32(SECTION(&image, 0) + 20));
	assert_ok(pe_parse(image.data, image.size, &pe, &err), err);
	assert_error(pe_authenticode_digest(&pe, digest, &err), -EBADMSG, err, "not cover all");
}

static void adds_sections_only_where_there_is_room(void **state)
{
	static const char text[600] = "x";
	_cleanup_buffer_ struct buffer stub = boot_data("linuxx64.efi.stub"), image = {}, full = {};
	_cleanup_error_ struct error *err = NULL;
	struct pe_addition addition = {
		.name = ".new", .data = text, .size = sizeof(text), .flags = 0x40000040};
	struct pe_addition many[PE_SECTIONS_MAX];
	const struct pe_section *section;
	const uint8_t *data;
	struct pe pe, made;
	size_t size;

	(void)state;
	assert_ok(pe_parse(stub.data, stub.size, &pe, &err), err);
	assert_ok(pe_add_sections(&pe, &addition, 1, &image, &err), err);
	assert_ok(pe_parse(image.data, image.size, &made, &err), err);
	section = pe_find_section(&made, ".new");
	assert_non_null(section);
	data = pe_section_data(&made, section, &size);
	assert_int_equal(size, sizeof(text));
	assert_memory_equal(data, text, size);

	addition.name = ".sbat"; /* 0x200 bytes in the stub */
	buffer_release(&image);
	assert_error(pe_add_sections(&pe, &addition, 1, &image, &err), -ENOSPC, err, ".sbat: 600 bytes");
	buffer_release(&image);
	addition.name = ".ninechars";
	assert_error(pe_add_sections(&pe, &addition, 1, &image, &err), -EINVAL, err, "1 to 8");
	addition.name = ".empty";
	addition.size = 0;
	assert_error(pe_add_sections(&pe, &addition, 1, &image, &err), -EINVAL, err, "empty");
	addition.size = (size_t)3 << 30;
	assert_error(pe_add_sections(&pe, &addition, 1, &image, &err), -EFBIG, err, "2 GiB");

	for (size_t i = 0; i < ARRAY_SIZE(many); i++) {
		static char names[ARRAY_SIZE(many)][8];

		(void)snprintf(names[i], sizeof(names[i]), ".s%02zu", i % 100);
		many[i] = (struct pe_addition){.name = names[i], .data = text, .size = 1};
	}
	assert_error(pe_add_sections(&pe, many, ARRAY_SIZE(many), &full, &err), -ENOSPC, err, "no room");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_what_objdump_reads),
		cmocka_unit_test(digest_is_the_same_signed_and_unsigned),
		cmocka_unit_test(no_byte_escapes_the_digest),
		cmocka_unit_test(refuses_truncation_at_every_length),
		cmocka_unit_test(refuses_headers_that_lie),
		cmocka_unit_test(refuses_to_digest_what_would_not_be_covered),
		cmocka_unit_test(a_file_is_read_as_memory_is),
		cmocka_unit_test(a_section_of_a_file_is_read_up_to_a_limit),
		cmocka_unit_test(little_of_a_file_is_in_memory_at_a_time),
		cmocka_unit_test(every_fault_of_reading_is_told),
		cmocka_unit_test(more_certificates_than_any_signature_needs_are_refused),
		cmocka_unit_test(adds_sections_only_where_there_is_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
