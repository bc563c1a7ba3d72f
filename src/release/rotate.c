/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "release/rotate.h"

#include <errno.h>

#include "base/file.h"
#include "base/string-util.h"
#include "release/key-files.h"

struct paths {
	char *key, *pending;
};

static void paths_release(struct paths *paths)
{
	free(paths->key);
	free(paths->pending);
}

static int make_paths(const struct rotation *rotation, struct paths *ret, struct error **err)
{
	const char *role = tuf_type_name(rotation->role);

	ret->key = string_format("%s/%s.key", rotation->keys, role);
	ret->pending = string_format("%s/%s.key.new", rotation->keys, role);
	return ret->key && ret->pending ? 0 : error_set_errno(err, -ENOMEM, "%s", role);
}

/* ---- The new key ---- */

/* A key that is named now must be the one that an interrupted rotation began with. */
static int check_same(const struct rotation *rotation, const struct paths *paths,
	const struct tuf_signer *pending, struct error **err)
{
	_cleanup_tuf_signer_ struct tuf_signer *named = NULL;
	int r = tuf_signer_load(rotation->new_key, rotation->secret, &named, err);

	if (r < 0 || streq(tuf_signer_id(named), tuf_signer_id(pending)))
		return r;
	return error_set(err, -EEXIST,
		"the change to the key in %s was interrupted: end it by calling this without another key, or "
		"remove that file where the key is in no root yet",
		paths->pending);
}

/*
 * The key that an interrupted rotation made is taken up again (*ret_taken_up*): it may be in the root
 * already.
 */
static int pending_key(const struct rotation *rotation, const struct paths *paths, struct tuf_signer **ret,
	bool *ret_taken_up, struct error **err)
{
	int r = 0;

	*ret_taken_up = access(paths->pending, F_OK) == 0;
	if (!*ret_taken_up)
		r = key_file_make(paths->pending, rotation->new_key, err);
	if (r < 0)
		return r;
	r = tuf_signer_load(paths->pending, rotation->secret, ret, err);
	if (r >= 0 && *ret_taken_up && rotation->new_key)
		return check_same(rotation, paths, *ret, err);
	/* What can't be a key is not kept to be found again. */
	if (r < 0 && rotation->new_key && !*ret_taken_up)
		(void)unlink(paths->pending);
	return r;
}

/* Whether a key is the one that is to be replaced. */
static bool is_current(
	const struct rotation *rotation, const struct paths *paths, const struct tuf_signer *key)
{
	_cleanup_tuf_signer_ struct tuf_signer *current = NULL;

	return tuf_signer_load(paths->key, rotation->secret, &current, NULL) >= 0 &&
	       streq(tuf_signer_id(current), tuf_signer_id(key));
}

/*
 * Each role has keys of its own, so that one that must be at hand every day is not the one that all rests on.
 * A key that the root has can only be one that an interrupted rotation put there.
 */
static int check_new(const struct repository *repository, const struct rotation *rotation,
	const struct paths *paths, const struct tuf_signer *key, bool taken_up, struct error **err)
{
	for (enum tuf_type role = 0; role < TUF_TYPES; role++) {
		if (!repository_lists_key(repository, role, tuf_signer_id(key)) ||
			(role == rotation->role && taken_up && !is_current(rotation, paths, key)))
			continue;
		(void)unlink(paths->pending);
		return error_set(err, -EEXIST,
			"the new key is a key of the repository's role %s already: the role %s needs one of "
			"its own",
			tuf_type_name(role), tuf_type_name(rotation->role));
	}
	return 0;
}

/* ---- The folder of keys ---- */

/* The last step: once it is done, nothing is pending. */
static int renew_key(const struct repository *repository, const struct paths *paths, struct error **err)
{
	int r = access(paths->key, F_OK) == 0
			? key_file_keep(paths->key, repository_root(repository)->version - 1, err)
			: 0;

	if (r < 0)
		return r;
	if (rename(paths->pending, paths->key) < 0)
		return error_set_errno(err, -errno, "%s", paths->key);
	return fsync_parent(paths->key, err);
}

/* ---- All of it ---- */

static int rotate_in_repository(struct repository *repository, const struct rotation *rotation,
	const struct paths *paths, struct tuf_signer *key, struct error **err)
{
	_cleanup_tuf_signer_ struct tuf_signer *new_key = key, *old_key = NULL;
	int r = tuf_signer_load(paths->key, rotation->secret, &old_key, err);

	if (r < 0)
		return r;
	if (!repository_lists_key(repository, rotation->role, tuf_signer_id(old_key)))
		return error_set(err, -ENOKEY,
			"%s is not a key of the repository's role %s: nothing can be put in its place",
			paths->key, tuf_type_name(rotation->role));
	return repository_change_root(repository,
		&(struct root_change){.role = rotation->role,
			.remove = tuf_signer_id(old_key),
			.add = TAKE_PTR(new_key),
			.days = ROOT_DAYS},
		err);
}

int rotate_key(
	struct repository *repository, const struct rotation *rotation, bool *ret_ended, struct error **err)
{
	_cleanup_(paths_release) struct paths paths = {};
	_cleanup_tuf_signer_ struct tuf_signer *key = NULL;
	bool taken_up;
	int r = make_paths(rotation, &paths, err);

	if (r >= 0)
		r = pending_key(rotation, &paths, &key, &taken_up, err);
	if (r >= 0)
		r = check_new(repository, rotation, &paths, key, taken_up, err);
	if (r < 0)
		return r;
	*ret_ended = repository_lists_key(repository, rotation->role, tuf_signer_id(key));
	if (!*ret_ended)
		r = rotate_in_repository(repository, rotation, &paths, TAKE_PTR(key), err);
	if (r >= 0)
		r = key_files_renew_root(repository, rotation->keys, err);
	return r < 0 ? r : renew_key(repository, &paths, err);
}
