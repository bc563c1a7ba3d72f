/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <openssl/rand.h>
#include <signal.h>
#include <string.h>

#include "base/calendar.h"
#include "base/draft.h"
#include "base/file.h"
#include "base/string-util.h"
#include "build/keys-parts.h"
#include "format/canonical-json.h"
#include "format/tuf-write.h"

#define KEYS_YEARS 50
#define KEYS_ROOT_DAYS 3653 /* ten years */

static const char *const keys_subjects[EFI_TRUST_VARIABLES] = {
	[EFI_TRUST_PK] = "Orlop platform key",
	[EFI_TRUST_KEK] = "Orlop key exchange key",
	[EFI_TRUST_DB] = "Orlop signature database key",
};

static int write_in(const char *dir, const char *name, const char *text, mode_t mode, struct error **err)
{
	_cleanup_free_ char *path = string_format("%s/%s", dir, name);

	if (!path)
		return error_set_errno(err, -ENOMEM, "%s/%s", dir, name);
	return file_write_atomic(path, text, strlen(text), mode, err);
}

/* A random GUID (RFC 9562, 5.4: version 4) with a newline. */
static int write_owner(const char *dir, struct error **err)
{
	char text[UUID_TEXT_SIZE + 1];
	struct uuid guid;

	if (RAND_bytes(guid.bytes, sizeof(guid.bytes)) != 1)
		return error_set(err, -EIO, "%s: no random numbers", dir);
	guid.bytes[6] = (guid.bytes[6] & 0x0f) | 0x40;
	guid.bytes[8] = (guid.bytes[8] & 0x3f) | 0x80;
	uuid_format(&guid, text);
	memcpy(text + UUID_TEXT_SIZE - 1, "\n", 2);
	return write_in(dir, KEYS_OWNER, text, 0644, err);
}

/* A whole set in memory. */
struct key_set {
	struct signer_pem of[EFI_TRUST_VARIABLES];
	char *release[TUF_TYPES];
	struct buffer root; /* with a NUL */
};

static void key_set_release(struct key_set *set)
{
	for (size_t i = 0; i < EFI_TRUST_VARIABLES; i++)
		signer_pem_release(&set->of[i]);
	for (size_t i = 0; i < TUF_TYPES; i++)
		(void)tuf_pem_free(set->release[i]);
	buffer_release(&set->root);
}

/* ---- Keys that are there ---- */

/* What to take in place of making the key that has this file; NULL: it is made. */
static const char *given(const struct keys_options *options, const char *file)
{
	size_t length = strcspn(file, ".");

	for (size_t i = 0; i < options->given_count; i++)
		if (strlen(options->given[i].name) == length &&
			memcmp(options->given[i].name, file, length) == 0)
			return options->given[i].where;
	return NULL;
}

/* The text of the key's file: a copy, or a line that points to the token. */
static int read_given(const char *where, char **ret, struct error **err)
{
	if (!startswith(where, "pkcs11:"))
		return file_read_private(where, MiB(1), ret, NULL, err);
	*ret = string_format("%s\n", where);
	return *ret ? 0 : error_set_errno(err, -ENOMEM, "key");
}

/* Knows the passphrase that new keys get. */
static int tell(const struct key_question *question, char *ret, size_t size, void *userdata)
{
	const char *passphrase = userdata;

	if (question->attempt > 0 || strlen(passphrase) >= size)
		return -ENOKEY;
	(void)snprintf(ret, size, "%s", passphrase);
	return 0;
}

/* ---- Making ---- */

static int make_pair(const struct keys_options *options, enum efi_trust_variable which,
	struct signer_pem *ret, struct error **err)
{
	const struct signer_claim claim = {
		.name = keys_subjects[which], .not_before = options->now, .years = KEYS_YEARS};
	const char *where = given(options, keys_files[2 * which]);
	int r;

	if (!where)
		return signer_generate(&claim, options->passphrase, ret, err);
	r = signer_certify(&claim, where, options->secret, &ret->certificate, err);
	return r < 0 ? r : read_given(where, &ret->key, err);
}

/* Makes the key of a role, or takes the one that is there. */
static int make_release(const struct keys_options *options, const char *name, char **ret,
	struct tuf_signer **ret_signer, struct error **err)
{
	const struct key_secret own = {tell, (void *)options->passphrase};
	const char *where = given(options, name);
	int r;

	if (where) {
		r = tuf_signer_load(where, options->secret, ret_signer, err);
		return r < 0 ? r : read_given(where, ret, err);
	}
	r = tuf_signer_generate(options->passphrase, ret, err);
	return r < 0 ? r
		     : tuf_signer_from_pem(
			       name, *ret, strlen(*ret), options->passphrase ? &own : NULL, ret_signer, err);
}

/* Makes the keys of the roles, and lists each in the root's body. *ret_root* is who signs that. */
static int generate_release(const struct keys_options *options, struct key_set *set, json_t *body,
	struct tuf_signer **ret_root, struct error **err)
{
	int r = 0;

	for (enum tuf_type role = TUF_ROOT; r >= 0 && role < TUF_TYPES; role++) {
		_cleanup_tuf_signer_ struct tuf_signer *signer = NULL;
		const char *name = keys_files[KEYS_RELEASE_FIRST + role];

		r = make_release(options, name, &set->release[role], &signer, err);
		if (r >= 0 && tuf_root_add(body, role, signer) < 0)
			r = error_set_errno(err, -ENOMEM, "%s", name);
		if (r >= 0 && role == TUF_ROOT)
			*ret_root = TAKE_PTR(signer);
	}
	return r;
}

static int generate_root(const struct keys_options *options, struct key_set *set, struct error **err)
{
	_cleanup_json_ json_t *body =
		tuf_root_new(1, options->now + (int64_t)KEYS_ROOT_DAYS * SECONDS_PER_DAY);
	_cleanup_tuf_signer_ struct tuf_signer *root = NULL;
	int r;

	if (!body)
		return error_set_errno(err, -ENOMEM, KEYS_ROOT);
	r = generate_release(options, set, body, &root, err);
	if (r >= 0)
		r = tuf_document_write(body, &root, 1, &set->root, err);
	buffer_append_u8(&set->root, 0);
	return r >= 0 && buffer_failed(&set->root) ? error_set_errno(err, -ENOMEM, KEYS_ROOT) : r;
}

static int generate_all(const struct keys_options *options, struct key_set *ret, struct error **err)
{
	int r = 0;

	for (enum efi_trust_variable i = EFI_TRUST_PK; r >= 0 && i < EFI_TRUST_VARIABLES; i++)
		r = make_pair(options, i, &ret->of[i], err);
	return r < 0 ? r : generate_root(options, ret, err);
}

static int write_all(const char *dir, const struct key_set *set, struct error **err)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < EFI_TRUST_VARIABLES; i++) {
		r = write_in(dir, keys_files[2 * i], set->of[i].key, 0600, err);
		if (r >= 0)
			r = write_in(dir, keys_files[2 * i + 1], set->of[i].certificate, 0644, err);
	}
	for (size_t i = 0; r >= 0 && i < TUF_TYPES; i++)
		r = write_in(dir, keys_files[KEYS_RELEASE_FIRST + i], set->release[i], 0600, err);
	if (r >= 0)
		r = write_in(dir, KEYS_ROOT, (const char *)set->root.data, 0644, err);
	return r < 0 ? r : write_owner(dir, err);
}

/* Gives a finished file its name in the folder, which nothing may have yet. */
static int publish_file(const char *dir, const char *from_dir, const char *name, struct error **err)
{
	_cleanup_free_ char *from = string_format("%s/%s", from_dir, name);
	_cleanup_free_ char *to = string_format("%s/%s", dir, name);

	if (!from || !to)
		return error_set_errno(err, -ENOMEM, "%s/%s", dir, name);
	if (link(from, to) == 0)
		return 0;
	if (errno == EEXIST)
		return error_set(err, -EEXIST,
			"%s exists already, and keys are never overwritten; name another folder, or move it "
			"away",
			to);
	return error_set_errno(err, -errno, "%s", to);
}

static int publish_all(const char *dir, const char *from_dir, struct error **err)
{
	size_t done = 0;
	int r = 0;

	while (done < KEYS_FILES && (r = publish_file(dir, from_dir, keys_files[done], err)) == 0)
		done++;
	while (r < 0 && done > 0) {
		_cleanup_free_ char *path = string_format("%s/%s", dir, keys_files[--done]);

		if (path)
			(void)unlink(path);
	}
	return r;
}

/* Looks before it makes keys, which takes a moment; publish_file() is what makes sure. */
static int check_free(const char *dir, struct error **err)
{
	for (size_t i = 0; i < KEYS_FILES; i++) {
		_cleanup_free_ char *path = string_format("%s/%s", dir, keys_files[i]);
		struct stat st;

		if (!path)
			return error_set_errno(err, -ENOMEM, "%s", dir);
		if (lstat(path, &st) == 0)
			return error_set(err, -EEXIST,
				"%s exists already, and keys are never overwritten; name another folder, or "
				"move "
				"it away",
				path);
		if (errno != ENOENT)
			return error_set_errno(err, -errno, "%s", path);
	}
	return 0;
}

/* Makes the folder where there is none; *ret_made says whether it did. */
static int make_folder(const char *dir, bool *ret_made, struct error **err)
{
	_cleanup_free_ char *parent = strdup(dir);
	char *slash;
	int r;

	if (!parent)
		return error_set_errno(err, -ENOMEM, "%s", dir);
	while ((slash = strrchr(parent, '/')) && slash != parent && slash[1] == 0)
		*slash = 0;
	if (slash && slash != parent) {
		*slash = 0;
		r = mkdir_parents(parent, err);
		if (r < 0)
			return r;
	}
	*ret_made = mkdir(dir, 0700) == 0;
	if (!*ret_made && errno != EEXIST)
		return error_set_errno(err, -errno, "%s", dir);
	return 0;
}

/* True where both folders have the same file, not a copy, under this name. */
static bool same_file(const char *a, const char *b, const char *name)
{
	_cleanup_free_ char *path_a = string_format("%s/%s", a, name),
			    *path_b = string_format("%s/%s", b, name);
	struct stat st_a, st_b;

	return path_a && path_b && lstat(path_a, &st_a) == 0 && lstat(path_b, &st_b) == 0 &&
	       st_a.st_dev == st_b.st_dev && st_a.st_ino == st_b.st_ino;
}

/* Takes back the part of a set that a killed process had published. The owner is what makes a set whole. */
static int take_back(const char *dir, const char *draft)
{
	if (same_file(dir, draft, KEYS_OWNER))
		return 0;
	for (size_t i = 0; i < KEYS_FILES; i++) {
		_cleanup_free_ char *path = string_format("%s/%s", dir, keys_files[i]);

		if (!path)
			return -ENOMEM;
		if (same_file(dir, draft, keys_files[i]) && unlink(path) < 0)
			return -errno;
	}
	return 0;
}

static const struct draft_kind keys_draft = {.prefix = ".keys-", .recover = take_back};

/* Removes the private keys that a killed process left. A folder that is not there has none. */
static int clear_abandoned(const char *dir, struct error **err)
{
	_cleanup_error_ struct error *why = NULL;
	_cleanup_close_ int lock = draft_lock(dir, &keys_draft, &why);

	if (lock >= 0 || lock == -ENOENT)
		return 0;
	error_move(err, TAKE_PTR(why));
	return lock;
}

static int write_and_publish(const char *dir, const struct key_set *set, struct error **err)
{
	_cleanup_draft_ struct draft draft = DRAFT_INIT;
	bool made;
	int r;

	r = make_folder(dir, &made, err);
	if (r < 0)
		return r;
	r = draft_open(&draft, dir, &keys_draft, err);
	if (r >= 0)
		r = write_all(draft.path, set, err);
	if (r >= 0)
		r = publish_all(dir, draft.path, err);
	if (r >= 0)
		r = fsync_parent(draft.path, err);
	draft_close(&draft);
	if (r < 0 && made)
		(void)rmdir(dir);
	return r;
}

int keys_init(const char *dir, const struct keys_options *options, struct error **err)
{
	_cleanup_(key_set_release) struct key_set set = {};
	sigset_t stopping, before;
	int r;

	r = clear_abandoned(dir, err);
	if (r >= 0)
		r = check_free(dir, err);
	/* What takes time is done before anything is written. */
	if (r >= 0)
		r = generate_all(options, &set, err);
	if (r < 0)
		return r;
	/* From the first private key on the disk until the set is whole, or gone, signals that would end the
	 * process wait: a moment. */
	(void)sigemptyset(&stopping);
	(void)sigaddset(&stopping, SIGINT);
	(void)sigaddset(&stopping, SIGTERM);
	(void)sigaddset(&stopping, SIGHUP);
	(void)pthread_sigmask(SIG_BLOCK, &stopping, &before);
	r = write_and_publish(dir, &set, err);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r;
}
