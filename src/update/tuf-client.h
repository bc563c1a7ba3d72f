/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The client of The Update Framework: brings the metadata of a repository up to date, in the order and with
 * the checks of the specification (1.0, section 5, "Detailed client workflow"), and says what is known of a
 * target.
 *
 * Where documents come from and where they are kept is the caller's affair (struct tuf_client_io). What was
 * kept needs no trust: docs/tuf-client.md says what it may and may not do. Trust begins with the root that
 * the caller gives, each time.
 *
 *     r = tuf_client_new(&options, &client, &err);
 *     r = tuf_client_refresh(client, &err);
 *     r = tuf_client_target(client, "releases.json", &info, &err);   // then fetch info.path,
 * tuf_target_check()
 *
 * Errors say which document, which version of it, and what to do. Their codes:
 *
 *     -EKEYREJECTED  not signed by as many of the trusted keys as must sign it
 *     -EKEYEXPIRED   expired: a freeze, a repository that nobody cares for, or a wrong clock
 *     -ESTALE        older than what was trusted before: a rollback
 *     -EBADMSG       malformed, or not the document that the signed one above it speaks of
 *     -EFBIG         longer than it may be
 *     -ENOENT        the server has no such document, or the metadata no such target
 *
 * and what the caller's own functions return.
 */
#pragma once

#include "format/tuf.h"

/* The most bytes of each document, whatever is said of its length elsewhere. */
#define TUF_ROOT_MAX KiB(512)
#define TUF_TIMESTAMP_MAX KiB(64)
#define TUF_SNAPSHOT_MAX MiB(2)
#define TUF_TARGETS_MAX MiB(4)

/* New roots that one refresh fetches; the next one goes on from there. */
#define TUF_ROOTS_MAX 256

/* Delegated roles that are looked at for one target. */
#define TUF_ROLES_MAX 32

struct tuf_client_io {
	/*
	 * Fetches a document from the metadata's base URL: "3.root.json", "timestamp.json",
	 * "7.snapshot.json", "2.some%2Frole.json" (part of a URL as it is). Appends it to *ret*. -EFBIG where
	 * it is longer than *max* bytes; -ENOENT where the server does not have it.
	 */
	int (*fetch)(void *userdata, const char *name, uint64_t max, struct buffer *ret, struct error **err);

	/*
	 * The copy that was kept under the name: "root.json", "3.root.json", "timestamp.json",
	 * "snapshot.json", "targets.json", "some%2Frole.json" (a file name as it is: no "/", not beginning
	 * with "/", at most 255 bytes). -ENOENT where there is none. Any other error also means that it is
	 * fetched anew.
	 */
	int (*load)(void *userdata, const char *name, uint64_t max, struct buffer *ret, struct error **err);

	/* Keeps a copy, so that it is there whole or not at all. With a *size* of 0: forgets it. */
	int (*store)(void *userdata, const char *name, const void *data, size_t size, struct error **err);

	void *userdata;
};

struct tuf_client_options {
	const struct tuf_client_io *io; /* copied; its *userdata* is not */
	const void *root;		/* the root document that is trusted to begin with */
	size_t root_size;
	int64_t now; /* seconds since 1970, for the whole life of the client (5.1) */
};

struct tuf_client;

/* Reads the root that is trusted to begin with; nothing is fetched or loaded. */
int tuf_client_new(const struct tuf_client_options *options, struct tuf_client **ret, struct error **err);
struct tuf_client *tuf_client_free(struct tuf_client *client);
DEFINE_CLEANUP(struct tuf_client *, tuf_client_free);
#define _cleanup_tuf_client_ _cleanup_(tuf_client_freep)

/*
 * Brings root, timestamp, snapshot and targets up to date (5.3 to 5.6). The timestamp is always fetched,
 * other documents where what was kept is not the one that is signed for. What was verified is kept even where
 * a later step fails; nothing else is.
 */
int tuf_client_refresh(struct tuf_client *client, struct error **err);

/* The document that is trusted now; NULL before tuf_client_refresh() has come that far. Root is always there.
 */
const struct tuf_metadata *tuf_client_metadata(const struct tuf_client *client, enum tuf_type type);

/* What the metadata says of a target. */
struct tuf_target_info {
	char *name; /* as it was asked for */
	char *role; /* that lists it */
	char *path; /* below the targets' base URL: "a/DIGEST.b" with consistent snapshots, else the name */
	uint64_t length;
	struct tuf_hashes hashes;
	json_t *custom; /* an object, or NULL */
};

void tuf_target_info_release(struct tuf_target_info *info);
#define _cleanup_tuf_target_info_ _cleanup_(tuf_target_info_release)

/*
 * Looks for a target in the top-level role and then through its delegations, in their order and depth-first
 * (5.6.7), fetching the documents of delegated roles that are needed. Only after a successful refresh.
 * -ENOENT where no role that is trusted with the path lists it.
 */
int tuf_client_target(
	struct tuf_client *client, const char *name, struct tuf_target_info *ret, struct error **err);

/* Checks length and digests (5.7.3). Returns 0, -EBADMSG or -ENOTSUP (no digest of a known algorithm). */
int tuf_target_check(const struct tuf_target_info *info, const void *data, size_t size, struct error **err);

/*
 * A role's or target's name as part of a URL or as the name of a file: all but letters, digits and "_.-~" as
 * %XX. malloc()ed, NULL where memory is out.
 */
char *tuf_name_encode(const char *name);
