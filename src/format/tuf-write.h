/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Makes documents of The Update Framework: the members that all have, the keys of a root, and the signatures.
 * What tuf.h reads.
 */
#pragma once

#include "format/tuf-signer.h"
#include "format/tuf.h"

/* A new "signed" object of this type; NULL where memory is out or the time can't be written. */
json_t *tuf_body_new(enum tuf_type type, uint64_t version, int64_t expires);

/* Sets version and expiry of one. Returns 0 or -ENOMEM. */
int tuf_body_update(json_t *body, uint64_t version, int64_t expires);

/* A root without keys: consistent snapshots, every role with the threshold 1. */
json_t *tuf_root_new(uint64_t version, int64_t expires);

/*
 * Lets *signer* sign for a role in a root's body, beside those that may; and takes a key from a role, and
 * from the list of keys where no other role has it. Both return 0 or -ENOMEM.
 */
int tuf_root_add(json_t *body, enum tuf_type role, const struct tuf_signer *signer);
int tuf_root_remove(json_t *body, enum tuf_type role, const char *keyid);

/*
 * How many of a role's keys must sign; 0: as many as before. Returns 0; -EINVAL where it has fewer keys;
 * -ENOMEM.
 */
int tuf_root_set_threshold(json_t *body, enum tuf_type role, uint32_t threshold);

/*
 * Appends the text of the document: *body* with a signature by each of *signers*. Returns 0; -EIO where one
 * does not sign; -ENOMEM.
 */
int tuf_document_write(json_t *body, struct tuf_signer *const *signers, size_t count, struct buffer *ret,
	struct error **err);
