/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A repository of The Update Framework in memory, with a client's kept copies beside it: every document can
 * be changed, signed by anybody and put anywhere, and every fetch, load and store can fail.
 *
 * As it begins, each role is at version 1 and has the one key with the number of its type and 1 (root 1,
 * timestamp 2, snapshot 3, targets 4); snapshots are consistent.
 */
#pragma once

#include <jansson.h>

#include "tuf-signing.h"
#include "update/tuf-client.h"

#define REPOSITORY_NOW INT64_C(1800000000) /* 2027-01-15T08:00:00Z (date -u -d @1800000000) */
#define REPOSITORY_PAST "2027-01-15T08:00:00Z"
#define REPOSITORY_FUTURE "2027-01-15T08:00:01Z"

struct repository {
	json_t *server;		 /* text of each document by its name */
	json_t *kept;		 /* the same of the client's copies */
	json_t *faults;		 /* errno with which a fetch of that name fails, in place of what is there */
	json_t *bodies;		 /* of delegated roles */
	json_t *log;		 /* the names that were fetched */
	json_t *body[TUF_TYPES]; /* what is signed, as it was published last */
	const int *signers[TUF_TYPES];
	char *root;  /* the root that the client trusts to begin with */
	bool hashes; /* timestamp and snapshot say length and digest */
	int64_t now;
	int fail_in; /* the operation of the client that fails, counted from 1; 0: none */
	int count;   /* operations so far */
};

void repository_init(struct repository *repository);
void repository_release(struct repository *repository);
#define _cleanup_repository_ _cleanup_(repository_release)

/* Signs the body by the type's signers and puts it where clients look for that version. */
void repository_put(struct repository *repository, enum tuf_type type);

/* Signs a body and puts it under any name. */
void repository_put_as(struct repository *repository, const char *name, json_t *body, const int *signers);

/* Publishes targets, snapshot and timestamp anew, each with the next version, all in order. */
void repository_publish(struct repository *repository);

/* The same from snapshot on, and for timestamp alone; each lists what is published of the one before. */
void repository_publish_snapshot(struct repository *repository);
void repository_publish_timestamp(struct repository *repository);

/* Publishes the next root: *type* (or with TUF_TYPES none) has these keys and threshold now. */
void repository_publish_root(struct repository *repository, enum tuf_type type, const int *keys,
	int threshold, const int *signers);

/* Has *parent* (a body of targets) trust a role with paths (["…", …]), and publishes *body* as its document.
 */
void repository_delegate(struct repository *repository, json_t *parent, const char *role, const char *paths,
	bool terminating, json_t *body);

/*
 * A body of targets that lists nothing but *path* (NULL: nothing at all), whose content is "content\n". It
 * belongs to the repository.
 */
json_t *repository_targets(struct repository *repository, const char *path);

/* Sets a member of a body to a number or a text. */
void repository_set(json_t *body, const char *name, int64_t value);
void repository_set_text(json_t *body, const char *name, const char *text);
int64_t repository_version(const json_t *body);

/* Version of the copy that was kept under the name; 0: there is none. */
int64_t repository_kept(const struct repository *repository, const char *name);

/* A new client, as after a restart. */
struct tuf_client *repository_client(struct repository *repository);

/* Refreshes a new client. Returns what tuf_client_refresh() does. */
int repository_refresh(struct repository *repository, struct error **err);

/* The names that were fetched since this was called last, with a blank behind each; the caller frees it. */
char *repository_fetched(struct repository *repository);
