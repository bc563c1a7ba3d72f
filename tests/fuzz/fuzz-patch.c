/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An index, whose images and payloads are as large as it says; and a frame in all methods. Differences are
 * compressed first, so that changed ones get past Zstandard.
 */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "format/patch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk(const struct patch_index *index)
{
	struct patch_cursor cursor = {};
	struct patch_frame frame;
	uint64_t last = 0, first, count;

	while (patch_index_next(index, &cursor, &frame)) {
		uint64_t targets = 0, sources = 0;

		while (patch_run_next(&frame.targets, &first, &count)) {
			if (first < last || count == 0 || first + count > index->new_blocks)
				__builtin_trap();
			last = first + count;
			targets += count;
		}
		while (patch_run_next(&frame.sources, &first, &count)) {
			if (count == 0 || first + count > index->old_blocks)
				__builtin_trap();
			sources += count;
		}
		if (targets != frame.target_blocks || sources != frame.source_blocks ||
			targets > PATCH_FRAME_BLOCKS || sources > PATCH_SOURCE_BLOCKS)
			__builtin_trap();
	}
}

static void decode(const uint8_t *data, size_t size)
{
	static struct patch_decoder decoder;
	static uint8_t source[3 * PATCH_BLOCK_SIZE], made[PATCH_BLOCK_SIZE];
	size_t bound = ZSTD_compressBound(size);
	uint8_t *compressed = malloc(bound);

	if (!compressed)
		return;
	bound = ZSTD_compress(compressed, bound, data, size, 1);
	(void)patch_frame_decode(&decoder, PATCH_DIFFERENCE, compressed, bound, source, sizeof(source), made,
		sizeof(made), NULL);
	(void)patch_frame_decode(&decoder, PATCH_DIFFERENCE_LZMA, data, size, source, sizeof(source), made,
		sizeof(made), NULL);
	(void)patch_frame_decode(
		&decoder, PATCH_PREFIX, data, size, source, sizeof(source), made, sizeof(made), NULL);
	free(compressed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct patch_index index;

	/* The first four bytes are the length of the payloads. */
	if (size >= 36 && patch_index_parse(data + 4, size - 4, size - 4 + read_le32(data),
				  read_le64(data + 20), read_le64(data + 28), &index, NULL) >= 0)
		walk(&index);
	decode(data, size);
	return 0;
}
