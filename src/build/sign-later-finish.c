/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>

#include "base/file.h"
#include "base/sparse.h"
#include "build/sign-later-parts.h"
#include "build/sign-later.h"

#define SIGNATURE_MAX KiB(16)

/* ---- The signatures that came back ---- */

static int give(struct image *image, const char *dir, const char *file, struct error **err)
{
	_cleanup_free_ char *path = string_format("%s/%s", dir, file);
	_cleanup_free_ char *name = strndup(file, strlen(file) - strlen(".sig")), *data = NULL;
	_cleanup_close_ int fd = path ? open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC) : -1;
	size_t size;
	int r;

	if (!path || !name)
		return error_set_errno(err, -ENOMEM, "%s", file);
	if (!signing_name_is_valid(name))
		return error_set(err, -EBADMSG, "%s: no signature that was asked for", path);
	if (fd < 0)
		return error_set_errno(err, -errno, "%s", path);
	r = file_read_fd(fd, path, SIGNATURE_MAX, &data, &size, err);
	if (r >= 0 && size == 0)
		return error_set(err, -EBADMSG, "%s: is empty", path);
	return r < 0 ? r : signing_give(&image->signing, name, data, size, err);
}

static int give_all(struct image *image, const char *dir, struct error **err)
{
	_cleanup_strv_ struct strv names = {};
	int r = folder_list(dir, ".sig", &names, err);

	for (size_t i = 0; i < names.count && r >= 0; i++)
		r = give(image, dir, names.items[i], err);
	return r;
}

static int check_names(const struct image *image, const char *dir, struct error **err)
{
	for (size_t i = 0; i < image->signing.count; i++) {
		const struct signing_item *item = image->signing.items[i];

		if (!item->by && !streq(item->name, IMAGE_PROVENANCE) &&
			!(streq(item->name, IMAGE_NETBOOT) && image->unsigned_netboot.size > 0))
			return error_set(
				err, -EBADMSG, "%s/%s.sig: no signature that was asked for", dir, item->name);
	}
	return 0;
}

static int check_all(const struct image *image, const char *dir, struct error **err)
{
	_cleanup_buffer_ struct buffer names = {};
	const struct signing_item *item;
	size_t from = 0, count = 0;

	while ((item = signing_missing(&image->signing, &from))) {
		buffer_printf(&names, "%s%s.sig", count > 0 ? ", " : "", item->name);
		count++;
	}
	buffer_append_u8(&names, 0);
	if (buffer_failed(&names))
		return error_set_errno(err, -ENOMEM, "%s", dir);
	return count == 0 ? 0
			  : error_set(err, -ENOKEY,
				    "%s: signatures are missing: %s (make them with `orlop keys sign`)", dir,
				    (const char *)names.data);
}

/* Asks for a signature over what is known only since the ones before it are there. */
static int ask(const struct image *image, const char *name, const char *which, struct error **err)
{
	const struct signing_item *item = signing_find(&image->signing, name);
	const char *dir = image->options->sign_later;
	_cleanup_free_ char *path = string_format("%s/%s.tbs", dir, name);
	int r;

	if (item->signature.size > 0)
		return 0;
	r = path ? file_write_atomic(path, item->data.data, item->data.size, 0644, err)
		 : error_set_errno(err, -ENOMEM, "%s", dir);
	return r < 0 ? r
		     : error_set(err, -ENOKEY,
			       "%s: the %s signature is missing: %s.sig, with the key of db.crt over %s.tbs, "
			       "which "
			       "is there now (make it with `orlop keys sign`)",
			       dir, which, name, name);
}

int image_ask_netboot(struct image *image, struct error **err)
{
	return image->options->netboot == INITRD_NETBOOT_NONE
		       ? 0
		       : ask(image, IMAGE_NETBOOT, "last but one", err);
}

/* The outputs are there, in the stage, and only now what is signed of them. */
int image_ask_provenance(struct image *image, struct error **err)
{
	return ask(image, IMAGE_PROVENANCE, "last", err);
}

/* ---- Whose they are ---- */

static bool same(const struct signer *a, const struct signer *b)
{
	size_t size_a, size_b;
	const uint8_t *der_a = signer_certificate(a, &size_a), *der_b = signer_certificate(b, &size_b);

	return size_a == size_b && memcmp(der_a, der_b, size_a) == 0;
}

/* A folder can be made anew with other certificates and signatures of theirs: they must be ours. */
static int check_ours(const struct image *image, const char *dir, const char *keys, struct error **err)
{
	_cleanup_keys_ struct keys ours = {};
	const struct keys *theirs = &image->keys;
	bool right;
	int r = keys_open_certificates(keys, &ours, err);

	if (r < 0)
		return r;
	right = same(ours.pk, theirs->pk) && same(ours.kek, theirs->kek) && same(ours.db, theirs->db) &&
		uuid_equal(&ours.trust.owner, &theirs->trust.owner) && ours.more_count == theirs->more_count;
	for (size_t i = 0; right && i < ours.more_count; i++)
		right = same(ours.more[i], theirs->more[i]);
	return right ? 0
		     : error_set(err, -EKEYREJECTED,
			       "the certificates in %s are not those of %s: name the folder that the build "
			       "was "
			       "begun with (--keys)",
			       dir, keys);
}

/* ---- What needs no signature ---- */

/* The copy is what is proved, and what becomes an output. */
static int copy_output(struct image *image, const char *dir, struct output *output, struct error **err)
{
	_cleanup_close_ int from = sign_later_open_file(image, dir, output->name, err);
	_cleanup_close_ int to = -1;
	int r;

	if (from < 0)
		return from;
	to = open(output->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (to < 0)
		return error_set_errno(err, -errno, "%s", output->path);
	r = sparse_copy(from, 0, to, 0, signing_folder_find(&image->taken->folder, output->name)->size,
		image->options->progress);
	if (r >= 0 &&
		ftruncate(to, (off_t)signing_folder_find(&image->taken->folder, output->name)->size) < 0)
		r = -errno;
	return r < 0 ? error_set_errno(err, r, "%s", output->path) : TAKE_FD(to);
}

static int copy_usr(struct image *image, const char *dir, struct error **err)
{
	_cleanup_close_ int usr = copy_output(image, dir, &image->outputs[OUTPUT_USR], err);
	_cleanup_close_ int verity =
		usr < 0 ? usr : copy_output(image, dir, &image->outputs[OUTPUT_VERITY], err);

	return verity < 0 ? verity : sign_later_prove_usr(image, usr, verity, err);
}

static int copy_document(struct image *image, const char *dir, struct output *output, struct error **err)
{
	_cleanup_close_ int fd = copy_output(image, dir, output, err);

	return fd < 0 ? fd : sign_later_prove(image, output, fd, err);
}

static int copy_all(struct image *image, const char *dir, struct error **err)
{
	int r = copy_usr(image, dir, err);

	if (r >= 0)
		r = copy_document(image, dir, &image->outputs[OUTPUT_SPDX], err);
	return r < 0 ? r : copy_document(image, dir, &image->outputs[OUTPUT_CYCLONEDX], err);
}

int image_take_up(struct image *image, struct error **err)
{
	const struct image_options *options = image->options;
	const char *dir = options->sign_later;
	int r = sign_later_take(image, dir, options, err);

	if (r >= 0 && options->keys)
		r = check_ours(image, dir, options->keys, err);
	if (r >= 0)
		r = give_all(image, dir, err);
	if (r >= 0)
		r = sign_later_derive(image, err);
	if (r >= 0)
		r = check_names(image, dir, err);
	if (r >= 0)
		r = check_all(image, dir, err);
	if (r >= 0)
		r = stage_open(options->output, &image->stage, err);
	if (r >= 0)
		r = image_name_outputs(image, err);
	return r < 0 ? r : copy_all(image, dir, err);
}
