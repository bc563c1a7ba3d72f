/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "source/packages.h"

#include <errno.h>
#include <lzma.h>
#include <string.h>
#include <zlib.h>

#include "base/encoding.h"
#include "base/string-util.h"

#define UNPACKED_MAX GiB(1)
#define LZMA_MEMORY_MAX MiB(256)
#define GZIP_WINDOW (15 + 16) /* zlib: largest window, gzip header */

int packages_find(const struct release *release, const char *component, const char *architecture,
	struct packages_index *ret, struct error **err)
{
	static const char *const endings[] = {".xz", ".gz", ""};
	_cleanup_free_ char *plain = string_format("%s/binary-%s/Packages", component, architecture);

	if (!plain)
		return error_set_errno(err, -ENOMEM, "Packages");
	ret->plain = release_find(release, plain);
	for (size_t i = 0; ret->plain && i < ARRAY_SIZE(endings); i++) {
		_cleanup_free_ char *path = string_format("%s%s", plain, endings[i]);

		if (!path)
			return error_set_errno(err, -ENOMEM, "Packages");
		ret->packed = release_find(release, path);
		if (ret->packed)
			return 0;
	}
	return error_set(err, -ENOENT,
		"the Release has no %s (as .xz or .gz, and with the size that it unpacks to)", plain);
}

char *packages_url(const struct release *release, const struct release_file *file, const char *suite_url)
{
	char digest[SHA256_HEX_SIZE];
	const char *slash = strrchr(file->path, '/');

	if (!release->by_hash)
		return string_format("%s/%s", suite_url, file->path);
	hex_encode(file->sha256, SHA256_SIZE, digest);
	return string_format("%s/%.*sby-hash/SHA256/%s", suite_url, slash ? (int)(slash + 1 - file->path) : 0,
		file->path, digest);
}

/* Both fill exactly *room* bytes at *to*, and are -EBADMSG where the stream is damaged, longer or shorter. */
static int unpack_xz(const void *packed, size_t size, uint8_t *to, size_t room)
{
	uint64_t memory = LZMA_MEMORY_MAX;
	size_t in = 0, out = 0;
	lzma_ret r;

	r = lzma_stream_buffer_decode(&memory, 0, NULL, packed, &in, size, to, &out, room);
	if (r == LZMA_MEM_ERROR || r == LZMA_MEMLIMIT_ERROR)
		return -ENOMEM;
	return r == LZMA_OK && in == size && out == room ? 0 : -EBADMSG;
}

static int unpack_gz(const void *packed, size_t size, uint8_t *to, size_t room)
{
	z_stream stream = {
		.next_in = (void *)packed, .avail_in = (uInt)size, .next_out = to, .avail_out = (uInt)room};
	int r;

	if (size > UINT32_MAX)
		return -EBADMSG;
	r = inflateInit2(&stream, GZIP_WINDOW);
	if (r != Z_OK)
		return -ENOMEM;
	r = inflate(&stream, Z_FINISH);
	(void)inflateEnd(&stream);
	return r == Z_STREAM_END && stream.avail_out == 0 && stream.avail_in == 0 ? 0 : -EBADMSG;
}

static int unpack(const char *path, const void *packed, size_t size, uint8_t *to, size_t room)
{
	if (endswith(path, ".xz"))
		return unpack_xz(packed, size, to, room);
	if (endswith(path, ".gz"))
		return unpack_gz(packed, size, to, room);
	if (size != room)
		return -EBADMSG;
	memcpy(to, packed, size);
	return 0;
}

int packages_unpack(const struct packages_index *index, const void *packed, size_t size, struct buffer *ret,
	struct error **err)
{
	const struct release_file *plain = index->plain;
	uint8_t digest[SHA256_SIZE];
	uint8_t *to;
	int r;

	if (plain->size > UNPACKED_MAX)
		return error_set(err, -EFBIG, "%s: %ju bytes are more than this program takes", plain->path,
			(uintmax_t)plain->size);
	/* One byte more, since the index of an empty suite has none. */
	if (buffer_reserve(ret, plain->size + 1) < 0 || !(to = buffer_extend(ret, plain->size)))
		return error_set_errno(err, -ENOMEM, "%s", plain->path);
	r = unpack(index->packed->path, packed, size, to, plain->size);
	if (r >= 0)
		r = sha256_bytes(to, plain->size, digest);
	if (r == -ENOMEM)
		return error_set_errno(err, r, "%s", plain->path);
	if (r < 0 || memcmp(digest, plain->sha256, SHA256_SIZE) != 0)
		return error_set(err, -EBADMSG, "%s does not unpack to what the signed Release says",
			index->packed->path);
	return 0;
}
