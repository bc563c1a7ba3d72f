/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Measured boot, predicted: the values (SHA-256 bank) that TPM registers will have when firmware starts
 * systemd-boot, that starts a UKI, and the UKI's stub starts the kernel in it. Everything comes from the
 * images themselves. See docs/formats/measured-boot.md for who measures what.
 */
#pragma once

#include "base/error.h"
#include "base/sha256.h"

#define PCR_SIZE SHA256_SIZE

/* What the registers are used for (TCG PC Client Platform Firmware Profile 1.06, 3.3.4; UAPI.7). */
enum pcr_index {
	PCR_BOOT_PROGRAMS = 4,	/* by the firmware: each image that it loads */
	PCR_KERNEL_INPUT = 9,	/* by the kernel's EFI stub: command line and initrd */
	PCR_KERNEL_IMAGE = 11,	/* by systemd's stub: the UKI's sections; then the boot's phases */
	PCR_KERNEL_CONFIG = 12, /* by systemd's stub: whatever wasn't part of the signed image */
	PCR_COUNT = 24,
};

struct pcr_images {
	const void *loader; /* systemd-boot as it stands on the disk, signed; NULL: firmware starts the UKI
			       itself */
	size_t loader_size;
	const void *uki; /* as it stands on the disk, signed */
	size_t uki_size;
	bool secure_boot; /* whether Secure Boot is on: changes what is measured as a boot program */
};

struct pcr_prediction {
	uint8_t boot_programs[PCR_SIZE]; /* 4 */
	uint8_t kernel_input[PCR_SIZE];	 /* 9 */
	uint8_t kernel_image[PCR_SIZE];	 /* 11 when the kernel starts, before any phase */
	uint8_t kernel_config[PCR_SIZE]; /* 12: nothing from outside the signed image */
};

/*
 * Predicts the registers for a boot at the first boot option that is tried, without add-ons, credentials and
 * other additions beside the UKI. Returns 0; -EBADMSG where an image is damaged or no UKI; -EOPNOTSUPP where
 * the UKI has profiles, automatic device trees or its own PCR signatures; -ENOMEM.
 */
int pcr_predict(const struct pcr_images *images, struct pcr_prediction *ret, struct error **err);

/* Extends a register by the digest of *data*: PCR = H(PCR ‖ H(data)). Returns 0 or -ENOMEM. */
int pcr_extend(uint8_t pcr[PCR_SIZE], const void *data, size_t size);

/* The same where the digest is at hand. */
int pcr_extend_digest(uint8_t pcr[PCR_SIZE], const uint8_t digest[PCR_SIZE]);

/*
 * Extends register 11 by the phases of a boot, as systemd-pcrphase does (systemd-pcrphase.service(8)). The
 * list ends with NULL.
 */
int pcr_extend_phases(uint8_t pcr[PCR_SIZE], const char *const *phases);

/* The phases that have passed once multi-user.target is reached: enter-initrd, leave-initrd, sysinit, ready.
 */
extern const char *const pcr_phases_running[];
