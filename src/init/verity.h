/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What dm-verity is told (Linux: Documentation/admin-guide/device-mapper/verity.rst): the table's
 * parameters, made from the superblock of the hash partition and the root hash.
 */
#pragma once

#include "base/buffer.h"
#include "format/verity-header.h"
#include "init/settings.h"

/* What the table is about. */
struct verity_target {
	const struct verity_header *header;
	dev_t data, hash;	   /* the partitions */
	const char *root_hash;	   /* 64 lower-case digits */
	const char *signature_key; /* description of a key of type "user"; NULL: none */
	enum settings_corruption corruption;
};

/* Appends the parameters of the target "verity", ended by NUL. */
void verity_table(const struct verity_target *target, struct buffer *ret);
