/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Compressed contents as bytes, so that one image's can be kept for the next: what compressing a content
 * gives depends on nothing but the content, the compression and its library.
 */
#pragma once

#include "base/buffer.h"
#include "format/erofs-pack.h"

/* Appends what compressing has made of a content. */
void erofs_packed_save(const struct erofs_packed *packed, struct buffer *to);

/*
 * Fills in what erofs_packed_save() has said of a content of *packed->size* bytes, in place of compressing
 * it. Returns 0; -EBADMSG where that cannot be so; -ENOMEM. Nothing is filled in unless it returns 0.
 */
int erofs_packed_load(struct erofs_packed *packed, const uint8_t *data, size_t size);
