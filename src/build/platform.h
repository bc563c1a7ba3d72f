/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What differs between the architectures that Orlop is built for.
 */
#pragma once

#include <stdint.h>

struct platform {
	const char *architecture; /* Debian's name */
	uint16_t machine;	  /* of its programs, as ELF has it: format/elf.h */
	const char *libraries;	  /* where its shared libraries are */
	const char *stub;	  /* systemd's EFI stub, a path in the package systemd-boot-efi */
	const char *loader;	  /* systemd-boot, likewise */
	const char *default_boot; /* where firmware looks for a boot program by itself (UEFI 2.10, 3.5.1.1) */
	const char *loader_boot;  /* where systemd-boot is installed as such */
};

/* The platform of that name, NULL where there is none. */
const struct platform *platform_find(const char *architecture);

/* The name of the architecture that this program runs on, NULL where Orlop does not know it. */
const char *platform_native(void);
