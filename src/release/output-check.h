/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whether a file is what was built: what a manifest, or signed provenance, says of it.
 */
#pragma once

#include "release/manifest-read.h"

/* The digest that a manifest has of such a file: of fs-verity, for which holes are not read, or SHA-256. */
int output_digest(int fd, bool is_fsverity, uint8_t ret[SHA256_SIZE], uint64_t *ret_size, struct error **err);

/*
 * Holds the file *fd*, which messages call *path*, against size and digest of *output*. Returns 0; -EBADMSG
 * where it is another one, with *err* saying in what and what to do; errors of reading.
 */
int output_check(const struct release_output *output, int fd, const char *path, struct error **err);

/*
 * Whether the envelope of *size* bytes has a statement about the file *name* with this digest, signed with
 * the key of the certificate that has the SHA-256 *certificate* (NULL: whichever). Returns 0 or -EBADMSG.
 */
int output_check_provenance(const char *envelope, size_t size, const char *name,
	const uint8_t digest[SHA256_SIZE], const uint8_t *certificate, struct error **err);
