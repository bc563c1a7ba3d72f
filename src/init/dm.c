/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "init/dm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>

#include "base/string-util.h"

#define DM_BUFFER_SIZE 8192

/* A request and its answer: the header, and the table behind it. */
union dm_request {
	struct dm_ioctl header;
	char bytes[DM_BUFFER_SIZE];
};

/* The header of a request on the device *name*. */
static void dm_request_init(union dm_request *request, const char *name)
{
	memset(request, 0, sizeof(*request));
	request->header.version[0] = DM_VERSION_MAJOR;
	request->header.data_size = sizeof(*request);
	request->header.data_start = sizeof(request->header);
	(void)snprintf(request->header.name, sizeof(request->header.name), "%s", name);
}

static int dm_new(int control, const char *name, const char *uuid, dev_t *ret)
{
	union dm_request request;

	dm_request_init(&request, name);
	(void)snprintf(request.header.uuid, sizeof(request.header.uuid), "%s", uuid);
	if (ioctl(control, DM_DEV_CREATE, &request) < 0)
		return -errno;
	*ret = (dev_t)request.header.dev;
	return 0;
}

static int dm_load(int control, const char *name, const char *type, uint64_t sectors, const char *parameters)
{
	struct dm_target_spec *target;
	union dm_request request;
	size_t at = sizeof(request.header), length = strlen(parameters) + 1;

	if (length > sizeof(request) - at - sizeof(*target))
		return -E2BIG;
	dm_request_init(&request, name);
	request.header.flags = DM_READONLY_FLAG;
	request.header.target_count = 1;
	target = (struct dm_target_spec *)(request.bytes + at);
	target->length = sectors;
	target->next = (uint32_t)(sizeof(*target) + round_up_u64(length, 8));
	(void)snprintf(target->target_type, sizeof(target->target_type), "%s", type);
	memcpy(target + 1, parameters, length);
	return ioctl(control, DM_TABLE_LOAD, &request) < 0 ? -errno : 0;
}

/*
 * Makes the loaded table the device's. DM_UDEV_PRIMARY_SOURCE_FLAG in the cookie tells udev's rules that the
 * notice is of a table that has come, should udev be listening already.
 */
static int dm_resume(int control, const char *name)
{
	const uint32_t udev_primary_source = 0x40;
	union dm_request request;

	dm_request_init(&request, name);
	request.header.event_nr = udev_primary_source << 16;
	return ioctl(control, DM_DEV_SUSPEND, &request) < 0 ? -errno : 0;
}

static void dm_remove(int control, const char *name)
{
	union dm_request request;

	dm_request_init(&request, name);
	(void)ioctl(control, DM_DEV_REMOVE, &request);
}

static int dm_link(const char *name, const char *node, struct error **err)
{
	char link[64], target[64];

	(void)snprintf(link, sizeof(link), "/dev/mapper/%s", name);
	(void)snprintf(target, sizeof(target), "../%s", node + strlen("/dev/"));
	if (symlink(target, link) < 0 && errno != EEXIST)
		return error_set_errno(err, -errno, "%s", link);
	return 0;
}

int dm_create(const char *name, const char *uuid, const char *type, uint64_t sectors, const char *parameters,
	struct error **err)
{
	_cleanup_close_ int control = open("/dev/mapper/control", O_RDWR | O_CLOEXEC);
	char node[32];
	dev_t device = 0;
	int r;

	if (control < 0)
		return error_set_errno(err, -errno, "/dev/mapper/control");
	r = dm_new(control, name, uuid, &device);
	if (r < 0)
		return error_set_errno(err, r, "device-mapper device %s", name);
	r = dm_load(control, name, type, sectors, parameters);
	if (r < 0)
		(void)error_set_errno(err, r, "device-mapper device %s: table", name);
	if (r >= 0) {
		r = dm_resume(control, name);
		if (r < 0)
			(void)error_set_errno(err, r, "device-mapper device %s: start", name);
	}
	if (r >= 0) {
		(void)snprintf(node, sizeof(node), "/dev/dm-%u", minor(device));
		r = dm_link(name, node, err);
	}
	if (r < 0)
		dm_remove(control, name);
	return r;
}

void dm_drop(const char *name)
{
	_cleanup_close_ int control = open("/dev/mapper/control", O_RDWR | O_CLOEXEC);
	char link[64];

	(void)snprintf(link, sizeof(link), "/dev/mapper/%s", name);
	(void)unlink(link);
	if (control >= 0)
		dm_remove(control, name);
}
