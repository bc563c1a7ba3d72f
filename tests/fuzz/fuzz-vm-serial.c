/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a guest writes to its console is read as `orlop vm` does while it waits: in pieces, whose sizes the
 * input's first byte chooses.
 */
#include <assert.h>
#include <string.h>

#include "vm/serial.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_vm_serial_ struct vm_serial serial = {.fd = -1};
	size_t piece = size ? (size_t)data[0] + 1 : 1;
	_cleanup_free_ char *tail = NULL;

	for (size_t at = 0; at < size; at += piece)
		assert(vm_serial_feed(&serial, data + at, MIN(piece, size - at)) == 0);
	tail = vm_serial_tail(&serial, 25);
	assert(tail && !strchr(tail, 0x1b));
	return 0;
}
