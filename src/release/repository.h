/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A repository of releases as its publisher sees it: a folder of signed metadata and of what it describes,
 * docs/formats/repository.md.
 *
 *     r = repository_open(&options, &repository, &err);            // verifies what is there
 *     r = repository_put(repository, "releases.json", text, size, &err);
 *     r = repository_commit(repository, &err);                     // all of it, or nothing
 *
 * What is put lies in a draft beside the rest until the commit, which gives it names that nothing has yet,
 * and renames timestamp.json last: until then the repository serves what it served before. Whatever a process
 * left that was killed, the next one that opens the repository for writing takes back.
 */
#pragma once

#include "base/buffer.h"
#include "release/release-keys.h"

struct repository_options {
	const char *path;
	const char *keys; /* the folder whose root.json is trusted; NULL: only to be read, its own first root
			     is */
	const struct key_secret *secret; /* may be NULL */
	int64_t now;			 /* seconds since 1970 */
	uint32_t days[TUF_TYPES]; /* how long what is signed now is valid; 0: 7 for the timestamp, 30 for the
				     snapshot, 90 for targets */
	bool read;		  /* change nothing, take no lock */
	bool create;		  /* begin one where there is none */
};

struct repository;

/*
 * Opens the repository and verifies its metadata, from the trusted root to the targets; that a role's
 * metadata has expired is no error, since signing it again is what helps. With keys, a lock is held until it
 * is freed.
 *
 * Returns 0; -ENOENT where there is none and none shall be made; -EBUSY where another process publishes to
 * it; -EKEYREJECTED, -EBADMSG where it is not what was published; -ESTALE where its root is older than that
 * of the keys; errors of reading.
 */
int repository_open(const struct repository_options *options, struct repository **ret, struct error **err);
struct repository *repository_free(struct repository *repository);
DEFINE_CLEANUP(struct repository *, repository_free);
#define _cleanup_repository_ _cleanup_(repository_freep)

/* What was found, or was committed since. The second is NULL in a repository that has no targets yet. */
const struct tuf_metadata *repository_root(const struct repository *repository);
const struct tuf_metadata *repository_metadata(const struct repository *repository, enum tuf_type type);

/* Whether the metadata lists a target of this name. */
bool repository_has(const struct repository *repository, const char *name);

/*
 * Reads a target of at most *max* bytes, as it was committed, and checks it against the metadata; the caller
 * frees *ret*, behind which stands a NUL. Returns 0; -ENOENT where there is no such target; -ENODATA where
 * its file is gone; -EBADMSG where it is not what was published; -EFBIG.
 */
int repository_read(const struct repository *repository, const char *name, size_t max, char **ret,
	size_t *ret_size, struct error **err);

/* Opens a file below targets/ that is no target. Returns a descriptor, or a negative errno. */
int repository_open_file(const struct repository *repository, const char *name, struct error **err);

/* Loads the keys of all roles that a commit of new targets needs, so that one that is missing is found early.
 */
int repository_unlock(struct repository *repository, struct error **err);

/*
 * A folder below targets/ ("EDITION/VERSION/ARCHITECTURE") that appears whole with the commit; the path of
 * where it is made belongs to the repository. What has stood there without being published goes.
 */
int repository_folder(
	struct repository *repository, const char *name, const char **ret_path, struct error **err);

/* A folder for what nobody shall ever see, which goes with the draft; the path belongs to the repository. */
int repository_scratch(struct repository *repository, const char **ret_path, struct error **err);

/* Adds or replaces a target, in a folder that was made or one of its own. */
int repository_put(
	struct repository *repository, const char *name, const void *data, size_t size, struct error **err);

/*
 * The same with the content of a file, which has to have this size and digest: -EBADMSG otherwise. *progress*
 * (bytes) may be NULL.
 */
struct progress;
int repository_put_file(struct repository *repository, const char *name, int fd, uint64_t size,
	const uint8_t sha256[SHA256_SIZE], struct progress *progress, struct error **err);

/*
 * Signs and publishes: targets where something was put or they expire within half of their time; the snapshot
 * likewise; the timestamp in any case. Returns 0, or an error that leaves the repository as it was; once
 * timestamp.json has its new content, what can fail is only to make sure that it is on disk.
 */
int repository_commit(struct repository *repository, struct error **err);

/* What the last commit signed. */
bool repository_signed(const struct repository *repository, enum tuf_type type);

/* Whether the root lets a key sign for the role. */
bool repository_lists_key(const struct repository *repository, enum tuf_type role, const char *keyid);

/* What the root's next version says of a role. */
struct root_change {
	enum tuf_type role;
	const char *remove;	/* id of a key that signs no more; NULL: none */
	struct tuf_signer *add; /* that signs, too; NULL: none */
	uint32_t threshold;	/* how many must sign; 0: as many as before */
	uint32_t days;		/* that this root is valid */
};

/*
 * Makes the root's next version, and commits before what the role signed under the keys of both roots, so
 * that there is no moment at which one of the two does not hold. Takes *add* over, also when it fails.
 * -EINVAL where fewer keys would be left than must sign.
 */
int repository_change_root(
	struct repository *repository, const struct root_change *change, struct error **err);

/* Appends the text of the newest root. */
int repository_root_text(const struct repository *repository, struct buffer *ret, struct error **err);
