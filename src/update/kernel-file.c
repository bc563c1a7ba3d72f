/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "update/kernel-file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"
#include "update/node-releases.h"

#define PATH NODE_STATE "/kernel"

static void unmap(struct kernel_file *file)
{
	if (file->data)
		(void)munmap((void *)file->data, file->size);
	file->data = NULL;
	file->size = 0;
}

static int map(struct kernel_file *file, struct error **err)
{
	struct stat st;
	void *data;

	if (fstat(file->fd, &st) < 0)
		return error_set_errno(err, -errno, "%s", file->path);
	if (st.st_size == 0)
		return 0;
	data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, file->fd, 0);
	if (data == MAP_FAILED)
		return error_set_errno(err, -errno, "%s", file->path);
	file->data = data;
	file->size = (size_t)st.st_size;
	return 0;
}

int kernel_file_end(struct kernel_file *file, struct error **err)
{
	/* It is worth keeping over a power cut. */
	if (fdatasync(file->fd) < 0)
		return error_set_errno(err, -errno, "%s", file->path);
	return map(file, err);
}

int kernel_file_open(const struct node *node, struct kernel_file *ret, struct error **err)
{
	struct kernel_file file = KERNEL_FILE_INIT;
	int r;

	file.path = node_path(node, PATH);
	if (!file.path)
		return error_set_errno(err, -ENOMEM, PATH);
	file.fd = open(file.path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	r = file.fd < 0 ? error_set_errno(err, -errno, "%s", file.path) : map(&file, err);
	if (r < 0) {
		kernel_file_release(&file);
		return r;
	}
	*ret = file;
	return 0;
}

void kernel_file_release(struct kernel_file *file)
{
	unmap(file);
	if (file->fd >= 0)
		(void)close(file->fd);
	free(file->path);
	*file = (struct kernel_file)KERNEL_FILE_INIT;
}

int kernel_file_resize(struct kernel_file *file, uint64_t size, struct error **err)
{
	unmap(file);
	return ftruncate(file->fd, (off_t)size) < 0 ? error_set_errno(err, -errno, "%s", file->path) : 0;
}

int kernel_file_begin(struct kernel_file *file, struct error **err)
{
	unmap(file);
	if (ftruncate(file->fd, 0) < 0 || lseek(file->fd, 0, SEEK_SET) < 0)
		return error_set_errno(err, -errno, "%s", file->path);
	return 0;
}

int kernel_file_add(const uint8_t *data, size_t size, void *userdata, struct error **err)
{
	struct kernel_file *file = userdata;

	while (size > 0) {
		ssize_t n = write(file->fd, data, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			int code = -errno;

			(void)error_set_errno(err, code, "%s", file->path);
			return code == -ENOSPC ? error_advise(err, "free some space on /var"), code : code;
		}
		data += n;
		size -= (size_t)n;
	}
	return 0;
}

void kernel_file_forget(const struct kernel_file *file)
{
	if (file->data)
		(void)madvise((void *)file->data, file->size, MADV_DONTNEED);
}

void kernel_file_remove(struct kernel_file *file)
{
	(void)unlink(file->path);
	kernel_file_release(file);
}
