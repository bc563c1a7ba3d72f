/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The kernel image of a release while that is brought (node-kernel.h): a file of the node's,
 * NODE_STATE/kernel. So it takes up no memory, and an update that was interrupted need not fetch it again.
 * What is in the file counts only once its digest was found to be the signed one.
 */
#pragma once

#include "update/node.h"

struct kernel_file {
	int fd;
	char *path;
	const uint8_t *data; /* all of it; NULL where it is empty */
	size_t size;
};
#define KERNEL_FILE_INIT \
	{                \
		.fd = -1 \
	}

/* Opens the file, which is made where it is missing. */
int kernel_file_open(const struct node *node, struct kernel_file *ret, struct error **err);
void kernel_file_release(struct kernel_file *file);
#define _cleanup_kernel_file_ _cleanup_(kernel_file_release)

/* Begins anew: empties it. Then bytes are added (a worker_bytes_fn), and in the end there is *data* again. */
int kernel_file_begin(struct kernel_file *file, struct error **err);
int kernel_file_add(const uint8_t *data, size_t size, void *userdata, struct error **err);
int kernel_file_end(struct kernel_file *file, struct error **err);

/* Gives it another size, for who writes to *fd* by itself: what it has up to there stays. */
int kernel_file_resize(struct kernel_file *file, uint64_t size, struct error **err);

/* Gives the memory back that looking at *data* took; it can be looked at again. */
void kernel_file_forget(const struct kernel_file *file);

/* It is where it has to be, so nobody needs it here. */
void kernel_file_remove(struct kernel_file *file);
