/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Somebody who publishes releases into a repository, and what is served of it: the repository itself, or what
 * an attacker makes of it who has the server and some old keys.
 */
#pragma once

#include "format/tuf.h"
#include "release-pool.h"
#include "release/publish.h"

/* What a commit has made known. */
struct publication {
	uint64_t versions[TUF_TYPES];
	int64_t expires;	    /* when the first role does */
	unsigned listed, withdrawn; /* releases of the pool, a bit each */
	size_t floor;		    /* the lowest that is allowed */
};

struct publisher {
	const struct release_pool *pool;
	char *folder, *repository, *keys, *attacked, *served;
	struct publication *log; /* one for each commit; the last one is what holds */
	size_t count;
	struct publisher_release {
		uint8_t *signature; /* of the root hash */
		size_t signature_size;
		struct buffer root; /* the root of trust that the release's image has */
	} releases[POOL_RELEASES];
};

/* Begins with the first release of the pool, below *folder*, with a copy of the release keys in *keys*. */
void publisher_init(struct publisher *publisher, const struct release_pool *pool, const char *folder,
	const char *keys, int64_t now);
void publisher_release(struct publisher *publisher);

const struct publication *publisher_now(const struct publisher *publisher);

/* What was known with this version of the targets; NULL: it was never published. */
const struct publication *publisher_find(const struct publisher *publisher, uint64_t targets);

/* What a publisher does, by the code that `orlop publish` and `orlop keys rotate` call. */
void publisher_publish(struct publisher *publisher, size_t release, unsigned patches, int64_t now);

/* The same by a process that is killed after so many microseconds. Returns whether the repository is as it
 * was, for whoever looks at it; otherwise publisher_publish() takes note of what was published. */
bool publisher_publish_killed(
	struct publisher *publisher, size_t release, unsigned patches, int64_t now, unsigned us);
void publisher_change(
	struct publisher *publisher, enum publish_change_kind kind, size_t release, int64_t now);
void publisher_refresh(struct publisher *publisher, int64_t now);
void publisher_rotate(struct publisher *publisher, enum tuf_type role, int64_t now);

/* The document of a type and version as it was signed; the caller decrefs it. NULL: there never was one. */
json_t *publisher_document(const struct publisher *publisher, enum tuf_type type, uint64_t version);

/* ---- What is served: *served*, a link ---- */

enum attack {
	ATTACK_NONE,
	ATTACK_OLD_TIMESTAMP,	  /* an old timestamp, with all roots */
	ATTACK_OLD_ALL,		  /* all as it was once */
	ATTACK_STRANGER,	  /* the next of all documents, by keys of the attacker's own */
	ATTACK_OLD_ROOT_KEY,	  /* the same, with a root that a key has signed which was root's once */
	ATTACK_OLD_TIMESTAMP_KEY, /* the next timestamp, signed by a key that was the timestamp's once */
	ATTACK_UNSIGNED,	  /* the next timestamp, with the signatures of this one */
	ATTACK_DAMAGED_METADATA,
	ATTACK_DAMAGED_TARGET,
	ATTACK_SWAPPED_TARGET, /* a file of one release in the place of another's */
	ATTACK_KINDS,
};

/* Returns what was done, for people; NULL where this can't be done as things are, and nothing was. */
const char *publisher_serve(struct publisher *publisher, enum attack attack, uint64_t *seed);
