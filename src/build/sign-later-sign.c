/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>

#include "base/file.h"
#include "build/sign-later-parts.h"
#include "build/sign-later.h"

struct sign_later {
	struct image image;
	char *dir;
};

struct sign_later *sign_later_free(struct sign_later *folder)
{
	if (folder) {
		image_release(&folder->image);
		free(folder->dir);
	}
	free(folder);
	return NULL;
}

static int prove_usr(struct sign_later *folder, struct error **err)
{
	struct image *image = &folder->image;
	_cleanup_close_ int usr = -1, verity = -1;

	usr = sign_later_open_file(image, folder->dir, image->outputs[OUTPUT_USR].name, err);
	if (usr < 0)
		return usr;
	verity = sign_later_open_file(image, folder->dir, image->outputs[OUTPUT_VERITY].name, err);
	return verity < 0 ? verity : sign_later_prove_usr(image, usr, verity, err);
}

static int prove_document(struct sign_later *folder, unsigned index, struct error **err)
{
	struct output *output = &folder->image.outputs[index];
	_cleanup_close_ int fd = sign_later_open_file(&folder->image, folder->dir, output->name, err);

	return fd < 0 ? fd : sign_later_prove(&folder->image, output, fd, err);
}

static int read_all(struct sign_later *folder, unsigned threads, struct error **err)
{
	struct image *image = &folder->image;
	const struct signer *signer;
	int r = sign_later_take(image, folder->dir, &(struct image_options){.threads = threads}, err);

	if (r >= 0)
		r = image_name_outputs(image, err);
	if (r >= 0)
		r = prove_usr(folder, err);
	if (r >= 0)
		r = prove_document(folder, OUTPUT_SPDX, err);
	if (r >= 0)
		r = prove_document(folder, OUTPUT_CYCLONEDX, err);
	if (r >= 0)
		r = sign_later_derive(image, err);
	/* Shown with the others; what they are of is known when these are made. */
	if (r >= 0 && image->options->netboot != INITRD_NETBOOT_NONE)
		r = signing_request(
			&image->signing, image->keys.db, IMAGE_NETBOOT, IMAGE_NETBOOT_ABOUT, &signer, err);
	return r < 0 ? r
		     : signing_request(&image->signing, image->keys.db, IMAGE_PROVENANCE,
			       IMAGE_PROVENANCE_ABOUT, &signer, err);
}

int sign_later_read(const char *dir, unsigned threads, struct sign_later **ret, struct error **err)
{
	_cleanup_sign_later_ struct sign_later *folder = calloc(1, sizeof(*folder));
	int r;

	if (folder)
		folder->dir = strdup(dir);
	if (!folder || !folder->dir)
		return error_set_errno(err, -ENOMEM, "%s", dir);
	r = read_all(folder, threads, err);
	if (r >= 0)
		*ret = TAKE_PTR(folder);
	return r;
}

struct sign_later_about sign_later_about(const struct sign_later *folder)
{
	const struct image *image = &folder->image;

	return (struct sign_later_about){.edition = image->definition->name,
		.version = image->options->version,
		.architecture = image->options->architecture,
		.root_hash = image->root_hash,
		.command_line = image->command_line,
		.sha256 = image->taken->sha256,
		.signing = &image->signing};
}

/* ---- Signing ---- */

/* The key of a certificate; *ret stays NULL where it is not in the folder. */
static int find_key(const struct signer *of, const char *name, const char *keys,
	const struct key_secret *secret, struct signer **ret, struct error **err)
{
	_cleanup_free_ char *certificate = string_format("%s/%s.crt", keys, name);
	_cleanup_free_ char *key = string_format("%s/%s.key", keys, name);
	_cleanup_signer_ struct signer *ours = NULL;
	uint8_t theirs_print[SHA256_SIZE], ours_print[SHA256_SIZE];
	int r;

	if (!certificate || !key)
		return error_set_errno(err, -ENOMEM, "%s", keys);
	if (access(certificate, F_OK) < 0 || access(key, F_OK) < 0)
		return errno == ENOENT ? 0 : error_set_errno(err, -errno, "%s", keys);
	r = signer_load_certificate(certificate, &ours, err);
	if (r < 0)
		return r;
	signer_fingerprint(of, theirs_print);
	signer_fingerprint(ours, ours_print);
	return memcmp(theirs_print, ours_print, SHA256_SIZE) == 0
		       ? signer_load(certificate, key, secret, ret, err)
		       : 0;
}

static char *signature_path(const struct sign_later *folder, const struct signing_item *item)
{
	return string_format("%s/%s.sig", folder->dir, item->name);
}

static int sign_item(const struct sign_later *folder, const struct signing_item *item,
	const struct signer *key, struct error **err)
{
	_cleanup_free_ char *path = signature_path(folder, item);
	_cleanup_buffer_ struct buffer signature = {};
	int r;

	if (!path)
		return error_set_errno(err, -ENOMEM, "%s", item->name);
	r = signer_sign(key, item->data.data, item->data.size, &signature, err);
	return r < 0 ? r : file_write_atomic(path, signature.data, signature.size, 0644, err);
}

/* Signs what was worked out when the folder was read, and nothing that is read now. */
static int sign_with(const struct sign_later *folder, const struct signer *of, const struct signer *key,
	size_t *made, struct error **err)
{
	int r = 0;

	for (size_t i = 0; i < folder->image.signing.count && r >= 0; i++) {
		const struct signing_item *item = folder->image.signing.items[i];

		if (item->by != of || item->data.size == 0)
			continue;
		r = sign_item(folder, item, key, err);
		*made += r >= 0;
	}
	return r;
}

/* The names of the signatures that are not there, but for those of what comes of others where *others*; "".
 */
static int list_missing(const struct sign_later *folder, bool others, char **ret, struct error **err)
{
	_cleanup_buffer_ struct buffer names = {};

	for (size_t i = 0; i < folder->image.signing.count; i++) {
		const struct signing_item *item = folder->image.signing.items[i];
		_cleanup_free_ char *path = signature_path(folder, item);

		if (!path)
			return error_set_errno(err, -ENOMEM, "%s", item->name);
		if ((!others || item->data.size > 0) && access(path, F_OK) < 0)
			buffer_printf(&names, "%s%s", names.size > 0 ? ", " : "", item->name);
	}
	*ret = buffer_take(&names, NULL);
	return *ret ? 0 : error_set_errno(err, -ENOMEM, "%s", folder->dir);
}

static int remove_signature(const struct sign_later *folder, const char *name, struct error **err)
{
	_cleanup_free_ char *path = string_format("%s/%s.sig", folder->dir, name);

	return path && (unlink(path) == 0 || errno == ENOENT)
		       ? 0
		       : error_set_errno(err, path ? -errno : -ENOMEM, "%s/%s.sig", folder->dir, name);
}

/*
 * Makes the outputs, in a place that goes away with them, to see what the signature *name* is of: that of the
 * kernel image for the network, without which there are none, or of the provenance.
 */
static int sign_of_outputs(const struct sign_later *folder, const char *name, const struct signer *key,
	size_t *made, struct error **err)
{
	const struct image_options options = {
		.sign_later = folder->dir, .output = folder->dir, .threads = folder->image.options->threads};
	_cleanup_image_ struct image image = IMAGE_INIT(&options);
	_cleanup_error_ struct error *why = NULL;
	const struct signing_item *item;
	int r = remove_signature(folder, name, err);

	if (r < 0)
		return r;
	r = image_assemble(&image, &why);
	item = signing_find(&image.signing, name);
	/* It asks for the one that is missing. */
	if (r == -ENOKEY && item && item->data.size > 0)
		r = 0;
	if (r < 0) {
		error_move(err, TAKE_PTR(why));
		return r;
	}
	if (!streq(image.taken->sha256, folder->image.taken->sha256))
		return error_set(
			err, -EBADMSG, "%s/" SIGNING_JSON ": was changed after it was shown", folder->dir);
	r = sign_item(folder, item, key, err);
	*made += r >= 0;
	return r;
}

/* *db* may be NULL: the key is not here. */
static int sign_last(
	const struct sign_later *folder, const struct signer *db, size_t *made, struct error **err)
{
	_cleanup_free_ char *missing = NULL;
	int r = db ? list_missing(folder, true, &missing, err) : 0;

	if (r < 0 || !missing || *missing)
		return r;
	if (folder->image.options->netboot != INITRD_NETBOOT_NONE)
		r = sign_of_outputs(folder, IMAGE_NETBOOT, db, made, err);
	return r < 0 ? r : sign_of_outputs(folder, IMAGE_PROVENANCE, db, made, err);
}

int sign_later_sign(const struct sign_later *folder, const char *keys, const struct key_secret *secret,
	size_t *ret_made, char **ret_missing, struct error **err)
{
	static const char *const names[EFI_TRUST_VARIABLES] = {"PK", "KEK", "db"};
	const struct keys *of = &folder->image.keys;
	const struct signer *const signers[EFI_TRUST_VARIABLES] = {of->pk, of->kek, of->db};
	struct signer *ours[EFI_TRUST_VARIABLES] = {};
	size_t made = 0;
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(ours) && r >= 0; i++) {
		r = find_key(signers[i], names[i], keys, secret, &ours[i], err);
		if (r >= 0 && ours[i])
			r = sign_with(folder, signers[i], ours[i], &made, err);
	}
	if (r >= 0)
		r = sign_last(folder, ours[EFI_TRUST_DB], &made, err);
	for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
		signer_free(ours[i]);
	if (r >= 0 && made == 0)
		r = error_set(err, -ENOKEY, "%s has no key of the certificates in %s", keys, folder->dir);
	if (r >= 0)
		r = list_missing(folder, false, ret_missing, err);
	if (r >= 0)
		*ret_made = made;
	return r;
}
