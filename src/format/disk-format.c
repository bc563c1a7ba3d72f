/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/disk-format.h"

#include <errno.h>
#include <string.h>

#include "format/disk-format-part.h"

#define SECTOR 512

/* The space of names for ids in disk formats. Changing it changes all files in them. */
static const struct uuid name_space = {
	{0x9d, 0x1c, 0x3e, 0x52, 0x7b, 0x08, 0x4f, 0xa6, 0x8e, 0x35, 0xd4, 0x60, 0x1b, 0xc7, 0x92, 0x0f}};

static const struct {
	const char *name;
	uint64_t largest, multiple; /* bytes that a disk may have */
	int (*write)(const struct disk_source *source, int to);
} formats[DISK_FORMATS] = {
	/* A table of 8192 addresses, which QEMU takes four million of, covers 512 MiB; ours is the lesser
	   limit. */
	[DISK_FORMAT_QCOW2] = {"qcow2", GiB(64 * 1024), SECTOR, qcow2_write},
	/* Clouds take whole MiB only, and readers no more than 2040 GiB. */
	[DISK_FORMAT_VHD] = {"vhd", GiB(2040), MiB(1), vhd_write},
	/* MS-VHDX 2.6.2.2 */
	[DISK_FORMAT_VHDX] = {"vhdx", GiB(64 * 1024), SECTOR, vhdx_write},
};

const char *disk_format_name(unsigned format)
{
	return formats[format].name;
}

int disk_format_find(const char *name, size_t length)
{
	for (int i = 0; i < DISK_FORMATS; i++)
		if (strlen(formats[i].name) == length && memcmp(formats[i].name, name, length) == 0)
			return i;
	return -ENOENT;
}

const char *disk_format_recognize(const uint8_t head[DISK_FORMAT_HEAD])
{
	if (memcmp(head, "QFI\xfb", 4) == 0)
		return formats[DISK_FORMAT_QCOW2].name;
	return memcmp(head, "vhdxfile", 8) == 0 ? formats[DISK_FORMAT_VHDX].name : NULL;
}

json_t *disk_formats_json(unsigned set)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < DISK_FORMATS; i++)
		if ((set >> i & 1) && json_array_append_new(list, json_string(formats[i].name)) < 0) {
			json_decref(list);
			return NULL;
		}
	return list;
}

int disk_format_id(const struct disk_source *source, const char *thing, struct uuid *ret)
{
	_cleanup_free_ char *name = malloc(SHA256_SIZE + strlen(thing));

	if (!name)
		return -ENOMEM;
	memcpy(name, source->digest, SHA256_SIZE);
	memcpy(name + SHA256_SIZE, thing, strlen(thing));
	return uuid_from_name(&name_space, name, SHA256_SIZE + strlen(thing), ret);
}

int disk_format_write(unsigned format, const struct disk_source *source, int to, struct error **err)
{
	const char *name = formats[format].name;
	int r;

	if (source->size == 0 || source->size > formats[format].largest)
		return error_set(err, -EINVAL, "a %s has a disk of up to %ju GiB, and not of %ju bytes", name,
			(uintmax_t)(formats[format].largest / GiB(1)), (uintmax_t)source->size);
	if (source->size % formats[format].multiple != 0)
		return error_set(err, -EINVAL,
			"a disk of %ju bytes can't be a %s: its size has to be a multiple of %ju",
			(uintmax_t)source->size, name, (uintmax_t)formats[format].multiple);
	r = formats[format].write(source, to);
	return r < 0 ? error_set_errno(err, r, "%s", name) : 0;
}
