/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright files of Debian packages: who holds the copyright of a source package, and its licences.
 *
 * Format: "Machine-readable debian/copyright file", version 1.0 (DEP-5): paragraphs as in control files, a
 * header, then "Files" and "License" paragraphs. Older files are prose and say where the text of a common
 * licence is (Debian Policy, 12.5). A reader that is forgiving: what people write by hand is full of faults,
 * and a paragraph that can't be read must not hide the others.
 */
#pragma once

#include "base/error.h"
#include "base/string-util.h"

#define COPYRIGHT_MAX MiB(4) /* bytes */

struct copyright_license {
	char *name; /* as the file has it: one licence, or several with "and" and "or" */
	char *text; /* NULL: the file has none of that name */
};

struct copyright {
	bool machine_readable;
	/* Those that "Files" paragraphs name, none twice, in the file's order; of a file that has none, those
	 * of the header. Empty where it isn't machine-readable. */
	struct strv names;
	struct copyright_license *texts; /* every licence whose text is there */
	size_t text_count;
	struct strv holders; /* lines of the Copyright fields, none twice */
	struct strv common;  /* names of licences in /usr/share/common-licenses that the file points to */
};

void copyright_release(struct copyright *copyright);
#define _cleanup_copyright_ _cleanup_(copyright_release)

/* Reads *size* bytes; what is behind COPYRIGHT_MAX or a NUL is not looked at. Returns 0 or -ENOMEM. */
int copyright_parse(const char *text, size_t size, struct copyright *ret);

/* The text of a licence, by its name without regard to case; NULL where there is none. */
const char *copyright_text(const struct copyright *copyright, const char *name);
