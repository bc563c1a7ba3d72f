/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/tree-delta.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/varint.h"

static const char magic[8] = "orlop-td";

enum {
	HEADER_MAGIC = 0,
	HEADER_VERSION = 8,	/* 32 bits: 1 */
	HEADER_STEPS = 12,	/* 32: bytes of steps */
	HEADER_OLD_BLOCKS = 16, /* 64 */
	HEADER_NEW_BLOCKS = 24, /* 64 */
	HEADER_SIZE = 32,
};

/* Reads one step. Returns 0 or -EBADMSG. */
static int read_step(struct varint_reader *reader, uint64_t old_end, struct tree_delta_step *ret)
{
	int64_t distance = 0;
	int r = varint_read(reader, &ret->fresh);

	if (r >= 0)
		r = varint_read(reader, &ret->copied);
	if (r >= 0 && ret->copied > 0)
		r = varint_read_signed(reader, &distance);
	ret->from = old_end + (uint64_t)distance;
	return r;
}

/* Checks the steps: they make *new_blocks* of what there is. */
static int check_steps(struct tree_delta *delta, uint64_t digests, struct error **err)
{
	struct varint_reader reader = {.at = delta->steps, .end = delta->steps_end};
	uint64_t made = 0, used = 0, old_end = 0;

	while (reader.at < reader.end) {
		struct tree_delta_step step;

		if (read_step(&reader, old_end, &step) < 0 || (step.fresh == 0 && step.copied == 0))
			return error_set(err, -EBADMSG, "a step is damaged");
		if (step.copied > 0 &&
			(step.from > delta->old_blocks || step.copied > delta->old_blocks - step.from))
			return error_set(err, -EBADMSG, "a run of the old tree lies outside it");
		if (step.fresh > digests - used || step.fresh > delta->new_blocks - made ||
			step.copied > delta->new_blocks - made - step.fresh)
			return error_set(err, -EBADMSG, "the steps make more digests than there are");
		used += step.fresh;
		made += step.fresh + step.copied;
		old_end = step.copied > 0 ? step.from + step.copied : old_end;
	}
	if (used != digests || made != delta->new_blocks)
		return error_set(err, -EBADMSG,
			"the steps make %llu digests, %llu of them new; there are %llu, %llu new",
			(unsigned long long)made, (unsigned long long)used,
			(unsigned long long)delta->new_blocks, (unsigned long long)digests);
	delta->digest_count = digests;
	return 0;
}

int tree_delta_parse(const uint8_t *data, size_t size, uint64_t old_blocks, uint64_t new_blocks,
	struct tree_delta *ret, struct error **err)
{
	struct tree_delta delta = {.old_blocks = old_blocks, .new_blocks = new_blocks};
	size_t steps, rest;
	int r;

	if (size < HEADER_SIZE || memcmp(data + HEADER_MAGIC, magic, sizeof(magic)) != 0 ||
		read_le32(data + HEADER_VERSION) != 1)
		return error_set(err, -EBADMSG, "%zu bytes that tell no tree of version 1", size);
	if (read_le64(data + HEADER_OLD_BLOCKS) != old_blocks ||
		read_le64(data + HEADER_NEW_BLOCKS) != new_blocks)
		return error_set(err, -EBADMSG,
			"it leads from %llu blocks to %llu, and not from %llu to %llu",
			(unsigned long long)read_le64(data + HEADER_OLD_BLOCKS),
			(unsigned long long)read_le64(data + HEADER_NEW_BLOCKS),
			(unsigned long long)old_blocks, (unsigned long long)new_blocks);
	steps = read_le32(data + HEADER_STEPS);
	if (steps > size - HEADER_SIZE || (size - HEADER_SIZE - steps) % SHA256_SIZE != 0)
		return error_set(err, -EBADMSG, "%zu bytes do not hold %zu bytes of steps and whole digests",
			size, steps);
	rest = size - HEADER_SIZE - steps;
	delta.steps = data + HEADER_SIZE;
	delta.steps_end = delta.digests = delta.steps + steps;
	r = check_steps(&delta, rest / SHA256_SIZE, err);
	if (r >= 0)
		*ret = delta;
	return r;
}

bool tree_delta_next(
	const struct tree_delta *delta, struct tree_delta_cursor *cursor, struct tree_delta_step *ret)
{
	struct varint_reader reader = {.at = cursor->at ? cursor->at : delta->steps, .end = delta->steps_end};
	int r;

	if (reader.at == reader.end)
		return false;
	r = read_step(&reader, cursor->old_end, ret);
	assert(r >= 0);
	(void)r;
	ret->digests = delta->digests + cursor->digests * SHA256_SIZE;
	cursor->at = reader.at;
	cursor->digests += ret->fresh;
	if (ret->copied > 0)
		cursor->old_end = ret->from + ret->copied;
	return true;
}

/* ---- Writing ---- */

/* The old digests by value: an open hash table of block numbers, the first block of each digest. */
struct lookup {
	const uint8_t *digests;
	uint64_t mask;
	uint64_t *slots; /* block + 1, 0 for none */
};

static uint64_t *find(const struct lookup *lookup, const uint8_t *digest)
{
	uint64_t at = read_le64(digest) & lookup->mask;

	while (lookup->slots[at] > 0 &&
		memcmp(lookup->digests + (lookup->slots[at] - 1) * SHA256_SIZE, digest, SHA256_SIZE) != 0)
		at = (at + 1) & lookup->mask;
	return &lookup->slots[at];
}

static int lookup_init(struct lookup *lookup, const uint8_t *digests, uint64_t blocks)
{
	uint64_t size = 2;

	while (size < 2 * blocks)
		size *= 2;
	*lookup = (struct lookup){
		.digests = digests, .mask = size - 1, .slots = calloc(size, sizeof(*lookup->slots))};
	if (!lookup->slots)
		return -ENOMEM;
	for (uint64_t i = 0; i < blocks; i++) {
		uint64_t *slot = find(lookup, digests + i * SHA256_SIZE);

		if (*slot == 0)
			*slot = i + 1;
	}
	return 0;
}

/* What is being written. */
struct writer {
	const uint8_t *old_digests, *new_digests;
	uint64_t old_blocks, new_blocks;
	struct lookup lookup;
	struct buffer steps, fresh;
	uint64_t old_end;
};

static void writer_release(struct writer *writer)
{
	free(writer->lookup.slots);
	buffer_release(&writer->steps);
	buffer_release(&writer->fresh);
}

static bool is_same(const struct writer *writer, uint64_t old, uint64_t new)
{
	return old < writer->old_blocks &&
	       new < writer->new_blocks &&memcmp(writer->old_digests + old * SHA256_SIZE,
			     writer->new_digests + new *SHA256_SIZE, SHA256_SIZE) ==
		       0;
}

/* The old block with the digest of *new*, the one behind the last run where it has that; UINT64_MAX: none. */
static uint64_t old_block_of(const struct writer *writer, uint64_t new)
{
	uint64_t *slot = find(&writer->lookup, writer->new_digests + new *SHA256_SIZE);

	if (is_same(writer, writer->old_end, new))
		return writer->old_end;
	return *slot > 0 ? *slot - 1 : UINT64_MAX;
}

/* Adds the step that makes the digests from *at* on; returns where it ends. */
static uint64_t add_step(struct writer *writer, uint64_t at)
{
	uint64_t begin = at, from = UINT64_MAX, copied = 0;

	for (; at < writer->new_blocks && (from = old_block_of(writer, at)) == UINT64_MAX; at++)
		buffer_append(&writer->fresh, writer->new_digests + at * SHA256_SIZE, SHA256_SIZE);
	buffer_append_varint(&writer->steps, at - begin);
	while (at < writer->new_blocks && is_same(writer, from + copied, at + copied))
		copied++;
	buffer_append_varint(&writer->steps, copied);
	if (copied > 0) {
		buffer_append_signed_varint(&writer->steps, (int64_t)(from - writer->old_end));
		writer->old_end = from + copied;
	}
	return at + copied;
}

int tree_delta_write(const uint8_t *old_digests, uint64_t old_blocks, const uint8_t *new_digests,
	uint64_t new_blocks, struct buffer *ret, struct error **err)
{
	_cleanup_(writer_release) struct writer writer = {.old_digests = old_digests,
		.new_digests = new_digests,
		.old_blocks = old_blocks,
		.new_blocks = new_blocks};
	uint64_t at = 0;

	if (lookup_init(&writer.lookup, old_digests, old_blocks) < 0)
		return error_set_errno(err, -ENOMEM, "tree");
	while (at < new_blocks && HEADER_SIZE + writer.steps.size + writer.fresh.size <= TREE_DELTA_MAX)
		at = add_step(&writer, at);
	if (HEADER_SIZE + writer.steps.size + writer.fresh.size > TREE_DELTA_MAX)
		return error_set(err, -EFBIG, "the trees have too little in common");
	buffer_append(ret, magic, sizeof(magic));
	buffer_append_le32(ret, 1);
	buffer_append_le32(ret, (uint32_t)writer.steps.size);
	buffer_append_le64(ret, old_blocks);
	buffer_append_le64(ret, new_blocks);
	buffer_append(ret, writer.steps.data, writer.steps.size);
	buffer_append(ret, writer.fresh.data, writer.fresh.size);
	if (writer.steps.failed || writer.fresh.failed || buffer_failed(ret))
		return error_set_errno(err, -ENOMEM, "tree");
	return 0;
}
