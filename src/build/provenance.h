/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where the outputs of a build come from, as a signed statement: in-toto Statement v1 with SLSA provenance
 * v1, in a DSSE envelope (format/dsse.h). docs/formats/provenance.md says which member has what.
 */
#pragma once

#include <jansson.h>

#include "build/manifest.h"
#include "build/sbom.h"
#include "format/signer.h"

/* The kind of build, and who builds: names, not places. The first changes with the meaning of the parameters.
 */
#define PROVENANCE_BUILD_TYPE "urn:uuid:3f0bd7a4-51c5-4d0e-9a86-2b6f1c77e0d1#image-v1"
#define PROVENANCE_BUILDER "urn:uuid:3f0bd7a4-51c5-4d0e-9a86-2b6f1c77e0d1#orlop-build"

/* A file of the build host that went into the build, by its digest and a name that is the same everywhere. */
struct provenance_file {
	const char *kind, *name; /* "definition", "container-linux.yaml" */
	uint8_t sha256[SHA256_SIZE];
};

struct provenance {
	const struct definition *definition;
	const char *version, *architecture, *suite;
	unsigned formats;	 /* of the disk beside raw: bits by the numbers of disk-format.h */
	const char *netboot;	 /* where /var is after a start from the network; NULL: no image for that */
	const char *builder;	 /* Orlop's own version */
	const struct sbom *sbom; /* its packages */
	const struct provenance_file *files;
	size_t file_count;
};

/* The statement but for its subjects, which are an empty array. Returns 0 or -ENOMEM. */
int provenance_describe(const struct provenance *provenance, json_t **ret, struct error **err);

/*
 * Puts the outputs into the statement as its subjects, and appends the envelope around it, signed by
 * *signer*. Returns 0; -ENOMEM; as signer_sign().
 */
int provenance_write(json_t *statement, const struct manifest_output *outputs, size_t count,
	const struct signer *signer, struct buffer *ret, struct error **err);
