/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Packages from the Debian repositories of one suite: opened, resolved, fetched.
 *
 *     source_open(&options, &source, &err);                    // signed metadata, verified
 *     source_resolve(source, names, absent, &packages, &err);  // names -> packages
 *     source_fetch(source, &packages, &err);                   // packages -> files in the cache
 *     source_close(source);
 *
 * Trust begins at the keyring: InRelease is verified with gpgv, names the indexes by SHA-256, which name the
 * packages by SHA-256. Metadata that is unsigned, wrongly signed, expired, from the future or of another
 * suite is refused. For a stable suite S the suites S-updates and S-security are used as well, and of a
 * package that several suites have, the newest version is taken.
 *
 * Further repositories (struct source_extra) are signed by keys of their own and give the packages alone that
 * are named with them: a key that is trusted for one agent can't bring another C library.
 */
#pragma once

#include <time.h>

#include "base/error.h"
#include "base/progress.h"
#include "base/string-util.h"
#include "source/package.h"

/* A repository beside Debian's archive, with keys of its own. */
struct source_extra {
	const char *name; /* what its packages have for a suite; not that of one of the archive's suites */
	const char *url;
	const char *suite;
	const char *const *components; /* ended by NULL; NULL: main */
	const char *keyring;	       /* OpenPGP keyring, binary or in ASCII armour */
	const char *const *packages;   /* names, or patterns of them (glob.h), ended by NULL */
};

#define SOURCE_EXTRAS_MAX 16

struct source_options {
	const char *mirror;	     /* URL of the archive; NULL: the one that the host's apt uses */
	const char *security_mirror; /* URL of the security archive, or "none"; NULL: apt's, else mirror +
					"-security" */
	const char *keyring;	     /* OpenPGP keyring; NULL: the one of the host's debian-archive-keyring */
	const char *suite;	     /* suite or codename: "trixie" */
	const char *architecture;    /* "amd64" or "arm64" */
	const char *const *components; /* ended by NULL; NULL: main */
	const struct source_extra *extras;
	size_t extra_count;	   /* at most SOURCE_EXTRAS_MAX */
	const char *cache;	   /* folder of the package cache, made where it is missing */
	const char *apt;	   /* folder of the host's apt configuration; NULL: /etc/apt */
	bool offline;		   /* use what the cache holds and no network */
	time_t now;		   /* what the validity of metadata is checked against */
	struct progress *progress; /* NULL: tell nobody */
};

struct source;

/* Fetches and verifies the metadata. Strings in *options* are copied; *options->progress* must outlive the
 * source. What is wrong with a further repository is about its name (error_about()). */
int source_open(const struct source_options *options, struct source **ret, struct error **err);

/* The same for packages that are known, from a lock (lock.h): no metadata is read, and nothing can be
 * resolved. */
int source_open_locked(const struct source_options *options, struct source **ret, struct error **err);
struct source *source_close(struct source *source);
DEFINE_CLEANUP(struct source *, source_close);
#define _cleanup_source_ _cleanup_(source_closep)

/*
 * Finds the smallest closed set for *names*: each name ("bash", or "bash=5.2.37-2" for that version alone)
 * with all that it depends on, without Recommends and without what is merely essential. *absent* (may be
 * NULL) names packages that count as installed in every version, with all that they provide, and are never
 * part of the result. *ret_idle* (may be NULL) gets those of them that no package of the result asks for,
 * alone or as one of several.
 *
 * Fails with -ENOENT where a name is unknown, about which the error then is (error_about()), and with -ENOPKG
 * where no set exists; *err* says which package wants what. The caller releases *ret*.
 */
int source_resolve(struct source *source, const struct strv *names, const struct strv *absent,
	struct package_list *ret, struct strv *ret_idle, struct error **err);

/*
 * Sets the path of each package to its file in the cache, after fetching those that the cache lacks or holds
 * damaged, from its URL; where it has none, from the archive that its suite belongs to. Size and SHA-256 of
 * every file were verified in this call. -ENOENT where a server does not have one.
 */
int source_fetch(struct source *source, struct package_list *packages, struct error **err);
