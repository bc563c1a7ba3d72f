/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What dm-verity is told (Linux: Documentation/admin-guide/device-mapper/verity.rst): the superblock at the
 * beginning of the hash partition (cryptsetup: "On-disk format", version 1), and the table's parameters made
 * from it and the root hash.
 */
#pragma once

#include "base/buffer.h"
#include "base/error.h"
#include "init/settings.h"

#define VERITY_SUPERBLOCK_SIZE 512
#define VERITY_ROOT_HASH_SIZE 32

struct verity_parameters {
	uint8_t uuid[16];
	uint32_t data_block_size, hash_block_size; /* bytes */
	uint64_t data_blocks;
	uint8_t salt[256];
	uint16_t salt_size;
};

/*
 * Reads the superblock and checks it against the sizes, in bytes, of the two partitions. Only what an image
 * of ours can be is taken: version 1, hash type 1, SHA-256. The salt and sizes need no trust: a wrong one
 * makes another root hash. Returns 0 or -EBADMSG.
 */
int verity_superblock_parse(const uint8_t data[VERITY_SUPERBLOCK_SIZE], uint64_t data_size,
	uint64_t hash_size, struct verity_parameters *ret, struct error **err);

/* What the table is about. */
struct verity_target {
	const struct verity_parameters *parameters;
	dev_t data, hash;	   /* the partitions */
	const char *root_hash;	   /* 64 lower-case digits */
	const char *signature_key; /* description of a key of type "user"; NULL: none */
	enum settings_corruption corruption;
};

/* Appends the parameters of the target "verity", ended by NUL. */
void verity_table(const struct verity_target *target, struct buffer *ret);
