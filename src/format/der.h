/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Distinguished Encoding Rules (ITU-T X.690): a writer for the few structures that signatures are made of,
 * and a bounded reader for taking them apart again.
 */
#pragma once

#include "base/buffer.h"

enum der_tag {
	DER_INTEGER = 0x02,
	DER_BIT_STRING = 0x03,
	DER_OCTET_STRING = 0x04,
	DER_NULL = 0x05,
	DER_OID = 0x06,
	DER_SEQUENCE = 0x30,
	DER_SET = 0x31,
};

/* The tag [number] of a context, constructed or primitive. */
#define DER_CONTEXT(number) ((uint8_t)(0xa0 | (number)))
#define DER_CONTEXT_PRIMITIVE(number) ((uint8_t)(0x80 | (number)))

/* A complete object identifier: tag, length and content. */
struct der_oid {
	const uint8_t *data;
	size_t size;
};

/* Appends a whole element. */
void der_append(struct buffer *buffer, uint8_t tag, const void *content, size_t size);

/*
 * Opens an element whose content is appended next; der_end() is given what der_begin() returned, and puts the
 * tag and the length before that content.
 */
size_t der_begin(const struct buffer *buffer);
void der_end(struct buffer *buffer, size_t begin, uint8_t tag);

/* Bytes that are being read; the reader moves *data* on. */
struct der_reader {
	const uint8_t *data;
	size_t size;
};

/*
 * Takes the next element, which must have the tag *tag* (one byte) and a definite length: *content is what it
 * holds. Returns 0, or -EBADMSG where there is none, it has another tag, or it is longer than what is left.
 */
int der_read(struct der_reader *reader, uint8_t tag, struct der_reader *ret_content);

/* The same for an object identifier that must be *oid*. */
int der_read_oid(struct der_reader *reader, const struct der_oid *oid);
