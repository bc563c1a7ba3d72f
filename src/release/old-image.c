/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "release/old-image.h"

#include <errno.h>
#include <fcntl.h>
#include <zstd.h>

#include "base/file.h"
#include "base/string-util.h"
#include "format/release-info.h"
#include "format/verity.h"

struct decoding {
	ZSTD_DCtx *context;
	uint8_t *in, *out;
	size_t in_size, out_size;
};

static void decoding_release(struct decoding *decoding)
{
	(void)ZSTD_freeDCtx(decoding->context);
	free(decoding->in);
	free(decoding->out);
}

static int decoding_init(struct decoding *ret)
{
	ret->context = ZSTD_createDCtx();
	ret->in_size = ZSTD_DStreamInSize();
	ret->out_size = ZSTD_DStreamOutSize();
	ret->in = malloc(ret->in_size);
	ret->out = malloc(ret->out_size);
	return ret->context && ret->in && ret->out ? 0 : -ENOMEM;
}

/* Decompresses what was read, and counts; nothing longer than *size* comes out. */
static int decode_piece(struct decoding *decoding, size_t length, int to, uint64_t *done, uint64_t size)
{
	ZSTD_inBuffer in = {decoding->in, length, 0};

	while (in.pos < in.size) {
		ZSTD_outBuffer out = {decoding->out, decoding->out_size, 0};
		size_t left = ZSTD_decompressStream(decoding->context, &out, &in);
		int r;

		if (ZSTD_isError(left) || out.pos > size - *done)
			return -EBADMSG;
		r = write_full(to, decoding->out, out.pos);
		if (r < 0)
			return r;
		*done += out.pos;
	}
	return 0;
}

/* Decompresses a whole file into exactly *size* bytes. */
static int decode(int from, int to, uint64_t size, struct progress *progress)
{
	_cleanup_(decoding_release) struct decoding decoding = {};
	uint64_t done = 0, told = 0;
	int r = decoding_init(&decoding);

	while (r >= 0) {
		ssize_t n = read(from, decoding.in, decoding.in_size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return done == size ? 0 : -EBADMSG;
		r = decode_piece(&decoding, (size_t)n, to, &done, size);
		progress_add(progress, done - told);
		told = done;
	}
	return r;
}

static int open_decoded(struct repository *repository, const char *release, const char *file, uint64_t size,
	struct progress *progress, struct error **err)
{
	_cleanup_free_ char *name = string_format("%s%s", release, file);
	_cleanup_close_ int from = -1, to = -1;
	const char *folder;
	int r;

	if (!name)
		return error_set_errno(err, -ENOMEM, "%s", file);
	from = repository_open_file(repository, name, err);
	if (from < 0)
		return from;
	r = repository_scratch(repository, &folder, err);
	if (r < 0)
		return r;
	to = file_open_scratch(folder, err);
	if (to < 0)
		return to;
	r = decode(from, to, size, progress);
	if (r == -EBADMSG)
		return error_set(err, r, "%s is not what was published", name);
	if (r == -ENOSPC)
		return error_set(err, r,
			"a patch needs the old %s, %ju bytes, for which %s has no room: make some, or "
			"publish "
			"with --patch-from 0",
			name, (uintmax_t)size, folder);
	return r < 0 ? error_set_errno(err, r, "%s", name) : TAKE_FD(to);
}

int old_image_open(struct repository *repository, const char *release, struct progress *progress,
	struct image_source *ret, struct error **err)
{
	_cleanup_free_ char *name = string_format("%srelease.json", release), *text = NULL;
	_cleanup_release_info_ struct release_info info = {};
	_cleanup_close_ int image = -1, hash = -1;
	size_t size;
	int r = name ? repository_read(repository, name, RELEASE_INFO_MAX, &text, &size, err) : -ENOMEM;

	if (r >= 0)
		r = release_info_parse(text, size, &info, err);
	if (r < 0)
		return r;
	image = open_decoded(
		repository, release, info.usr.image.name, info.usr.blocks * VERITY_BLOCK_SIZE, progress, err);
	if (image < 0)
		return image;
	hash = open_decoded(repository, release, info.usr.tree.name,
		verity_shape(info.usr.blocks).blocks * VERITY_BLOCK_SIZE, NULL, err);
	if (hash < 0)
		return hash;
	r = verity_verify(image, hash, info.usr.root, 0, NULL, err);
	if (r < 0)
		return error_wrap(err, "%s", release), r;
	memcpy(ret->root, info.usr.root, SHA256_SIZE);
	ret->image_fd = TAKE_FD(image);
	ret->hash_fd = TAKE_FD(hash);
	return 0;
}
