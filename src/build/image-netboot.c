/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "build/image-parts.h"

#include <errno.h>

#include "base/file.h"
#include "build/manifest.h"
#include "format/cpio.h"
#include "format/pcr.h"
#include "format/pe.h"

static int read_content(const struct output *output, struct content **ret, struct error **err)
{
	size_t size;
	char *data;
	int r = file_read(output->path, output->size, &data, &size, err);

	if (r < 0)
		return r;
	*ret = content_new(data, size);
	return *ret ? 0 : error_set_errno(err, -ENOMEM, "%s", output->name);
}

/* The files are read again: they are what the firmware gets, and the page cache still has them. */
int image_make_netboot(struct image *image, struct error **err)
{
	_cleanup_content_ struct content *usr = NULL, *verity = NULL, *signature = NULL;
	_cleanup_buffer_ struct buffer initrd = {};
	int r;

	if (image->options->netboot == INITRD_NETBOOT_NONE)
		return 0;
	signature = content_copy(image->signature.data, image->signature.size);
	r = signature ? read_content(&image->outputs[OUTPUT_USR], &usr, err)
		      : error_set_errno(err, -ENOMEM, "netboot image");
	if (r >= 0)
		r = read_content(&image->outputs[OUTPUT_VERITY], &verity, err);
	if (r >= 0)
		r = image_build_netboot_initrd(image,
			&(struct initrd_carried){.usr = usr, .verity = verity, .signature = signature},
			&initrd, err);
	return r < 0 ? r : image_build_kernel(image, &initrd, &image->unsigned_netboot, err);
}

int image_complete_netboot(struct image *image, struct error **err)
{
	const struct pe_section *section;
	size_t size, offset, length;
	const uint8_t *initrd;
	struct pe pe;
	int r;

	if (image->options->netboot == INITRD_NETBOOT_NONE)
		return 0;
	r = pe_parse(image->unsigned_netboot.data, image->unsigned_netboot.size, &pe, err);
	if (r < 0)
		return r;
	section = pe_find_section(&pe, ".initrd");
	if (!section)
		return error_set(err, -EBADMSG, "the kernel image for the network has no initrd");
	initrd = pe_section_data(&pe, section, &size);
	r = cpio_find(initrd, size, INITRD_CARRIED "/usr.signature", &offset, &length, err);
	if (r >= 0 && length != image->signature.size)
		r = error_set(err, -EBADMSG, "has another size than a signature of the root hash");
	if (r < 0)
		return error_wrap(err, "the initrd of the kernel image for the network"), r;
	memcpy(image->unsigned_netboot.data + (initrd - image->unsigned_netboot.data) + offset,
		image->signature.data, length);
	return 0;
}

int image_sign_netboot(struct image *image, struct error **err)
{
	if (image->options->netboot == INITRD_NETBOOT_NONE)
		return 0;
	return image_sign_program(image, IMAGE_NETBOOT, "the kernel image for start from the network",
		&image->unsigned_netboot, &image->netboot, err);
}

/* Firmware starts it by itself: no boot loader is measured. */
int image_describe_netboot(struct image *image, struct error **err)
{
	struct pcr_prediction pcrs;
	int r;

	if (image->options->netboot == INITRD_NETBOOT_NONE)
		return 0;
	r = pcr_predict(
		&(struct pcr_images){
			.uki = image->netboot.data, .uki_size = image->netboot.size, .secure_boot = true},
		&pcrs, err);
	return r < 0 ? r : manifest_describe_netboot(image->manifest, &pcrs, err);
}
