/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "release/release-keys.h"

#include <errno.h>

#include "base/file.h"
#include "base/string-util.h"

void tuf_signers_release(struct tuf_signers *signers)
{
	for (size_t i = 0; i < signers->count; i++)
		(void)tuf_signer_free(signers->items[i]);
	free(signers->items);
	*signers = (struct tuf_signers){};
}

int tuf_signers_add(struct tuf_signers *signers, struct tuf_signer *signer)
{
	struct tuf_signer **items;

	for (size_t i = 0; i < signers->count; i++)
		if (streq(tuf_signer_id(signers->items[i]), tuf_signer_id(signer))) {
			(void)tuf_signer_free(signer);
			return 0;
		}
	items = reallocarray(signers->items, signers->count + 1, sizeof(*items));
	if (!items) {
		(void)tuf_signer_free(signer);
		return -ENOMEM;
	}
	signers->items = items;
	items[signers->count++] = signer;
	return 0;
}

/* Whether a file's name is that of a key of the role: release-keys.h. */
static bool is_key_of(const char *name, const char *role)
{
	const char *rest = startswith(name, role);

	return rest && (streq(rest, ".key") || streq(rest, ".key.new") ||
			       (rest[0] == '-' && rest[1] != 0 && endswith(rest, ".key")));
}

static bool may_sign(const struct tuf_role *role, const struct tuf_signer *signer)
{
	for (size_t i = 0; i < role->count; i++)
		if (streq(role->keyids[i], tuf_signer_id(signer)))
			return true;
	return false;
}

/* Counts the key in a file where it may sign. */
static int add_signer(const char *folder, const char *name, const struct tuf_role *role,
	const struct key_secret *secret, struct tuf_signers *ret, size_t *count, struct error **err)
{
	_cleanup_free_ char *path = string_format("%s/%s", folder, name);
	_cleanup_tuf_signer_ struct tuf_signer *signer = NULL;
	int r = path ? tuf_signer_load(path, secret, &signer, err)
		     : error_set_errno(err, -ENOMEM, "%s", name);

	if (r < 0 || !may_sign(role, signer))
		return r;
	(*count)++;
	r = tuf_signers_add(ret, TAKE_PTR(signer));
	return r < 0 ? error_set_errno(err, r, "%s", path) : 0;
}

int release_signers_load(const char *folder, enum tuf_type role, const struct tuf_metadata *root,
	const struct key_secret *secret, struct tuf_signers *ret, struct error **err)
{
	const struct tuf_role *keys = &root->roles[role];
	_cleanup_strv_ struct strv names = {};
	size_t count = 0;
	int r = folder_list(folder, "", &names, err);

	for (size_t i = 0; i < names.count && r >= 0; i++)
		if (is_key_of(names.items[i], tuf_type_name(role)))
			r = add_signer(folder, names.items[i], keys, secret, ret, &count, err);
	if (r >= 0 && count < keys->threshold)
		return error_set(err, -ENOKEY,
			"%s: %zu of the %ju keys are there that must sign for the role %s (%s.key)", folder,
			count, (uintmax_t)keys->threshold, tuf_type_name(role), tuf_type_name(role));
	return r;
}

int release_root_load(const char *folder, uint64_t version, struct tuf_metadata *ret, struct buffer *ret_text,
	struct error **err)
{
	_cleanup_free_ char *path = version > 0
					    ? string_format("%s/root.json.%ju", folder, (uintmax_t)version)
					    : string_format("%s/root.json", folder);
	_cleanup_tuf_metadata_ struct tuf_metadata root = {};
	_cleanup_free_ char *text = NULL;
	size_t size;
	int r;

	if (!path)
		return error_set_errno(err, -ENOMEM, "%s", folder);
	if (access(path, F_OK) < 0 && errno == ENOENT)
		return error_set(err, -ENOENT,
			"%s is missing: make release keys with `orlop keys init`, or name their folder with "
			"--keys",
			path);
	r = file_read(path, RELEASE_ROOT_MAX, &text, &size, err);
	if (r < 0)
		return r;
	r = tuf_metadata_parse(text, size, TUF_ROOT, &root, err);
	if (r >= 0)
		r = tuf_verify(&root, &root.keys, &root.roles[TUF_ROOT], err);
	if (r < 0)
		return error_wrap(err, "%s", path), r;
	if (ret_text) {
		buffer_append(ret_text, text, size);
		if (buffer_failed(ret_text))
			return error_set_errno(err, -ENOMEM, "%s", path);
	}
	*ret = root;
	root = (struct tuf_metadata){};
	return 0;
}
