/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The manifest of a build, as JSON: what was made and from what, and what a TPM will say of it. The format is
 * described in docs/formats/manifest.md.
 */
#pragma once

#include <jansson.h>

#include "base/buffer.h"
#include "build/definition.h"
#include "build/initrd.h"
#include "build/survey.h"
#include "build/usr-image.h"
#include "format/pcr.h"
#include "source/package.h"

struct manifest_output {
	const char *kind;	 /* "disk", "usr", "verity", "uki" */
	const char *name;	 /* of the file */
	uint64_t size;		 /* bytes */
	const char *digest_name; /* "sha256", or "fsverity" (format/fsverity.h) */
	uint8_t digest[SHA256_SIZE];
};

struct manifest {
	const struct definition *definition;
	const char *version, *architecture, *suite;
	const char *kernel_release, *command_line;
	const struct usr_image_result *usr;
	const struct survey *survey; /* of /usr */
	const struct pcr_prediction *pcrs;
	enum initrd_netboot netboot; /* what image there is for start from the network, with its /var where */
	const struct package_list *packages, *boot_packages;
	const uint8_t *certificate; /* SHA-256 of the db certificate that signed, SHA256_SIZE bytes */
};

/* Makes the manifest without outputs, which manifest_write() adds. Returns 0 or -ENOMEM. */
int manifest_describe(const struct manifest *manifest, json_t **ret, struct error **err);

/*
 * Says in a manifest, which says already that there is one, what is measured of the kernel image for start
 * from the network. Returns 0 or -ENOMEM.
 */
int manifest_describe_netboot(json_t *manifest, const struct pcr_prediction *prediction, struct error **err);

/* Appends the manifest's text to *ret*: *manifest* as manifest_describe() made it. Returns 0 or -ENOMEM. */
int manifest_write(json_t *manifest, const struct manifest_output *outputs, size_t count, struct buffer *ret,
	struct error **err);
