/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A Debian repository for tests: made in a temporary folder with the tools that archives use (gpg, xz, gzip),
 * with throw-away keys, and signed like a real one.
 */
#pragma once

#include <time.h>

#include "base/string-util.h"

struct repository {
	char folder[64]; /* of all of it; "archive" in it is what a server serves */
	char *archive;
	char *keyring; /* with the key "archive" alone */
};

/* One suite to be published: as dists/NAME below archive/FOLDER. */
struct repository_suite {
	const char *folder; /* "debian" */
	const char *name;   /* "trixie" */
	const char *suite;  /* its field Suite: "stable" */
	const char *codename;
	time_t date, valid_until; /* 0: no Valid-Until */
	const char *signer;	  /* "archive", "other", "expired"; "": not signed */
	bool no_xz, no_by_hash;
	const char *packages; /* of the index main/binary-amd64 */
};

/* Makes the folder and the keys "archive" and "other". Fails the test where it can't. */
void repository_init(struct repository *repository);
void repository_release(struct repository *repository);

/* Writes indexes, Release and InRelease of a suite; what was there before is replaced, by-hash files stay. */
void repository_publish(const struct repository *repository, const struct repository_suite *suite);

/*
 * Writes a file "pool/NAME_VERSION_amd64.deb" of *size* bytes below archive/FOLDER, and appends its stanza to
 * *packages*, with the lines *fields* ("Depends: b\n") added.
 */
void repository_add_package(const struct repository *repository, const char *folder, const char *name,
	const char *version, size_t size, const char *fields, struct strv *packages);

/* Signs *text* inline with a key, as malloc()ed text. */
char *repository_sign(const struct repository *repository, const char *signer, const char *text);

/* Runs a program and fails the test where it fails. Its output is returned, to be freed. */
char *run_program(const char *const *arguments);
