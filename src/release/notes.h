/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Release notes: what changed between two releases, as their manifests and the changelogs of their packages
 * tell it. Packages added, removed and changed; sizes; the kernel; and the CVE ids that the changelogs name
 * between the two versions of a source package.
 *
 * Versions of binary packages can differ where the source's don't (a rebuild, "+b1"), and can have another
 * scheme; changelogs are about source versions, so entries are chosen by these. Where a release goes back to
 * an older version, the ids are those that the newer changelog names: no longer fixed.
 *
 * Everything that is written is a function of the input: no time, no name of a machine or user.
 */
#pragma once

#include <jansson.h>

#include "base/buffer.h"
#include "base/string-util.h"
#include "release/manifest-read.h"

struct notes_input {
	const struct release_manifest *before; /* NULL: there is no release to compare with */
	const struct release_manifest *after;
	const char *cache; /* folder of the package cache; NULL, or not there: it holds nothing */
};

/* One package in both, in one, or in the other; one of them may be NULL. They belong to the manifests. */
struct notes_package {
	const struct package *before, *after;
};

enum notes_changelog {
	NOTES_READ,	    /* and all ids between the versions are known */
	NOTES_CUT,	    /* read, but it does not reach back to the older version */
	NOTES_NOT_AT_HAND,  /* the package is not in the cache */
	NOTES_UNREADABLE,   /* *fault* says why */
	NOTES_MISSING,	    /* no package of this source has one */
	NOTES_OTHER_SOURCE, /* the package was built from another source before: *fault* names it */
};

/* A source package in two versions. */
struct notes_source {
	const char *name, *before, *after; /* belong to the manifests */
	bool backwards;			   /* to an older version */
	enum notes_changelog state;
	char *fault;	  /* for those states that have one */
	struct strv cves; /* ids, by year and number, none twice */
};

struct notes {
	const struct release_manifest *before, *after; /* the caller's; *before* may be NULL */
	struct notes_package *packages;		       /* those that differ, by name */
	size_t package_count;
	struct notes_source *sources; /* those whose version differs, by name and versions */
	size_t source_count;
};

void notes_release(struct notes *notes);
#define _cleanup_notes_ _cleanup_(notes_release)

/*
 * Compares. *ret* refers to the input's manifests. A changelog that is missing or can't be read is no
 * error, it is said. Returns 0; -ENOMEM; the errors of opening a cache that is there.
 */
int notes_compare(const struct notes_input *input, struct notes *ret, struct error **err);

/* Each appends to *ret* and returns 0 or -ENOMEM: Markdown, and plain text in columns for a terminal. */
int notes_markdown(const struct notes *notes, struct buffer *ret, struct error **err);
int notes_text(const struct notes *notes, struct buffer *ret, struct error **err);

/* The object that orlop-diff(1) describes, as a new reference; NULL where memory is out. */
json_t *notes_json(const struct notes *notes);

/* Compares and appends Markdown: what a release has as notes.md. */
int notes_write(const struct notes_input *input, struct buffer *ret_markdown, struct error **err);
