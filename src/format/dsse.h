/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Signed statements: Dead Simple Signing Envelope 1.0, a JSON object with a payload, its type, and signatures
 * over both. What is signed is "DSSEv1 TYPE-LENGTH TYPE LENGTH PAYLOAD", lengths in bytes as decimal numbers.
 *
 * A signature is RSA with SHA-256 and PKCS#1 v1.5 padding, so that equal payloads have equal envelopes. Its
 * "keyid" is the SHA-256 of the signer's certificate (DER) in hexadecimal, and "cert" that certificate, PEM:
 * a member of ours, which readers that don't know it pass over (DSSE, envelope.md).
 */
#pragma once

#include "base/buffer.h"
#include "base/error.h"
#include "format/signer.h"

#define DSSE_MAX MiB(64) /* bytes of an envelope */
#define DSSE_IN_TOTO "application/vnd.in-toto+json"

/* Appends an envelope around *payload*, and a newline. Returns 0 or a negative errno with *err* set. */
int dsse_write(const struct signer *signer, const char *type, const void *payload, size_t size,
	struct buffer *ret, struct error **err);

struct dsse {
	char *type;
	struct buffer payload;
	uint8_t *certificate; /* DER, whose key has made the signature */
	size_t certificate_size;
	uint8_t fingerprint[SHA256_SIZE]; /* of it */
	char *subject;			  /* of it, for people: "CN=Orlop db" */
};

void dsse_release(struct dsse *dsse);
#define _cleanup_dsse_ _cleanup_(dsse_release)

/*
 * Reads an envelope and checks its one signature with the certificate that is in it. Whether that is one to
 * trust is the caller's question. Returns 0; -EBADMSG for what is no such envelope; -EKEYREJECTED where the
 * signature is not that of the certificate over this payload; -ENOMEM.
 */
int dsse_read(const void *data, size_t size, struct dsse *ret, struct error **err);
