/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "release/role-keys.h"

#include <ctype.h>
#include <errno.h>

#include "base/file.h"
#include "base/string-util.h"
#include "release/key-files.h"

#define NAME_LENGTH_MAX 32

bool role_key_name_is_valid(const char *name)
{
	size_t length = strlen(name);

	for (const char *c = name; *c; c++)
		if (!isalnum((unsigned char)*c) && *c != '-')
			return false;
	return length > 0 && length <= NAME_LENGTH_MAX;
}

static char *key_path(const struct role_keys *change, const char *name)
{
	return string_format("%s/%s-%s.key", change->keys, tuf_type_name(change->role), name);
}

/* ---- Adding ---- */

/* Each key has one role, so that one that must be at hand every day is not the one that all rests on. */
static int check_roles(const struct repository *repository, const struct role_keys *change, const char *path,
	const struct tuf_signer *key, struct error **err)
{
	for (enum tuf_type role = 0; role < TUF_TYPES; role++)
		if (role != change->role && repository_lists_key(repository, role, tuf_signer_id(key)))
			return error_set(err, -EEXIST,
				"%s is a key of the repository's role %s: the role %s needs one of its own",
				path, tuf_type_name(role), tuf_type_name(change->role));
	return 0;
}

/* A key that is named now must be the one that is there. */
static int check_same(
	const struct role_keys *change, const char *path, const struct tuf_signer *key, struct error **err)
{
	_cleanup_tuf_signer_ struct tuf_signer *named = NULL;
	int r = change->new_key ? tuf_signer_load(change->new_key, change->secret, &named, err) : 0;

	if (r < 0 || !named || streq(tuf_signer_id(named), tuf_signer_id(key)))
		return r;
	return error_set(err, -EEXIST, "%s is there already, and another key than %s: choose another name",
		path, change->new_key);
}

static int load_or_make(const struct role_keys *change, const char *path, bool is_there,
	struct tuf_signer **ret, struct error **err)
{
	int r = is_there ? 0 : key_file_make(path, change->new_key, err);

	if (r >= 0)
		r = tuf_signer_load(path, change->secret, ret, err);
	return r >= 0 && is_there ? check_same(change, path, *ret, err) : r;
}

static int prepare_add(const struct repository *repository, const struct role_keys *change,
	struct root_change *ret, struct error **err)
{
	_cleanup_free_ char *path = key_path(change, change->add);
	_cleanup_tuf_signer_ struct tuf_signer *key = NULL;
	bool is_there = path && access(path, F_OK) == 0;
	int r = path ? load_or_make(change, path, is_there, &key, err) : error_set_errno(err, -ENOMEM, "key");

	if (r >= 0)
		r = check_roles(repository, change, path, key, err);
	/* What can't be the key is not kept to be found again. */
	if (r < 0 && path && !is_there)
		(void)unlink(path);
	if (r >= 0 && !repository_lists_key(repository, change->role, tuf_signer_id(key)))
		ret->add = TAKE_PTR(key);
	return r;
}

/* ---- Removing ---- */

/* *ret_id* stays NULL where the root has not listed the key since an interrupted call. */
static int prepare_remove(const struct repository *repository, const struct role_keys *change, char **ret_id,
	struct error **err)
{
	_cleanup_free_ char *path = key_path(change, change->remove);
	_cleanup_tuf_signer_ struct tuf_signer *key = NULL;
	int r;

	if (!path)
		return error_set_errno(err, -ENOMEM, "key");
	if (access(path, F_OK) < 0)
		return error_set_errno(err, -errno, "%s", path);
	r = tuf_signer_load(path, change->secret, &key, err);
	if (r < 0 || !repository_lists_key(repository, change->role, tuf_signer_id(key)))
		return r;
	*ret_id = strdup(tuf_signer_id(key));
	return *ret_id ? 0 : error_set_errno(err, -ENOMEM, "key");
}

static int put_away(const struct repository *repository, const struct role_keys *change, struct error **err)
{
	_cleanup_free_ char *path = key_path(change, change->remove);
	int r = path ? key_file_keep(path, repository_root(repository)->version - 1, err)
		     : error_set_errno(err, -ENOMEM, "key");

	if (r < 0)
		return r;
	return unlink(path) < 0 ? error_set_errno(err, -errno, "%s", path) : fsync_parent(path, err);
}

/* ---- All of it ---- */

static bool is_needed(const struct repository *repository, const struct root_change *root)
{
	uint64_t threshold = repository_root(repository)->roles[root->role].threshold;

	return root->add || root->remove || (root->threshold > 0 && root->threshold != threshold);
}

int role_keys_change(
	struct repository *repository, const struct role_keys *change, bool *ret_changed, struct error **err)
{
	struct root_change root = {.role = change->role, .threshold = change->threshold, .days = ROOT_DAYS};
	_cleanup_free_ char *removed = NULL;
	int r = 0;

	if (change->add)
		r = prepare_add(repository, change, &root, err);
	if (r >= 0 && change->remove)
		r = prepare_remove(repository, change, &removed, err);
	if (r < 0)
		return r;
	root.remove = removed;
	*ret_changed = is_needed(repository, &root);
	if (*ret_changed)
		r = repository_change_root(repository, &root, err);
	if (r >= 0)
		r = key_files_renew_root(repository, change->keys, err);
	return r >= 0 && change->remove ? put_away(repository, change, err) : r;
}
