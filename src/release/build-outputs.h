/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What `orlop build` left in a folder, for each architecture: the files that a manifest names, checked
 * against it and against each other.
 *
 * A manifest is not signed (docs/formats/manifest.md): what is published are its files, and those have to
 * belong together and to the keys.
 */
#pragma once

#include "base/progress.h"
#include "format/release-info.h"
#include "format/signer.h"

#define BUILD_MANIFEST_MAX MiB(64) /* bytes */

/* What builds write since there is any is optional: the disk, and what says what is in it. */
enum build_file { BUILD_USR, BUILD_VERITY, BUILD_UKI, BUILD_DISK, BUILD_SPDX, BUILD_CYCLONEDX, BUILD_FILES };

struct build_output {
	char *name; /* in the folder; NULL where the manifest has none */
	uint64_t size;
	bool is_fsverity; /* the digest is that of fs-verity, else SHA-256 of the whole */
	uint8_t digest[SHA256_SIZE];
};

struct build_outputs {
	char *folder;
	char *edition, *version, *architecture;
	uint8_t root[SHA256_SIZE];
	uint8_t certificate[SHA256_SIZE]; /* SHA-256 of the db certificate that it was signed with */
	struct build_output files[BUILD_FILES];
	char *manifest; /* its text */
	size_t manifest_size;
	char *provenance; /* the text of what is signed of it and all others; NULL: there is none */
	size_t provenance_size;
};

void build_outputs_release(struct build_outputs *outputs);

struct build_list {
	struct build_outputs *items;
	size_t count;
};
void build_list_release(struct build_list *list);
#define _cleanup_build_list_ _cleanup_(build_list_release)

/*
 * Finds the manifests in a folder, only those of *version* where that is not NULL. Returns 0; -ENOENT where
 * there is none; -EEXIST where one edition and architecture has two versions; -EBADMSG where a manifest is
 * none.
 */
int build_list_read(const char *folder, const char *version, struct build_list *ret, struct error **err);

/* Opens an output whose size is as the manifest says. Returns a descriptor or a negative errno. */
int build_open(const struct build_outputs *outputs, enum build_file which, struct error **err);

/* Whether the file's digest is as the manifest says, too: 0, -EBADMSG, errors of reading. */
int build_check(const struct build_outputs *outputs, enum build_file which, int fd, struct progress *progress,
	struct error **err);

/*
 * Checks that the kernel image starts this root hash on this architecture and, where *signer* is not NULL,
 * that its certificate has signed it. Returns 0; -EBADMSG; -ENOKEY.
 */
int build_check_uki(
	const struct build_outputs *outputs, int fd, const struct signer *signer, struct error **err);

/*
 * The signature of the root hash: made by *signer*, or where that is NULL the one that the disk image has.
 * Fills in info->signature and info->certificate. Returns 0; -ENOENT where there is neither; -EKEYREJECTED
 * where the build was signed with another certificate; -EBADMSG.
 */
int build_signature(const struct build_outputs *outputs, const struct signer *signer,
	struct progress *progress, struct release_info *info, struct error **err);
