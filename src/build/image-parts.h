/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The steps of a build, for image.c, which calls them in their order.
 *
 * Each fills what the next ones read, and what it fills stays as it is from then on. All return 0 or a
 * negative errno with *err* set.
 */
#pragma once

#include <jansson.h>

#include "base/file.h"
#include "base/sha256.h"
#include "build/image.h"
#include "build/initrd.h"
#include "build/keys.h"
#include "build/modules.h"
#include "build/platform.h"
#include "build/sbom.h"
#include "build/stage.h"
#include "build/survey.h"
#include "build/unpack.h"
#include "build/usr-image.h"
#include "format/disk-format.h"
#include "format/signing.h"
#include "source/cache.h"

/* The manifest lists those before it, the provenance all before it. From the first format on, they stand as
 * in disk-format.h, and are there where they are asked for. */
enum {
	OUTPUT_DISK,
	OUTPUT_FORMATS,
	OUTPUT_QCOW2 = OUTPUT_FORMATS + DISK_FORMAT_QCOW2,
	OUTPUT_VHD = OUTPUT_FORMATS + DISK_FORMAT_VHD,
	OUTPUT_VHDX = OUTPUT_FORMATS + DISK_FORMAT_VHDX,
	OUTPUT_USR,
	OUTPUT_VERITY,
	OUTPUT_UKI,
	OUTPUT_NETBOOT, /* without a name where none is wanted */
	OUTPUT_SPDX,
	OUTPUT_CYCLONEDX,
	OUTPUT_MANIFEST,
	OUTPUT_PROVENANCE,
	OUTPUT_COUNT
};

struct output {
	const char *kind;
	char *name, *path; /* NULL: not wanted */
	uint64_t size;
	const char *digest_name; /* "sha256", "fsverity" */
	uint8_t digest[SHA256_SIZE];
};

/* Everything that is there between two steps. Each step fills what the next ones read. */
struct image {
	const struct image_options *options;
	const struct definition *definition;
	const struct platform *platform;
	int64_t time; /* of every file in the image: the version's day */
	struct keys keys;
	struct cache *cache; /* open as long as packages are read from it */
	struct stage *stage;
	struct output outputs[OUTPUT_COUNT];

	struct package_list packages, boot_packages;
	struct unpacked unpacked, boot_unpacked;
	struct tree *tree;  /* the whole root, from finish_tree() on only /usr */
	struct tree *boot;  /* of the boot packages */
	char *distribution; /* that the packages are of: "debian-13" */
	struct kernel_modules *modules;
	struct buffer microcode; /* an archive; empty where no package brings any */
	struct content *kernel, *stub, *loader;
	struct content *root; /* of trust, of the nodes' updates; NULL where there are none */

	struct survey survey;
	struct usr_image_result usr;
	struct atomic_file disk; /* open from when the usr image is written */
	char root_hash[SHA256_HEX_SIZE];
	char *command_line;
	struct buffer initrd_rest, initrd, unsigned_uki, unsigned_netboot;

	/* What is signed, each of them as a whole; where a signature is still to be made, zeros in its place.
	 */
	struct signing signing;
	struct buffer signature; /* content of the verity signature partition */
	struct buffer uki, netboot, signed_loader;
	struct buffer enrol[EFI_TRUST_VARIABLES]; /* updates of variables */

	struct sbom_input sbom_input; /* refers to what is above */
	struct sbom sbom;
	json_t *manifest, *provenance; /* but for the outputs */

	char left[SHA256_HEX_SIZE];  /* the SHA-256 of what describes the folder that is left; "" without one
				      */
	struct signing_taken *taken; /* what options and definition are of, where a build is taken up again */
};

/* What is there before the first step. */
#define IMAGE_INIT(image_options)                                                      \
	{                                                                              \
		.options = (image_options), .definition = (image_options)->definition, \
		.disk = ATOMIC_FILE_INIT,                                              \
	}

/* Releases all of it. */
void image_release(struct image *image);
#define _cleanup_image_ _cleanup_(image_release)

/* From packages to the content of /usr, and what the machine is started with (image-tree.c). */
int image_unpack_packages(struct image *image, struct error **err);
int image_select_modules(struct image *image, struct error **err);
int image_select_firmware(struct image *image, struct error **err);
int image_add_own_files(struct image *image, struct error **err);
int image_take_boot_files(struct image *image, struct error **err);
int image_finish_tree(struct image *image, struct error **err);

/* From the tree to the parts of a disk (image-boot.c). */
int image_use_tree(struct image *image, struct error **err); /* usr image, SBOM, most of the initrd */
int image_make_command_line(struct image *image, struct error **err);
int image_make_initrd(struct image *image, struct error **err);
int image_make_kernel_image(struct image *image, struct error **err);

/* The initrd for start from the network with what is carried, and a kernel image with an initrd. */
int image_build_netboot_initrd(
	struct image *image, const struct initrd_carried *carried, struct buffer *ret, struct error **err);
int image_build_kernel(
	struct image *image, const struct buffer *initrd, struct buffer *ret, struct error **err);

/* All signatures of a build but one (image-sign.c). */
int image_sign(struct image *image, struct error **err);

/*
 * The kernel image that carries /usr, where one is wanted (image-netboot.c): with the signature of the root
 * hash in it, or zeros in place of that, which is put there when it has been made. Then its own signature,
 * and what the manifest says of it.
 */
int image_make_netboot(struct image *image, struct error **err);
int image_complete_netboot(struct image *image, struct error **err);
int image_sign_netboot(struct image *image, struct error **err);
int image_describe_netboot(struct image *image, struct error **err);

/* From these parts to the files that a build leaves (image-outputs.c). */
int image_name_outputs(struct image *image, struct error **err);
int image_describe(struct image *image, struct error **err);
int image_write_uki(struct image *image, struct error **err);
int image_write_disk(struct image *image, struct error **err);
int image_write_manifest(struct image *image, struct error **err);
int image_show_outputs(struct image *image, struct error **err);

/* What those are made of, and where they come from (image-documents.c). */
int image_note_distribution(struct image *image, struct error **err);
int image_make_sboms(struct image *image, struct error **err);
int image_describe_provenance(struct image *image, struct error **err);
int image_write_provenance(struct image *image, struct error **err);

/* The signature that is made of the others' results. */
#define IMAGE_PROVENANCE "provenance"
#define IMAGE_PROVENANCE_ABOUT "the outputs, when all others are made, and what they were made of"

/* The signature of what has that of the root hash in it. */
#define IMAGE_NETBOOT "netboot-image"
#define IMAGE_NETBOOT_ABOUT "the kernel image for start from the network, when the root hash is signed"

/* What manifest and provenance say of the outputs before *end*, which *ret* has room for: how many there are.
 * Strings are the image's. */
size_t image_list_outputs(const struct image *image, unsigned end, struct manifest_output *ret);

/* Writes a whole output and notes its size and digest. */
int image_write_output(struct output *output, const struct buffer *text, struct error **err);

/* Signs a program, called *what* for people. */
int image_sign_program(struct image *image, const char *name, const char *what, const struct buffer *program,
	struct buffer *ret, struct error **err);

/* Between a build and its signatures (sign-later.c, sign-later-finish.c). */
int image_leave(struct image *image, struct error **err);
int image_take_up(struct image *image, struct error **err);

/*
 * All outputs of a build that was left, from image_take_up() on. Where the kernel image for the network lacks
 * its signature, image_ask_netboot() asks for that, with -ENOKEY, and there are no outputs. The provenance
 * may lack its own, for which image_ask_provenance() then asks, with -ENOKEY.
 */
int image_assemble(struct image *image, struct error **err);
int image_ask_netboot(struct image *image, struct error **err);
int image_ask_provenance(struct image *image, struct error **err);
