/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * releases.json: which releases a repository has, for whom each is meant, and when a node may take it. A
 * target of the repository's metadata, so it is signed; a node reads it with every refresh.
 *
 * Format: a JSON object, docs/formats/repository.md. Members that it does not know are a later release's
 * affair.
 */
#pragma once

#include <jansson.h>

#include "base/buffer.h"
#include "base/error.h"

#define RELEASE_INDEX_TARGET "releases.json"
#define RELEASE_INDEX_MAX MiB(4) /* bytes */
#define RELEASE_STEPS_MAX 64
#define RELEASE_NAME_MAX 64 /* of an edition or an architecture: letters, digits, "-", "_" and "." */

/* The channels that a release is published in, as bits. */
enum release_channel { RELEASE_WEEKLY = 1 << 0, RELEASE_SECURITY = 1 << 1 };

/* From *hours* after the rollout's beginning on, *percent* of all nodes may have the release. */
struct release_step {
	uint32_t hours;
	uint32_t percent; /* 0 to 100 */
};

struct release_entry {
	char *edition, *architecture, *version;
	unsigned channels;	    /* of enum release_channel; at least one */
	int64_t published;	    /* seconds since 1970 */
	struct release_step *steps; /* ascending in both members; none: every node at once */
	size_t step_count;
	int64_t begins;	 /* when the rollout did, seconds since 1970; 0: when it was published */
	int64_t paused;	 /* since then no node begins with it that has not begun; 0: it is not paused */
	char *withdrawn; /* why no node shall run it; NULL: it is not withdrawn */
};

/* No node of this edition and architecture goes to a version below. */
struct release_floor {
	char *edition, *architecture, *version;
};

struct release_index {
	struct release_entry *entries; /* no two of one edition, architecture and version */
	size_t count;
	struct release_floor *floors; /* no two of one edition and architecture */
	size_t floor_count;
};

/* When the hours of the rollout's steps began. */
int64_t release_entry_begins(const struct release_entry *entry);

void release_index_release(struct release_index *index);
#define _cleanup_release_index_ _cleanup_(release_index_release)

/* Reads the file; entries and floors are in order then. Returns 0; -EBADMSG with *err* naming the member that
 * is missing or wrong; -ENOMEM. */
int release_index_parse(const void *data, size_t size, struct release_index *ret, struct error **err);

/*
 * Appends the file's text, entries ordered by edition, architecture and version. Returns 0; -EINVAL with
 * *err* naming the member where no node would read it; -ENOMEM.
 */
int release_index_write(const struct release_index *index, struct buffer *ret, struct error **err);

/* NULL where there is none. */
struct release_entry *release_index_find(const struct release_index *index, const char *edition,
	const char *architecture, const char *version);
const struct release_floor *release_index_floor(
	const struct release_index *index, const char *edition, const char *architecture);

/*
 * Orders two versions by the UAPI Group's version format specification ("~" sorts before the end, "^" behind
 * it), as systemd-boot orders boot entries. Returns a value below, at or above 0.
 */
int release_version_compare(const char *a, const char *b);

/* Whether the text can be a version: 1 to 64 letters, digits, ".", "-", "_", "~" and "^", the first one a
 * letter or digit. */
bool release_version_is_valid(const char *text);
