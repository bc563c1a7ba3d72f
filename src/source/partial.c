/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "source/partial.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>

#include "base/file.h"
#include "base/string-util.h"

#define LOCK_TRIES 8

/* True where *path* still names the file that *fd* is: its last owner may have renamed it before we had the
 * lock. */
static bool still_named(int fd, const char *path)
{
	struct stat ours, named;

	return fstat(fd, &ours) == 0 && lstat(path, &named) == 0 && ours.st_dev == named.st_dev &&
	       ours.st_ino == named.st_ino;
}

/* Opens and locks PATH.part. Returns 0, -EBUSY where another process has it, or another negative errno. */
static int open_shared(struct partial *partial, const char *path)
{
	partial->path = string_format("%s.part", path);
	if (!partial->path)
		return -ENOMEM;
	for (unsigned i = 0; i < LOCK_TRIES; i++) {
		_cleanup_close_ int fd = open(partial->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);

		if (fd < 0)
			return -errno;
		if (flock(fd, LOCK_EX | LOCK_NB) < 0)
			return errno == EWOULDBLOCK ? -EBUSY : -errno;
		if (still_named(fd, partial->path)) {
			partial->fd = TAKE_FD(fd);
			return 0;
		}
	}
	return -EBUSY;
}

static int open_temporary(struct partial *partial, const char *path)
{
	partial->path = string_free(partial->path);
	partial->path = string_format("%s.XXXXXX.part", path);
	if (!partial->path)
		return -ENOMEM;
	partial->fd = mkostemps(partial->path, 5, O_CLOEXEC);
	if (partial->fd < 0)
		return -errno;
	partial->temporary = true;
	return fchmod(partial->fd, 0644) < 0 ? -errno : 0;
}

/* Hashes what an earlier run left. */
static int take_up(struct partial *partial, uint64_t max)
{
	uint8_t data[16384];

	for (;;) {
		ssize_t n = read(partial->fd, data, sizeof(data));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return 0;
		partial->size += (size_t)n;
		if (partial->size > max)
			return partial_restart(partial);
		sha256_update(partial->hash, data, (size_t)n);
	}
}

int partial_open(struct partial *partial, const char *path, uint64_t max, struct error **err)
{
	int r;

	*partial = (struct partial)PARTIAL_INIT;
	partial->hash = sha256_new();
	r = partial->hash ? open_shared(partial, path) : -ENOMEM;
	if (r == -EBUSY)
		r = open_temporary(partial, path);
	if (r >= 0)
		r = take_up(partial, max);
	if (r < 0) {
		r = error_set_errno(err, r, "%s", partial->path ? partial->path : path);
		partial_release(partial);
	}
	return r;
}

int partial_append(struct partial *partial, const void *data, size_t size)
{
	int r = write_full(partial->fd, data, size);

	if (r < 0) {
		/* What a failed write left behind is not in the hash. */
		(void)!ftruncate(partial->fd, (off_t)partial->size);
		return r;
	}
	sha256_update(partial->hash, data, size);
	partial->size += size;
	return 0;
}

int partial_restart(struct partial *partial)
{
	uint8_t ignored[SHA256_SIZE];

	sha256_final(partial->hash, ignored);
	partial->size = 0;
	if (ftruncate(partial->fd, 0) < 0 || lseek(partial->fd, 0, SEEK_SET) < 0)
		return -errno;
	return 0;
}

void partial_digest(struct partial *partial, uint8_t ret[SHA256_SIZE])
{
	sha256_final(partial->hash, ret);
}

int partial_commit(struct partial *partial, const char *path, struct error **err)
{
	/* It may have been complete for long. */
	(void)futimens(partial->fd, NULL);
	if (rename(partial->path, path) < 0)
		return error_set_errno(err, -errno, "%s", path);
	partial->path = string_free(partial->path);
	return 0;
}

void partial_release(struct partial *partial)
{
	/* Removed before the lock goes, so that nobody takes up what is about to vanish. */
	if (partial->fd >= 0 && partial->path && (partial->temporary || partial->size == 0))
		(void)unlink(partial->path);
	cleanup_closep(&partial->fd);
	free(partial->path);
	sha256_free(partial->hash);
	*partial = (struct partial)PARTIAL_INIT;
}
