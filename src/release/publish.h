/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Publishes what was built: one release for each architecture in a folder of `orlop build`, into an open
 * repository; and changes what the repository says of its releases.
 */
#pragma once

#include "base/progress.h"
#include "format/release-index.h"
#include "format/release-info.h"
#include "format/signer.h"
#include "release/repository.h"

#define PUBLISH_PATCHES 3 /* that lead from this many releases */

/* For whom a release is. */
struct publish_audience {
	unsigned channels;		  /* of enum release_channel; 0: weekly, or as it is */
	const struct release_step *steps; /* NULL: everybody at once, or as it is */
	size_t step_count;
};

struct publish_options {
	const char *build;	     /* the folder of the outputs */
	const char *version;	     /* only this one; NULL: there is only one */
	const struct signer *signer; /* db; NULL: the root hash's signature is taken from the disk image */
	struct publish_audience audience;
	uint64_t patch_from; /* patches lead from so many of the last releases */
	int level;	     /* of Zstandard for the image; 0: BLOCKS_WRITE_LEVEL */
	unsigned threads;    /* 0: one for each processor */
	const char *notes;   /* text of notes.md; NULL: what changed since the version before (notes.h) */
	const char *cache;   /* of packages, for their changelogs; may be NULL */
	int64_t now;	     /* when it is published */
	struct progress *progress; /* may be NULL */
};

/* A release that was published, or was there already. */
struct published {
	struct release_info info;
	bool already;
};

struct publish_result {
	struct published *items;
	size_t count;
};
void publish_result_release(struct publish_result *result);
#define _cleanup_publish_result_ _cleanup_(publish_result_release)

/*
 * Does it, with one commit. Returns 0; -EEXIST where one of the versions is in the repository with other
 * content, or for others than it is to be now; the errors of build_list_read(), build_open() and their like,
 * of image_write() and of repository_commit(). Nothing is published where it fails.
 */
int publish_run(struct repository *repository, const struct publish_options *options,
	struct publish_result *ret, struct error **err);

/*
 * A clock that is behind would sign what has expired, and let a rollout begin in the past. Returns 0; -EINVAL
 * with *err* set where a release was published later than *now*, by more than what two machines may differ.
 */
int publish_check_clock(const struct release_index *index, int64_t now, struct error **err);

/* Reads releases.json; of a repository that has none, an empty one. */
int publish_read_index(const struct repository *repository, struct release_index *ret, struct error **err);

/* Puts it, without a commit. */
int publish_put_index(struct repository *repository, const struct release_index *index, struct error **err);

/* Makes an entry one for this audience, as far as that says something. Returns 0 or -ENOMEM. */
int publish_set_audience(struct release_entry *entry, const struct publish_audience *audience);

/* Is the entry for this audience, as far as that says something? */
bool publish_is_for(const struct release_entry *entry, const struct publish_audience *audience);

/* Reads a rollout plan, "10%@0h,50%@24h,100%@72h", into a malloc()ed array. Returns 0, -EINVAL or -ENOMEM. */
int publish_parse_rollout(const char *text, struct release_step **ret, size_t *ret_count, struct error **err);

/* What can be changed of releases that are published. */
enum publish_change_kind { PUBLISH_PAUSE, PUBLISH_RESUME, PUBLISH_PLAN, PUBLISH_WITHDRAW, PUBLISH_FLOOR };

struct publish_change {
	enum publish_change_kind kind;
	const char *reason;		  /* of PUBLISH_WITHDRAW */
	struct publish_audience audience; /* of PUBLISH_PLAN */
	int64_t now;
};

/* Which releases: those of a version, of an edition and architecture where they are not NULL. */
struct publish_selection {
	const char *version, *edition, *architecture;
};

/*
 * Changes the index for all releases of the selection. While a release is paused, the clock of its rollout
 * stands still. Returns how many were changed, which is fewer than there are where some were so already;
 * -ENOENT where there is none; -EINVAL where one is withdrawn, which is for good, or where a floor would go
 * down.
 */
int publish_change(struct release_index *index, const struct publish_change *change,
	const struct publish_selection *selection, struct error **err);
