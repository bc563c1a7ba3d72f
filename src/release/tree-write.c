/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "release/tree-write.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <zstd.h>

#include "base/file.h"
#include "base/sha256.h"

#define LEVEL 3	      /* digests can't be compressed: what there is to find is zeros and repetitions */
#define WINDOW_LOG 17 /* what a node must hold to decompress it: 128 KiB */

void hash_file_release(struct hash_file *file)
{
	free(file->data);
	*file = (struct hash_file){};
}

int hash_file_read(int fd, struct hash_file *ret, struct error **err)
{
	_cleanup_hash_file_ struct hash_file file = {};
	uint8_t super[VERITY_HEADER_SIZE];
	struct verity_shape shape;
	struct stat st;
	int r = pread_full(fd, super, sizeof(super), 0);

	if (r < 0)
		return error_set_errno(err, r, "reading the hash tree");
	r = verity_header_parse(super, sizeof(super), &file.header, err);
	if (r < 0)
		return r;
	if (fstat(fd, &st) < 0 || (uint64_t)st.st_size < file.header.size)
		return error_set(err, -ENODATA, "the hash tree is shorter than the %llu bytes that it says",
			(unsigned long long)file.header.size);
	file.data = malloc(file.header.size);
	if (!file.data)
		return error_set_errno(err, -ENOMEM, "hash tree");
	r = pread_full(fd, file.data, file.header.size, 0);
	if (r < 0)
		return error_set_errno(err, r, "reading the hash tree");
	shape = verity_shape(file.header.blocks);
	/* A single block has no tree, and no use for one: then this is not looked at. */
	file.digests = file.data + (shape.levels > 0 ? shape.start[0] * VERITY_BLOCK_SIZE : 0);
	*ret = file;
	file.data = NULL;
	return 0;
}

int tree_write(const struct hash_file *file, struct buffer *ret, struct error **err)
{
	ZSTD_CCtx *context = ZSTD_createCCtx();
	size_t bound = ZSTD_compressBound(file->header.size), n = 0;
	int r = context && buffer_reserve(ret, bound) >= 0 ? 0 : -ENOMEM;

	if (r >= 0) {
		(void)ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, LEVEL);
		(void)ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, WINDOW_LOG);
		n = ZSTD_compress2(context, ret->data + ret->size, bound, file->data, file->header.size);
	}
	(void)ZSTD_freeCCtx(context);
	if (r < 0)
		return error_set_errno(err, r, "hash tree");
	if (ZSTD_isError(n))
		return error_set(err, -EIO, "hash tree: zstd: %s", ZSTD_getErrorName(n));
	ret->size += n;
	return 0;
}
