/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "build/sign-later.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>

#include "base/encoding.h"
#include "base/file.h"
#include "build/sign-later-parts.h"

struct signing_certificates sign_later_certificates(
	const struct image *image, const struct signer *ret_signers[EFI_TRUST_VARIABLES])
{
	static const char *const names[EFI_TRUST_VARIABLES] = {"PK.crt", "KEK.crt", "db.crt"};

	ret_signers[EFI_TRUST_PK] = image->keys.pk;
	ret_signers[EFI_TRUST_KEK] = image->keys.kek;
	ret_signers[EFI_TRUST_DB] = image->keys.db;
	return (struct signing_certificates){
		.signers = ret_signers, .names = names, .count = EFI_TRUST_VARIABLES};
}

int sign_later_open(const char *dir, struct stage **ret, struct error **err)
{
	_cleanup_stage_ struct stage *stage = NULL;
	_cleanup_strv_ struct strv names = {};
	/* What a killed build left is taken back by this. */
	int r = stage_open(dir, &stage, err);

	if (r >= 0)
		r = folder_list(dir, "", &names, err);
	if (r < 0)
		return r;
	if (names.count > 0)
		return error_set(err, -EEXIST,
			"%s has files in it, such as %s, and what is to be signed wants a folder of its own: "
			"name another one",
			dir, names.items[0]);
	*ret = TAKE_PTR(stage);
	return 0;
}

/* ---- Leaving ---- */

static int put(const struct image *image, struct signing_folder *folder, const char *name, const void *data,
	size_t size, struct error **err)
{
	_cleanup_free_ char *path = stage_path(image->stage, name);
	uint8_t digest[SHA256_SIZE];
	int r;

	if (!path || sha256_bytes(data, size, digest) < 0)
		return error_set_errno(err, -ENOMEM, "%s", name);
	r = file_write_atomic(path, data, size, 0644, err);
	return r < 0 ? r : signing_folder_add(folder, name, size, digest, err);
}

static int put_text(const struct image *image, struct signing_folder *folder, const char *name, char *text,
	struct error **err)
{
	int r = text ? put(image, folder, name, text, strlen(text), err)
		     : error_set_errno(err, -ENOMEM, "%s", name);

	free(text);
	return r;
}

/* Certificates and owner, as a folder of keys has them. */
static int put_certificates(const struct image *image, struct signing_folder *folder, struct error **err)
{
	const struct keys *keys = &image->keys;
	char owner[UUID_TEXT_SIZE];
	int r = put_text(image, folder, "PK.crt", signer_certificate_text(keys->pk), err);

	if (r >= 0)
		r = put_text(image, folder, "KEK.crt", signer_certificate_text(keys->kek), err);
	if (r >= 0)
		r = put_text(image, folder, "db.crt", signer_certificate_text(keys->db), err);
	/* Two digits keep the order, in which the variable has them. */
	for (size_t i = 0; i < keys->more_count && r >= 0; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "db.crt.%02zu", i + 1);
		r = put_text(image, folder, name, signer_certificate_text(keys->more[i]), err);
	}
	uuid_format(&keys->trust.owner, owner);
	return r < 0 ? r : put_text(image, folder, "owner.guid", string_format("%s\n", owner), err);
}

/* The folder names all files by SHA-256, whatever the manifest does. */
static int note_output(const struct output *output, struct signing_folder *folder, struct error **err)
{
	_cleanup_close_ int fd = open(output->path, O_RDONLY | O_CLOEXEC);
	uint8_t digest[SHA256_SIZE];
	uint64_t size = 0;
	int r = fd < 0 ? -errno : sha256_file(fd, digest, &size);

	return r < 0 ? error_set_errno(err, r, "%s", output->path)
		     : signing_folder_add(folder, output->name, size, digest, err);
}

static int put_images(const struct image *image, struct signing_folder *folder, struct error **err)
{
	static const int written[] = {OUTPUT_USR, OUTPUT_VERITY, OUTPUT_SPDX, OUTPUT_CYCLONEDX};
	int r = put(
		image, folder, SIGN_LATER_KERNEL, image->unsigned_uki.data, image->unsigned_uki.size, err);

	if (r >= 0)
		r = put(image, folder, SIGN_LATER_LOADER, content_data(image->loader),
			content_size(image->loader), err);
	if (r >= 0 && image->unsigned_netboot.size > 0)
		r = put(image, folder, SIGN_LATER_NETBOOT, image->unsigned_netboot.data,
			image->unsigned_netboot.size, err);
	if (r >= 0)
		r = put_text(
			image, folder, SIGN_LATER_MANIFEST, json_dumps(image->manifest, JSON_INDENT(2)), err);
	if (r >= 0)
		r = put_text(image, folder, SIGN_LATER_PROVENANCE,
			json_dumps(image->provenance, JSON_INDENT(2)), err);
	for (size_t i = 0; i < ARRAY_SIZE(written) && r >= 0; i++)
		r = note_output(&image->outputs[written[i]], folder, err);
	return r;
}

static int put_requests(const struct image *image, struct signing_folder *folder, struct error **err)
{
	int r = 0;

	for (size_t i = 0; i < image->signing.count && r >= 0; i++) {
		const struct signing_item *item = image->signing.items[i];
		_cleanup_free_ char *name = string_format("%s.tbs", item->name);

		r = name ? put(image, folder, name, item->data.data, item->data.size, err)
			 : error_set_errno(err, -ENOMEM, "%s", item->name);
	}
	return r;
}

static int put_description(struct image *image, struct signing_folder *folder, struct error **err)
{
	const struct signer *signers[EFI_TRUST_VARIABLES];
	const struct signing_certificates certificates = sign_later_certificates(image, signers);
	const struct definition *definition = image->definition;
	_cleanup_free_ char *path = stage_path(image->stage, SIGNING_JSON);
	_cleanup_buffer_ struct buffer text = {};
	uint8_t digest[SHA256_SIZE];
	int r;

	folder->edition = strdup(definition->name);
	folder->version = strdup(image->options->version);
	folder->architecture = strdup(image->options->architecture);
	if (!path || !folder->edition || !folder->version || !folder->architecture)
		return error_set_errno(err, -ENOMEM, SIGNING_JSON);
	memcpy(folder->root_hash, image->usr.root_hash, SHA256_SIZE);
	folder->disk.esp = definition->disk.esp;
	folder->disk.usr = definition->disk.usr;
	folder->disk.verity = definition->disk.verity;
	folder->disk.signature = definition->disk.signature;
	folder->disk.state = definition->disk.state;
	folder->disk.formats = image->options->formats;
	r = signing_folder_write(folder, &image->signing, &certificates, &text, err);
	if (r < 0)
		return r;
	if (sha256_bytes(text.data, text.size, digest) < 0)
		return error_set_errno(err, -ENOMEM, SIGNING_JSON);
	hex_encode(digest, SHA256_SIZE, image->left);
	return file_write_atomic(path, text.data, text.size, 0644, err);
}

int image_leave(struct image *image, struct error **err)
{
	_cleanup_signing_folder_ struct signing_folder folder = {};
	const char *names[SIGNING_FILES_MAX + 2] = {};
	int r = put_certificates(image, &folder, err);

	if (r >= 0)
		r = put_images(image, &folder, err);
	if (r >= 0)
		r = put_requests(image, &folder, err);
	if (r >= 0)
		r = put_description(image, &folder, err);
	if (r < 0)
		return r;
	assert(folder.file_count <= SIGNING_FILES_MAX);
	for (size_t i = 0; i < folder.file_count; i++)
		names[i] = folder.files[i].name;
	/* It says that the others are there. */
	names[folder.file_count] = SIGNING_JSON;
	return stage_commit(image->stage, names, err);
}
