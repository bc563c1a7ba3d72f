/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The folder of signing keys that `orlop keys init` makes and builds read:
 *
 *     PK.key PK.crt KEK.key KEK.crt db.key db.crt    RSA-2048 in PEM; keys have mode 0600
 *     owner.guid                                     who the certificates belong to, in EFI variables
 *     root.key targets.key snapshot.key timestamp.key   ed25519 in PEM, mode 0600
 *     root.json                                      version 1 of the root of repositories, signed by
 * root.key
 *
 * PK and KEK only sign updates of the firmware's variables; db signs what starts: boot programs, root hashes,
 * policies, extensions. The release keys sign repositories of releases (release/release-keys.h); a build does
 * not need them, and a folder that an earlier version made has none. Other files may stand beside them.
 */
#pragma once

#include "format/efi-signature.h"

struct keys {
	struct signer *pk, *kek, *db;
	struct efi_trust trust; /* its certificates belong to the signers */
};

void keys_release(struct keys *keys);
#define _cleanup_keys_ _cleanup_(keys_release)

/*
 * Makes the folder *dir* (mode 0700, its parents where they are missing) with new keys in it. An existing
 * folder must be empty of the names above: -EEXIST otherwise, naming the file; nothing is ever overwritten.
 * A set is made whole or not at all: nothing stays behind where it fails, SIGINT, SIGTERM and SIGHUP wait
 * while there is a part of one, and what it leaves when it is killed, the next call for the same folder
 * removes. *now* (seconds since 1970) begins the certificates' validity.
 */
int keys_init(const char *dir, int64_t now, struct error **err);

/*
 * The private keys in *dir* that their group may read, which keys_open() accepts: paths with spaces between
 * them, malloc()ed. NULL where there is none.
 */
char *keys_exposed(const char *dir);

/* Loads all that a build needs. -ENOENT where the folder or a file is missing; otherwise as signer_load(). */
int keys_open(const char *dir, struct keys *ret, struct error **err);

/* What a machine that trusts the keys is given: owner and certificates, without a look at private keys. */
struct keys_trust {
	struct efi_trust trust;
	uint8_t *certificates[EFI_TRUST_VARIABLES]; /* what *trust* points to */
};

void keys_trust_release(struct keys_trust *trust);
#define _cleanup_keys_trust_ _cleanup_(keys_trust_release)

int keys_open_trust(const char *dir, struct keys_trust *ret, struct error **err);
