/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The kernel image of a release while that is brought (node-kernel.h): a file of the node's,
 * NODE_STATE/kernel. So it takes up no memory, for it is read piece by piece wherever it is looked at, and an
 * update that was interrupted need not fetch it again. What is in the file counts only as far as its digest
 * is the signed one, each time that it is read.
 */
#pragma once

#include "update/node.h"

struct kernel_file {
	int fd;
	char *path;
};
#define KERNEL_FILE_INIT \
	{                \
		.fd = -1 \
	}

/* Opens the file, which is made where it is missing. */
int kernel_file_open(const struct node *node, struct kernel_file *ret, struct error **err);
void kernel_file_release(struct kernel_file *file);
#define _cleanup_kernel_file_ _cleanup_(kernel_file_release)

/*
 * Begins to write it from its beginning on. Then bytes are added (a worker_bytes_fn), and in the end it has
 * these and no others, and they last. Until then what was there before stays behind them: it may be of use to
 * the next try.
 */
int kernel_file_begin(const struct kernel_file *file, struct error **err);
int kernel_file_add(const uint8_t *data, size_t size, void *userdata, struct error **err);
int kernel_file_end(const struct kernel_file *file, struct error **err);

/* Makes what was written to *fd* last. */
int kernel_file_flush(const struct kernel_file *file, struct error **err);

/*
 * Gives it another size, for who writes to *fd* by itself: what it has up to there stays, and room for all of
 * it is there afterwards. -ENOSPC.
 */
int kernel_file_resize(const struct kernel_file *file, uint64_t size, struct error **err);

/* Whether it has this size and digest; false also where it can't be read. */
bool kernel_file_is(const struct kernel_file *file, uint64_t size, const uint8_t sha256[SHA256_SIZE]);

/* It is where it has to be, or of no use: nobody needs it any more. */
void kernel_file_remove(struct kernel_file *file);
