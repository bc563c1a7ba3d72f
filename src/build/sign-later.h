/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Builds whose keys are elsewhere: a folder with what is to be signed and all that the build needs to be
 * ended when the signatures are there. Format: docs/formats/signing.md.
 *
 * The folder comes back from somewhere else. What is signed, and what is put together in the end, is worked
 * out anew from the images in it, which are read once: no description of theirs is believed, and what was
 * shown is what is signed.
 */
#pragma once

#include "base/sha256.h"
#include "build/stage.h"
#include "format/signing.h"

/* Opens the folder that a build leaves, which must be new or empty: -EEXIST. */
int sign_later_open(const char *dir, struct stage **ret, struct error **err);

/* A folder that was read and checked. */
struct sign_later;

/*
 * Reads it: that every file is the one that signing.json names, that /usr and its hash tree are those of the
 * root hash, that the kernel image starts that root hash, and that the signatures which are asked for are
 * those that the files need. Signatures that are there already are not looked at.
 *
 * Returns 0; -EBADMSG where one of this does not hold; the errors of reading.
 */
int sign_later_read(const char *dir, unsigned threads, struct sign_later **ret, struct error **err);
struct sign_later *sign_later_free(struct sign_later *folder);
DEFINE_CLEANUP(struct sign_later *, sign_later_free);
#define _cleanup_sign_later_ _cleanup_(sign_later_freep)

/* What it is of; belongs to the folder. */
struct sign_later_about {
	const char *edition, *version, *architecture, *root_hash, *command_line;
	const char *sha256; /* of signing.json, hexadecimal: stands for all of the folder */
	const struct signing *signing;
};
struct sign_later_about sign_later_about(const struct sign_later *folder);

/*
 * Signs with those keys of the folder *keys* that belong to the certificates, and puts the signatures beside
 * what they are of. A certificate that the folder of keys lacks, or has another one of, is left to somebody
 * else, and so is one whose private key is not there. When all others are in the folder, the outputs are made
 * of them to sign their provenance, and removed. *ret_made* is how many were made, and *ret_missing* the
 * names of those that the folder still lacks, "" where it has all; the caller's.
 *
 * Returns 0; -ENOKEY where no key is of the folder; -EKEYREJECTED where a signature that somebody else has
 * made is not right; as signer_load() and of writing.
 */
int sign_later_sign(const struct sign_later *folder, const char *keys, const struct key_secret *secret,
	size_t *ret_made, char **ret_missing, struct error **err);
