/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A seek table, and a frame. Two bytes at the beginning say how many blocks the image has. */
#include "base/bytes.h"
#include "format/blocks.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t out[BLOCKS_FRAME_MAX];
	static ZSTD_DCtx *zstd;
	_cleanup_error_ struct error *err = NULL, *fault = NULL;
	struct blocks_index index;
	uint64_t compressed = 0, blocks = 0;

	zstd = zstd ? zstd : ZSTD_createDCtx();
	if (size < 6)
		return 0;
	if (blocks_index_parse(
		    data + 6, size - 6, size - 6 + read_le32(data), read_le16(data + 4), &index, &err) >= 0) {
		for (size_t i = 0; i < index.frames; i++) {
			compressed += blocks_frame_size(&index, i);
			blocks += blocks_frame_blocks(&index, i);
		}
		if (compressed != read_le32(data) || blocks != read_le16(data + 4))
			__builtin_trap();
	}
	(void)blocks_frame_decode(zstd, data, size, out, sizeof(out), &fault);
	return 0;
}
