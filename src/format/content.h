/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Immutable bytes with a reference count (atomic), so that trees and caches can share them. Any number of
 * threads may read one.
 */
#pragma once

#include "base/digests.h"
#include "base/error.h"

struct content;

/* Takes *data* (malloc()ed; NULL where *size* is 0) over, also where it fails. NULL where memory is out. */
struct content *content_new(void *data, size_t size);
struct content *content_copy(const void *data, size_t size); /* copies *data* */

/*
 * The *size* bytes of *whole* from *offset* on, which lie inside it. They stay where they are, and *whole* is
 * kept for them, where a NUL byte follows them there; else they are copied. NULL where memory is out.
 */
struct content *content_slice(struct content *whole, size_t offset, size_t size);

/* One that needs no other: itself, or a copy of a slice, as a new reference. NULL where memory is out. */
struct content *content_detach(struct content *content);

struct content *content_ref(struct content *content);
struct content *content_unref(struct content *content);
DEFINE_CLEANUP(struct content *, content_unref);
#define _cleanup_content_ _cleanup_(content_unrefp)

const uint8_t *content_data(
	const struct content *content); /* followed by one NUL byte that size does not count */
size_t content_size(const struct content *content);

/* Its digests, which are computed only once and belong to it. Returns 0 or -ENOMEM. */
int content_digests(struct content *content, const struct digests **ret);

/* Notes digests that are known to be right. Does nothing where memory is out. */
void content_set_digests(struct content *content, const struct digests *digests);
