/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * OpenPGP signatures, checked by gpgv(1).
 */
#pragma once

#include "base/buffer.h"
#include "base/error.h"

/*
 * Verifies a clear-signed text (RFC 9580, section 7) against the keys of the file *keyring*, binary or in
 * ASCII armour, and appends to *ret* what was signed, as gpgv itself hands it out: nothing outside the
 * signature can come in.
 *
 * Accepts a text that carries at least one good signature with SHA-256 or better, by a key that is neither
 * expired nor revoked, and no bad one; signatures by keys that the keyring lacks do not count. Fails with
 * -EBADMSG (unsigned, altered, or *keyring* holds no keys), -ENOKEY (no signature by a key of the keyring;
 * *err* names the key ids) or -EKEYEXPIRED.
 */
int signature_verify(
	const void *text, size_t size, const char *keyring, struct buffer *ret, struct error **err);
