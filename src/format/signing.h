/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The signatures of a build, as a list: every one is asked for by a name, and comes from a key that is at
 * hand, or from somebody who has made it elsewhere, or is still to be made.
 *
 *     r = signing_request(&list, keys->db, "kernel-image", "the kernel image", &signer, err);
 *     r = authenticode_sign(signer, data, size, &image, err);
 *
 * What is signed does not depend on where the signature comes from. One that is still to be made has zeros in
 * its place, as many as it is long, so that everything but the signature itself is as it will be.
 */
#pragma once

#include "format/signer.h"

#define SIGNING_NAME_MAX 32 /* lower-case letters, digits and "-"; not more bytes than this */

/* One signature. */
struct signing_item {
	char *name;
	char *about;		 /* what it is for, for people */
	const struct signer *by; /* whose it is */
	struct buffer data;	 /* what the key signs the SHA-256 of; empty until it was asked for */
	struct buffer signature; /* empty: still to be made */
	struct signer *asking;
};

struct signing {
	struct signing_item *
		*items; /* in the order that they were asked for; behind them, what was given only */
	size_t count, asked;
};

void signing_release(struct signing *list);
#define _cleanup_signing_ _cleanup_(signing_release)

bool signing_name_is_valid(const char *name);

/*
 * Gives the signature *name* before it is asked for, copied. It is looked at when what it signs is known.
 * Returns 0 or -ENOMEM.
 */
int signing_give(
	struct signing *list, const char *name, const void *signature, size_t size, struct error **err);

/*
 * The signer to be used for the signature *name*, which may be asked for once; it belongs to the list, as
 * *by* must outlive it. Where a signature was given that is not *by*'s over the data, signing then fails with
 * -EKEYREJECTED. Returns 0; -EEXIST where the name was asked for already; -ENOMEM.
 */
int signing_request(struct signing *list, const struct signer *by, const char *name, const char *about,
	const struct signer **ret, struct error **err);

/* The first item that is still to be made, from *from* on; NULL where there is none. */
const struct signing_item *signing_missing(const struct signing *list, size_t *from);

const struct signing_item *signing_find(const struct signing *list, const char *name);
