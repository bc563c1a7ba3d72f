/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Puts a new key in the place of a role's, in a repository and in the folder of keys.
 *
 * The new key is written as ROLE.key.new first. Then what the role signs is published under both keys, then
 * the new root, signed by the old root's keys and its own. At the end root.json is the new root and ROLE.key
 * the new key; what they were before stays as root.json.N and ROLE.key.N, N being the version of the root
 * that knew them last. Wherever that stops, the repository is valid and no key is lost: the next call goes on
 * with the key that was made.
 */
#pragma once

#include "release/repository.h"

struct rotation {
	enum tuf_type role;
	const char *keys; /* the folder that the repository was opened with */
	const struct key_secret *secret;
	const char *new_key; /* a file or URI to take in place of making a key; NULL: make one */
};

/*
 * Does it, or ends one that was interrupted: *ret_ended* says that. Returns 0; -ENOKEY where keys of the role
 * or of the root are missing; -EEXIST where the new key is one of the root's, or *new_key* is another one
 * than that of the interrupted call; the errors of repository_commit() and of writing.
 */
int rotate_key(
	struct repository *repository, const struct rotation *rotation, bool *ret_ended, struct error **err);
