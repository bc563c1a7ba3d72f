/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The manifest of a build, as far as two of them are compared: what was built, how large it is, and of which
 * packages. Format: docs/formats/manifest.md.
 */
#pragma once

#include "base/error.h"
#include "source/package.h"

#define MANIFEST_MAX MiB(16) /* bytes */

struct release_manifest {
	char *edition, *version, *architecture;
	char *kernel;	   /* its release, "6.12.48+deb13-cloud-amd64" */
	uint64_t usr_size; /* of the image, in bytes */
	uint64_t uki_size;
	char *usr_name; /* the image's file, beside the manifest; NULL where none is listed */
	uint8_t root_hash[SHA256_SIZE];
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
