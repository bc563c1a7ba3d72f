/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bytes that are read by ranges, as those of a file are: of the reads, one can fail, and the largest is
 * known.
 */
#pragma once

#include <errno.h>
#include <string.h>

#include "base/block-io.h"
#include "base/buffer.h"

struct watched {
	const struct buffer *image;
	size_t largest;		 /* bytes of one read */
	unsigned reads, fail_at; /* 0: none fails */
};

static inline int watched_read(void *userdata, uint64_t at, void *data, size_t size)
{
	struct watched *watched = userdata;

	watched->largest = MAX(watched->largest, size);
	if (++watched->reads == watched->fail_at)
		return -EIO;
	memcpy(data, watched->image->data + at, size);
	return 0;
}

static inline struct block_io watched_io(struct watched *watched)
{
	static const struct block_ops ops = {.read = watched_read};

	return (struct block_io){.ops = &ops, .userdata = watched, .size = watched->image->size};
}
