/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "build/keys-parts.h"

#include <errno.h>
#include <string.h>

#include "base/file.h"
#include "base/string-util.h"

const char *const keys_files[KEYS_FILES] = {"PK.key", "PK.crt", "KEK.key", "KEK.crt", "db.key", "db.crt",
	[KEYS_RELEASE_FIRST + TUF_ROOT] = "root.key", [KEYS_RELEASE_FIRST + TUF_TIMESTAMP] = "timestamp.key",
	[KEYS_RELEASE_FIRST + TUF_SNAPSHOT] = "snapshot.key",
	[KEYS_RELEASE_FIRST + TUF_TARGETS] = "targets.key", KEYS_ROOT, KEYS_OWNER};

void keys_release(struct keys *keys)
{
	signer_free(keys->pk);
	signer_free(keys->kek);
	signer_free(keys->db);
	for (size_t i = 0; i < keys->more_count; i++)
		signer_free(keys->more[i]);
	*keys = (struct keys){};
}

bool keys_has_name(const char *name)
{
	for (size_t i = 0; i < KEYS_FILES; i++) {
		const char *rest = startswith(keys_files[i], name);

		if (rest && streq(rest, ".key"))
			return true;
	}
	return false;
}

char *keys_exposed(const char *dir)
{
	_cleanup_buffer_ struct buffer paths = {};

	for (size_t i = 0; i < KEYS_FILES; i++) {
		_cleanup_free_ char *path =
			endswith(keys_files[i], ".key") ? string_format("%s/%s", dir, keys_files[i]) : NULL;
		struct stat st;

		if (path && stat(path, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & S_IRGRP))
			buffer_printf(&paths, "%s%s", paths.size > 0 ? " " : "", path);
	}
	return paths.size > 0 ? buffer_take(&paths, NULL) : NULL;
}

static int open_owner(const char *dir, struct uuid *ret, struct error **err)
{
	_cleanup_free_ char *path = string_format("%s/" KEYS_OWNER, dir), *text = NULL;
	size_t size;
	int r;

	if (!path)
		return error_set_errno(err, -ENOMEM, "%s", dir);
	if (access(path, F_OK) < 0 && errno == ENOENT)
		return error_set(err, -ENOENT,
			"%s is missing: make keys with `orlop keys init`, or name their folder with --keys",
			path);
	r = file_read(path, 256, &text, &size, err);
	if (r < 0)
		return r;
	text[strcspn(text, "\n")] = 0;
	if (uuid_parse(text, ret) < 0)
		return error_set(err, -EBADMSG, "%s: not a GUID: \"%s\"", path, text);
	return 0;
}

static struct efi_certificate certificate_of(const struct signer *signer)
{
	struct efi_certificate certificate;

	certificate.der = signer_certificate(signer, &certificate.size);
	return certificate;
}

/* How a folder is opened: with its private keys, or without a look at them. */
struct opening {
	const char *dir;
	bool private;
	const struct key_secret *secret;
};

static int open_pair(
	const struct opening *opening, enum efi_trust_variable which, struct signer **ret, struct error **err)
{
	_cleanup_free_ char *key = string_format("%s/%s", opening->dir, keys_files[2 * which]);
	_cleanup_free_ char *certificate = string_format("%s/%s", opening->dir, keys_files[2 * which + 1]);

	if (!key || !certificate)
		return error_set_errno(err, -ENOMEM, "%s", opening->dir);
	return opening->private ? signer_load(certificate, key, opening->secret, ret, err)
				: signer_load_certificate(certificate, ret, err);
}

/* "db.crt.new", or "db.crt.N". */
static bool is_more(const char *name)
{
	const char *rest = startswith(name, "db.crt.");

	return rest && (streq(rest, "new") || (*rest && rest[strspn(rest, "0123456789")] == 0));
}

static bool same_certificate(const struct efi_certificate *a, const struct efi_certificate *b)
{
	return a->size == b->size && memcmp(a->der, b->der, a->size) == 0;
}

/* One that is there twice, as while keys are changed, is enrolled once. */
static int add_more(struct keys *keys, const char *path, struct error **err)
{
	_cleanup_signer_ struct signer *signer = NULL;
	struct efi_certificate certificate;
	int r = signer_load_certificate(path, &signer, err);

	if (r < 0)
		return r;
	certificate = certificate_of(signer);
	if (same_certificate(&certificate, &keys->trust.db))
		return 0;
	for (size_t i = 0; i < keys->more_count; i++)
		if (same_certificate(&certificate, &keys->more_db[i]))
			return 0;
	if (keys->more_count == KEYS_MORE_MAX)
		return error_set(
			err, -E2BIG, "%s: more than %d other certificates for db", path, KEYS_MORE_MAX);
	keys->more_db[keys->more_count] = certificate;
	keys->more[keys->more_count++] = TAKE_PTR(signer);
	return 0;
}

static int open_more(const char *dir, struct keys *keys, struct error **err)
{
	_cleanup_strv_ struct strv names = {};
	int r = folder_list(dir, "", &names, err);

	for (size_t i = 0; i < names.count && r >= 0; i++) {
		_cleanup_free_ char *path = NULL;

		if (!is_more(names.items[i]))
			continue;
		path = string_format("%s/%s", dir, names.items[i]);
		r = path ? add_more(keys, path, err) : error_set_errno(err, -ENOMEM, "%s", dir);
	}
	return r;
}

static int open_all(const struct opening *opening, struct keys *ret, struct error **err)
{
	int r = open_owner(opening->dir, &ret->trust.owner, err);

	if (r >= 0)
		r = open_pair(opening, EFI_TRUST_PK, &ret->pk, err);
	if (r >= 0)
		r = open_pair(opening, EFI_TRUST_KEK, &ret->kek, err);
	if (r >= 0)
		r = open_pair(opening, EFI_TRUST_DB, &ret->db, err);
	if (r < 0)
		return r;
	ret->trust.pk = certificate_of(ret->pk);
	ret->trust.kek = certificate_of(ret->kek);
	ret->trust.db = certificate_of(ret->db);
	return open_more(opening->dir, ret, err);
}

static int open_keys(const struct opening *opening, struct keys *ret, struct error **err)
{
	int r;

	*ret = (struct keys){};
	r = open_all(opening, ret, err);
	if (r < 0)
		keys_release(ret);
	return r;
}

int keys_open(const char *dir, const struct key_secret *secret, struct keys *ret, struct error **err)
{
	return open_keys(&(struct opening){.dir = dir, .private = true, .secret = secret}, ret, err);
}

int keys_open_certificates(const char *dir, struct keys *ret, struct error **err)
{
	return open_keys(&(struct opening){.dir = dir}, ret, err);
}

struct efi_trust keys_trust(const struct keys *keys)
{
	struct efi_trust trust = keys->trust;

	trust.more_db = keys->more_db;
	trust.more_db_count = keys->more_count;
	return trust;
}
