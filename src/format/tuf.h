/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Metadata of The Update Framework: root, timestamp, snapshot and targets documents, read and checked one by
 * one. How they depend on each other is the client's business (update/tuf-client.h).
 *
 * Format: TUF specification 1.0, section 4; docs/formats/tuf.md. A document that was read is well-formed, and
 * nothing more: who signed it is known after tuf_verify(). Members that the specification doesn't name are
 * allowed everywhere, and are part of what is signed.
 */
#pragma once

#include "base/buffer.h"
#include "format/tuf-hash.h"
#include "format/tuf-key.h"

enum tuf_type { TUF_ROOT, TUF_TIMESTAMP, TUF_SNAPSHOT, TUF_TARGETS, TUF_TYPES };

/* "root", "timestamp", "snapshot", "targets" */
const char *tuf_type_name(enum tuf_type type);

/* The type of that name, TUF_TYPES where there is none. */
enum tuf_type tuf_type_of_name(const char *name);

struct tuf_keys {
	struct tuf_key *items;
	size_t count;
};

/* Who may sign a document, and how many of them must. */
struct tuf_role {
	const char **keyids;
	size_t count;
	uint64_t threshold; /* at least 1 */
};

/* What timestamp and snapshot say of another document. */
struct tuf_meta {
	const char *name; /* "targets.json" */
	uint64_t version;
	bool has_length;
	uint64_t length;
	bool has_hashes;
	struct tuf_hashes hashes;
};

struct tuf_target {
	const char *name; /* its path below the targets' base URL */
	uint64_t length;
	struct tuf_hashes hashes;
	const json_t *custom; /* an object, or NULL */
};

/* Another role that is trusted with the targets whose paths match. */
struct tuf_delegation {
	const char *name;
	struct tuf_role role;
	bool terminating;
	const char **paths; /* patterns */
	size_t path_count;
	const char **prefixes; /* of the hexadecimal SHA-256 of a path */
	size_t prefix_count;
};

struct tuf_metadata {
	enum tuf_type type;
	uint64_t version; /* at least 1 */
	int64_t expires;  /* seconds since 1970 */

	/* root */
	bool consistent_snapshot;
	struct tuf_role roles[TUF_TYPES];

	/* root and targets: the keys that its roles or delegations refer to */
	struct tuf_keys keys;

	/* timestamp (only "snapshot.json") and snapshot, in the order of their names */
	struct tuf_meta *metas;
	size_t meta_count;

	/* targets, in the order of their names; delegations in that of the document */
	struct tuf_target *targets;
	size_t target_count;
	struct tuf_delegation *delegations;
	size_t delegation_count;

	json_t *document;	    /* all of it; the strings above belong to it */
	struct buffer signed_bytes; /* what signatures are over */
};

void tuf_metadata_release(struct tuf_metadata *metadata);
#define _cleanup_tuf_metadata_ _cleanup_(tuf_metadata_release)

/*
 * Reads a document, which must be of *type*. Returns 0; -EBADMSG where it is not such a document, with *err*
 * naming the member that is missing or wrong; -ENOMEM.
 */
int tuf_metadata_parse(
	const void *data, size_t size, enum tuf_type type, struct tuf_metadata *ret, struct error **err);

/*
 * Checks that enough keys of *role*, found in *keys* by their ids, have signed. Keys are counted once however
 * often and under however many ids they signed. Returns 0, or -EKEYREJECTED with *err* saying how many
 * signed.
 */
int tuf_verify(const struct tuf_metadata *metadata, const struct tuf_keys *keys, const struct tuf_role *role,
	struct error **err);

/* What is listed under *name*; NULL where nothing is. */
const struct tuf_meta *tuf_find_meta(const struct tuf_metadata *metadata, const char *name);
const struct tuf_target *tuf_find_target(const struct tuf_metadata *metadata, const char *name);

/* True where the delegated role is trusted with the target of this path. */
bool tuf_delegation_matches(const struct tuf_delegation *delegation, const char *path);

/* "2030-01-01T00:00:00Z" to seconds since 1970, and back. The first returns 0 or -EINVAL. */
#define TUF_TIME_SIZE 21 /* with the NUL */
int tuf_time_parse(const char *text, int64_t *ret);
int tuf_time_format(int64_t time, char ret[TUF_TIME_SIZE]);
