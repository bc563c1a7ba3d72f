/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "update/release-trust.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pkcs7.h>
#include <openssl/x509.h>
#include <string.h>

#include "base/encoding.h"
#include "base/string-util.h"
#include "format/authenticode.h"
#include "format/efi-signature.h"
#include "format/uki.h"

DEFINE_CLEANUP(PKCS7 *, PKCS7_free);
DEFINE_CLEANUP(X509 *, X509_free);
DEFINE_CLEANUP(BIO *, BIO_free);

/* True where the holder of *certificate* has signed the root hash. Dates and issuers don't count, as for the
 * kernel. */
static bool root_hash_signed_by(const struct release_info *info, const struct efi_signature *certificate)
{
	const unsigned char *at = info->signature, *der = certificate->data;
	_cleanup_(PKCS7_freep) PKCS7 *pkcs7 = d2i_PKCS7(NULL, &at, (long)info->signature_size);
	_cleanup_(X509_freep) X509 *x509 = d2i_X509(NULL, &der, (long)certificate->size);
	STACK_OF(X509) *signers = sk_X509_new_null();
	char digits[SHA256_HEX_SIZE];
	_cleanup_(BIO_freep) BIO *content = NULL;
	bool right = false;

	hex_encode(info->usr.root, SHA256_SIZE, digits);
	content = BIO_new_mem_buf(digits, (int)strlen(digits));
	if (pkcs7 && x509 && signers && content && PKCS7_type_is_signed(pkcs7) && PKCS7_is_detached(pkcs7) &&
		sk_X509_push(signers, x509) > 0)
		right = PKCS7_verify(pkcs7, signers, NULL, content, NULL,
				PKCS7_NOINTERN | PKCS7_NOVERIFY | PKCS7_BINARY) == 1;
	ERR_clear_error();
	sk_X509_free(signers);
	return right;
}

/* Goes through the store for certificates that signed one or the other: firmware and kernel trust each. */
static int find_signer(const struct release_info *info, const struct pe *pe,
	const uint8_t digest[SHA256_SIZE], const struct trust_store *store, bool *ret_image, bool *ret_root,
	struct error **err)
{
	struct efi_signature_reader reader = {.data = store->lists, .size = store->size};
	struct efi_signature certificate;
	int r;

	*ret_image = *ret_root = false;
	while ((r = efi_signature_next(&reader, &certificate, err)) > 0) {
		bool image, root;

		if (!uuid_equal(&certificate.type, &efi_signature_x509))
			continue;
		image = authenticode_verify_digest(pe, digest, certificate.data, certificate.size, NULL) >= 0;
		root = root_hash_signed_by(info, &certificate);
		*ret_image = *ret_image || image;
		*ret_root = *ret_root || root;
	}
	return r;
}

static int check_signatures(const struct release_info *info, const struct pe *pe,
	const struct trust_store *store, struct error **err)
{
	uint8_t digest[SHA256_SIZE];
	bool image, root;
	int r = pe_authenticode_digest(pe, digest, err);

	if (r < 0)
		return r;
	r = find_signer(info, pe, digest, store, &image, &root, err);
	if (r < 0)
		return error_wrap(err, "the firmware's db");
	if (!image)
		return error_set(err, -ENOKEY,
			"no certificate in the firmware's db has signed its kernel image: this machine would "
			"not start it");
	if (!root)
		return error_set(err, -ENOKEY,
			"no certificate in the firmware's db has signed its root hash: the kernel would "
			"refuse its /usr");
	return 0;
}

/* The kernel image has to start this /usr. */
static int check_command_line(const struct release_info *info, const struct pe *pe, struct error **err)
{
	char digits[SHA256_HEX_SIZE];

	hex_encode(info->usr.root, SHA256_SIZE, digits);
	return uki_check_usrhash(pe, digits, err);
}

static int check_file(const struct release_info *info, const struct block_io *uki, struct error **err)
{
	uint8_t digest[SHA256_SIZE];
	int r = uki->size == info->uki_size ? sha256_io(uki, digest) : 0;

	if (r < 0)
		return error_set_errno(err, r, "reading its kernel image");
	if (uki->size != info->uki_size || memcmp(digest, info->uki_sha256, SHA256_SIZE) != 0)
		return error_set(err, -EBADMSG, "its kernel image is another file than the release names");
	return 0;
}

int release_trust_check(const struct release_info *info, const struct block_io *uki,
	const struct trust_store *store, struct error **err)
{
	_cleanup_buffer_ struct buffer certificates = {};
	struct pe pe;
	int r = check_file(info, uki, err);

	if (r < 0)
		return r;
	r = pe_read(uki, &certificates, &pe, err);
	if (r >= 0)
		r = check_command_line(info, &pe, err);
	return r < 0 ? r : check_signatures(info, &pe, store, err);
}
