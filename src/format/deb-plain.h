/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A Debian package with its members decompressed: a package all the same, deb(5), which deb_read() reads in a
 * fraction of the time.
 */
#pragma once

#include "base/buffer.h"
#include "base/error.h"

/*
 * Appends to *ret* the package that *data* holds, decompressed. Of what is in its members only as much is
 * looked at as their size needs; deb_read() has to be asked whether it is sound, and checksums inside of xz
 * count for nothing, as *data* has been found right by its digest. Returns 0, or the errors of
 * deb_read() for a package whose members can't be decompressed.
 */
int deb_decompress(const void *data, size_t size, const char *what, struct buffer *ret, struct error **err);
