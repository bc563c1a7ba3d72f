/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reading along in what a guest writes to its console: whether it says that it won't come up, and its last
 * lines for who wants to know why.
 */
#pragma once

#include <sys/types.h>

#include "base/buffer.h"

struct vm_serial {
	int fd; /* of the log; the caller's */
	off_t offset;
	struct buffer line; /* the line that is not complete yet */
	struct buffer tail; /* the last lines, cleaned of what a terminal would not print */
	char *failure;	    /* the first line of the present start that says so; NULL: there is none */
};

void vm_serial_release(struct vm_serial *serial);
#define _cleanup_vm_serial_ _cleanup_(vm_serial_release)

/* Reads what has come since the last time. 0 or a negative errno. */
int vm_serial_read(struct vm_serial *serial);

/* Takes some output as vm_serial_read() does. 0 or -ENOMEM. */
int vm_serial_feed(struct vm_serial *serial, const void *data, size_t size);

/* The last lines, at most *lines*, as a malloc()ed string that ends without a newline. NULL where memory is
 * out. */
char *vm_serial_tail(const struct vm_serial *serial, size_t lines);
