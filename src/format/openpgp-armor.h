/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * OpenPGP keys in ASCII armour (RFC 9580, section 6.2), which people pass on as .asc files, and what a file
 * of keys begins with.
 */
#pragma once

#include "base/buffer.h"
#include "base/error.h"

enum openpgp_keys {
	OPENPGP_KEYS_NONE,    /* something else */
	OPENPGP_KEYS_BINARY,  /* packets, the first of which is a public key, or GnuPG's keybox */
	OPENPGP_KEYS_ARMORED, /* has a line that begins a public key block */
};

/* What kind of file of public keys *data* looks like. */
enum openpgp_keys openpgp_keys_kind(const void *data, size_t size);

/*
 * Appends to *ret* the packets of all public key blocks in *text*, one behind the other, as gpg(1) takes
 * them; text around the blocks is passed over. The checksum is optional and doesn't count: RFC 9580,
 * section 6.1, forbids to refuse a block for it.
 *
 * Returns 0; -EBADMSG with *err* naming the line where there is no block, or one is damaged.
 */
int openpgp_dearmor(const char *text, size_t size, struct buffer *ret, struct error **err);
