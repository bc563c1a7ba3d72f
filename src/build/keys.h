/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The folder of signing keys that `orlop keys init` makes and builds read:
 *
 *     PK.key PK.crt KEK.key KEK.crt db.key db.crt       RSA-2048 in PEM; keys have mode 0600
 *     owner.guid                                        who the certificates belong to, in EFI variables
 *     db.crt.new db.crt.N                               more certificates for db (release/rotate-db.h)
 *     root.key targets.key snapshot.key timestamp.key   ed25519 in PEM, mode 0600
 *     root.json                                         version 1 of the root of repositories, signed by
 * root.key
 *
 * PK and KEK only sign updates of the firmware's variables; db signs what starts: boot programs, root hashes,
 * policies, extensions. The release keys sign repositories of releases (release/release-keys.h); a build does
 * not need them, but for root.json where the edition has orlop-node, and a folder that an earlier version
 * made has none. Other files may stand beside them. A key may be encrypted, and its file may point to a token
 * in place of holding it (format/private-key.h).
 */
#pragma once

#include "format/efi-signature.h"

#define KEYS_MORE_MAX 16

struct keys {
	struct signer *pk, *kek, *db;
	struct signer *more[KEYS_MORE_MAX]; /* certificates alone */
	size_t more_count;
	struct efi_certificate more_db[KEYS_MORE_MAX];
	struct efi_trust trust; /* without the others of db: keys_trust() */
};

void keys_release(struct keys *keys);
#define _cleanup_keys_ _cleanup_(keys_release)

struct keys_options {
	int64_t now;		/* seconds since 1970: begins the certificates' validity */
	const char *passphrase; /* that new keys are encrypted with; NULL: none */

	/* Keys to take in place of making them: "PK", "db", "targets" …, and a file, which is copied, or a
	 * URI. */
	const struct keys_given {
		const char *name, *where;
	} * given;
	size_t given_count;
	const struct key_secret *secret; /* of these */
};

/*
 * Makes the folder *dir* (mode 0700, its parents where they are missing) with new keys in it. An existing
 * folder must be empty of the names above: -EEXIST otherwise, naming the file; nothing is ever overwritten.
 * A set is made whole or not at all: nothing stays behind where it fails, SIGINT, SIGTERM and SIGHUP wait
 * while there is a part of one, and what it leaves when it is killed, the next call for the same folder
 * removes.
 */
int keys_init(const char *dir, const struct keys_options *options, struct error **err);

/* Whether there is a key of that name: "PK", "KEK", "db", or a role. */
bool keys_has_name(const char *name);

/*
 * The private keys in *dir* that their group may read, which keys_open() accepts: paths with spaces between
 * them, malloc()ed. NULL where there is none.
 */
char *keys_exposed(const char *dir);

/* Loads all that a build needs. -ENOENT where the folder or a file is missing; otherwise as signer_load(). */
int keys_open(const char *dir, const struct key_secret *secret, struct keys *ret, struct error **err);

/* Owner and certificates, without a look at private keys: the signers have none. */
int keys_open_certificates(const char *dir, struct keys *ret, struct error **err);

/* What a machine that trusts the keys is given. Points into *keys*. */
struct efi_trust keys_trust(const struct keys *keys);
