/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The release keys in a folder of keys (build/keys.h): who signs for each role of a repository.
 *
 *     ROLE.key, ROLE-NAME.key   private keys of a role, several where its threshold is above 1
 *     ROLE.key.new              one that is about to take the place of ROLE.key (release/rotate.h)
 *     ROLE.key.N                one that was ROLE.key until version N of the root
 *     root.json, root.json.N    the newest root's metadata, and version N of it
 */
#pragma once

#include "format/tuf-signer.h"
#include "format/tuf.h"

#define RELEASE_ROOT_MAX KiB(512) /* bytes of a root's metadata */

struct tuf_signers {
	struct tuf_signer **items;
	size_t count;
};
void tuf_signers_release(struct tuf_signers *signers);
#define _cleanup_tuf_signers_ _cleanup_(tuf_signers_release)

/* Takes the signer over, also when it fails: 0 or -ENOMEM. One that is there already is dropped. */
int tuf_signers_add(struct tuf_signers *signers, struct tuf_signer *signer);

/*
 * Loads those keys of *role* in the folder that *root* lets sign for it, and adds them to *ret*. Returns 0;
 * -ENOKEY where they are fewer than the threshold; as tuf_signer_load().
 */
int release_signers_load(const char *folder, enum tuf_type role, const struct tuf_metadata *root,
	const struct key_secret *secret, struct tuf_signers *ret, struct error **err);

/*
 * Reads root.json, or version *version* of it where that isn't 0; checks that it is signed as it says itself.
 * *ret_text* (may be NULL) is its text, which the caller releases. Returns 0; -ENOENT, -EBADMSG,
 * -EKEYREJECTED.
 */
int release_root_load(const char *folder, uint64_t version, struct tuf_metadata *ret, struct buffer *ret_text,
	struct error **err);
