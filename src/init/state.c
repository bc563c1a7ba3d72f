/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "init/state.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/blkpg.h>
#include <sys/ioctl.h>
#include <sys/random.h>

#include "base/file.h"
#include "init/ext4.h"
#include "init/folder.h"
#include "init/mount.h"
#include "init/report.h"

#define UNFINISHED "-unfinished"
#define VAR NEW_ROOT "/var"
#define STATE_FLAGS (MS_NOSUID | MS_NODEV)

/* Finds the state partition by type and label, with the mark or without. */
static bool find_partition(const struct state_query *query, const struct gpt *gpt, struct state_plan *plan)
{
	struct gpt_partition partition = {};

	while (gpt_next(gpt, &partition)) {
		const char *rest = startswith(partition.label, query->label);

		if (!uuid_equal(&partition.type, &query->type) || !rest ||
			(*rest && !streq(rest, UNFINISHED)))
			continue;
		plan->partition = partition;
		plan->unfinished = *rest;
		return true;
	}
	return false;
}

static int plan_new(const struct state_query *query, const struct uuid *id, struct gpt *gpt,
	struct state_plan *plan, struct error **err)
{
	struct gpt_partition partition = {.type = query->type, .id = *id, .attributes = GPT_GROW_FILE_SYSTEM};
	int r = gpt_end_gap(gpt, query->minimum, &partition.offset, &partition.size);

	if (r < 0)
		return error_set(err, r,
			"the disk has no state partition, and behind its partitions no %llu MiB of room for "
			"one",
			(unsigned long long)(query->minimum >> 20));
	(void)snprintf(partition.label, sizeof(partition.label), "%.24s" UNFINISHED, query->label);
	r = gpt_put(gpt, &partition, err);
	if (r < 0)
		return r;
	plan->partition = partition;
	plan->write = plan->add = plan->unfinished = true;
	return 0;
}

static int plan_growth(struct gpt *gpt, struct state_plan *plan, struct error **err)
{
	uint64_t room = gpt_room(gpt, &plan->partition);

	if (room <= plan->partition.size)
		return 0;
	plan->partition.size = room;
	plan->write = plan->grow = true;
	return gpt_put(gpt, &plan->partition, err);
}

int state_plan(const struct state_query *query, uint64_t disk_size, const struct uuid *new_id,
	struct gpt *gpt, struct state_plan *ret, struct error **err)
{
	struct state_plan plan = {
		.write = gpt->primary_damaged || gpt->backup_damaged || gpt->backup_differs};
	int r = gpt_resize(gpt, disk_size, err);

	if (r < 0)
		return r;
	r = find_partition(query, gpt, &plan) ? plan_growth(gpt, &plan, err)
					      : plan_new(query, new_id, gpt, &plan, err);
	if (r < 0)
		return r;
	*ret = plan;
	return 0;
}

/* Tells the kernel of the partition: the whole table can't be read anew while /usr is in use. */
static int tell_kernel(int disk, const struct state_plan *plan)
{
	struct blkpg_partition partition = {
		.start = (long long)plan->partition.offset,
		.length = (long long)plan->partition.size,
		.pno = (int)plan->partition.number,
	};
	struct blkpg_ioctl_arg argument = {
		.op = plan->add ? BLKPG_ADD_PARTITION : BLKPG_RESIZE_PARTITION,
		.datalen = sizeof(partition),
		.data = &partition,
	};

	return ioctl(disk, BLKPG, &argument) < 0 ? -errno : 0;
}

static int write_table(const struct slot *slot, const struct state_plan *plan, struct error **err)
{
	_cleanup_close_ int disk = open(slot->disk.path, O_RDWR | O_CLOEXEC);
	int r;

	if (disk < 0)
		return error_set_errno(err, -errno, "%s", slot->disk.path);
	r = gpt_write(disk, &slot->gpt, err);
	if (r >= 0 && (plan->add || plan->grow)) {
		r = tell_kernel(disk, plan);
		if (r < 0)
			(void)error_set_errno(err, r, "%s: new size of partition %u", slot->disk.path,
				plan->partition.number);
	}
	return r;
}

/* Makes the file system, and takes the mark away once it is on disk. */
static int make_file_system(const struct state_query *query, struct slot *slot, struct state_plan *plan,
	const struct block_device *device, struct error **err)
{
	int r;

	report(REPORT_NOTE, "making the state file system on %s", device->path);
	r = ext4_make(device->path, query->label, query->config, err);
	if (r < 0)
		return r;
	(void)snprintf(plan->partition.label, sizeof(plan->partition.label), "%s", query->label);
	r = gpt_put(&slot->gpt, &plan->partition, err);
	if (r < 0)
		return r;
	plan->add = plan->grow = false;
	return write_table(slot, plan, err);
}

static int try_mount(const struct block_device *device, struct error **err)
{
	return mount_at(device->path, VAR, "ext4", STATE_FLAGS, "errors=remount-ro", err);
}

/* Mounts the file system, after a repair where it is marked as faulty or can't be mounted. */
static int mount_device(const struct block_device *device, const struct ext4_info *info, struct error **err)
{
	_cleanup_error_ struct error *why = NULL;
	int r;

	if (!info->errors && try_mount(device, &why) >= 0)
		return 0;
	report(REPORT_WARNING, "state: %s; repairing it",
		info->errors ? "the file system is marked as faulty" : error_message(why));
	r = ext4_repair(device->path, err);
	return r < 0 ? r : try_mount(device, err);
}

static int mount_and_grow(const struct block_device *device, struct state *state, struct error **err)
{
	_cleanup_error_ struct error *why = NULL;
	struct ext4_info info;
	int r = ext4_read(device->path, &info);

	if (r < 0)
		return error_set(err, r, "%s: the state partition holds no ext4 file system", device->path);
	r = mount_device(device, &info, err);
	if (r < 0)
		return r;
	if (device->size / info.block_size <= info.blocks)
		return 0;
	/* A file system that stays smaller than its partition is usable: no reason not to start. */
	if (ext4_grow(VAR, &info, device->size, &why) < 0)
		report(REPORT_WARNING, "state: %s", error_message(why));
	else
		state->grown = true;
	return 0;
}

static int prepare_partition(
	const struct state_query *query, struct slot *slot, struct state *state, struct error **err)
{
	struct state_plan plan;
	struct uuid id;
	int r;

	if (getrandom(id.bytes, sizeof(id.bytes), 0) != sizeof(id.bytes))
		return error_set_errno(err, -EIO, "random numbers");
	id.bytes[6] = (uint8_t)((id.bytes[6] & 0x0f) | 0x40); /* RFC 9562: version 4 */
	id.bytes[8] = (uint8_t)((id.bytes[8] & 0x3f) | 0x80);
	r = state_plan(query, slot->disk.size, &id, &slot->gpt, &plan, err);
	if (r >= 0 && plan.write)
		r = write_table(slot, &plan, err);
	if (r < 0)
		return r;
	r = block_partition(&slot->disk, plan.partition.number, &state->device);
	if (r < 0)
		return error_set_errno(err, r, "%s: partition %u", slot->disk.path, plan.partition.number);
	if (!plan.unfinished)
		return 0;
	state->made = true;
	return make_file_system(query, slot, &plan, &state->device, err);
}

int state_find_disk(const struct state_query *query, struct slot *slot, struct error **err)
{
	_cleanup_strv_ struct strv disks = {};
	int r = block_disks(&disks);

	if (r < 0)
		return error_set_errno(err, r, "list of disks");
	for (size_t i = 0; i < disks.count; i++) {
		_cleanup_gpt_ struct gpt gpt = {};
		struct block_device disk, device;
		struct state_plan plan;

		if (block_get(disks.items[i], &disk) < 0 || slot_read_table(&disk, &gpt) < 0 ||
			!find_partition(query, &gpt, &plan) ||
			block_partition(&disk, plan.partition.number, &device) < 0)
			continue;
		slot->disk = disk;
		slot->gpt = gpt;
		gpt = (struct gpt){};
		return 0;
	}
	return -ENOENT;
}

int state_mount(const struct state_query *query, struct slot *slot, struct state *ret, struct error **err)
{
	struct state state = {};
	int r = prepare_partition(query, slot, &state, err);

	if (r >= 0)
		r = mount_and_grow(&state.device, &state, err);
	if (r < 0)
		return error_wrap(err, "state");
	*ret = state;
	return 0;
}

int state_mount_volatile(struct error **err)
{
	return mount_at("tmpfs", VAR, "tmpfs", STATE_FLAGS, "mode=0755,size=50%", err);
}

int state_folder(const char *path, mode_t mode, struct error **err)
{
	_cleanup_close_ int var = open(VAR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_strv_ struct strv aside = {};
	int fd;

	if (var < 0)
		return error_set_errno(err, -errno, VAR);
	fd = folder_open(var, path, mode, &aside, err);
	folder_report_aside("/var", &aside);
	return fd < 0 ? error_wrap(err, "state") : fd;
}

int state_mount_folders(struct error **err)
{
	static const struct {
		const char *source, *target;
		mode_t mode;
	} folders[] = {
		{"roothome", NEW_ROOT "/root", 0700},
		{"home", NEW_ROOT "/home", 0755},
		{"opt", NEW_ROOT "/opt", 0755},
		{"srv", NEW_ROOT "/srv", 0755},
	};

	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		_cleanup_close_ int folder = state_folder(folders[i].source, folders[i].mode, err);
		int r = folder < 0 ? folder : mount_folder(folder, folders[i].target, err);

		if (r < 0)
			return r;
	}
	return 0;
}
