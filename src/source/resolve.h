/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which packages belong together: the dependencies of Debian packages, solved by libsolv.
 *
 * A resolver holds the Packages indexes of one architecture, from as many suites as are added. Parsing an
 * index of 70,000 packages takes seconds; resolver_save() and resolver_load() keep the parsed form, which
 * loads in a tenth of that.
 */
#pragma once

#include "base/buffer.h"
#include "base/error.h"
#include "base/string-util.h"
#include "source/package.h"

struct resolver;

struct resolver_index {
	const char *suite;     /* codename: "trixie-updates" */
	const char *component; /* "main" */
	const char *archive;   /* URL that the names of files are relative to */
	const uint8_t *sha256; /* of the index, which its parsed form is bound to */
};

/* *architecture* is Debian's name: "amd64". */
int resolver_new(const char *architecture, struct resolver **ret, struct error **err);
struct resolver *resolver_free(struct resolver *resolver);
DEFINE_CLEANUP(struct resolver *, resolver_free);
#define _cleanup_resolver_ _cleanup_(resolver_freep)

/*
 * Adds a Packages index (deb822(5) stanzas of binary packages), which the caller has verified. *parsed* (may
 * be NULL) gets its parsed form appended, for resolver_load().
 */
int resolver_add(struct resolver *resolver, const struct resolver_index *index, const void *text, size_t size,
	struct buffer *parsed, struct error **err);

/*
 * Adds an index from its parsed form. -EBADMSG where that is damaged, of another index, or of another version
 * of libsolv.
 */
int resolver_load(struct resolver *resolver, const struct resolver_index *index, const void *parsed,
	size_t size, struct error **err);

/* Names the version of the parsed form: of libsolv and of what we keep in it. For names of cache files. */
const char *resolver_version(void);

/* See source_resolve(). */
int resolver_run(struct resolver *resolver, const struct strv *names, const struct strv *absent,
	struct package_list *ret, struct strv *ret_idle, struct error **err);
