/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "init/block.h"

#include <errno.h>
#include <sys/sysmacros.h>

#include "base/file.h"
#include "init/folder.h"

#define SYS_BLOCK "/sys/class/block/"
#define SECTOR 512 /* of sysfs, whatever the disk's own sector */

/* Reads the first line of /sys/class/block/NAME/ATTRIBUTE. */
static int read_attribute(const char *name, const char *attribute, char **ret)
{
	char path[2 * BLOCK_NAME_MAX + sizeof(SYS_BLOCK)];
	int r;

	if (snprintf(path, sizeof(path), SYS_BLOCK "%s/%s", name, attribute) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	r = file_read(path, 4096, ret, NULL, NULL);
	if (r >= 0)
		(*ret)[strcspn(*ret, "\n")] = 0;
	return r;
}

static int read_number(const char *name, const char *attribute, uint64_t *ret)
{
	_cleanup_free_ char *text = NULL;
	int r = read_attribute(name, attribute, &text);

	return r < 0 ? r : parse_u64(text, ret);
}

static bool is_disk(const char *name)
{
	char path[2 * BLOCK_NAME_MAX];
	uint64_t size, number;

	/* Devices of software making have no parent device. */
	if (snprintf(path, sizeof(path), SYS_BLOCK "%s/device", name) >= (int)sizeof(path) ||
		access(path, F_OK) < 0)
		return false;
	return read_number(name, "partition", &number) == -ENOENT && read_number(name, "size", &size) == 0 &&
	       size > 0;
}

int block_disks(struct strv *ret)
{
	_cleanup_closedir_ DIR *dir = opendir(SYS_BLOCK);
	struct dirent *entry;
	int r = 0;

	if (!dir)
		return errno == ENOENT ? 0 : -errno;
	while (r >= 0 && (entry = readdir(dir)))
		if (entry->d_name[0] != '.' && is_disk(entry->d_name))
			r = strv_add(ret, entry->d_name);
	strv_sort_unique(ret);
	return r;
}

static int read_device_number(const char *name, dev_t *ret)
{
	_cleanup_free_ char *text = NULL;
	uint64_t first, second;
	char *colon;
	int r = read_attribute(name, "dev", &text);

	if (r < 0)
		return r;
	colon = strchr(text, ':');
	if (!colon)
		return -EIO;
	*colon = 0;
	if (parse_u64(text, &first) < 0 || parse_u64(colon + 1, &second) < 0)
		return -EIO;
	*ret = makedev((unsigned)first, (unsigned)second);
	return 0;
}

int block_get(const char *name, struct block_device *ret)
{
	struct block_device device = {};
	uint64_t sectors;
	int r;

	if (strlen(name) + strlen("/dev/") >= BLOCK_NAME_MAX)
		return -ENAMETOOLONG;
	r = read_number(name, "size", &sectors);
	if (r < 0)
		return r;
	r = read_device_number(name, &device.number);
	if (r < 0)
		return r;
	if (!checked_mul(sectors, (uint64_t)SECTOR, &device.size))
		return -EIO;
	(void)snprintf(device.name, sizeof(device.name), "%s", name);
	(void)snprintf(device.path, sizeof(device.path), "/dev/%.50s", name);
	for (char *at = device.path; *at; at++)
		if (*at == '!') /* how sysfs writes "/" */
			*at = '/';
	*ret = device;
	return 0;
}

int block_partition(const struct block_device *disk, unsigned number, struct block_device *ret)
{
	char path[2 * BLOCK_NAME_MAX];
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *entry;

	(void)snprintf(path, sizeof(path), SYS_BLOCK "%s", disk->name);
	dir = opendir(path);
	if (!dir)
		return -errno;
	while ((entry = readdir(dir))) {
		uint64_t found;

		if (startswith(entry->d_name, disk->name) &&
			read_number(entry->d_name, "partition", &found) == 0 && found == number)
			return block_get(entry->d_name, ret);
	}
	return -ENOENT;
}
