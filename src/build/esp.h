/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the EFI system partition holds: the boot loader, the kernel image, and the keys that firmware in setup
 * mode is given.
 */
#pragma once

#include "build/platform.h"
#include "format/efi-signature.h"
#include "format/tree.h"

struct esp_parts {
	const struct platform *platform;
	const struct buffer *loader; /* systemd-boot, signed */
	const struct buffer *uki;    /* the unified kernel image, signed */
	const char *version;	     /* of the release: the kernel image is EFI/Linux/orlop_VERSION.efi */
	const struct buffer *enrol;  /* EFI_TRUST_VARIABLES signed updates, in their order */
	int64_t time;		     /* seconds since 1970: of every file */
};

/* Makes the tree. *ret* is the caller's. */
int esp_build(const struct esp_parts *parts, struct tree **ret, struct error **err);
