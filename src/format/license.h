/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From the names that Debian's copyright files give licences to expressions of SPDX.
 *
 * Sources: DEP-5, "License specification" (short names; "and" binds closer than "or", and a comma less close
 * than both); SPDX 2.3, annex A (identifiers) and annex D (expressions). Only a name that means one licence
 * is translated: one that DEP-5 defines, or that is an identifier of SPDX. A name such as
 * "BSD-3-clause-Oracle" or "GPL-2+ with Foo exception" stays what it is, a licence whose text the copyright
 * file has.
 */
#pragma once

#include "base/buffer.h"
#include "base/error.h"
#include "base/string-util.h"

#define LICENSE_NAME_MAX 4096 /* bytes of a name with all its "and" and "or" */

/* Appends the identifier ("LicenseRef-…") of a licence that SPDX does not know. Returns 0 or -ENOMEM. */
typedef int (*license_unknown_fn)(const char *name, void *userdata, struct buffer *ret);

/*
 * Adds the operands that *name* consists of to *ret*, which all hold ("and"), without those that are there
 * already. An operand is one licence, or has "OR" in it and no parentheses around it. Returns 0; -EINVAL for
 * a name that is empty, too long or has an operator without an operand; -ENOMEM.
 */
int license_translate(const char *name, license_unknown_fn unknown, void *userdata, struct strv *ret);

/* Joins operands with "AND"; NULL where memory is out or there are none. */
char *license_join(const struct strv *operands);
