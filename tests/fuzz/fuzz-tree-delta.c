/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The sizes of the images are those that the file says, so that changed files get past them. */
#include "base/bytes.h"
#include "format/tree-delta.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_error_ struct error *err = NULL;
	struct tree_delta_cursor cursor = {};
	struct tree_delta_step step;
	struct tree_delta delta;
	uint64_t made = 0;
	uint8_t sum = 0;

	if (size < 32 ||
		tree_delta_parse(data, size, read_le64(data + 16), read_le64(data + 24), &delta, &err) < 0)
		return 0;
	while (tree_delta_next(&delta, &cursor, &step)) {
		for (uint64_t i = 0; i < step.fresh * SHA256_SIZE; i++)
			sum ^= step.digests[i];
		if (step.copied > 0 && step.from + step.copied > delta.old_blocks)
			__builtin_trap();
		made += step.fresh + step.copied;
	}
	if (made != delta.new_blocks)
		__builtin_trap();
	(void)*(volatile uint8_t *)&sum;
	return 0;
}
