/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What differs between two builds beside /usr and its packages, as their manifests tell it: the words of the
 * kernel's command line, the certificate of the signatures, the files that were made, and what a TPM will
 * say. Release notes have none of it: of two releases nearly all of it differs. What only one of the
 * manifests tells, as older ones do not tell everything, is not compared.
 */
#pragma once

#include <jansson.h>

#include "base/buffer.h"
#include "base/string-util.h"
#include "release/manifest-read.h"

/* They belong to the manifests. */
struct output_change {
	const struct release_output *before, *after; /* NULL: it is only in the other */
};

struct pcr_change {
	const struct release_pcr *before, *after;
};

struct build_changes {
	const struct release_manifest *before, *after; /* the caller's */
	struct strv removed, added;		       /* words of the command line, as they come there */
	bool reordered;				       /* the words that both have come in another order */
	bool certificate;			       /* it is another one */
	struct output_change *outputs;
	size_t output_count;
	struct pcr_change *pcrs;
	size_t pcr_count;
};

void build_changes_release(struct build_changes *changes);
#define _cleanup_build_changes_ _cleanup_(build_changes_release)

/* Compares. *ret* refers to both manifests. Returns 0 or -ENOMEM. */
int build_changes_find(const struct release_manifest *before, const struct release_manifest *after,
	struct build_changes *ret, struct error **err);

/*
 * Appends a short list for each thing that differs, in ASCII, and nothing where none does. What the release
 * notes' rows say (format of notes_text()), the root hash and the kernel image, is left out. Returns 0 or
 * -ENOMEM.
 */
int build_changes_text(const struct build_changes *changes, struct buffer *ret, struct error **err);

/* Adds the members that orlop-diff(1) describes to *object*. Returns 0 or -ENOMEM. */
int build_changes_json(const struct build_changes *changes, json_t *object);
