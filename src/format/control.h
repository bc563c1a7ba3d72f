/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Debian's control files (deb822(5); Debian Policy, 5.1): paragraphs of "Name: value" fields whose values may
 * go on in lines that begin with a space or a tab.
 *
 * A value is kept without the white space at the ends of its lines; its lines are joined by "\n", so a value
 * that begins on the second line begins with "\n". A line of " ." stays a ".". Comments ("#" in the first
 * column) are skipped, as dpkg does for source files; a paragraph that names a field twice is an error.
 */
#pragma once

#include "base/error.h"

struct control_field {
	char *name;
	char *value;
};

struct control {
	struct control_field *fields; /* in the order of the file */
	size_t count;
};

void control_release(struct control *paragraph);
#define _cleanup_control_ _cleanup_(control_release)

/*
 * Reads the paragraph that begins at *\*at* of a text that ends at *end* and moves *at* behind it. *what*
 * names the text in errors. Returns 1 where *ret* was filled, 0 where only empty lines and comments are left,
 * or -EBADMSG: a line that is no field, a field twice, a NUL byte, more than 1024 fields, or a value larger
 * than 4 MiB.
 */
int control_next(const char **at, const char *end, const char *what, struct control *ret, struct error **err);

/* The value of a field, whose name is compared without regard to case; NULL where the field is not there. */
const char *control_get(const struct control *paragraph, const char *name);
