/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/sha256.h"

#include <assert.h>
#include <errno.h>
#include <openssl/evp.h>
#include <sys/stat.h>

#define PIECE_SIZE KiB(64) /* bytes that are read at a time */

struct sha256 {
	EVP_MD_CTX *context;
	EVP_MD *md;
};

/*
 * OpenSSL's digest calls fail only for arguments that are wrong; a failure that went unnoticed would be a
 * digest of nothing, so it ends the program.
 */
static void must(int ok)
{
	if (ok != 1)
		abort();
}

struct sha256 *sha256_new(void)
{
	struct sha256 *context = calloc(1, sizeof(*context));

	if (!context)
		return NULL;
	context->md = EVP_MD_fetch(NULL, "SHA256", NULL);
	context->context = EVP_MD_CTX_new();
	if (!context->md || !context->context || EVP_DigestInit_ex2(context->context, context->md, NULL) != 1)
		return sha256_free(context);
	return context;
}

struct sha256 *sha256_free(struct sha256 *context)
{
	if (context) {
		EVP_MD_CTX_free(context->context);
		EVP_MD_free(context->md);
		free(context);
	}
	return NULL;
}

void sha256_update(struct sha256 *context, const void *data, size_t size)
{
	must(EVP_DigestUpdate(context->context, data, size));
}

void sha256_final(struct sha256 *context, uint8_t ret[SHA256_SIZE])
{
	unsigned size = SHA256_SIZE;

	must(EVP_DigestFinal_ex(context->context, ret, &size));
	assert(size == SHA256_SIZE);
	must(EVP_DigestInit_ex2(context->context, NULL, NULL));
}

int sha256_bytes(const void *data, size_t size, uint8_t ret[SHA256_SIZE])
{
	_cleanup_sha256_ struct sha256 *context = sha256_new();

	if (!context)
		return -ENOMEM;
	sha256_update(context, data, size);
	sha256_final(context, ret);
	return 0;
}

/* Hashes *size* zeros, which a hole reads as, without reading them. */
static void update_zeros(struct sha256 *context, uint64_t size)
{
	static const uint8_t zeros[KiB(64)];

	while (size > 0) {
		size_t part = MIN(size, sizeof(zeros));

		sha256_update(context, zeros, part);
		size -= part;
	}
}

/*
 * Where the next data of the file begins, *offset* itself where the file system does not know. -ENXIO: there
 * is none up to the end.
 */
static int64_t next_data(int fd, uint64_t offset)
{
	off_t data = lseek(fd, (off_t)offset, SEEK_DATA);

	if (data >= 0)
		return data;
	return errno == ENXIO ? -ENXIO : (int64_t)offset;
}

int sha256_file(int fd, uint8_t ret[SHA256_SIZE], uint64_t *ret_size)
{
	_cleanup_sha256_ struct sha256 *context = sha256_new();
	_cleanup_free_ uint8_t *chunk = malloc(MiB(1));
	off_t before = lseek(fd, 0, SEEK_CUR);
	uint64_t offset = 0;
	struct stat st;

	if (!context || !chunk)
		return -ENOMEM;
	if (fstat(fd, &st) < 0)
		return -errno;
	for (;;) {
		int64_t data = S_ISREG(st.st_mode) ? next_data(fd, offset) : (int64_t)offset;
		ssize_t n;

		if (data == -ENXIO)
			data = MAX(st.st_size, (int64_t)offset);
		update_zeros(context, (uint64_t)data - offset);
		offset = (uint64_t)data;
		n = pread(fd, chunk, MiB(1), (off_t)offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		sha256_update(context, chunk, (size_t)n);
		offset += (uint64_t)n;
	}
	if (before >= 0 && lseek(fd, before, SEEK_SET) < 0)
		return -errno;
	sha256_final(context, ret);
	if (ret_size)
		*ret_size = offset;
	return 0;
}

int sha256_update_io(struct sha256 *context, const struct block_io *io, uint64_t offset, uint64_t size)
{
	_cleanup_free_ uint8_t *piece = malloc(PIECE_SIZE);
	int r = piece ? 0 : -ENOMEM;

	while (r >= 0 && size > 0) {
		size_t n = (size_t)MIN(size, (uint64_t)PIECE_SIZE);

		r = block_read(io, offset, piece, n);
		if (r >= 0)
			sha256_update(context, piece, n);
		offset += n;
		size -= n;
	}
	return r;
}

int sha256_io(const struct block_io *io, uint8_t ret[SHA256_SIZE])
{
	_cleanup_sha256_ struct sha256 *context = sha256_new();
	int r = context ? sha256_update_io(context, io, 0, io->size) : -ENOMEM;

	if (r >= 0)
		sha256_final(context, ret);
	return r;
}
