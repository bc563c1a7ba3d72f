/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "init/slot.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#include "base/encoding.h"
#include "base/file.h"
#include "init/report.h"

void slot_release(struct slot *slot)
{
	gpt_release(&slot->gpt);
	*slot = (struct slot){};
}

static int parse_type(const char *text, const char *key, struct uuid *ret, struct error **err)
{
	if (text && uuid_parse(text, ret) < 0)
		return error_set(err, -EINVAL, "init.conf: %s is no UUID: %s", key, text);
	return 0;
}

int slot_query_init(
	struct slot_query *ret, const struct settings *settings, const char *root_hash, struct error **err)
{
	struct slot_query query = {};
	int r;

	if (strlen(root_hash) != 2 * SHA256_SIZE || strspn(root_hash, "0123456789abcdef") != 2 * SHA256_SIZE)
		return error_set(err, -EINVAL, "usrhash= on the command line is not 64 lower-case digits");
	(void)hex_decode(root_hash, query.root_hash, SHA256_SIZE);
	query.usr = uuid_from_root_hash_first(query.root_hash, SHA256_SIZE);
	query.verity = uuid_from_root_hash_last(query.root_hash, SHA256_SIZE);
	r = parse_type(settings->usr_type, "usr-type", &query.usr_type, err);
	if (r >= 0)
		r = parse_type(settings->verity_type, "verity-type", &query.verity_type, err);
	if (r >= 0)
		r = parse_type(settings->signature_type, "signature-type", &query.signature_type, err);
	if (r < 0)
		return r;
	*ret = query;
	return 0;
}

char slot_letter(const struct gpt *gpt, const struct uuid *usr_type, unsigned number)
{
	struct gpt_partition partition = {};
	char letter = 'a';

	while (gpt_next(gpt, &partition) && partition.number < number)
		if (uuid_equal(&partition.type, usr_type) && letter < 'z')
			letter++;
	return letter;
}

int slot_read_table(const struct block_device *disk, struct gpt *ret)
{
	_cleanup_close_ int fd = open(disk->path, O_RDONLY | O_CLOEXEC);
	uint32_t sector_size;
	uint64_t size;
	int r;

	if (fd < 0)
		return -errno;
	r = gpt_geometry(fd, &size, &sector_size, NULL);
	return r < 0 ? r : gpt_read(fd, size, sector_size, ret, NULL);
}

/* Makes the table whole again where only its backup is: the kernel itself does without the partitions then.
 */
static int repair_table(const struct slot *slot)
{
	_cleanup_close_ int fd = open(slot->disk.path, O_RDWR | O_CLOEXEC);
	_cleanup_error_ struct error *why = NULL;

	if (fd < 0)
		return -errno;
	if (gpt_write(fd, &slot->gpt, &why) < 0) {
		report(REPORT_WARNING, "%s: %s", slot->disk.path, error_message(why));
		return -EIO;
	}
	report(REPORT_WARNING, "%s: the partition table was damaged: restored it from its backup",
		slot->disk.path);
	return ioctl(fd, BLKRRPART) < 0 ? -errno : 0;
}

/* The kernel's devices for both partitions. -ENOENT where it does not have them (yet). */
static int find_devices(
	struct slot *slot, const struct gpt_partition *usr, const struct gpt_partition *verity)
{
	if (block_partition(&slot->disk, usr->number, &slot->usr) < 0 ||
		block_partition(&slot->disk, verity->number, &slot->verity) < 0)
		return -ENOENT;
	return slot->usr.size == usr->size && slot->verity.size == verity->size ? 0 : -ENOENT;
}

/* The partition that the boot loader named; where it named none, the first of that type. */
static bool find_esp(const struct slot_query *query, const struct gpt *gpt, struct gpt_partition *ret)
{
	if (query->have_esp)
		return gpt_find(gpt, NULL, &query->esp, ret) >= 0;
	return gpt_find(gpt, &gpt_type_lookup("esp", NULL)->id, NULL, ret) >= 0;
}

/* Takes the slot out of one disk's table. -ENOENT where it is not there. */
static int find_in_table(const struct slot_query *query, struct slot *slot)
{
	struct gpt_partition usr, verity, esp;
	bool have_esp = find_esp(query, &slot->gpt, &esp);
	int r;

	if (query->have_esp && !have_esp)
		return -ENOENT;
	if (gpt_find(&slot->gpt, &query->usr_type, &query->usr, &usr) < 0 ||
		gpt_find(&slot->gpt, &query->verity_type, &query->verity, &verity) < 0)
		return -ENOENT;
	r = find_devices(slot, &usr, &verity);
	if (r < 0 && slot->gpt.primary_damaged && repair_table(slot) >= 0)
		r = find_devices(slot, &usr, &verity);
	if (r < 0)
		return r;
	if (have_esp)
		(void)block_partition(&slot->disk, esp.number, &slot->esp);
	slot->number = usr.number;
	slot->letter = slot_letter(&slot->gpt, &query->usr_type, usr.number);
	(void)snprintf(slot->label, sizeof(slot->label), "%s", usr.label);
	return 0;
}

int slot_find(const struct slot_query *query, const char *after, struct slot *ret, struct error **err)
{
	_cleanup_strv_ struct strv disks = {};
	int r = block_disks(&disks);

	if (r < 0)
		return error_set_errno(err, r, "list of disks");
	for (size_t i = 0; i < disks.count; i++) {
		_cleanup_slot_ struct slot slot = {};

		if (after && strcmp(disks.items[i], after) <= 0)
			continue;
		if (block_get(disks.items[i], &slot.disk) < 0 || slot_read_table(&slot.disk, &slot.gpt) < 0 ||
			find_in_table(query, &slot) < 0)
			continue;
		*ret = slot;
		slot = (struct slot){};
		return 0;
	}
	return -ENOENT;
}

static int read_signature(const struct block_device *device, struct verity_signature *ret, struct error **err)
{
	_cleanup_close_ int fd = open(device->path, O_RDONLY | O_CLOEXEC);
	size_t size = (size_t)MIN(device->size, SLOT_SIGNATURE_MAX);
	_cleanup_free_ char *data = malloc(size);
	int r;

	if (fd < 0)
		return error_set_errno(err, -errno, "%s", device->path);
	if (!data)
		return error_set_errno(err, -ENOMEM, "%s", device->path);
	r = read_full(fd, data, size);
	if (r < 0)
		return error_set_errno(err, r, "%s", device->path);
	r = verity_signature_parse(data, size, ret, err);
	return r < 0 ? error_wrap(err, "%s", device->path) : 0;
}

int slot_signature(const struct slot_query *query, const struct slot *slot, struct verity_signature *ret,
	struct error **err)
{
	struct gpt_partition partition = {};

	while (gpt_next(&slot->gpt, &partition)) {
		_cleanup_verity_signature_ struct verity_signature signature = {};
		_cleanup_error_ struct error *why = NULL;
		struct block_device device;

		if (!uuid_equal(&partition.type, &query->signature_type) ||
			block_partition(&slot->disk, partition.number, &device) < 0)
			continue;
		/* An empty slot's partition holds zeros, or what an interrupted update left. */
		if (read_signature(&device, &signature, &why) < 0) {
			report(REPORT_NOTE, "%s", error_message(why));
			continue;
		}
		if (memcmp(signature.root_hash, query->root_hash, SHA256_SIZE) != 0)
			continue;
		*ret = signature;
		signature = (struct verity_signature){};
		return 0;
	}
	return error_set(err, -ENOENT,
		"%s has no signature of this /usr: no usr-verity-sig partition is about its root hash",
		slot->disk.path);
}
