/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "init/verity.h"

#include <errno.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "base/bytes.h"
#include "base/encoding.h"

/* Offsets in the superblock, in bytes; numbers are little-endian. */
enum {
	SB_MAGIC = 0,
	SB_VERSION = 8,
	SB_HASH_TYPE = 12,
	SB_UUID = 16,
	SB_ALGORITHM = 32,
	SB_DATA_BLOCK_SIZE = 64,
	SB_HASH_BLOCK_SIZE = 68,
	SB_DATA_BLOCKS = 72,
	SB_SALT_SIZE = 80,
	SB_SALT = 88,
};

static bool is_block_size(uint32_t size)
{
	return is_power_of_two_u64(size) && size >= 512 && size <= 65536;
}

/* Blocks of the hash tree above *blocks* data blocks. */
static uint64_t tree_blocks(uint64_t blocks, uint32_t hash_block_size)
{
	uint64_t fanout = hash_block_size / VERITY_ROOT_HASH_SIZE, total = 0;

	while (blocks > 1) {
		blocks = div_round_up_u64(blocks, fanout);
		total += blocks;
	}
	return total;
}

static int check_sizes(const struct verity_parameters *parameters, uint64_t data_size, uint64_t hash_size,
	struct error **err)
{
	uint64_t need;

	if (parameters->data_blocks == 0 || parameters->data_blocks > data_size / parameters->data_block_size)
		return error_set(err, -EBADMSG,
			"%llu data blocks of %u bytes do not fit the data partition of %llu bytes",
			(unsigned long long)parameters->data_blocks, parameters->data_block_size,
			(unsigned long long)data_size);
	/* The superblock has the first hash block for itself. No overflow: the data fit a partition. */
	need = 1 + tree_blocks(parameters->data_blocks, parameters->hash_block_size);
	if (need > hash_size / parameters->hash_block_size)
		return error_set(err, -EBADMSG,
			"a hash tree of %llu blocks of %u bytes does not fit the partition of "
			"%llu bytes",
			(unsigned long long)need, parameters->hash_block_size, (unsigned long long)hash_size);
	return 0;
}

int verity_superblock_parse(const uint8_t data[VERITY_SUPERBLOCK_SIZE], uint64_t data_size,
	uint64_t hash_size, struct verity_parameters *ret, struct error **err)
{
	static const char algorithm[32] = "sha256";
	struct verity_parameters parameters = {
		.data_block_size = read_le32(data + SB_DATA_BLOCK_SIZE),
		.hash_block_size = read_le32(data + SB_HASH_BLOCK_SIZE),
		.data_blocks = read_le64(data + SB_DATA_BLOCKS),
		.salt_size = read_le16(data + SB_SALT_SIZE),
	};
	int r;

	if (memcmp(data + SB_MAGIC, "verity\0", 8) != 0)
		return error_set(err, -EBADMSG, "no verity superblock");
	if (read_le32(data + SB_VERSION) != 1 || read_le32(data + SB_HASH_TYPE) != 1)
		return error_set(err, -EBADMSG,
			"verity version %u, hash type %u: only version 1, type 1 is known",
			read_le32(data + SB_VERSION), read_le32(data + SB_HASH_TYPE));
	if (memcmp(data + SB_ALGORITHM, algorithm, sizeof(algorithm)) != 0)
		return error_set(err, -EBADMSG, "verity's hash is not sha256");
	if (!is_block_size(parameters.data_block_size) || !is_block_size(parameters.hash_block_size))
		return error_set(err, -EBADMSG, "verity's block sizes %u and %u are no sizes",
			parameters.data_block_size, parameters.hash_block_size);
	if (parameters.salt_size > sizeof(parameters.salt))
		return error_set(
			err, -EBADMSG, "verity's salt of %u bytes is too long", parameters.salt_size);
	r = check_sizes(&parameters, data_size, hash_size, err);
	if (r < 0)
		return r;
	memcpy(parameters.uuid, data + SB_UUID, sizeof(parameters.uuid));
	memcpy(parameters.salt, data + SB_SALT, parameters.salt_size);
	*ret = parameters;
	return 0;
}

void verity_table(const struct verity_target *target, struct buffer *ret)
{
	static const char *const corruption_options[] = {
		[CORRUPTION_ERROR] = NULL,
		[CORRUPTION_RESTART] = "restart_on_corruption",
		[CORRUPTION_PANIC] = "panic_on_corruption",
	};
	const struct verity_parameters *parameters = target->parameters;
	const char *option = corruption_options[target->corruption];
	char salt[2 * sizeof(parameters->salt) + 1] = "-";
	unsigned options = (option ? 1 : 0) + (target->signature_key ? 2 : 0);

	if (parameters->salt_size > 0)
		hex_encode(parameters->salt, parameters->salt_size, salt);
	buffer_printf(ret, "1 %u:%u %u:%u %u %u %llu 1 sha256 %s %s", major(target->data),
		minor(target->data), major(target->hash), minor(target->hash), parameters->data_block_size,
		parameters->hash_block_size, (unsigned long long)parameters->data_blocks, target->root_hash,
		salt);
	if (options > 0)
		buffer_printf(ret, " %u", options);
	if (option)
		buffer_printf(ret, " %s", option);
	if (target->signature_key)
		buffer_printf(ret, " root_hash_sig_key_desc %s", target->signature_key);
	buffer_append_u8(ret, 0);
}
