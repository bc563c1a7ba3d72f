/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is in a file that a build makes or a node starts from: a disk with its partitions, a usr image, a
 * verity hash tree or signature, an EFI program, a FAT file system, a manifest, a bill of materials,
 * provenance. The file's content says which of them it is, never its name.
 *
 * The answer is a JSON object, described in orlop-inspect(1); its member "kind" says what was found. Nothing
 * in the file is believed: the readers bound what they take in, and what can't be read is said.
 */
#pragma once

#include <jansson.h>

#include "base/buffer.h"
#include "base/error.h"

struct inspect_options {
	bool verify;	  /* a disk's: every block of each slot against its root hash */
	bool files;	  /* list all names in a usr image */
	unsigned threads; /* for that; 0: one for each processor */
};

struct inspection {
	json_t *object;
	size_t faults; /* parts of a disk that are damaged: each has a member "error" */
};

/*
 * Inspects the file or block device *fd*. Damage inside a disk's partitions does not end the inspection, it
 * is counted. The caller releases *ret*, which is written on success alone.
 *
 * Returns 0; -EMEDIUMTYPE where the file is nothing that is known here; -EINVAL where it can't be verified;
 * -EBADMSG, -ENODATA, -ENOTSUP or -EFBIG where it is damaged, cut short, of a form that can't be read, or too
 * large; -EKEYREJECTED where provenance is not signed as it says; another negative errno.
 */
int inspect(int fd, const struct inspect_options *options, struct inspection *ret, struct error **err);
void inspection_release(struct inspection *inspection);
#define _cleanup_inspection_ _cleanup_(inspection_release)

/*
 * Appends to *ret* what *object* says, as text for people. Control characters, which a hostile file could
 * send to a terminal, become "?". Returns 0 or -ENOMEM.
 */
int inspect_text(const json_t *object, struct buffer *ret, struct error **err);
