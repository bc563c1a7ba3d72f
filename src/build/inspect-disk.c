/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A disk: its partitions with what is in each, and its slots: which data, hash tree and signature belong
 * together, and whether they do.
 */
#include <errno.h>
#include <string.h>

#include "base/encoding.h"
#include "base/string-util.h"
#include "build/inspect-part.h"

#define EMPTY_LABEL "_empty"

struct disk {
	int fd;
	const struct gpt *gpt;
	const struct inspect_options *options;
	json_t *partitions, *slots;
	size_t *faults;
};

static int out_of_memory(struct error **err)
{
	return error_set_errno(err, -ENOMEM, "inspecting");
}

static json_t *attributes_of(uint64_t attributes)
{
	static const struct {
		uint64_t bit;
		const char *name;
	} known[] = {
		{GPT_REQUIRED, "required"},
		{GPT_GROW_FILE_SYSTEM, "grow-file-system"},
		{GPT_READ_ONLY, "read-only"},
		{GPT_NO_AUTO, "no-auto"},
	};
	_cleanup_inspect_json_ json_t *list = json_array();

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (attributes & known[i].bit && json_array_append_new(list, json_string(known[i].name)) < 0)
			return NULL;
	for (unsigned i = 0; i < 64; i++) {
		bool named = false;

		for (size_t j = 0; j < ARRAY_SIZE(known); j++)
			named = named || known[j].bit == UINT64_C(1) << i;
		if (attributes >> i & 1 && !named &&
			json_array_append_new(list, json_sprintf("bit-%u", i)) < 0)
			return NULL;
	}
	return TAKE_PTR(list);
}

static struct verity_range range_of(const struct disk *disk, const struct gpt_partition *partition)
{
	return (struct verity_range){.fd = disk->fd, .offset = partition->offset, .size = partition->size};
}

/* What is in the partition: a member "content" where that is known, "error" where it is damaged. */
static int add_content(
	struct disk *disk, const struct gpt_partition *partition, json_t *object, struct error **err)
{
	const struct verity_range range = range_of(disk, partition);
	_cleanup_error_ struct error *fault = NULL;
	json_t *content = NULL;
	int r = inspect_range(&range, disk->options, &content, disk->faults, &fault);

	if (r == -EMEDIUMTYPE)
		return 0;
	if (r < 0)
		r = inspect_fault(object, TAKE_PTR(fault), disk->faults);
	else
		r = json_object_set_new(object, "content", content);
	return r < 0 ? out_of_memory(err) : 0;
}

static int add_partition(struct disk *disk, const struct gpt_partition *partition, struct error **err)
{
	const struct gpt_type *type = gpt_type_find(&partition->type);
	json_t *object = json_pack("{s:i, s:s*, s:s*, s:o, s:o, s:o, s:I, s:I, s:o}", "number",
		(int)partition->number, "type", type ? type->name : NULL, "architecture",
		type ? type->architecture : NULL, "type_uuid", inspect_uuid(&partition->type), "label",
		inspect_string(partition->label, strlen(partition->label)), "uuid",
		inspect_uuid(&partition->id), "offset", (json_int_t)partition->offset, "size",
		(json_int_t)partition->size, "attributes", attributes_of(partition->attributes));

	if (json_array_append_new(disk->partitions, object) < 0)
		return out_of_memory(err);
	return add_content(disk, partition, object, err);
}

/* The JSON object of a partition. */
static json_t *partition_object(const struct disk *disk, unsigned number)
{
	json_t *object;
	size_t i;

	json_array_foreach(disk->partitions, i,
		object) if (json_integer_value(json_object_get(object, "number")) == number) return object;
	return NULL;
}

/* The *index*th partition, from 0, of the type that goes with *data*'s: "usr" and "-verity". */
static int find_companion(const struct disk *disk, const struct gpt_type *data, const char *suffix,
	unsigned index, struct gpt_partition *ret)
{
	_cleanup_free_ char *name = string_format("%s%s", data->name, suffix);
	const struct gpt_type *type = name ? gpt_type_lookup(name, data->architecture) : NULL;
	struct gpt_partition partition = {};

	while (type && gpt_next(disk->gpt, &partition))
		if (uuid_equal(&partition.type, &type->id) && index-- == 0) {
			*ret = partition;
			return 0;
		}
	return -ENOENT;
}

/* That the hash tree is the root hash's and as long as the data, and the signature the root hash's. */
static int check_slot(const struct disk *disk, const struct gpt_partition *data,
	const struct gpt_partition *verity, const struct gpt_partition *signature,
	const uint8_t root_hash[SHA256_SIZE], struct error **err)
{
	const struct verity_range data_range = range_of(disk, data), hash_range = range_of(disk, verity);
	const json_t *content = json_object_get(partition_object(disk, data->number), "content");
	const json_t *tree = json_object_get(partition_object(disk, verity->number), "content");
	const json_t *signed_hash = json_object_get(
		json_object_get(partition_object(disk, signature->number), "content"), "root_hash");
	json_int_t hashed = json_integer_value(json_object_get(tree, "data_size"));
	json_int_t size = json_integer_value(json_object_get(content, "size"));
	char text[SHA256_HEX_SIZE];
	int r = verity_check_root(&data_range, &hash_range, root_hash, err);

	if (r < 0)
		return r;
	if ((uint64_t)hashed > data->size || size > hashed)
		return error_set(err, -EBADMSG,
			"the hash tree is over %lld bytes, the image has %lld and its partition %llu",
			(long long)hashed, (long long)size, (unsigned long long)data->size);
	hex_encode(root_hash, SHA256_SIZE, text);
	if (signature->number > 0 && !(signed_hash && streq(json_string_value(signed_hash), text)))
		return error_set(err, -EBADMSG, "the signature is not that of the root hash");
	return disk->options->verify ? verity_verify_ranges(&data_range, &hash_range, root_hash,
					       disk->options->threads, NULL, err)
				     : 0;
}

/* The slot of a data partition, the *index*th of its type. */
static int add_slot(struct disk *disk, const struct gpt_partition *data, unsigned index, struct error **err)
{
	const struct gpt_type *type = gpt_type_find(&data->type);
	struct gpt_partition verity = {}, signature = {};
	_cleanup_error_ struct error *fault = NULL;
	bool empty = streq(data->label, EMPTY_LABEL);
	uint8_t root_hash[SHA256_SIZE];
	json_t *object;
	int r = 0;

	if (find_companion(disk, type, "-verity", index, &verity) < 0)
		return 0;
	(void)find_companion(disk, type, "-verity-sig", index, &signature);
	object = json_pack("{s:s, s:s, s:b, s:i, s:i}", "type", type->name, "label", "", "empty", empty,
		"data", (int)data->number, "verity", (int)verity.number);
	if (json_array_append_new(disk->slots, object) < 0 ||
		json_object_set_new(object, "label", inspect_string(data->label, strlen(data->label))) < 0 ||
		(signature.number > 0 &&
			json_object_set_new(object, "signature", json_integer(signature.number)) < 0))
		return out_of_memory(err);
	if (empty)
		return 0;
	memcpy(root_hash, data->id.bytes, UUID_SIZE);
	memcpy(root_hash + UUID_SIZE, verity.id.bytes, UUID_SIZE);
	if (json_object_set_new(object, "root_hash", inspect_hex(root_hash, SHA256_SIZE)) < 0)
		return out_of_memory(err);
	if (check_slot(disk, data, &verity, &signature, root_hash, &fault) < 0)
		r = inspect_fault(object, TAKE_PTR(fault), disk->faults);
	else if (disk->options->verify)
		r = json_object_set_new(object, "verified", json_true());
	return r < 0 ? out_of_memory(err) : 0;
}

/* Slots are counted for each type: the first usr partition goes with the first hash tree and signature. */
static int add_slots(struct disk *disk, struct error **err)
{
	struct gpt_partition data = {};
	int r = 0;

	while (r >= 0 && gpt_next(disk->gpt, &data)) {
		const struct gpt_type *type = gpt_type_find(&data.type);
		struct gpt_partition before = {};
		unsigned index = 0;

		if (!type || !(streq(type->name, "usr") || streq(type->name, "root")))
			continue;
		while (gpt_next(disk->gpt, &before) && before.number < data.number)
			index += uuid_equal(&before.type, &data.type);
		r = add_slot(disk, &data, index, err);
	}
	return r;
}

/* A table of which one copy is damaged still works, so this is no fault; the next repair ends it. */
static json_t *describe_disk(const struct disk *disk)
{
	const struct gpt *gpt = disk->gpt;

	return json_pack("{s:s, s:I, s:I, s:o, s:b, s:b, s:b, s:O, s:O}", "kind", "disk", "size",
		(json_int_t)(gpt->sectors * gpt->sector_size), "sector_size", (json_int_t)gpt->sector_size,
		"uuid", inspect_uuid(&gpt->disk), "primary_table_damaged", gpt->primary_damaged,
		"backup_table_damaged", gpt->backup_damaged, "backup_table_differs", gpt->backup_differs,
		"partitions", disk->partitions, "slots", disk->slots);
}

int inspect_disk(int fd, const struct gpt *gpt, const struct inspect_options *options, json_t **ret,
	size_t *faults, struct error **err)
{
	_cleanup_inspect_json_ json_t *partitions = json_array(), *slots = json_array();
	struct disk disk = {.fd = fd,
		.gpt = gpt,
		.options = options,
		.partitions = partitions,
		.slots = slots,
		.faults = faults};
	struct gpt_partition partition = {};
	int r = 0;

	while (r >= 0 && gpt_next(gpt, &partition))
		r = add_partition(&disk, &partition, err);
	if (r >= 0)
		r = add_slots(&disk, err);
	if (r < 0)
		return r;
	if (options->verify && json_array_size(slots) == 0)
		return error_set(err, -EINVAL, "the disk has no slot with a hash tree to verify");
	*ret = describe_disk(&disk);
	return *ret ? 0 : out_of_memory(err);
}
