/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/verity-header.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"

#define DIGESTS_PER_BLOCK (VERITY_BLOCK_SIZE / 32)

enum {
	SUPER_SIGNATURE = 0,	/* 8 bytes */
	SUPER_VERSION = 8,	/* 32 bits */
	SUPER_HASH_TYPE = 12,	/* 32 */
	SUPER_UUID = 16,	/* 16 bytes */
	SUPER_ALGORITHM = 32,	/* 32 bytes, filled up with zeros */
	SUPER_DATA_BLOCK = 64,	/* 32: bytes */
	SUPER_HASH_BLOCK = 68,	/* 32: bytes */
	SUPER_DATA_BLOCKS = 72, /* 64 */
	SUPER_SALT_SIZE = 80,	/* 16 */
	SUPER_SALT = 88,	/* 256 bytes */
};

static const char signature[8] = "verity\0";
static const char algorithm[32] = "sha256";

struct verity_shape verity_shape(uint64_t data_blocks)
{
	struct verity_shape shape = {.blocks = 1};
	uint64_t below = data_blocks;

	while (below > 1) {
		below = div_round_up_u64(below, DIGESTS_PER_BLOCK);
		shape.count[shape.levels++] = below;
	}
	for (unsigned level = shape.levels; level-- > 0;) {
		shape.start[level] = shape.blocks;
		shape.blocks += shape.count[level];
	}
	return shape;
}

void verity_header_write(
	const struct verity_options *options, uint64_t data_blocks, uint8_t ret[VERITY_HEADER_SIZE])
{
	memcpy(ret + SUPER_SIGNATURE, signature, sizeof(signature));
	write_le32(ret + SUPER_VERSION, 1);
	write_le32(ret + SUPER_HASH_TYPE, 1);
	memcpy(ret + SUPER_UUID, options->uuid, sizeof(options->uuid));
	memcpy(ret + SUPER_ALGORITHM, algorithm, sizeof(algorithm));
	write_le32(ret + SUPER_DATA_BLOCK, VERITY_BLOCK_SIZE);
	write_le32(ret + SUPER_HASH_BLOCK, VERITY_BLOCK_SIZE);
	write_le64(ret + SUPER_DATA_BLOCKS, data_blocks);
	write_le16(ret + SUPER_SALT_SIZE, (uint16_t)options->salt_size);
	memcpy(ret + SUPER_SALT, options->salt, options->salt_size);
}

static int check_super(const uint8_t *super, struct error **err)
{
	if (memcmp(super + SUPER_SIGNATURE, signature, sizeof(signature)) != 0)
		return error_set(err, -EBADMSG, "verity: no superblock at the beginning of the hash tree");
	if (read_le32(super + SUPER_VERSION) != 1 || read_le32(super + SUPER_HASH_TYPE) != 1)
		return error_set(err, -ENOTSUP,
			"verity: version %u with hash type %u, only 1 and 1 are known",
			read_le32(super + SUPER_VERSION), read_le32(super + SUPER_HASH_TYPE));
	if (memcmp(super + SUPER_ALGORITHM, algorithm, sizeof(algorithm)) != 0)
		return error_set(err, -ENOTSUP, "verity: the hash algorithm is not sha256");
	if (read_le32(super + SUPER_DATA_BLOCK) != VERITY_BLOCK_SIZE ||
		read_le32(super + SUPER_HASH_BLOCK) != VERITY_BLOCK_SIZE)
		return error_set(err, -ENOTSUP,
			"verity: data blocks of %u and hash blocks of %u bytes, not %d",
			read_le32(super + SUPER_DATA_BLOCK), read_le32(super + SUPER_HASH_BLOCK),
			VERITY_BLOCK_SIZE);
	if (read_le16(super + SUPER_SALT_SIZE) > VERITY_SALT_MAX)
		return error_set(err, -EBADMSG, "verity: a salt of %u bytes is longer than %d",
			read_le16(super + SUPER_SALT_SIZE), VERITY_SALT_MAX);
	return 0;
}

int verity_header_parse(const uint8_t *data, size_t size, struct verity_header *ret, struct error **err)
{
	struct verity_header header = {};
	int r;

	if (size < VERITY_HEADER_SIZE)
		return error_set(err, -EBADMSG, "verity: a hash tree of %zu bytes has no superblock", size);
	r = check_super(data, err);
	if (r < 0)
		return r;
	header.blocks = read_le64(data + SUPER_DATA_BLOCKS);
	if (header.blocks == 0 || header.blocks > VERITY_BLOCKS_MAX)
		return error_set(err, -EBADMSG, "verity: the superblock counts %llu data blocks",
			(unsigned long long)header.blocks);
	header.size = verity_shape(header.blocks).blocks * VERITY_BLOCK_SIZE;
	memcpy(header.options.uuid, data + SUPER_UUID, sizeof(header.options.uuid));
	header.options.salt_size = read_le16(data + SUPER_SALT_SIZE);
	memcpy(header.options.salt, data + SUPER_SALT, header.options.salt_size);
	*ret = header;
	return 0;
}

int verity_header_fits(
	const struct verity_header *header, uint64_t data_size, uint64_t hash_size, struct error **err)
{
	if (header->blocks > data_size / VERITY_BLOCK_SIZE)
		return error_set(err, -EBADMSG,
			"verity: %llu data blocks of %d bytes do not fit the %llu bytes for data",
			(unsigned long long)header->blocks, VERITY_BLOCK_SIZE, (unsigned long long)data_size);
	if (header->size > hash_size)
		return error_set(err, -EBADMSG,
			"verity: a hash tree of %llu bytes does not fit the %llu bytes for it",
			(unsigned long long)header->size, (unsigned long long)hash_size);
	return 0;
}
