/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Unified kernel images (UAPI.5): systemd's EFI stub with the kernel, its initrd and its command line as PE
 * sections, so that one signature covers all of them.
 */
#pragma once

#include "format/pe.h"

/* Bytes of the caller's. NULL and 0: not given. */
struct uki_part {
	const void *data;
	size_t size;
};

struct uki_parts {
	struct uki_part stub;	/* systemd's linuxx64.efi.stub or linuxaa64.efi.stub, not signed */
	struct uki_part kernel; /* the kernel, a PE image of the stub's architecture */
	struct uki_part initrd;
	const char *cmdline;   /* without newline */
	struct uki_part osrel; /* the text of os-release */
	const char *uname;     /* the kernel's release, as uname -r prints it */
	const char *sbat; /* lines of our own for .sbat, each with its newline, without the "sbat,1" header */
	struct uki_part ucode; /* an uncompressed cpio archive with CPU microcode */
	struct uki_part dtb;
};

/*
 * Builds the unsigned image into *ret* (empty before). The sections stand in the file in ukify's order; what
 * is measured first is decided by the stub, not by this order (see pcr.h).
 *
 * The stub's .sbat section gets the lines of the kernel's own .sbat and of *sbat* added. Where the kernel
 * isn't marked as compatible with no-execute memory, the image isn't either.
 *
 * Returns 0; -EINVAL where a part that is needed (stub, linux, initrd, cmdline, osrel, uname) is missing or
 * the command line is too long for the kernel; -EBADMSG where stub or kernel is no PE image of the same
 * machine; -ENOSPC where the stub has no room for another section.
 */
int uki_build(const struct uki_parts *parts, struct buffer *ret, struct error **err);

/* Bytes that the kernel takes as its command line, less the NUL (COMMAND_LINE_SIZE in arch/…/asm/setup.h). */
#define UKI_CMDLINE_MAX 2047

/* True where a PE image is a UKI: an EFI program with .linux and .osrel or .cmdline sections. */
bool uki_is(const struct pe *pe);

/*
 * Whether what the image starts is the /usr with this root hash (64 lower-case digits): there is exactly one
 * usrhash= in its command line, as orlop-init reads it (init/cmdline.h), and it is this one. Takes any image.
 * Returns 0; -EBADMSG; -ENOMEM; the errors of block_read().
 */
int uki_check_usrhash(const struct pe *pe, const char *digits, struct error **err);
