/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Writing the index files of libkmod (modules.dep.bin, modules.alias.bin …): a prefix tree over keys of 7-bit
 * characters, each of which has values with priorities. docs/formats/module-index.md describes the format.
 */
#pragma once

#include "base/buffer.h"
#include "base/error.h"

struct module_index_entry {
	char *key;
	char *value;
	uint32_t priority; /* lower ones are tried first */
};

/* What is to be written; initialise with `= {}`. */
struct module_index {
	struct module_index_entry *entries;
	size_t count;
};

void module_index_release(struct module_index *index);
#define _cleanup_module_index_ _cleanup_(module_index_release)

/* Adds copies. Returns 0 or -ENOMEM. */
int module_index_add(struct module_index *index, const char *key, const char *value, uint32_t priority);

/*
 * Appends the index to *to*, byte for byte as depmod writes it for the same entries added in the same order:
 * values of one key are sorted by priority, of two with the same priority the later one comes first.
 *
 * Returns 0; -EINVAL where a key has a byte over 127, for which the format has no place; -EFBIG where the
 * index would be larger than the 256 MiB that its offsets reach; -ENOMEM.
 */
int module_index_write(const struct module_index *index, struct buffer *to, struct error **err);
