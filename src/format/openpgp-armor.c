/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/openpgp-armor.h"

#include <errno.h>
#include <string.h>

#include "base/encoding.h"

#define BEGIN "-----BEGIN PGP PUBLIC KEY BLOCK-----"
#define END "-----END PGP PUBLIC KEY BLOCK-----"

/* A text taken line by line; a line's white space at its end does not count. */
struct lines {
	const char *at, *end;
	const char *line;
	size_t length; /* of the line */
	unsigned number;
};

static bool next_line(struct lines *lines)
{
	const char *newline;

	if (lines->at == lines->end)
		return false;
	newline = memchr(lines->at, '\n', (size_t)(lines->end - lines->at));
	lines->line = lines->at;
	lines->length = (size_t)((newline ? newline : lines->end) - lines->at);
	lines->at = newline ? newline + 1 : lines->end;
	lines->number++;
	while (lines->length > 0 && memchr(" \t\r", lines->line[lines->length - 1], 3))
		lines->length--;
	return true;
}

static bool is_line(const struct lines *lines, const char *text)
{
	return lines->length == strlen(text) && memcmp(lines->line, text, lines->length) == 0;
}

static bool find_block(struct lines *lines)
{
	while (next_line(lines))
		if (is_line(lines, BEGIN))
			return true;
	return false;
}

/* Collects a block's Base64 from behind its first line: headers, an empty line, Base64, "=" and a checksum.
 */
static int collect(struct lines *lines, struct buffer *ret, struct error **err)
{
	bool checksum = false;

	do {
		if (!next_line(lines))
			return error_set(
				err, -EBADMSG, "line %u: a public key block does not end", lines->number);
	} while (lines->length > 0 && memmem(lines->line, lines->length, ": ", 2));
	/* Without headers some leave the empty line out. */
	for (bool first = true; !is_line(lines, END); first = false) {
		if (!(first && lines->length == 0)) {
			if (checksum || lines->length == 0)
				return error_set(err, -EBADMSG, "line %u: a public key block is damaged",
					lines->number);
			checksum = lines->line[0] == '=' && lines->length == 5;
			if (!checksum)
				buffer_append(ret, lines->line, lines->length);
		}
		if (!next_line(lines))
			return error_set(
				err, -EBADMSG, "line %u: a public key block does not end", lines->number);
	}
	return buffer_failed(ret) ? error_set_errno(err, -ENOMEM, "public key block") : 0;
}

int openpgp_dearmor(const char *text, size_t size, struct buffer *ret, struct error **err)
{
	struct lines lines = {.at = text, .end = text + size};
	unsigned blocks = 0;

	for (; find_block(&lines); blocks++) {
		_cleanup_buffer_ struct buffer base64 = {};
		unsigned begun = lines.number;
		int r = collect(&lines, &base64, err);

		if (r < 0)
			return r;
		r = base64.size > 0 ? base64_decode((const char *)base64.data, base64.size, ret) : -EINVAL;
		if (r == -EINVAL)
			return error_set(
				err, -EBADMSG, "line %u: a public key block holds no valid Base64", begun);
		if (r < 0)
			return error_set_errno(err, r, "public key block");
	}
	return blocks > 0 ? 0 : error_set(err, -EBADMSG, "line 1: there is no public key block");
}

/* RFC 9580, section 4.2: the tag of a packet in both formats; 6 is a public key, 10 a marker. */
static bool is_key_packet(uint8_t first)
{
	unsigned tag = first & 0x40 ? first & 0x3f : (first >> 2) & 0xf;

	return first & 0x80 && (tag == 6 || tag == 10);
}

enum openpgp_keys openpgp_keys_kind(const void *data, size_t size)
{
	const uint8_t *bytes = data;
	struct lines lines = {.at = data, .end = (const char *)data + size};

	/* GnuPG: kbx/keybox-blob.c, the first blob's magic. */
	if (size >= 12 && memcmp(bytes + 8, "KBXf", 4) == 0)
		return OPENPGP_KEYS_BINARY;
	if (size > 0 && is_key_packet(bytes[0]))
		return OPENPGP_KEYS_BINARY;
	return size > 0 && find_block(&lines) ? OPENPGP_KEYS_ARMORED : OPENPGP_KEYS_NONE;
}
