/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the files of signers share.
 */
#pragma once

#include <openssl/types.h>

#include "format/signer.h"

/* A certificate in PEM, malloc()ed; NULL where memory is out. */
char *signer_pem_of(X509 *certificate);

/* Whether firmware can use keys of this kind and size: 0, or -EKEYREJECTED. *key* may be NULL. */
int signer_check_kind(const char *name, const EVP_PKEY *key, struct error **err);
