/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whether a node would start a release, found out before anything is written: the same checks that the
 * firmware and the kernel make later, against the same certificates. A release that was signed with a key
 * this machine does not trust is an error of the update then, and not three failed starts.
 */
#pragma once

#include "format/release-info.h"

/* The firmware's db: X.509 certificates of the variable, signature lists as UEFI 2.10, 32.4.1 has them. */
struct trust_store {
	const void *lists;
	size_t size;
};

/*
 * Checks that certificates of *store* have signed the root hash (PKCS#7, detached, over its 64 lower-case
 * digits) and the kernel image *uki* (Authenticode), each one that need not be the other's; that this is the
 * file that *info* names; and that its command line starts the release's root hash and no other. The image is
 * read piece by piece, several times; who reads it again afterwards has to see to it that it is still the one
 * that *info* names.
 *
 * Returns 0; -ENOKEY where no certificate of the store has a valid signature of one of them, which a damaged
 * signature is not either; -EBADMSG where the image is damaged, or is not the release's, or where the store's
 * lists are damaged; -ENOMEM; what reading the image returned.
 */
int release_trust_check(const struct release_info *info, const struct block_io *uki,
	const struct trust_store *store, struct error **err);
