/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The variable store of OVMF: the firmware volume in a VARS file that holds the firmware's non-volatile
 * variables in EDK2's authenticated format (UEFI PI 1.8 volume 3, 3.2.1 for the volume; EDK2's
 * VariableFormat.h for the rest). Its second half, the area for fault-tolerant writes, is never touched.
 */
#pragma once

#include "format/efi-signature.h"

#define OVMF_VARS_MAX MiB(64)
#define OVMF_URL_MAX 255

struct ovmf_vars {
	const uint8_t *data; /* the caller's */
	size_t size;
	size_t first; /* offset of the first variable */
	size_t end;   /* offset behind the variable area */
};

struct ovmf_variable {
	struct uuid vendor;
	uint32_t attributes;
	uint8_t time[EFI_TIME_SIZE];
	char *name;	     /* UTF-8 */
	const uint8_t *data; /* points into the store */
	size_t size;
	size_t offset; /* of the variable's header in the file */
};

void ovmf_variable_release(struct ovmf_variable *variable);
#define _cleanup_ovmf_variable_ _cleanup_(ovmf_variable_release)

/* Checks the headers of a VARS file. Returns 0, or -EBADMSG with *err* set. */
int ovmf_vars_parse(const void *data, size_t size, struct ovmf_vars *ret, struct error **err);

/*
 * Reads the next variable that is in force (deleted and half-written ones are passed over); *position* is 0
 * at first, and behind the last variable it is the offset of the free space. Returns 1 and *ret*, which the
 * caller releases; 0 behind the last one; -EBADMSG or -ENOMEM.
 */
int ovmf_vars_next(
	const struct ovmf_vars *vars, size_t *position, struct ovmf_variable *ret, struct error **err);

/*
 * Puts a variable into the store *file* (a whole VARS file) behind those that are there; one of the same name
 * and vendor is marked as deleted. *variable*'s offset is not used. Returns 0, -ENOSPC where the store is
 * full, -EINVAL where the name isn't ASCII, -EBADMSG or -ENOMEM.
 */
int ovmf_vars_set(struct buffer *file, const struct ovmf_variable *variable, struct error **err);

/*
 * Writes to *ret* (empty before) a copy of the VARS file *template* in which the platform trusts *trust* and
 * has Secure Boot switched on. A template that is blank, of zeros alone, gets the volume first that the
 * firmware for QEMU's machine "virt" would make there by itself. *time* is what the variables' times are set
 * to, in seconds since 1970.
 */
int ovmf_vars_enroll(const void *template, size_t size, const struct efi_trust *trust, int64_t time,
	struct buffer *ret, struct error **err);

/*
 * Makes the first, and in a fresh store only, boot option of what the firmware fetches itself from *url*,
 * ASCII: Boot0000, with a device path of the URL alone (UEFI 2.10, 3.1.2 and 10.3.4.23), which it takes
 * through whichever network card reaches it. Errors as of ovmf_vars_set(), and -EINVAL where the URL is too
 * long.
 */
int ovmf_vars_set_boot_url(struct buffer *file, const char *url, struct error **err);

/* Switches Secure Boot off in a VARS file whose platform key is enrolled; errors as of ovmf_vars_set(). */
int ovmf_vars_switch_off(struct buffer *file, struct error **err);
