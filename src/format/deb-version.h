/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Versions of Debian packages and what relation fields say of them (Debian Policy, 5.6.12 and 7.1).
 */
#pragma once

#include "base/macro.h"

/* Less than, equal to or greater than 0 as *a* is older than, the same as or newer than *b*. */
int deb_version_compare(const char *a, const char *b);

/*
 * True where a relation field ("systemd (<< 255~rc1-4~), udev") names *package*, in a version that *version*
 * satisfies. Alternatives ("|") count like a list; architecture qualifiers are passed over. *field* may be
 * NULL.
 */
bool deb_relation_names(const char *field, const char *package, const char *version);
