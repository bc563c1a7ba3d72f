/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "update/node-disk.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/string-util.h"

#define LABEL_PREFIX "orlop_"

void node_disk_release(struct node_disk *disk)
{
	gpt_release(&disk->gpt);
	*disk = (struct node_disk){};
}

/* The partition of a type whose number is the next one above *after*. */
static bool next_of_type(
	const struct gpt *gpt, const struct gpt_type *type, unsigned after, struct gpt_partition *ret)
{
	struct gpt_partition partition = {.number = after};

	while (gpt_next(gpt, &partition))
		if (uuid_equal(&partition.type, &type->id)) {
			*ret = partition;
			return true;
		}
	return false;
}

/* The *n*-th partition of each of the three types, in the order of their numbers. */
static int find_slots(struct node_disk *disk, const char *architecture, struct error **err)
{
	static const char *const names[] = {"usr", "usr-verity", "usr-verity-sig"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const struct gpt_type *type = gpt_type_lookup(names[i], architecture);
		unsigned after = 0;

		if (!type)
			return error_set(
				err, -EINVAL, "no partition type \"%s\" for %s", names[i], architecture);
		for (size_t n = 0; n < NODE_SLOTS; n++) {
			struct node_slot *slot = &disk->slots[n];
			struct gpt_partition *parts[] = {&slot->usr, &slot->verity, &slot->signature};

			if (!next_of_type(&disk->gpt, type, after, parts[i]))
				return error_set(err, -ENOENT,
					"the disk has no partition of type %s for slot %c: it has no two "
					"slots to update",
					names[i], (int)('a' + n));
			after = parts[i]->number;
			slot->letter = (char)('a' + n);
		}
	}
	return 0;
}

int node_disk_read(const struct block_io *io, uint32_t sector_size, const char *architecture,
	struct node_disk *ret, struct error **err)
{
	_cleanup_node_disk_ struct node_disk disk = {};
	int r = gpt_read_io(io, sector_size, &disk.gpt, err);

	if (r < 0)
		return r;
	if (gpt_find(&disk.gpt, &gpt_type_lookup("esp", NULL)->id, NULL, &disk.esp) < 0)
		return error_set(err, -ENOENT, "the disk has no EFI system partition");
	r = find_slots(&disk, architecture, err);
	if (r < 0)
		return r;
	*ret = disk;
	disk = (struct node_disk){};
	return 0;
}

bool node_slot_is(const struct node_slot *slot, const uint8_t root[SHA256_SIZE])
{
	struct uuid first = uuid_from_root_hash_first(root, SHA256_SIZE),
		    last = uuid_from_root_hash_last(root, SHA256_SIZE);

	return uuid_equal(&slot->usr.id, &first) && uuid_equal(&slot->verity.id, &last);
}

const char *node_slot_version(const struct node_slot *slot)
{
	const char *version = startswith(slot->usr.label, LABEL_PREFIX);

	return version && *version ? version : NULL;
}

static int set_label(
	struct gpt_partition *partition, const char *version, const char *suffix, struct error **err)
{
	char label[GPT_LABEL_UNITS + 2];

	if (snprintf(label, sizeof(label), LABEL_PREFIX "%s%s", version, suffix) > GPT_LABEL_UNITS)
		return error_set(err, -EINVAL, "version %s is too long for a partition's label", version);
	(void)snprintf(partition->label, sizeof(partition->label), "%s", label);
	return 0;
}

/*
 * An id that no release has: SHA-256 halves can be anything, but these are made of the disk's id, which a
 * build makes of the release's root hash, and of the partition's number.
 */
static int neutral_id(const struct node_disk *disk, struct gpt_partition *partition, struct error **err)
{
	char name[32];
	int n = snprintf(name, sizeof(name), "empty partition %u", partition->number);
	int r = uuid_from_name(&disk->gpt.disk, name, (size_t)n, &partition->id);

	return r < 0 ? error_set_errno(err, r, "partition id") : 0;
}

/* Puts all three back into the table, or none. The ids of one slot are taken out first, as they may swap. */
static int put_slot(
	struct node_disk *disk, struct node_slot *slot, const struct node_slot *wanted, struct error **err)
{
	const struct node_slot before = *slot;
	struct gpt_partition parts[] = {wanted->usr, wanted->verity, wanted->signature};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(parts) && r >= 0; i++)
		r = gpt_put(&disk->gpt, &parts[i], err);
	if (r >= 0) {
		*slot = *wanted;
		return 0;
	}
	parts[0] = before.usr, parts[1] = before.verity, parts[2] = before.signature;
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		(void)gpt_put(&disk->gpt, &parts[i], NULL);
	return r;
}

int node_slot_set_release(struct node_disk *disk, struct node_slot *slot, const char *version,
	const uint8_t root[SHA256_SIZE], struct error **err)
{
	struct node_slot wanted = *slot;
	int r = set_label(&wanted.usr, version, "", err);

	if (r >= 0)
		r = set_label(&wanted.verity, version, "_verity", err);
	if (r >= 0)
		r = set_label(&wanted.signature, version, "_verity_sig", err);
	if (r >= 0)
		r = neutral_id(disk, &wanted.signature, err);
	if (r < 0)
		return r;
	wanted.usr.id = uuid_from_root_hash_first(root, SHA256_SIZE);
	wanted.verity.id = uuid_from_root_hash_last(root, SHA256_SIZE);
	wanted.usr.attributes |= GPT_READ_ONLY;
	wanted.verity.attributes |= GPT_READ_ONLY;
	wanted.signature.attributes |= GPT_READ_ONLY;
	return put_slot(disk, slot, &wanted, err);
}

int node_slot_set_empty(struct node_disk *disk, struct node_slot *slot, struct error **err)
{
	struct node_slot wanted = *slot;
	struct gpt_partition *parts[] = {&wanted.usr, &wanted.verity, &wanted.signature};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(parts) && r >= 0; i++) {
		(void)snprintf(parts[i]->label, sizeof(parts[i]->label), "%s", NODE_SLOT_EMPTY);
		r = neutral_id(disk, parts[i], err);
	}
	return r < 0 ? r : put_slot(disk, slot, &wanted, err);
}
