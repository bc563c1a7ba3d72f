/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "build/platform.h"

#include "base/string-util.h"
#include "format/elf.h"

static const struct platform platforms[] = {
	{
		.architecture = "amd64",
		.machine = ELF_MACHINE_X86_64,
		.libraries = "usr/lib/x86_64-linux-gnu",
		.stub = "usr/lib/systemd/boot/efi/linuxx64.efi.stub",
		.loader = "usr/lib/systemd/boot/efi/systemd-bootx64.efi",
		.default_boot = "EFI/BOOT/BOOTX64.EFI",
		.loader_boot = "EFI/systemd/systemd-bootx64.efi",
	},
	{
		.architecture = "arm64",
		.machine = ELF_MACHINE_AARCH64,
		.libraries = "usr/lib/aarch64-linux-gnu",
		.stub = "usr/lib/systemd/boot/efi/linuxaa64.efi.stub",
		.loader = "usr/lib/systemd/boot/efi/systemd-bootaa64.efi",
		.default_boot = "EFI/BOOT/BOOTAA64.EFI",
		.loader_boot = "EFI/systemd/systemd-bootaa64.efi",
	},
};

const struct platform *platform_find(const char *architecture)
{
	for (size_t i = 0; i < ARRAY_SIZE(platforms); i++)
		if (streq(platforms[i].architecture, architecture))
			return &platforms[i];
	return NULL;
}

const char *platform_native(void)
{
#if defined(__x86_64__)
	return "amd64";
#elif defined(__aarch64__)
	return "arm64";
#else
	return NULL;
#endif
}
