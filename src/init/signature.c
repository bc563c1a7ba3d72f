/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "init/signature.h"

#include <errno.h>
#include <string.h>

#include "base/encoding.h"
#include "base/string-util.h"

struct reader {
	const char *at, *end;
};

void verity_signature_release(struct verity_signature *signature)
{
	free(signature->root_hash);
	buffer_release(&signature->message);
	*signature = (struct verity_signature){};
}

static void skip_space(struct reader *reader)
{
	while (reader->at < reader->end && *reader->at && strchr(" \t\r\n", *reader->at))
		reader->at++;
}

/* Takes the character *c*, white space before it aside. */
static bool take(struct reader *reader, char c)
{
	skip_space(reader);
	if (reader->at == reader->end || *reader->at != c)
		return false;
	reader->at++;
	return true;
}

/*
 * Takes a string. Of the escapes only those that stand for themselves (\" \\ \/) are known: digits and Base64
 * need no other. Returns NULL where there is no string, or memory is out.
 */
static char *take_string(struct reader *reader)
{
	_cleanup_buffer_ struct buffer text = {};

	if (!take(reader, '"'))
		return NULL;
	for (; reader->at < reader->end && *reader->at != '"'; reader->at++) {
		if ((unsigned char)*reader->at < ' ')
			return NULL;
		if (*reader->at == '\\') {
			reader->at++;
			if (reader->at == reader->end || !*reader->at || !strchr("\"\\/", *reader->at))
				return NULL;
		}
		buffer_append(&text, reader->at, 1);
	}
	if (!take(reader, '"'))
		return NULL;
	return buffer_take(&text, NULL);
}

/* Takes `"key": "value"`. */
static int take_member(struct reader *reader, struct verity_signature *signature)
{
	_cleanup_free_ char *key = take_string(reader), *value = NULL;

	if (!key || !take(reader, ':'))
		return -EBADMSG;
	value = take_string(reader);
	if (!value)
		return -EBADMSG;
	if (streq(key, "rootHash")) {
		if (signature->root_hash)
			return -EBADMSG;
		signature->root_hash = TAKE_PTR(value);
	} else if (streq(key, "signature")) {
		if (signature->message.size > 0)
			return -EBADMSG;
		return base64_decode(value, strlen(value), &signature->message) < 0 ? -EBADMSG : 0;
	}
	return 0;
}

static int take_object(struct reader *reader, struct verity_signature *signature)
{
	if (!take(reader, '{'))
		return -EBADMSG;
	do {
		int r = take_member(reader, signature);

		if (r < 0)
			return r;
	} while (take(reader, ','));
	if (!take(reader, '}'))
		return -EBADMSG;
	skip_space(reader);
	while (reader->at < reader->end)
		if (*reader->at++)
			return -EBADMSG;
	return 0;
}

int verity_signature_parse(const char *data, size_t size, struct verity_signature *ret, struct error **err)
{
	_cleanup_verity_signature_ struct verity_signature signature = {};
	struct reader reader = {.at = data, .end = data + size};

	if (take_object(&reader, &signature) < 0)
		return error_set(err, -EBADMSG, "not a verity signature: wrong at byte %zu",
			(size_t)(reader.at - data));
	if (!signature.root_hash || signature.message.size == 0)
		return error_set(err, -EBADMSG, "not a verity signature: no %s in it",
			signature.root_hash ? "signature" : "rootHash");
	*ret = signature;
	signature = (struct verity_signature){};
	return 0;
}
