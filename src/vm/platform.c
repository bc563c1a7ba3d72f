/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm/platform.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/string-util.h"
#include "format/gpt.h"

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

static const struct vm_platform platforms[] = {
	{
		.architecture = "amd64",
		.qemu = "qemu-system-x86_64",
		.qemu_package = "qemu-system-x86",
		.cpu = "max",
		.machine = "q35,smm=off",
		.machine_secure = "q35,smm=on",
		.secure_arguments = LIST("-global", "driver=cfi.pflash01,property=secure,value=on"),
		.arguments = LIST("-global", "ICH9-LPC.disable_s3=1"),
		.sata_arguments = LIST(NULL),
		.probe_arguments = LIST("-device", "isa-debug-exit,iobase=0xf4,iosize=4"),
		.probe_status = 33,
		.tpm_device = "tpm-crb",
		.firmware_package = "ovmf",
		.code = LIST("/usr/share/OVMF/OVMF_CODE_4M.fd"),
		.code_secure = LIST("/usr/share/OVMF/OVMF_CODE_4M.secboot.fd"),
		.variables = LIST("/usr/share/OVMF/OVMF_VARS_4M.fd"),
	},
	{
		.architecture = "arm64",
		.qemu = "qemu-system-aarch64",
		.qemu_package = "qemu-system-arm",
		/* Signed pointers and SVE, which "max" has, are what emulation is slowest at. */
		.cpu = "neoverse-n1",
		.machine = "virt",
		.machine_secure = "virt",
		.secure_arguments = LIST(NULL),
		.arguments = LIST(NULL),
		.sata_arguments = LIST("-device", "ahci,id=ide"),
		.probe_arguments = LIST(NULL),
		.tpm_device = "tpm-tis-device",
		.firmware_package = "qemu-efi-aarch64",
		.code = LIST("/usr/share/AAVMF/AAVMF_CODE.no-secboot.fd", "/usr/share/AAVMF/AAVMF_CODE.fd"),
		.code_secure =
			LIST("/usr/share/AAVMF/AAVMF_CODE.secboot.fd", "/usr/share/AAVMF/AAVMF_CODE.fd"),
		.variables = LIST("/usr/share/AAVMF/AAVMF_VARS.fd"),
	},
};

const struct vm_platform *vm_platform_find(const char *architecture)
{
	for (size_t i = 0; i < ARRAY_SIZE(platforms); i++)
		if (streq(platforms[i].architecture, architecture))
			return &platforms[i];
	return NULL;
}

static const struct vm_platform *platform_of(const struct gpt *gpt)
{
	struct gpt_partition partition = {};

	while (gpt_next(gpt, &partition)) {
		const struct gpt_type *type = gpt_type_find(&partition.type);

		if (type && type->architecture)
			return vm_platform_find(type->architecture);
	}
	return NULL;
}

const struct vm_platform *vm_platform_of_disk(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	const struct vm_platform *platform = NULL;
	_cleanup_gpt_ struct gpt gpt = {};
	uint32_t sector_size;
	uint64_t size;

	if (fd >= 0 && gpt_geometry(fd, &size, &sector_size, NULL) >= 0 &&
		gpt_read(fd, size, sector_size, &gpt, NULL) >= 0)
		platform = platform_of(&gpt);
	return platform;
}

const struct vm_platform *vm_platform_native(void)
{
#if defined(__x86_64__)
	return vm_platform_find("amd64");
#elif defined(__aarch64__)
	return vm_platform_find("arm64");
#else
	return NULL;
#endif
}

int vm_firmware_find(const struct vm_platform *platform, const char *const *candidates, const char **ret,
	struct error **err)
{
	for (size_t i = 0; candidates[i]; i++)
		if (access(candidates[i], R_OK) == 0) {
			*ret = candidates[i];
			return 0;
		}
	return error_set(err, -ENOENT, "no UEFI firmware: %s can't be read (install the package %s)",
		candidates[0], platform->firmware_package);
}
