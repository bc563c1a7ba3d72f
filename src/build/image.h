/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From a definition to a disk image: the straight line through all of Orlop's parts.
 */
#pragma once

#include <time.h>

#include "base/progress.h"
#include "base/sha256.h"
#include "build/definition.h"
#include "build/finish.h"
#include "build/initrd.h"
#include "format/disk-format.h"
#include "format/private-key.h"
#include "source/lock.h"

struct image_options {
	const struct definition *definition;
	const char *architecture;	 /* Debian's name */
	const char *version;		 /* YYYYMM.DD.N */
	const char *suite;		 /* NULL: the definition's */
	const char *mirror;		 /* NULL: the one of the host's apt */
	const char *security_mirror;	 /* NULL: found as source.h says; "none" */
	const char *keyring;		 /* NULL: the host's Debian keyring */
	const char *output;		 /* folder */
	unsigned formats;		 /* beside raw: bits by the numbers of disk-format.h */
	const char *cache;		 /* folder */
	uint64_t cache_days;		 /* what was not used for so long is removed from it at the end */
	const char *keys;		 /* folder */
	const struct key_secret *secret; /* of the keys; may be NULL */
	const char *sign_later;		 /* folder to leave what is to be signed in; NULL: sign now */
	enum initrd_netboot netboot;	 /* whether to make a kernel image that carries /usr */
	const char *builder;		 /* Orlop's own version */
	const char *init;		 /* path of orlop-init for the architecture */
	const struct strv *programs;	 /* paths of the definition's programs, for the architecture */
	bool offline;			 /* use what the cache holds and no network */
	const struct lock *lock;	 /* the packages are these; NULL: what the archive has, … */
	const char *lock_path;		 /* … which is written there; NULL: nowhere */
	unsigned threads;		 /* 0: one for each processor */
	time_t now;			 /* for the archive's metadata, and the age of what is cached */
	struct progress *progress;
};

/* What was made. The names are those of files in the output folder. */
struct image_result {
	char *raw, *erofs, *verity, *uki, *netboot, *spdx, *cyclonedx, *manifest, *provenance;
	char *formats[DISK_FORMATS]; /* NULL: not asked for */

	char root_hash[SHA256_HEX_SIZE];
	char left[SHA256_HEX_SIZE]; /* with *sign_later*: the SHA-256 of signing.json; "" otherwise */
	uint64_t usr_size;
	size_t packages;
};

/*
 * Builds OUTPUT/orlop-NAME_VERSION_ARCHITECTURE.{raw,usr.erofs,usr.verity,efi,spdx.json,cdx.json,
 * manifest.json,provenance.json}, .netboot.efi where it is asked for, and the disk in the other formats that
 * are. The files appear when all of them are complete, one after the other: the disk last but one, then the
 * manifest. With *sign_later*, private keys are not looked at, and what is left is a folder for
 * image_finish().
 */
int image_build(const struct image_options *options, struct image_result *ret, struct error **err);
void image_result_release(struct image_result *result);
#define _cleanup_image_result_ _cleanup_(image_result_release)

/*
 * Ends a build that left what is to be signed (*options*->sign_later, and output, keys, threads, progress) in
 * a folder, when the signatures are there. The outputs are those of a build with the keys at hand, to the
 * bit. The keys are looked at for their certificates, which must be those that the build was begun with.
 *
 * The provenance has the digests of the outputs, and so of the other signatures: what is to be signed of it
 * is put into the folder when those are there and its own is not.
 *
 * Returns 0; -ENOKEY where signatures are missing; -EKEYREJECTED where one is none of its certificate over
 * what the build needs; -EBADMSG where the folder is not as a build leaves it.
 */
int image_finish(const struct image_options *options, struct image_result *ret, struct error **err);

/* What a build would be made of. The URLs of packages from a lock are not known. */
struct image_plan {
	struct package_list packages, boot_packages;
};

/* Resolves the packages, and fetches none. */
int image_plan(const struct image_options *options, struct image_plan *ret, struct error **err);
void image_plan_release(struct image_plan *plan);
#define _cleanup_image_plan_ _cleanup_(image_plan_release)

/* Of the finishers that a build calls, number *index*, in their order; NULL behind the last one. */
const struct finisher_about *image_finisher(size_t index);
