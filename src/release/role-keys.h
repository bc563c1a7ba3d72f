/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How many keys a role of a repository has, and how many of them must sign: a role that several keys must
 * sign for falls to nobody who has but one of them.
 */
#pragma once

#include "release/repository.h"

struct role_keys {
	enum tuf_type role;
	const char *keys; /* the folder that the repository was opened with */
	const struct key_secret *secret;
	const char *add, *remove; /* NAME of ROLE-NAME.key; at most one of the two */
	const char *new_key;	  /* to add: a file or URI to take in place of making a key; NULL: make one */
	uint32_t threshold;	  /* how many must sign; 0: as many as before */
};

/* Letters, digits and "-", at most 32. */
bool role_key_name_is_valid(const char *name);

/*
 * Does it, with a new version of the root; *ret_changed* says whether there was anything to do. What was
 * interrupted is taken up by the same call. A key that is removed stays as ROLE-NAME.key.N.
 *
 * Returns 0; -EEXIST where the key to add is one of the root's, or the file has another one; -ENOENT where
 * the key to remove is none of the role's; -EINVAL where fewer keys would be left than must sign; -ENOKEY
 * where keys that have to sign are missing; the errors of repository_commit() and of writing.
 */
int role_keys_change(
	struct repository *repository, const struct role_keys *change, bool *ret_changed, struct error **err);
