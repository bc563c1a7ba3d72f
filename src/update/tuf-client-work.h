/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the files of the TUF client share: its state, and the steps that are the same for every document.
 */
#pragma once

#include "update/tuf-client.h"

struct tuf_client {
	struct tuf_client_io io;
	int64_t now;
	struct buffer root; /* the bytes of the trusted root */
	/* What is trusted, by type; a document whose version is 0 is not there. */
	struct tuf_metadata trusted[TUF_TYPES];
};

/* Which document is wanted. */
struct tuf_order {
	const char *name;   /* under which it is kept */
	const char *remote; /* under which the server has it */
	enum tuf_type type;
	uint64_t max;		     /* bytes */
	const struct tuf_meta *meta; /* what is signed of it elsewhere; NULL: nothing */
	const struct tuf_keys *keys; /* who signs it */
	const struct tuf_role *role;
};

/* A document on trial: its bytes, and what was read of them. */
struct tuf_draft {
	struct buffer data;
	struct tuf_metadata metadata;
};

void tuf_draft_release(struct tuf_draft *draft);
#define _cleanup_tuf_draft_ _cleanup_(tuf_draft_release)

/*
 * Loads the copy that was kept. Returns 1 where it is there and signed as the order wants; 0 where it is of
 * no use; -ENOMEM. Nothing else of it is checked.
 */
int tuf_draft_load(const struct tuf_client *client, const struct tuf_order *order, struct tuf_draft *ret);

/* Fetches a document and checks, in this order: length and digests, form, signatures, version. */
int tuf_draft_fetch(const struct tuf_client *client, const struct tuf_order *order, struct tuf_draft *ret,
	struct error **err);

/* True where the document is the one that *order->meta* speaks of. */
bool tuf_draft_is_current(const struct tuf_draft *draft, const struct tuf_order *order);

/* Keeps the document, and moves it into *ret*. */
int tuf_draft_adopt(const struct tuf_client *client, const struct tuf_order *order, struct tuf_draft *draft,
	struct tuf_metadata *ret, struct error **err);

/* Moves the document into *ret*. */
void tuf_draft_take(struct tuf_draft *draft, struct tuf_metadata *ret);

/* Keeps the bytes under this name; NULL: forgets what was kept. */
int tuf_client_store(
	const struct tuf_client *client, const char *name, const struct buffer *data, struct error **err);

/* -EKEYEXPIRED where it expired before the refresh began. */
int tuf_check_expiry(const struct tuf_client *client, const char *name, const struct tuf_metadata *metadata,
	struct error **err);

/*
 * Gets the document of a role that lists targets, as the trusted snapshot speaks of it (5.6.1 to 5.6.6): the
 * copy that was kept where that is the one, else the server's.
 */
int tuf_client_get_targets(const struct tuf_client *client, const char *name, const struct tuf_keys *keys,
	const struct tuf_role *role, struct tuf_metadata *ret, struct error **err);
