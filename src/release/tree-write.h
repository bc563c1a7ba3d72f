/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Writes hash trees for the way to a node: whole and compressed, or told by an older one (tree-delta.h).
 */
#pragma once

#include "base/buffer.h"
#include "base/error.h"
#include "format/verity-header.h"

/* A hash file in memory: its header, and the digests of the data within its bytes. */
struct hash_file {
	struct verity_header header;
	uint8_t *data;
	const uint8_t *digests; /* header.blocks of them */
};
void hash_file_release(struct hash_file *file);
#define _cleanup_hash_file_ _cleanup_(hash_file_release)

/* Reads a hash file, whose own size bounds it. Returns 0; -EBADMSG, -ENOTSUP, -ENODATA. */
int hash_file_read(int fd, struct hash_file *ret, struct error **err);

/* Appends the compressed hash file. */
int tree_write(const struct hash_file *file, struct buffer *ret, struct error **err);
