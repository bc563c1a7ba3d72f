/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Finds the manifest that somebody means: a file, which is one or has one of the same build beside it, the
 * folder of a build, or a version in a repository's folder (docs/formats/repository.md). An output that is
 * named has to be what its manifest says; the others beside a manifest are not looked at.
 *
 * In a repository the way leads from timestamp.json over snapshot and targets to the file, and every step is
 * held against length and digest of the one before. Signatures are not checked: there is no root here to
 * trust, the folder is one's own.
 */
#pragma once

#include "release/manifest-read.h"

struct manifest_place {
	const char *repository;		    /* folder; NULL: versions mean nothing */
	const char *edition, *architecture; /* of a version, where the repository has several; may be NULL */
};

struct manifest_found {
	struct release_manifest manifest;
	char *image; /* path of the usr image beside it; NULL for a release in a repository, or where none is
			listed */
};

void manifest_found_release(struct manifest_found *found);
#define _cleanup_manifest_found_ _cleanup_(manifest_found_release)

/*
 * Reads the manifest that *text* names. A path that exists goes before a version. Returns 0; -ENOENT where
 * there is none; -EINVAL where several could be meant, with *err* naming them, or a file is neither a
 * manifest nor has one beside it; -EBADMSG where something is damaged, or an output is another one than its
 * manifest's; another negative errno.
 */
int manifest_find(
	const char *text, const struct manifest_place *place, struct manifest_found *ret, struct error **err);
