/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "format/authenticode.h"
#include "format/pcr.h"
#include "format/uki.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_signatures(const struct pe *pe)
{
	struct authenticode_signature signature;
	size_t position = 0;

	while (authenticode_next(pe, &position, &signature, NULL) > 0) {
		_cleanup_free_ char *subject = NULL;
		uint8_t fingerprint[SHA256_SIZE];

		(void)authenticode_describe(&signature, &subject, fingerprint, NULL);
	}
}

/* What can be put together must be an image again, and hold what was put in. */
static void add_section(const struct pe *pe)
{
	static const struct pe_addition addition = {".fuzzed", "content", 7, PE_SECTION_READ};
	_cleanup_buffer_ struct buffer image = {};
	const struct pe_section *section;
	const uint8_t *content;
	struct pe made;
	size_t size;

	if (pe_find_section(pe, addition.name) || pe_add_sections(pe, &addition, 1, &image, NULL) < 0)
		return;
	if (pe_parse(image.data, image.size, &made, NULL) < 0)
		abort();
	section = pe_find_section(&made, addition.name);
	content = section ? pe_section_data(&made, section, &size) : NULL;
	if (!content || size != addition.size || memcmp(content, addition.data, size) != 0)
		abort();
}

/* A file is what the same bytes in memory are; *pe*: NULL where these are no image. */
static void read_file(const uint8_t *data, size_t size, const struct pe *pe)
{
	const struct block_io io = block_io_bytes(data, size);
	_cleanup_buffer_ struct buffer certificates = {};
	uint8_t digest[SHA256_SIZE], expected[SHA256_SIZE];
	struct pe file;
	int r = pe_read(&io, &certificates, &file, NULL);

	if (!pe || pe->certificates_size > PE_CERTIFICATES_MAX) {
		if (r >= 0)
			abort();
		return;
	}
	if (r < 0)
		abort();
	r = pe_authenticode_digest(pe, expected, NULL);
	if (pe_authenticode_digest(&file, digest, NULL) != r ||
		(r >= 0 && memcmp(digest, expected, SHA256_SIZE) != 0))
		abort();
	(void)uki_check_usrhash(&file, "00", NULL);
	read_signatures(&file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct pcr_images images = {.uki = data, .uki_size = size};
	struct pcr_prediction prediction;
	uint8_t digest[SHA256_SIZE];
	struct pe pe;

	if (pe_parse(data, size, &pe, NULL) < 0) {
		read_file(data, size, NULL);
		return 0;
	}
	read_file(data, size, &pe);
	(void)pe_authenticode_digest(&pe, digest, NULL);
	(void)authenticode_verify(&pe, data, size, NULL);
	(void)pcr_predict(&images, &prediction, NULL);
	read_signatures(&pe);
	add_section(&pe);
	return 0;
}
