/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "update/kernel-file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "update/node-releases.h"

#define PATH NODE_STATE "/kernel"

/* Where nothing can be written for want of room, that is what has to be said. */
static int fail(const struct kernel_file *file, int code, struct error **err)
{
	(void)error_set_errno(err, code, "%s", file->path);
	return code == -ENOSPC ? error_advise(err, "free some space on /var"), code : code;
}

int kernel_file_open(const struct node *node, struct kernel_file *ret, struct error **err)
{
	struct kernel_file file = {.path = node_path(node, PATH)};

	if (!file.path)
		return error_set_errno(err, -ENOMEM, PATH);
	file.fd = open(file.path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (file.fd < 0) {
		int r = fail(&file, -errno, err);

		kernel_file_release(&file);
		return r;
	}
	*ret = file;
	return 0;
}

void kernel_file_release(struct kernel_file *file)
{
	if (file->fd >= 0)
		(void)close(file->fd);
	free(file->path);
	*file = (struct kernel_file)KERNEL_FILE_INIT;
}

int kernel_file_begin(const struct kernel_file *file, struct error **err)
{
	return lseek(file->fd, 0, SEEK_SET) < 0 ? fail(file, -errno, err) : 0;
}

int kernel_file_add(const uint8_t *data, size_t size, void *userdata, struct error **err)
{
	const struct kernel_file *file = userdata;
	int r = write_full(file->fd, data, size);

	return r < 0 ? fail(file, r, err) : 0;
}

int kernel_file_flush(const struct kernel_file *file, struct error **err)
{
	/* It is worth keeping over a power cut. */
	return fdatasync(file->fd) < 0 ? fail(file, -errno, err) : 0;
}

int kernel_file_end(const struct kernel_file *file, struct error **err)
{
	off_t end = lseek(file->fd, 0, SEEK_CUR);

	return end < 0 || ftruncate(file->fd, end) < 0 ? fail(file, -errno, err)
						       : kernel_file_flush(file, err);
}

int kernel_file_resize(const struct kernel_file *file, uint64_t size, struct error **err)
{
	int r = ftruncate(file->fd, (off_t)size) < 0 ? errno : posix_fallocate(file->fd, 0, (off_t)size);

	return r > 0 ? fail(file, -r, err) : 0;
}

bool kernel_file_is(const struct kernel_file *file, uint64_t size, const uint8_t sha256[SHA256_SIZE])
{
	uint8_t digest[SHA256_SIZE];
	uint64_t found;

	return sha256_file(file->fd, digest, &found) >= 0 && found == size &&
	       memcmp(digest, sha256, SHA256_SIZE) == 0;
}

void kernel_file_remove(struct kernel_file *file)
{
	if (file->path)
		(void)unlink(file->path);
	kernel_file_release(file);
}
