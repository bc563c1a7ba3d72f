/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The fields of Debian control data (deb822(5)): Release files and apt's .sources files.
 *
 * Reads a text that stays where it is: names and values are parts of it, without NUL behind them. Stanzas are
 * parted by empty lines, lines that begin with "#" are comments, and a line that begins with a space or a tab
 * goes on with the field above.
 */
#pragma once

#include "base/error.h"

struct deb822 {
	const char *at, *end;
	unsigned line; /* of *at*, counted from 1 */
	bool inside;   /* a stanza */
};

struct deb822_field {
	const char *name;
	size_t name_size;
	const char *value; /* with the line breaks and blanks of continued lines; no blanks at either end */
	size_t value_size;
	unsigned line;
};

enum deb822_event {
	DEB822_END,    /* of the text */
	DEB822_STANZA, /* the stanza whose fields came before has ended */
	DEB822_FIELD,
};

static inline struct deb822 deb822_of(const char *text, size_t size)
{
	return (struct deb822){.at = text, .end = text + size, .line = 1};
}

/*
 * Reads on. Returns an event (*ret* is set for DEB822_FIELD alone), or -EBADMSG with the line named in *err*
 * where a line is neither field, continuation, comment nor empty. Every stanza, the last one too, ends with
 * DEB822_STANZA.
 */
int deb822_next(struct deb822 *reader, struct deb822_field *ret, struct error **err);

/* Names are compared without regard to case. */
bool deb822_is(const struct deb822_field *field, const char *name);

/* The value as a malloc()ed string, NULL where memory is out. */
char *deb822_value(const struct deb822_field *field);

/*
 * Splits a text at blanks and line breaks: takes the next word off the front of *at … *end. Returns false
 * where none is left.
 */
bool deb822_word(const char **at, const char *end, const char **ret, size_t *ret_size);
