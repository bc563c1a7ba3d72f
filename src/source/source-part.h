/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the files of source.h have in common: a source from within.
 */
#pragma once

#include "source/fetch.h"
#include "source/release.h"
#include "source/resolve.h"
#include "source/source.h"

#define SUITES_MAX (3 + SOURCE_EXTRAS_MAX)

/* One suite of one archive: "trixie-security" at ".../debian-security". */
struct suite {
	char *name;
	char *archive;		 /* URL */
	char *url;		 /* of the suite's folder */
	struct release *release; /* NULL where the archive has no such suite, which was optional */

	/* Of a further repository, otherwise empty. */
	char *label; /* its name; NULL: one of the archive's suites */
	char *keyring;
	struct strv components, packages;
};

struct source {
	struct cache *cache;
	struct fetch *fetch;
	struct resolver *resolver;
	struct progress *progress;
	char *keyring;
	char *architecture;
	char *mirror, *security; /* URLs of the archives */
	struct strv components;
	bool offline;
	time_t now;
	struct suite suites[SUITES_MAX];
	size_t suite_count;
};

/* Adds a suite without its Release. *archive* is a URL. */
int source_add_suite(struct source *source, const char *name, const char *archive, struct error **err);

/* Gets the Releases of suites[first …]. Those that are *optional* may be missing. */
int source_get_releases(struct source *source, size_t first, bool optional, struct error **err);

/* What the cache holds of *name* is not what is signed for, and nothing else can be had. */
int source_refuse_damaged(const char *name, const char *path, struct error **err);

/* ---- Further repositories (source-extra.c) ---- */

/* Adds those of the options behind the archive's suites, with their Releases unless the packages are known.
 */
int source_add_extras(
	struct source *source, const struct source_options *options, bool locked, struct error **err);

/* Appends the stanzas of the packages that may come from a further repository. -EBADMSG where a stanza can't
 * be read, or could be taken for that of two packages. */
int suite_take_stanzas(
	const struct suite *suite, const struct buffer *text, struct buffer *ret, struct error **err);

/* Whether each package of a further repository is one that may come from there: what was left out can't have
 * come in by another way of reading the same text. -EBADMSG. */
int source_check_taken(const struct source *source, const struct package_list *packages, struct error **err);
