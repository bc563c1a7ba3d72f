/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "init/ext4.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>

#include "base/bytes.h"
#include "base/file.h"
#include "base/string-util.h"
#include "init/program.h"

/* Offsets in the superblock, in bytes; numbers are little-endian. */
enum {
	SB_BLOCKS_LOW = 0x4,
	SB_LOG_BLOCK_SIZE = 0x18,
	SB_MAGIC = 0x38,
	SB_STATE = 0x3a,
	SB_INCOMPATIBLE = 0x60,
	SB_BLOCKS_HIGH = 0x150,
};

#define EXT4_MAGIC 0xef53
#define STATE_ERRORS 0x2
#define INCOMPATIBLE_64BIT 0x80
#define EXT4_IOC_RESIZE_FS _IOW('f', 16, uint64_t) /* Linux: fs/ext4/ext4.h */

/* e2fsck(8), exit status. */
#define FSCK_CORRECTED 1

int ext4_parse(const uint8_t data[EXT4_SUPERBLOCK_SIZE], struct ext4_info *ret)
{
	uint32_t log_size = read_le32(data + SB_LOG_BLOCK_SIZE);
	struct ext4_info info = {.blocks = read_le32(data + SB_BLOCKS_LOW)};

	if (read_le16(data + SB_MAGIC) != EXT4_MAGIC || log_size > 6)
		return -EBADMSG;
	info.block_size = 1024u << log_size;
	info.errors = read_le16(data + SB_STATE) & STATE_ERRORS;
	if (read_le32(data + SB_INCOMPATIBLE) & INCOMPATIBLE_64BIT)
		info.blocks |= (uint64_t)read_le32(data + SB_BLOCKS_HIGH) << 32;
	*ret = info;
	return 0;
}

int ext4_read(const char *device, struct ext4_info *ret)
{
	_cleanup_close_ int fd = open(device, O_RDONLY | O_CLOEXEC);
	uint8_t data[EXT4_SUPERBLOCK_SIZE];
	int r;

	if (fd < 0)
		return -errno;
	r = pread_full(fd, data, sizeof(data), EXT4_SUPERBLOCK_OFFSET);
	return r < 0 ? r : ext4_parse(data, ret);
}

static int flush(const char *device)
{
	_cleanup_close_ int fd = open(device, O_RDWR | O_CLOEXEC);

	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

int ext4_make(const char *device, const char *label, const char *config, struct error **err)
{
	/* Tables are zeroed, and unused blocks discarded (fstrim), later and in the background. */
	const char *const arguments[] = {"/usr/sbin/mkfs.ext4", "-q", "-F", "-b", "4096", "-m", "1", "-L",
		label, "-E", "lazy_itable_init=1,lazy_journal_init=1,nodiscard", device, NULL};
	_cleanup_free_ char *variable = config ? string_format("MKE2FS_CONFIG=%s", config) : NULL;
	const char *const environment[] = {variable, NULL};
	int r;

	if (config && !variable)
		return error_set_errno(err, -ENOMEM, "mkfs.ext4");
	r = program_run(arguments, environment, err);
	if (r < 0)
		return r;
	if (r > 0)
		return error_set(err, -EIO, "mkfs.ext4 failed on %s with status %d", device, r);
	r = flush(device);
	return r < 0 ? error_set_errno(err, r, "%s", device) : 0;
}

int ext4_repair(const char *device, struct error **err)
{
	const char *const arguments[] = {"/usr/sbin/fsck.ext4", "-p", device, NULL}, *const environment[] = {
											     NULL};
	int r = program_run(arguments, environment, err);

	if (r > FSCK_CORRECTED)
		return error_set(err, -EBADMSG, "fsck.ext4 -p could not repair %s: status %d", device, r);
	return r < 0 ? r : 0;
}

int ext4_grow(const char *path, const struct ext4_info *info, uint64_t size, struct error **err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	uint64_t blocks = size / info->block_size;

	if (fd < 0)
		return error_set_errno(err, -errno, "%s", path);
	if (blocks <= info->blocks)
		return 0;
	return ioctl(fd, EXT4_IOC_RESIZE_FS, &blocks) < 0 ? error_set_errno(err, -errno, "grow ext4") : 0;
}
