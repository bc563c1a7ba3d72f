/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * make-initrd INIT ROOT SETTINGS OUTPUT [USR VERITY SIGNATURE]: the initrd that the builder would make from
 * the program INIT, the kernel's modules in the folder ROOT/usr/lib/modules and the settings in the file
 * SETTINGS; it carries the last three.
 */
#include <errno.h>

#include "base/file.h"
#include "build/initrd.h"
#include "build/overlay.h"

static int read_content(const char *path, struct content **ret, struct error **err)
{
	char *data;
	size_t size;
	int r = file_read(path, MiB(512), &data, &size, err);

	if (r < 0)
		return r;
	*ret = content_new(data, size);
	return *ret ? 0 : error_set(err, -ENOMEM, "%s", path);
}

static int make(char **arguments, struct error **err)
{
	static const char *const always[] = {"dm_verity", "erofs", "overlay", "efivarfs", "loop"};
	static const char *const devices[] = {"virtio_blk", "virtio_scsi", "nvme", "ahci", "sd_mod"};
	_cleanup_strv_ struct strv always_list = {}, device_list = {};
	_cleanup_kernel_modules_ struct kernel_modules *modules = NULL;
	_cleanup_tree_ struct tree *tree = tree_new();
	_cleanup_buffer_ struct buffer initrd = {};
	_cleanup_free_ char *settings = NULL;
	struct content *parts[3] = {};
	struct initrd_carried carried;
	struct initrd_options options = {
		.init = arguments[0], .always = &always_list, .devices = &device_list};
	int r = overlay_add(tree, arguments[1], NULL, 0, "modules", err);

	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(always); i++)
		r = strv_add(&always_list, always[i]);
	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(devices); i++)
		r = strv_add(&device_list, devices[i]);
	if (r >= 0)
		r = kernel_modules_read(tree, NULL, 0, &modules, err);
	if (r >= 0)
		r = file_read(arguments[2], MiB(1), &settings, NULL, err);
	if (r < 0)
		return r;
	for (size_t i = 0; arguments[4] && r >= 0 && i < ARRAY_SIZE(parts); i++)
		r = read_content(arguments[4 + i], &parts[i], err);
	carried = (struct initrd_carried){.usr = parts[0], .verity = parts[1], .signature = parts[2]};
	options.modules = modules;
	if (r >= 0)
		r = initrd_write_settings(settings, options.mtime, &initrd, err);
	if (r >= 0 && arguments[4])
		r = initrd_write_carried(&carried, options.mtime, &initrd, err);
	if (r >= 0)
		r = initrd_write_rest(&options, &initrd, err);
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		content_unref(parts[i]);
	return r < 0 ? r : file_write_atomic(arguments[3], initrd.data, initrd.size, 0644, err);
}

int main(int argc, char **argv)
{
	_cleanup_error_ struct error *err = NULL;

	if (argc != 5 && argc != 8) {
		fprintf(stderr, "usage: make-initrd INIT ROOT SETTINGS OUTPUT [USR VERITY SIGNATURE]\n");
		return EXIT_FAILURE;
	}
	if (make(argv + 1, &err) < 0) {
		fprintf(stderr, "make-initrd: %s\n", error_message(err));
		return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}
