/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Changelogs of Debian packages (deb-changelog(5)): entries from the newest to the oldest, each with a
 * heading "package (version) distributions; urgency=…", the changes, indented, and a line " -- who <address>
 * date".
 *
 * A reader that is forgiving: what is written by hand in files of decades is full of faults, and of interest
 * here is only which version an entry is about and what it names. Nothing is taken in that is not looked at,
 * and nothing is allocated: an entry's text is a part of the changelog's.
 */
#pragma once

#include "base/buffer.h"
#include "base/error.h"
#include "base/string-util.h"

#define CHANGELOG_MAX MiB(64)	/* bytes, unpacked */
#define CHANGELOG_WORD_MAX 255	/* bytes of a package's name or a version */
#define CHANGELOG_CVE_SIZE 32	/* of an id, with the NUL */
#define CHANGELOG_CVE_DIGITS 19 /* of an id's last number: the CVE rules have no more */

struct changelog_entry {
	char source[CHANGELOG_WORD_MAX + 1];
	char version[CHANGELOG_WORD_MAX + 1];
	const char *text; /* from the heading's line on to the next entry; not ended by NUL */
	size_t size;
};

/*
 * Reads the entry that begins at *\*at* of a text that ends at *end* and moves *at* behind it. Returns 1
 * where *ret* was filled, 0 where no further entry comes, or -EBADMSG where other text than empty lines and
 * comments stands before the first heading: the file is no changelog. Behind the first, lines that are
 * neither heading nor change belong to the entry before.
 */
int changelog_next(const char **at, const char *end, struct changelog_entry *ret, struct error **err);

/*
 * The next CVE id ("CVE-2026-12345", in any case) from *\*at* on, in upper case; *at* is moved behind it.
 * False where there is none.
 */
bool changelog_next_cve(const char **at, const char *end, char ret[CHANGELOG_CVE_SIZE]);

/* Appends the ids that an entry names, as often as it does. Returns 0 or -ENOMEM. */
int changelog_collect_cves(const struct changelog_entry *entry, struct strv *ret);

/* Sorts ids by year and number, each once. */
void changelog_sort_cves(struct strv *cves);

/*
 * The ids of what came to a package between version *before* and version *after*, of the changelog of the
 * latter: each once, by year and number. A backport ("1.0-1~deb13u1", "1.0-1~bpo12+1") is made of a higher
 * version (1.0-1), whose entry is part of it.
 *
 * Returns 1; 0 where the changelog ends before it comes to *before*; or what changelog_next() returns.
 */
int changelog_cves_between(const char *text, size_t size, const char *before, const char *after,
	struct strv *ret, struct error **err);

/*
 * Unpacks a changelog as packages have it, compressed with gzip in one or more members, to *ret*. Returns 0;
 * -EBADMSG where it is damaged; -EFBIG where it is larger than CHANGELOG_MAX; -ENOMEM.
 */
int changelog_unpack(const void *data, size_t size, struct buffer *ret, struct error **err);
