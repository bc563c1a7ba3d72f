/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Puts a new key in db's place: the one that signs what starts (build/keys.h).
 *
 *     db.key.new db.crt.new   one that is about to sign; its certificate is enrolled already
 *     db.key.N db.crt.N       one that has signed before; its certificate stays enrolled
 *
 * Machines must trust the new certificate before anything comes that only it has signed, and the old one for
 * as long as something starts that only the old one has. So the new pair may be made first, and the old
 * certificate stays until somebody removes it. Wherever a change stops, a build either signs with a whole
 * pair or says that there is none; the next call goes on.
 */
#pragma once

#include "build/keys.h"

struct db_rotation {
	const char *keys;	/* folder */
	bool enrol;		/* only make the new pair */
	const char *new_key;	/* a file or URI to take in place of making a key; NULL: make one */
	const char *passphrase; /* that a key which is made is encrypted with; NULL: none */
	const struct key_secret *secret;
	int64_t now; /* seconds since 1970: begins the certificate's validity */
};

/*
 * Does it. *ret_kept* is N, 0 where the new pair was only made. Returns 0; -EEXIST where *new_key* is another
 * key than the one that waits, or is the one that signs; as signer_load(), and the errors of writing.
 */
int rotate_db(const struct db_rotation *rotation, unsigned *ret_kept, struct error **err);
