/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Keys in tokens, through whatever OpenSSL has that speaks PKCS#11: the provider "pkcs11" (Debian 13), else
 * the engine of that name (Debian 12). Which module stands for the token is theirs to know: p11-kit's
 * configuration, $PKCS11_PROVIDER_MODULE, $PKCS11_MODULE_PATH.
 */
#pragma once

#include <openssl/types.h>

#include "format/tuf-signer.h"

/*
 * Finds the private key that the URI names. Returns 0; -ENOTSUP, -ENOENT as tuf_signer_load(). The caller
 * frees *ret*.
 */
int tuf_token_key(const char *uri, const struct tuf_secret *secret, EVP_PKEY **ret, struct error **err);
