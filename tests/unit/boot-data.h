/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the tests of signing and booting share: the files in tests/data/boot, which other programs made, and
 * signers with the keys there.
 */
#pragma once

#include "base/buffer.h"
#include "format/efi-signature.h"
#include "format/uki.h"

/* A file of tests/data/boot; fails the test where it can't be read. */
struct buffer boot_data(const char *name);

/* The signer "PK", "KEK" or "db". */
struct signer *boot_signer(const char *name);

/* Owner and certificates of the three; points into the signers. */
struct boot_trust {
	struct signer *pk, *kek, *db;
	struct efi_trust trust;
};
struct boot_trust boot_trust(void);
void boot_trust_release(struct boot_trust *trust);
#define _cleanup_boot_trust_ _cleanup_(boot_trust_release)

/* The parts of the image that make-vectors gives to ukify, and what uki_build() makes of them. */
struct boot_parts {
	struct buffer stub, kernel, initrd;
	struct uki_parts parts;
};
struct boot_parts boot_parts(void);
void boot_parts_release(struct boot_parts *parts);
#define _cleanup_boot_parts_ _cleanup_(boot_parts_release)
