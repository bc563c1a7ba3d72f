/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "init/mount.h"

#include <errno.h>

#include "base/file.h"

#define QUIET (MS_NOSUID | MS_NODEV | MS_NOEXEC)

int mount_at(const char *source, const char *target, const char *type, unsigned long flags,
	const char *options, struct error **err)
{
	if (mkdir(target, 0755) < 0 && errno != EEXIST)
		return error_set_errno(err, -errno, "%s", target);
	if (mount(source, target, type, flags, options) < 0)
		return error_set_errno(err, -errno, "mount %s at %s", source, target);
	return 0;
}

int mount_bind(const char *source, const char *target, struct error **err)
{
	return mount_at(source, target, NULL, MS_BIND, NULL, err);
}

int mount_folder(int source, const char *target, struct error **err)
{
	char path[32];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", source);
	return mount_bind(path, target, err);
}

int mount_kernel(struct error **err)
{
	static const struct {
		const char *type, *target;
		unsigned long flags;
		const char *options;
	} mounts[] = {
		{"proc", "/proc", QUIET, NULL},
		{"sysfs", "/sys", QUIET, NULL},
		{"devtmpfs", "/dev", MS_NOSUID, "mode=0755,size=4m"},
		{"tmpfs", "/run", MS_NOSUID | MS_NODEV, "mode=0755,size=20%,nr_inodes=800k"},
		{"securityfs", "/sys/kernel/security", QUIET, NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(mounts); i++) {
		int r = mount_at(mounts[i].type, mounts[i].target, mounts[i].type, mounts[i].flags,
			mounts[i].options, err);

		/* The kernel may have mounted /dev by itself. */
		if (r == -EBUSY)
			*err = error_free(*err);
		else if (r < 0)
			return r;
	}
	return 0;
}

int mount_efivars(struct error **err)
{
	static const char target[] = "/sys/firmware/efi/efivars";

	if (access(target, F_OK) < 0)
		return 0;
	return mount_at("efivarfs", target, "efivarfs", QUIET, NULL, err);
}
