/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/compressor.h"

#include <errno.h>
#include <lz4.h>
#include <lz4hc.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "base/macro.h"
#include "base/string-util.h"

/* How many bytes of data are taken for one of output, in 256ths, while nothing is known. */
#define RATIO_NONE 256
/* What is left of the room when another piece is no longer worth its header. */
#define ROOM_MIN 192

/* As liblz4 1.9 has it; 1.10 has a level 2 of another kind. */
#define LZ4HC_LEAST 3

/* A block of a frame: RFC 8878, 3.1.1.2. */
#define BLOCK_HEADER_SIZE 3
#define BLOCK_LAST 1
#define BLOCK_SIZE_SHIFT 3

struct compressor {
	struct compression compression;
	void *lz4;
	ZSTD_CCtx *zstd;
	uint64_t ratio; /* of the last piece, in 256ths */
};

static const struct {
	const char *name, *library;
	int least, most, usual;
} algorithms[] = {
	[COMPRESSION_NONE] = {"none", "", 0, 0, 0},
	[COMPRESSION_LZ4] = {"lz4", "liblz4", 0, 0, 0},
	[COMPRESSION_LZ4HC] = {"lz4hc", "liblz4", LZ4HC_LEAST, LZ4HC_CLEVEL_MAX, LZ4HC_CLEVEL_DEFAULT},
	[COMPRESSION_ZSTD] = {"zstd", "libzstd", 1, 22, ZSTD_CLEVEL_DEFAULT},
};

const char *compression_name(enum compression_algorithm algorithm)
{
	return (size_t)algorithm < ARRAY_SIZE(algorithms) ? algorithms[algorithm].name : NULL;
}

static int parse_level(const char *text, struct compression *ret, struct error **err)
{
	int least = algorithms[ret->algorithm].least, most = algorithms[ret->algorithm].most;
	uint64_t level;

	if (most == 0)
		return error_set(err, -EINVAL, "%s has no levels", algorithms[ret->algorithm].name);
	if (parse_u64(text, &level) < 0 || level < (uint64_t)least || level > (uint64_t)most)
		return error_set(err, -EINVAL, "\"%s\" is no level of %s, which are %d to %d", text,
			algorithms[ret->algorithm].name, least, most);
	ret->level = (int)level;
	return 0;
}

int compression_parse(const char *text, struct compression *ret, struct error **err)
{
	size_t length = strcspn(text, ":");

	for (size_t i = 0; i < ARRAY_SIZE(algorithms); i++) {
		struct compression found = {.algorithm = (enum compression_algorithm)i};
		int r = 0;

		if (strlen(algorithms[i].name) != length || memcmp(algorithms[i].name, text, length) != 0)
			continue;
		if (text[length])
			r = parse_level(text + length + 1, &found, err);
		if (r >= 0)
			*ret = found;
		return r;
	}
	return error_set(err, -EINVAL,
		"\"%s\" is none of none, lz4, lz4hc and zstd, which may have a level, as in zstd:9", text);
}

void compression_levels(enum compression_algorithm algorithm, int *ret_least, int *ret_most, int *ret_usual)
{
	*ret_least = algorithms[algorithm].least;
	*ret_most = algorithms[algorithm].most;
	*ret_usual = algorithms[algorithm].usual;
}

struct compression_library compression_library(enum compression_algorithm algorithm)
{
	return (struct compression_library){
		.name = algorithms[algorithm].library,
		.version = algorithm == COMPRESSION_NONE   ? ""
			   : algorithm == COMPRESSION_ZSTD ? ZSTD_versionString()
							   : LZ4_versionString(),
	};
}

static int set_up_zstd(struct compressor *compressor)
{
	const struct {
		ZSTD_cParameter name;
		int value;
	} parameters[] = {
		{ZSTD_c_compressionLevel, compressor->compression.level},
		{ZSTD_c_windowLog, COMPRESSION_WINDOW_LOG},
		{ZSTD_c_contentSizeFlag, 0},
		{ZSTD_c_checksumFlag, 0},
	};

	compressor->zstd = ZSTD_createCCtx();
	if (!compressor->zstd)
		return -ENOMEM;
	for (size_t i = 0; i < ARRAY_SIZE(parameters); i++)
		if (ZSTD_isError(ZSTD_CCtx_setParameter(
			    compressor->zstd, parameters[i].name, parameters[i].value)))
			return -EINVAL;
	return 0;
}

int compressor_new(const struct compression *compression, struct compressor **ret)
{
	_cleanup_compressor_ struct compressor *compressor = calloc(1, sizeof(*compressor));
	int r = 0;

	if (!compressor)
		return -ENOMEM;
	compressor->compression = *compression;
	if (compression->level == 0)
		compressor->compression.level = algorithms[compression->algorithm].usual;
	if (compression->algorithm == COMPRESSION_LZ4HC) {
		compressor->lz4 = malloc((size_t)LZ4_sizeofStateHC());
		r = compressor->lz4 ? 0 : -ENOMEM;
	} else if (compression->algorithm == COMPRESSION_ZSTD) {
		r = set_up_zstd(compressor);
	}
	if (r < 0)
		return r;
	compressor_reset(compressor);
	*ret = TAKE_PTR(compressor);
	return 0;
}

struct compressor *compressor_free(struct compressor *compressor)
{
	if (compressor) {
		free(compressor->lz4);
		(void)ZSTD_freeCCtx(compressor->zstd);
		free(compressor);
	}
	return NULL;
}

void compressor_reset(struct compressor *compressor)
{
	compressor->ratio = RATIO_NONE;
}

static int fit_lz4(struct compressor *compressor, const uint8_t *data, size_t size, uint8_t *to, size_t room,
	size_t *ret_used)
{
	int used = (int)size, n;

	if (compressor->compression.algorithm == COMPRESSION_LZ4)
		n = LZ4_compress_destSize((const char *)data, (char *)to, &used, (int)room);
	else
		n = LZ4_compress_HC_destSize(compressor->lz4, (const char *)data, (char *)to, &used,
			(int)room, compressor->compression.level);
	*ret_used = (size_t)used;
	return n > 0 && used > n ? n : 0;
}

/* One piece of a frame. Returns the bytes written; 0 where they did not go into the room; a negative errno.
 */
static int add_piece(
	struct compressor *compressor, const uint8_t *data, size_t size, bool last, uint8_t *to, size_t room)
{
	ZSTD_inBuffer in = {.src = data, .size = size};
	ZSTD_outBuffer out = {.dst = to, .size = room};
	size_t left = ZSTD_compressStream2(compressor->zstd, &out, &in, last ? ZSTD_e_end : ZSTD_e_flush);

	if (ZSTD_isError(left))
		return ZSTD_getErrorCode(left) == ZSTD_error_memory_allocation ? -ENOMEM : -EIO;
	if (left > 0 || in.pos < in.size)
		return 0;
	compressor->ratio = MAX(size * 256 / MAX(out.pos, (size_t)1), (uint64_t)RATIO_NONE);
	return (int)out.pos;
}

/*
 * How much data will go into *room* bytes. Half of what would if it compressed like the last piece, since a
 * piece that doesn't fit was compressed in vain, and one more piece costs little.
 */
static size_t guess(const struct compressor *compressor, size_t room)
{
	uint64_t bytes = room * compressor->ratio / 256;

	return (size_t)(compressor->ratio > RATIO_NONE ? bytes / 2 : bytes - bytes / 64);
}

/* All of the data, which is no more than the room: parameters can then be those for its size. */
static int fit_whole(struct compressor *compressor, const uint8_t *data, size_t size, uint8_t *to,
	size_t room, size_t *ret_used)
{
	size_t n = ZSTD_compress2(compressor->zstd, to, room, data, size);

	*ret_used = size;
	if (!ZSTD_isError(n))
		return n < size ? (int)n : 0;
	if (ZSTD_getErrorCode(n) == ZSTD_error_dstSize_tooSmall)
		return 0;
	return ZSTD_getErrorCode(n) == ZSTD_error_memory_allocation ? -ENOMEM : -EIO;
}

/*
 * Ends a frame of *written* bytes with a block that holds its data as they are: as much as goes into what is
 * left of the grain. Returns how much that is.
 */
static size_t add_last(const uint8_t *data, size_t size, uint8_t *frame, size_t *written, size_t room)
{
	size_t begin = *written + BLOCK_HEADER_SIZE,
	       end = MIN((size_t)round_up_u64(begin, COMPRESSION_GRAIN), room), used = MIN(size, end - begin);
	uint32_t header = BLOCK_LAST | (uint32_t)used << BLOCK_SIZE_SHIFT;

	for (size_t i = 0; i < BLOCK_HEADER_SIZE; i++)
		frame[*written + i] = (uint8_t)(header >> 8 * i);
	memcpy(frame + begin, data, used);
	*written = begin + used;
	return used;
}

/*
 * The library has no way to fill a given room. So a frame is made of pieces, each as long as will most likely
 * fit, until one doesn't after all, or hardly any room is left.
 */
static int fit_zstd(struct compressor *compressor, const uint8_t *data, size_t size, uint8_t *to, size_t room,
	size_t *ret_used)
{
	size_t used = 0, written = 0;

	(void)ZSTD_CCtx_reset(compressor->zstd, ZSTD_reset_session_only);
	while (used < size && room - written > ROOM_MIN) {
		size_t left = room - written - BLOCK_HEADER_SIZE,
		       piece = MIN(guess(compressor, left), size - used);
		int n = add_piece(compressor, data + used, piece, used + piece == size, to + written, left);

		if (n < 0)
			return n;
		if (n == 0)
			break;
		used += piece;
		written += (size_t)n;
	}
	if (used < size && used > 0)
		used += add_last(data + used, size - used, to, &written, room);
	*ret_used = used;
	return used > written ? (int)written : 0;
}

int compressor_fit(struct compressor *compressor, const uint8_t *data, size_t size, uint8_t *to, size_t room,
	size_t *ret_used)
{
	int n;

	if (compressor->compression.algorithm != COMPRESSION_ZSTD)
		return fit_lz4(compressor, data, size, to, room, ret_used);
	if (size <= room)
		return fit_whole(compressor, data, size, to, room, ret_used);
	n = fit_zstd(compressor, data, size, to, room, ret_used);
	/* Data that compresses less than the last did may still do so a little. */
	if (n == 0 && *ret_used == 0 && compressor->ratio > RATIO_NONE) {
		compressor_reset(compressor);
		n = fit_zstd(compressor, data, size, to, room, ret_used);
	}
	return n;
}

int compression_decode(
	enum compression_algorithm algorithm, const uint8_t *data, size_t size, uint8_t *ret, size_t ret_size)
{
	size_t n;

	if (size > INT32_MAX || ret_size > INT32_MAX)
		return -EBADMSG;
	if (algorithm != COMPRESSION_ZSTD)
		return LZ4_decompress_safe((const char *)data, (char *)ret, (int)size, (int)ret_size) ==
				       (int)ret_size
			       ? 0
			       : -EBADMSG;
	n = ZSTD_decompress(ret, ret_size, data, size);
	if (ZSTD_isError(n))
		return ZSTD_getErrorCode(n) == ZSTD_error_memory_allocation ? -ENOMEM : -EBADMSG;
	return n == ret_size ? 0 : -EBADMSG;
}
