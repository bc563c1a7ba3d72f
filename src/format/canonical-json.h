/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Canonical JSON, the one text that a JSON value has where it is signed or hashed: no white space, the
 * members of an object in the order of their names' bytes, integers only, and no escapes in strings but \"
 * and \\.
 *
 * Format: OLPC, "Canonical JSON", as The Update Framework refers to it (specification 1.0, section 4.1).
 * Control characters stand for themselves, so the text is not always JSON: it is made to be signed, never to
 * be read.
 */
#pragma once

#include <jansson.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/sha256.h"

/* Appends the text to *ret*. Returns 0; -EBADMSG where the value holds a number that is no integer; -ENOMEM.
 */
int canonical_json_write(const json_t *value, struct buffer *ret, struct error **err);

/* The SHA-256 of the text. */
int canonical_json_digest(const json_t *value, uint8_t ret[SHA256_SIZE], struct error **err);

static inline void json_releasep(json_t **json)
{
	json_decref(*json);
}
#define _cleanup_json_ _cleanup_(json_releasep)
