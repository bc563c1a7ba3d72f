/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The manifest of a build, as far as two of them are compared: what was built, how large it is, of which
 * packages, and what starts it. Format: docs/formats/manifest.md.
 */
#pragma once

#include "base/error.h"
#include "source/package.h"

#define MANIFEST_MAX MiB(16) /* bytes */

/* One of the files that a build made. */
struct release_output {
	char *kind;		 /* "disk", "usr", "uki" and others */
	char *name;		 /* of the file, beside the manifest; NULL where none is told */
	uint64_t size;		 /* bytes; 0 where it is not told */
	const char *digest_name; /* "sha256" or "fsverity"; NULL: there is no digest */
	uint8_t digest[SHA256_SIZE];
};

/* What a register of a TPM will hold. */
struct release_pcr {
	bool netboot;	   /* after a start by the image for start from the network */
	bool kernel_start; /* when the kernel starts; else when multi-user.target is reached */
	unsigned index;
	uint8_t value[SHA256_SIZE];
};

struct release_manifest {
	char *edition, *version, *architecture;
	char *kernel;	   /* its release, "6.12.48+deb13-cloud-amd64" */
	uint64_t usr_size; /* of the image, in bytes */
	uint64_t uki_size;
	const char *usr_name; /* the image's file, beside the manifest, one of the outputs'; NULL where none
				 is listed */
	uint8_t root_hash[SHA256_SIZE];
	char *command_line; /* of the kernel, in ASCII; NULL where it is not told */
	bool has_certificate;
	uint8_t certificate[SHA256_SIZE]; /* SHA-256 of the one that belongs to the signatures */
	struct release_output *outputs;	  /* none twice of a kind */
	size_t output_count;
	struct release_pcr *pcrs;
	size_t pcr_count;
	/* Of the image and, where it has none of that name, those that only the build read (the boot
	 * programs). Of each the members that a manifest lists. */
	struct package_list packages;
};

void release_manifest_release(struct release_manifest *manifest);
#define _cleanup_release_manifest_ _cleanup_(release_manifest_release)

/*
 * Reads a manifest. Names and versions in *ret* have printable ASCII characters only, none of which is white
 * space or means something in Markdown's code spans and tables. Returns 0; -EBADMSG with *err* naming the
 * member that is missing or wrong; -ENOMEM.
 */
int release_manifest_parse(const void *data, size_t size, struct release_manifest *ret, struct error **err);

/* The output of this kind; NULL where none is listed. */
const struct release_output *release_manifest_output(
	const struct release_manifest *manifest, const char *kind);

/* Whether size and digest are the same; digests of two kinds are not. */
bool release_output_is_same(const struct release_output *a, const struct release_output *b);
