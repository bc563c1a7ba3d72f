/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm/platform.h"

#include <errno.h>
#include <unistd.h>

#include "base/string-util.h"

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

static const struct vm_platform platforms[] = {
	{
		.architecture = "amd64",
		.qemu = "qemu-system-x86_64",
		.qemu_package = "qemu-system-x86",
		.machine = "q35,smm=off",
		.machine_secure = "q35,smm=on",
		.secure_arguments = LIST("-global", "driver=cfi.pflash01,property=secure,value=on"),
		.arguments = LIST("-global", "ICH9-LPC.disable_s3=1"),
		.tpm_device = "tpm-crb",
		.firmware_package = "ovmf",
		.code = LIST("/usr/share/OVMF/OVMF_CODE_4M.fd"),
		.code_secure = LIST("/usr/share/OVMF/OVMF_CODE_4M.secboot.fd"),
		.variables = LIST("/usr/share/OVMF/OVMF_VARS_4M.fd"),
	},
};

const struct vm_platform *vm_platform_find(const char *architecture)
{
	for (size_t i = 0; i < ARRAY_SIZE(platforms); i++)
		if (streq(platforms[i].architecture, architecture))
			return &platforms[i];
	return NULL;
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
