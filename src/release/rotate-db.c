/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "release/rotate-db.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "base/string-util.h"
#include "release/key-files.h"

#define DB_YEARS 50
#define DB_KEPT_MAX 1000

struct paths {
	char *key, *certificate, *new_key, *new_certificate;
};

static void paths_release(struct paths *paths)
{
	free(paths->key);
	free(paths->certificate);
	free(paths->new_key);
	free(paths->new_certificate);
}

static int make_paths(const char *keys, struct paths *ret, struct error **err)
{
	ret->key = string_format("%s/db.key", keys);
	ret->certificate = string_format("%s/db.crt", keys);
	ret->new_key = string_format("%s/db.key.new", keys);
	ret->new_certificate = string_format("%s/db.crt.new", keys);
	return ret->key && ret->certificate && ret->new_key && ret->new_certificate
		       ? 0
		       : error_set_errno(err, -ENOMEM, "%s", keys);
}

static bool is_there(const char *path)
{
	return access(path, F_OK) == 0;
}

/* ---- The new pair ---- */

static struct signer_claim claim_of(const struct db_rotation *rotation)
{
	return (struct signer_claim){
		.name = "Orlop signature database key", .not_before = rotation->now, .years = DB_YEARS};
}

/* The key comes first: without a certificate it is nothing yet. */
static int make_new(const struct db_rotation *rotation, const struct paths *paths, struct error **err)
{
	const struct signer_claim claim = claim_of(rotation);
	_cleanup_signer_pem_ struct signer_pem pem = {};
	int r;

	if (rotation->new_key)
		return key_file_make(paths->new_key, rotation->new_key, err);
	r = signer_generate(&claim, rotation->passphrase, &pem, err);
	return r < 0 ? r : file_write_atomic(paths->new_key, pem.key, strlen(pem.key), 0600, err);
}

static int certify_new(const struct db_rotation *rotation, const struct paths *paths, struct error **err)
{
	const struct signer_claim claim = claim_of(rotation);
	_cleanup_free_ char *certificate = NULL;
	int r = signer_certify(&claim, paths->new_key, rotation->secret, &certificate, err);

	return r < 0 ? r
		     : file_write_atomic(paths->new_certificate, certificate, strlen(certificate), 0644, err);
}

/* A key that is named must be the one that waits. */
static int check_same(const struct db_rotation *rotation, const struct paths *paths, struct error **err)
{
	_cleanup_signer_ struct signer *signer = NULL;

	if (!rotation->new_key ||
		signer_load(paths->new_certificate, rotation->new_key, rotation->secret, &signer, NULL) >= 0)
		return 0;
	return error_set(err, -EEXIST,
		"%s waits to be used, and is another key than %s: leave --new-key out, or remove it and %s "
		"first",
		paths->new_key, rotation->new_key, paths->new_certificate);
}

/* The key that signs can't take its own place. */
static int check_other(const struct db_rotation *rotation, const struct paths *paths, struct error **err)
{
	_cleanup_signer_ struct signer *signer = NULL;

	if (signer_load(paths->certificate, paths->new_key, rotation->secret, &signer, NULL) < 0)
		return 0;
	(void)unlink(paths->new_certificate);
	(void)unlink(paths->new_key);
	return error_set(err, -EEXIST, "the new key is the one of %s: it signs already", paths->certificate);
}

static int need_pair(const struct db_rotation *rotation, const struct paths *paths, struct error **err)
{
	int r = 0;

	if (is_there(paths->new_certificate))
		return check_same(rotation, paths, err);
	if (!is_there(paths->new_key))
		r = make_new(rotation, paths, err);
	if (r >= 0)
		r = certify_new(rotation, paths, err);
	/* What can't be a key is not kept to be found again. */
	if (r < 0 && rotation->new_key)
		(void)unlink(paths->new_key);
	return r < 0 ? r : check_other(rotation, paths, err);
}

/* ---- Changing places ---- */

static bool same_file(const char *a, const char *b)
{
	struct stat st_a, st_b;

	return stat(a, &st_a) == 0 && stat(b, &st_b) == 0 && st_a.st_dev == st_b.st_dev &&
	       st_a.st_ino == st_b.st_ino;
}

/* The first number that no older pair has, or that an interrupted change gave to this one. */
static int find_number(const struct paths *paths, unsigned *ret, struct error **err)
{
	for (*ret = 1; *ret <= DB_KEPT_MAX; (*ret)++) {
		_cleanup_free_ char *key = string_format("%s.%u", paths->key, *ret);
		_cleanup_free_ char *certificate = string_format("%s.%u", paths->certificate, *ret);

		if (!key || !certificate)
			return error_set_errno(err, -ENOMEM, "%s", paths->key);
		if ((!is_there(key) || same_file(key, paths->key)) &&
			(!is_there(certificate) || same_file(certificate, paths->certificate)))
			return 0;
	}
	return error_set(err, -E2BIG, "%s: there are %d older ones", paths->key, DB_KEPT_MAX);
}

static int move(const char *from, const char *to, struct error **err)
{
	if (rename(from, to) < 0)
		return error_set_errno(err, -errno, "%s", to);
	return fsync_parent(to, err);
}

/* The certificate goes first: a build that finds it with the old key refuses to sign. */
static int change_places(const struct paths *paths, unsigned *ret_kept, struct error **err)
{
	int r = find_number(paths, ret_kept, err);

	if (r >= 0 && is_there(paths->key))
		r = key_file_keep(paths->key, *ret_kept, err);
	if (r >= 0)
		r = key_file_keep(paths->certificate, *ret_kept, err);
	if (r >= 0)
		r = move(paths->new_certificate, paths->certificate, err);
	return r < 0 ? r : move(paths->new_key, paths->key, err);
}

/* Whether a change was stopped between its last two steps: the new certificate is in its place, and its key
 * waits. */
static bool is_half_done(const struct db_rotation *rotation, const struct paths *paths)
{
	_cleanup_signer_ struct signer *signer = NULL;

	return !is_there(paths->new_certificate) && is_there(paths->new_key) &&
	       signer_load(paths->certificate, paths->new_key, rotation->secret, &signer, NULL) >= 0 &&
	       !same_file(paths->key, paths->new_key);
}

/* The number that the pair got whose certificate has gone already. */
static int find_kept(const struct paths *paths, unsigned *ret, struct error **err)
{
	for (*ret = 1; *ret <= DB_KEPT_MAX; (*ret)++) {
		_cleanup_free_ char *key = string_format("%s.%u", paths->key, *ret);

		if (!key)
			return error_set_errno(err, -ENOMEM, "%s", paths->key);
		if (same_file(key, paths->key))
			return 0;
	}
	*ret = 0;
	return 0;
}

int rotate_db(const struct db_rotation *rotation, unsigned *ret_kept, struct error **err)
{
	_cleanup_(paths_release) struct paths paths = {};
	int r = make_paths(rotation->keys, &paths, err);

	if (r < 0)
		return r;
	*ret_kept = 0;
	if (!is_there(paths.certificate))
		return error_set(err, -ENOENT,
			"%s is missing: make keys with `orlop keys init`, or name their folder with --keys",
			paths.certificate);
	if (is_half_done(rotation, &paths)) {
		r = find_kept(&paths, ret_kept, err);
		return r < 0 ? r : move(paths.new_key, paths.key, err);
	}
	r = need_pair(rotation, &paths, err);
	return r < 0 || rotation->enrol ? r : change_places(&paths, ret_kept, err);
}
