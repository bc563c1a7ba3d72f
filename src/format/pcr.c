/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/pcr.h"

#include <errno.h>
#include <string.h>

#include "base/buffer.h"
#include "base/string-util.h"
#include "format/uki.h"

const char *const pcr_phases_running[] = {"enter-initrd", "leave-initrd", "sysinit", "ready", NULL};

/*
 * The order in which systemd's stub measures sections, whatever their order in the file. It never changes:
 * new sections join at the end.
 */
static const char *const measured_sections[] = {".linux", ".osrel", ".cmdline", ".initrd", ".ucode",
	".splash", ".dtb", ".uname", ".sbat", ".pcrpkey"};

/* With one of these the stub does more than is predicted here. */
static const char *const unsupported_sections[] = {".pcrsig", ".profile", ".dtbauto", ".hwids", ".efifw"};

int pcr_extend_digest(uint8_t pcr[PCR_SIZE], const uint8_t digest[PCR_SIZE])
{
	uint8_t both[2 * PCR_SIZE];

	memcpy(both, pcr, PCR_SIZE);
	memcpy(both + PCR_SIZE, digest, PCR_SIZE);
	return sha256_bytes(both, sizeof(both), pcr);
}

int pcr_extend(uint8_t pcr[PCR_SIZE], const void *data, size_t size)
{
	uint8_t digest[PCR_SIZE];
	int r = sha256_bytes(data, size, digest);

	return r < 0 ? r : pcr_extend_digest(pcr, digest);
}

int pcr_extend_phases(uint8_t pcr[PCR_SIZE], const char *const *phases)
{
	int r = 0;

	for (; r == 0 && *phases; phases++)
		r = pcr_extend(pcr, *phases, strlen(*phases));
	return r;
}

static int extend_image(uint8_t pcr[PCR_SIZE], const struct pe *pe, const char *name, struct error **err)
{
	uint8_t digest[SHA256_SIZE];

	if (pe_authenticode_digest(pe, digest, err) < 0)
		return error_wrap(err, "%s", name);
	if (pcr_extend_digest(pcr, digest) < 0)
		return error_set_errno(err, -ENOMEM, "PCR prediction");
	return 0;
}

/* A section as it lies in memory: the file's part, and zeros up to its virtual size. */
static int section_in_memory(const struct pe *uki, const char *name, struct buffer *ret, struct error **err)
{
	const struct pe_section *section = pe_find_section(uki, name);
	const uint8_t *data;
	size_t size;

	if (!section)
		return 0;
	data = pe_section_data(uki, section, &size);
	if (section->virtual_size - size > MiB(1))
		return error_set(err, -EBADMSG,
			"UKI section %s: its size in memory is far from that in the file", name);
	buffer_append(ret, data, size);
	buffer_append_zeros(ret, section->virtual_size - size);
	if (buffer_failed(ret))
		return error_set_errno(err, -ENOMEM, "UKI section %s", name);
	return 1;
}

/*
 * Firmware measures each image that it loads. The stub gives it the kernel to load too; but with Secure Boot
 * on it first puts itself in place of the firmware's check, which would refuse a kernel that isn't signed by
 * itself, and which is also what measures.
 */
static int predict_boot_programs(
	const struct pcr_images *images, const struct pe *uki, uint8_t pcr[PCR_SIZE], struct error **err)
{
	static const char action[] = "Calling EFI Application from Boot Option";
	_cleanup_buffer_ struct buffer kernel = {};
	struct pe pe;
	int r;

	if (pcr_extend(pcr, action, sizeof(action) - 1) < 0 || pcr_extend(pcr, "\0\0\0", 4) < 0)
		return error_set_errno(err, -ENOMEM, "PCR prediction");
	if (images->loader) {
		if (pe_parse(images->loader, images->loader_size, &pe, err) < 0)
			return error_wrap(err, "boot loader");
		r = extend_image(pcr, &pe, "boot loader", err);
		if (r < 0)
			return r;
	}
	r = extend_image(pcr, uki, "UKI", err);
	if (r < 0)
		return r;
	if (images->secure_boot)
		return 0;
	r = section_in_memory(uki, ".linux", &kernel, err);
	if (r < 0)
		return r;
	if (pe_parse(kernel.data, kernel.size, &pe, err) < 0)
		return error_wrap(err, "UKI: kernel");
	return extend_image(pcr, &pe, "UKI: kernel", err);
}

/* Behind the magic come 13 numbers of 8 digits; the twelfth is the length of the name. */
#define CPIO_NAME_SIZE_END (6 + 12 * 8)

static void append_cpio_header(
	struct buffer *cpio, unsigned int inode, unsigned int mode, size_t size, const char *name)
{
	buffer_append_string(cpio, "070701");
	buffer_printf(cpio, "%08x%08x%08x%08x%08x%08x%08x", inode, mode, 0U, 0U, 1U, 0U, (unsigned int)size);
	buffer_printf(cpio, "%08x%08x%08x%08x%08x%08x", 0U, 0U, 0U, 0U, (unsigned int)strlen(name) + 1, 0U);
	buffer_append(cpio, name, strlen(name) + 1);
	buffer_align(cpio, 4);
}

/* The archive that the stub makes to hand a section of its own to the initrd as a file in /.extra. */
static void append_extra(struct buffer *initrd, const char *path, const struct buffer *content)
{
	_cleanup_buffer_ struct buffer cpio = {};
	size_t trailer;

	append_cpio_header(&cpio, 1, 0040555, 0, ".extra");
	append_cpio_header(&cpio, 2, 0100444, content->size, path);
	buffer_append(&cpio, content->data, content->size);
	buffer_align(&cpio, 4);
	trailer = cpio.size;
	append_cpio_header(&cpio, 0, 0, 0, "TRAILER!!!");
	if (buffer_failed(&cpio)) {
		initrd->failed = true;
		return;
	}
	/* The stub writes numbers in small letters, but for the trailer, where one digit makes the
	 * difference. */
	cpio.data[trailer + CPIO_NAME_SIZE_END - 1] = 'B';
	buffer_align(initrd, 4);
	buffer_append(initrd, cpio.data, cpio.size);
}

/* All that the kernel is given as its initrd, in the stub's order, each part padded to 4 bytes. */
static int collect_initrd(const struct pe *uki, struct buffer *initrd, struct error **err)
{
	_cleanup_buffer_ struct buffer key = {}, osrel = {};
	int r;

	r = section_in_memory(uki, ".ucode", initrd, err);
	if (r < 0)
		return r;
	buffer_align(initrd, 4);
	r = section_in_memory(uki, ".initrd", initrd, err);
	if (r < 0)
		return r;
	buffer_align(initrd, 4);
	r = section_in_memory(uki, ".pcrpkey", &key, err);
	if (r > 0)
		append_extra(initrd, ".extra/tpm2-pcr-public-key.pem", &key);
	if (r >= 0)
		r = section_in_memory(uki, ".osrel", &osrel, err);
	if (r > 0)
		append_extra(initrd, ".extra/os-release", &osrel);
	if (r < 0)
		return r;
	return buffer_failed(initrd) ? error_set_errno(err, -ENOMEM, "PCR prediction") : 0;
}

/*
 * The kernel's EFI stub measures its load options (UTF-16LE with a NUL) and its initrd. systemd's stub turns
 * control characters to spaces and trims the end; uki_build() takes no command line that this would change.
 */
static int predict_kernel_input(const struct pe *uki, uint8_t pcr[PCR_SIZE], struct error **err)
{
	_cleanup_buffer_ struct buffer cmdline = {}, options = {}, initrd = {};
	int r;

	r = section_in_memory(uki, ".cmdline", &cmdline, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < cmdline.size && cmdline.data[i] != 0; i++)
		buffer_append_le16(&options, cmdline.data[i]);
	buffer_append_le16(&options, 0);
	r = collect_initrd(uki, &initrd, err);
	if (r < 0)
		return r;
	if (buffer_failed(&options) || pcr_extend(pcr, options.data, options.size) < 0 ||
		pcr_extend(pcr, initrd.data, initrd.size) < 0)
		return error_set_errno(err, -ENOMEM, "PCR prediction");
	return 0;
}

static int predict_kernel_image(const struct pe *uki, uint8_t pcr[PCR_SIZE], struct error **err)
{
	for (size_t i = 0; i < ARRAY_SIZE(measured_sections); i++) {
		_cleanup_buffer_ struct buffer content = {};
		const char *name = measured_sections[i];
		int r = section_in_memory(uki, name, &content, err);

		if (r < 0)
			return r;
		if (r == 0 || content.size == 0)
			continue;
		if (pcr_extend(pcr, name, strlen(name) + 1) < 0 ||
			pcr_extend(pcr, content.data, content.size) < 0)
			return error_set_errno(err, -ENOMEM, "PCR prediction");
	}
	return 0;
}

static int parse_uki(const struct pcr_images *images, struct pe *ret, struct error **err)
{
	if (pe_parse(images->uki, images->uki_size, ret, err) < 0)
		return error_wrap(err, "UKI");
	if (!uki_is(ret))
		return error_set(err, -EBADMSG, "not a UKI: the image has no .linux section");
	for (size_t i = 0; i < ARRAY_SIZE(unsupported_sections); i++)
		if (pe_find_section(ret, unsupported_sections[i]))
			return error_set(err, -EOPNOTSUPP,
				"UKI section %s: PCR values can't be predicted for an image that has one",
				unsupported_sections[i]);
	return 0;
}

int pcr_predict(const struct pcr_images *images, struct pcr_prediction *ret, struct error **err)
{
	struct pcr_prediction prediction = {};
	struct pe uki;
	int r;

	r = parse_uki(images, &uki, err);
	if (r < 0)
		return r;
	r = predict_boot_programs(images, &uki, prediction.boot_programs, err);
	if (r < 0)
		return r;
	r = predict_kernel_input(&uki, prediction.kernel_input, err);
	if (r < 0)
		return r;
	r = predict_kernel_image(&uki, prediction.kernel_image, err);
	if (r < 0)
		return r;
	*ret = prediction;
	return 0;
}
