/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * qcow2, version 3 (QEMU's docs/interop/qcow2.txt): a header, the clusters that aren't zero in the disk's
 * order, and behind them the tables that say what is where: docs/formats/disk-formats.md.
 */
#include <errno.h>
#include <fcntl.h>

#include "base/bytes.h"
#include "base/file.h"
#include "format/disk-format-part.h"

#define MAGIC 0x514649fb
#define VERSION 3
#define CLUSTER_BITS 16
#define CLUSTER ((uint64_t)1 << CLUSTER_BITS)
#define ADDRESSES (CLUSTER / sizeof(uint64_t)) /* in a cluster of a table */
#define REFCOUNT_ORDER 4		       /* 16 bits each, … */
#define REFCOUNTS (CLUSTER / sizeof(uint16_t)) /* … so many in a block of them */
#define COPIED ((uint64_t)1 << 63)	       /* an address whose cluster has one reference */

/* "Header"; what has no name here stays zero. */
enum {
	HEADER_MAGIC = 0,	       /* be32 */
	HEADER_VERSION = 4,	       /* be32 */
	HEADER_CLUSTER_BITS = 20,      /* be32 */
	HEADER_SIZE = 24,	       /* be64: bytes of the disk */
	HEADER_L1_SIZE = 36,	       /* be32: entries */
	HEADER_L1_OFFSET = 40,	       /* be64 */
	HEADER_REFCOUNT_OFFSET = 48,   /* be64: of the table */
	HEADER_REFCOUNT_CLUSTERS = 56, /* be32: of the table */
	HEADER_REFCOUNT_ORDER = 96,    /* be32 */
	HEADER_LENGTH = 100,	       /* be32 */
	HEADER_BYTES = 104,	       /* the end of version 3's fields; the next eight zeros are the
					  end of its extensions */
};

/* Numbers of clusters. Each part begins where the one before it ends, the first one behind the header. */
struct layout {
	uint64_t data, l2, l1, table, counts;
	uint64_t l1_entries, end;
};

static uint64_t l2_tables(const struct disk_blocks *blocks)
{
	uint64_t count = 0;

	for (size_t i = 0; i < blocks->count; i++)
		count += i == 0 || blocks->items[i] / ADDRESSES != blocks->items[i - 1] / ADDRESSES;
	return count;
}

static struct layout lay_out(uint64_t size, const struct disk_blocks *blocks)
{
	struct layout layout = {.data = 1, .l1_entries = div_round_up_u64(size, ADDRESSES * CLUSTER)};
	uint64_t counts = 0, table, before;

	layout.l2 = layout.data + blocks->count;
	layout.l1 = layout.l2 + l2_tables(blocks);
	layout.table = layout.l1 + div_round_up_u64(layout.l1_entries, ADDRESSES);
	/* What counts clusters stands in clusters that are counted. */
	do {
		before = counts;
		table = div_round_up_u64(counts, ADDRESSES);
		counts = div_round_up_u64(layout.table + table + counts, REFCOUNTS);
	} while (counts != before);
	layout.counts = layout.table + table;
	layout.end = layout.counts + counts;
	return layout;
}

static int write_clusters(int to, const void *data, uint64_t cluster, uint64_t count)
{
	return pwrite_full(to, data, (size_t)(count * CLUSTER), cluster * CLUSTER);
}

/* Level 2 says where the clusters of 512 MiB of the disk are, level 1 where the tables of level 2 are. */
static int write_addresses(int to, const struct layout *layout, const struct disk_blocks *blocks)
{
	_cleanup_free_ uint8_t *l1 = calloc(layout->table - layout->l1, CLUSTER), *l2 = malloc(CLUSTER);
	uint64_t cluster = layout->l2;
	int r = 0;

	if (!l1 || !l2)
		return -ENOMEM;
	for (size_t i = 0; i < blocks->count && r >= 0; cluster++) {
		uint64_t number = blocks->items[i] / ADDRESSES;

		memset(l2, 0, CLUSTER);
		for (; i < blocks->count && blocks->items[i] / ADDRESSES == number; i++)
			write_be64(l2 + blocks->items[i] % ADDRESSES * sizeof(uint64_t),
				((layout->data + i) * CLUSTER) | COPIED);
		write_be64(l1 + number * sizeof(uint64_t), (cluster * CLUSTER) | COPIED);
		r = write_clusters(to, l2, cluster, 1);
	}
	return r < 0 ? r : write_clusters(to, l1, layout->l1, layout->table - layout->l1);
}

/* Everything up to the end of the file is in use, once. */
static int write_refcounts(int to, const struct layout *layout)
{
	uint64_t table_clusters = layout->counts - layout->table, left = layout->end;
	_cleanup_free_ uint8_t *table = calloc(table_clusters + 1, CLUSTER), *counts = malloc(CLUSTER);
	int r = 0;

	if (!table || !counts)
		return -ENOMEM;
	for (uint64_t cluster = layout->counts; cluster < layout->end && r >= 0; cluster++) {
		uint64_t used = MIN(left, REFCOUNTS);

		memset(counts, 0, CLUSTER);
		for (uint64_t i = 0; i < used; i++)
			write_be16(counts + i * sizeof(uint16_t), 1);
		write_be64(table + (cluster - layout->counts) * sizeof(uint64_t), cluster * CLUSTER);
		r = write_clusters(to, counts, cluster, 1);
		left -= used;
	}
	return r < 0 ? r : write_clusters(to, table, layout->table, table_clusters);
}

static int write_header(int to, uint64_t size, const struct layout *layout)
{
	uint8_t header[HEADER_BYTES] = {};

	write_be32(header + HEADER_MAGIC, MAGIC);
	write_be32(header + HEADER_VERSION, VERSION);
	write_be32(header + HEADER_CLUSTER_BITS, CLUSTER_BITS);
	write_be64(header + HEADER_SIZE, size);
	write_be32(header + HEADER_L1_SIZE, (uint32_t)layout->l1_entries);
	write_be64(header + HEADER_L1_OFFSET, layout->l1 * CLUSTER);
	write_be64(header + HEADER_REFCOUNT_OFFSET, layout->table * CLUSTER);
	write_be32(header + HEADER_REFCOUNT_CLUSTERS, (uint32_t)(layout->counts - layout->table));
	write_be32(header + HEADER_REFCOUNT_ORDER, REFCOUNT_ORDER);
	write_be32(header + HEADER_LENGTH, HEADER_BYTES);
	return pwrite_full(to, header, sizeof(header), 0);
}

int qcow2_write(const struct disk_source *source, int to)
{
	_cleanup_disk_blocks_ struct disk_blocks blocks = {};
	struct layout layout;
	int r = disk_blocks_copy(source, CLUSTER, to, CLUSTER, &blocks);

	if (r < 0)
		return r;
	layout = lay_out(source->size, &blocks);
	r = write_addresses(to, &layout, &blocks);
	if (r >= 0)
		r = write_refcounts(to, &layout);
	return r < 0 ? r : write_header(to, source->size, &layout);
}
