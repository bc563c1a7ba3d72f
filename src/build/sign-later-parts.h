/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What leaving a build and taking it up again share.
 */
#pragma once

#include "build/image-parts.h"
#include "build/signing-folder.h"

/* Files of the folder that are no outputs. */
#define SIGN_LATER_KERNEL "kernel-image.efi"
#define SIGN_LATER_LOADER "boot-loader.efi"
#define SIGN_LATER_NETBOOT "netboot-image.efi" /* where one is wanted */
#define SIGN_LATER_MANIFEST "manifest.json"
#define SIGN_LATER_PROVENANCE "provenance.json"

/* The files of the keys' certificates; *ret_signers* is what the result points to. */
struct signing_certificates sign_later_certificates(
	const struct image *image, const struct signer *ret_signers[EFI_TRUST_VARIABLES]);

/* What was read of a folder, which an image's options and definition point to. */
struct signing_taken {
	struct image_options options;
	struct definition definition;
	struct signing_folder folder;
	char sha256[SHA256_HEX_SIZE]; /* of signing.json */
};
struct signing_taken *signing_taken_free(struct signing_taken *taken);

/*
 * Reads all but /usr, its hash tree and the bills of materials, and fills the image from it, as far as
 * image_sign() needs it. *options* is what the caller wants besides.
 */
int sign_later_take(
	struct image *image, const char *dir, const struct image_options *options, struct error **err);

/* Opens a file that the folder lists, a regular one, of that size; its content is still to be proved. */
int sign_later_open_file(const struct image *image, const char *dir, const char *name, struct error **err);

/* Whether the file is the folder's. Fills the output's size and digest. */
int sign_later_prove(const struct image *image, struct output *output, int fd, struct error **err);

/* Whether the two files are the folder's, and what the root hash stands for. Fills the outputs' digests. */
int sign_later_prove_usr(struct image *image, int usr, int verity, struct error **err);

/* Works out what is to be signed, and compares it with what was asked for. */
int sign_later_derive(struct image *image, struct error **err);
