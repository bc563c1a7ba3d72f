/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "build/image-parts.h"

#include <errno.h>

#include "base/encoding.h"
#include "format/authenticode.h"
#include "format/verity-signature.h"

/* A signer for one signature: the texts say what it is for. */
static int request(struct image *image, const struct signer *by, const char *name, char *about,
	const struct signer **ret, struct error **err)
{
	int r = about ? signing_request(&image->signing, by, name, about, ret, err)
		      : error_set_errno(err, -ENOMEM, "%s", name);

	free(about);
	return r;
}

/* What the usr-verity-sig partition holds. */
static int sign_root_hash(struct image *image, struct error **err)
{
	_cleanup_verity_signature_ struct verity_signature signature = {.has_fingerprint = true};
	const struct signer *signer;
	int r = request(image, image->keys.db, "root-hash",
		string_format("the root hash of /usr, %s", image->root_hash), &signer, err);

	if (r < 0)
		return r;
	memcpy(signature.root_hash, image->usr.root_hash, SHA256_SIZE);
	signer_fingerprint(image->keys.db, signature.fingerprint);
	r = signer_pkcs7_detached(
		signer, image->root_hash, strlen(image->root_hash), &signature.signature, err);
	return r < 0 ? r : verity_signature_write(&signature, VERITY_SIGNATURE_SIZE, &image->signature, err);
}

int image_sign_program(struct image *image, const char *name, const char *what, const struct buffer *program,
	struct buffer *ret, struct error **err)
{
	uint8_t digest[SHA256_SIZE];
	char digits[SHA256_HEX_SIZE];
	const struct signer *signer;
	int r = authenticode_digest(program->data, program->size, digest, err);

	if (r < 0)
		return r;
	hex_encode(digest, SHA256_SIZE, digits);
	r = request(image, image->keys.db, name, string_format("%s, Authenticode digest %s", what, digits),
		&signer, err);
	return r < 0 ? r : authenticode_sign(signer, program->data, program->size, ret, err);
}

static void describe_certificate(struct buffer *text, const struct signer *signer)
{
	uint8_t digest[SHA256_SIZE];
	char digits[SHA256_HEX_SIZE];

	signer_fingerprint(signer, digest);
	hex_encode(digest, SHA256_SIZE, digits);
	buffer_printf(text, " %s (SHA-256 %s)", signer_subject(signer), digits);
}

static char *describe_trust(const struct keys *keys, enum efi_trust_variable variable)
{
	const struct signer *const first[EFI_TRUST_VARIABLES] = {keys->pk, keys->kek, keys->db};
	_cleanup_buffer_ struct buffer text = {};

	buffer_printf(&text, "what firmware is to have as %s:", efi_trust_name(variable));
	describe_certificate(&text, first[variable]);
	for (size_t i = 0; variable == EFI_TRUST_DB && i < keys->more_count; i++) {
		buffer_append_string(&text, ", and");
		describe_certificate(&text, keys->more[i]);
	}
	return buffer_take(&text, NULL);
}

/* What firmware in setup mode is given: PK signs itself and KEK, and KEK signs db. */
static int sign_trust(
	struct image *image, enum efi_trust_variable variable, const char *name, struct error **err)
{
	const struct signer *by = variable == EFI_TRUST_DB ? image->keys.kek : image->keys.pk, *signer;
	const struct efi_trust trust = keys_trust(&image->keys);
	int r = request(image, by, name, describe_trust(&image->keys, variable), &signer, err);

	return r < 0 ? r
		     : efi_variable_update(
			       signer, variable, &trust, image->time, &image->enrol[variable], err);
}

int image_sign(struct image *image, struct error **err)
{
	const struct buffer loader = {
		.data = (uint8_t *)content_data(image->loader), .size = content_size(image->loader)};
	int r = sign_root_hash(image, err);

	if (r >= 0)
		r = image_sign_program(
			image, "kernel-image", "the kernel image", &image->unsigned_uki, &image->uki, err);
	if (r >= 0)
		r = image_sign_program(
			image, "boot-loader", "the boot loader", &loader, &image->signed_loader, err);
	if (r >= 0)
		r = sign_trust(image, EFI_TRUST_PK, "pk-update", err);
	if (r >= 0)
		r = sign_trust(image, EFI_TRUST_KEK, "kek-update", err);
	if (r >= 0)
		r = sign_trust(image, EFI_TRUST_DB, "db-update", err);
	return r;
}
