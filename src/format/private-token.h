/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Keys in tokens, through whatever OpenSSL has that speaks PKCS#11: the provider "pkcs11" (Debian 13), else
 * the engine of that name (Debian 12). Which module stands for the token is theirs to know: p11-kit's
 * configuration, $PKCS11_PROVIDER_MODULE, $PKCS11_MODULE_PATH.
 */
#pragma once

#include "format/private-key.h"

/* How much of a URI may be shown: what comes behind may be the PIN (RFC 7512, 2.4: "pin-value"). malloc()ed.
 */
char *private_token_name(const char *uri);

/*
 * Finds the private key that the URI names; *name* is private_token_name() of it. Returns 0; -ENOTSUP,
 * -ENOENT, -EKEYREJECTED as private_key_load(). The caller frees *ret*.
 */
int private_token_key(const char *uri, const char *name, const struct key_secret *secret, EVP_PKEY **ret,
	struct error **err);
