/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * release.json: one release for one architecture, all that a node needs in order to bring it into a slot and
 * to start it. A target of the repository's metadata, so it is signed.
 *
 * Format: a JSON object, docs/formats/repository.md. Members that it does not know are a later release's
 * affair.
 */
#pragma once

#include "base/buffer.h"
#include "format/image-files.h"

#define RELEASE_INFO_MAX MiB(1)	      /* bytes */
#define RELEASE_UKI_MAX MiB(256)      /* bytes */
#define RELEASE_SIGNATURE_MAX KiB(16) /* bytes */

struct release_info {
	char *edition, *architecture, *version;
	struct image_files usr;
	uint8_t *signature; /* of the root hash: PKCS#7, DER, detached (format/verity-signature.h) */
	size_t signature_size;
	uint8_t certificate[SHA256_SIZE]; /* the SHA-256 of the DER certificate of who signed it */
	uint64_t uki_size; /* of the unified kernel image, which is the target beside this one, "orlop.efi" */
	uint8_t uki_sha256[SHA256_SIZE];
	struct image_files
		uki; /* the same, filled up with zeros to whole blocks; no blocks: it comes whole */
};

void release_info_release(struct release_info *info);
#define _cleanup_release_info_ _cleanup_(release_info_release)

/* Reads the file. Returns 0; -EBADMSG with *err* naming the member that is missing or wrong; -ENOMEM. */
int release_info_parse(const void *data, size_t size, struct release_info *ret, struct error **err);

/* Appends the file's text. Returns 0; -EINVAL with *err* naming the member where no node would read it;
 * -ENOMEM. */
int release_info_write(const struct release_info *info, struct buffer *ret, struct error **err);

/*
 * The path of a file of a release below the targets' base URL, "EDITION/VERSION/ARCHITECTURE/NAME",
 * malloc()ed; NULL where memory is out. *name* "": the folder, with its "/".
 */
char *release_path(const char *edition, const char *version, const char *architecture, const char *name);
