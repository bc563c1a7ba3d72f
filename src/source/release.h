/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Release files of Debian repositories (https://wiki.debian.org/DebianRepository/Format): what a suite holds,
 * and until when that counts.
 */
#pragma once

#include <time.h>

#include "base/error.h"
#include "base/sha256.h"

struct release_file {
	char *path; /* below the suite's folder: "main/binary-amd64/Packages.xz" */
	uint64_t size;
	uint8_t sha256[SHA256_SIZE];
};

struct release {
	char *suite;	/* "stable-updates"; may be NULL, codename then isn't */
	char *codename; /* "trixie-updates" */
	time_t date;
	time_t valid_until;	    /* 0 where the file sets no limit */
	bool by_hash;		    /* files can be had as by-hash/SHA256/DIGEST */
	struct release_file *files; /* sorted by path; none twice */
	size_t file_count;
};

/* Reads a Release file, whose signature the caller has checked. -EBADMSG where it is malformed. */
int release_parse(const char *text, size_t size, struct release **ret, struct error **err);
struct release *release_free(struct release *release);
DEFINE_CLEANUP(struct release *, release_free);
#define _cleanup_release_ _cleanup_(release_freep)

/*
 * Checks that the Release is of the *suite* that was asked for, by suite or codename (-EINVAL), that it has
 * not expired at *now* (-ESTALE) and is not dated in the future by more than a day (-ESTALE).
 */
int release_check(const struct release *release, const char *suite, time_t now, struct error **err);

/* The entry of that path, NULL where there is none. Belongs to the release. */
const struct release_file *release_find(const struct release *release, const char *path);

/*
 * Reads a date such as "Sat, 21 Nov 2026 09:15:44 UTC" (RFC 5322 with the zone that Debian writes: UTC, GMT,
 * Z or +0000). Returns 0 or -EINVAL.
 */
int release_parse_date(const char *text, time_t *ret);
