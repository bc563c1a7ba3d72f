/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Files, programs and threads.
 */
#include "fault.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* With _FILE_OFFSET_BITS=64 the linker knows functions of files by names that end in 64: both are the same on
 * 64-bit. */
#define STAT struct stat
#define FAULTY64(class, code, result, type, name, parameters, arguments) \
	extern __typeof__(name) __real_##name##64;                       \
	type __wrap_##name##64 parameters;                               \
	type __wrap_##name##64 parameters                                \
	{                                                                \
		if (fault(class, #name)) {                               \
			errno = code;                                    \
			return result;                                   \
		}                                                        \
		return __real_##name##64 arguments;                      \
	}                                                                \
	struct name##_needs_semicolon

/* ---- Opening and looking up ---- */

#define OPEN(code, name, parameters, arguments) FAULTY(FAULT_OPEN, code, -1, int, name, parameters, arguments)
#define OPEN64(code, name, parameters, arguments) \
	FAULTY64(FAULT_OPEN, code, -1, int, name, parameters, arguments)

int __wrap_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...)
{
	extern __typeof__(open) __real_open64;
	va_list args;
	mode_t mode;

	if (fault(FAULT_OPEN, "open")) {
		errno = EMFILE;
		return -1;
	}
	va_start(args, flags);
	mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(args, mode_t) : 0;
	va_end(args);
	return __real_open64(path, flags, mode);
}

int __wrap_openat64(int folder, const char *path, int flags, ...);
int __wrap_openat64(int folder, const char *path, int flags, ...)
{
	extern __typeof__(openat) __real_openat64;
	va_list args;
	mode_t mode;

	if (fault(FAULT_OPEN, "openat")) {
		errno = EMFILE;
		return -1;
	}
	va_start(args, flags);
	mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(args, mode_t) : 0;
	va_end(args);
	return __real_openat64(folder, path, flags, mode);
}

FAULTY(FAULT_OPEN, EMFILE, NULL, DIR *, opendir, (const char *path), (path));
FAULTY(FAULT_OPEN, ENOMEM, NULL, DIR *, fdopendir, (int fd), (fd));
OPEN(EMFILE, memfd_create, (const char *name, unsigned flags), (name, flags));
OPEN64(EIO, stat, (const char *path, STAT *ret), (path, ret));
OPEN64(EIO, lstat, (const char *path, STAT *ret), (path, ret));
OPEN64(EIO, fstat, (int fd, STAT *ret), (fd, ret));
OPEN64(EIO, fstatat, (int folder, const char *path, STAT *ret, int flags), (folder, path, ret, flags));
OPEN(EIO, access, (const char *path, int mode), (path, mode));
OPEN(ENOLCK, flock, (int fd, int operation), (fd, operation));
FAULTY(FAULT_OPEN, EIO, NULL, char *, realpath, (const char *path, char *ret), (path, ret));
FAULTY(FAULT_OPEN, EIO, NULL, char *, getcwd, (char *ret, size_t size), (ret, size));
FAULTY(FAULT_OPEN, EIO, -1, ssize_t, readlink, (const char *path, char *ret, size_t size), (path, ret, size));

/* ---- Reading ---- */

ssize_t __wrap_read(int fd, void *data, size_t size);
ssize_t __wrap_read(int fd, void *data, size_t size)
{
	extern __typeof__(read) __real_read;

	if (fault(FAULT_READ, "read")) {
		errno = EIO;
		return -1;
	}
	return __real_read(fd, data, size > 1 && fault(FAULT_SHORT_READ, "read") ? size / 2 : size);
}

ssize_t __wrap_pread64(int fd, void *data, size_t size, off_t offset);
ssize_t __wrap_pread64(int fd, void *data, size_t size, off_t offset)
{
	extern __typeof__(pread) __real_pread64;

	if (fault(FAULT_READ, "pread")) {
		errno = EIO;
		return -1;
	}
	return __real_pread64(
		fd, data, size > 1 && fault(FAULT_SHORT_READ, "pread") ? size / 2 : size, offset);
}

FAULTY(FAULT_READ, EIO, NULL, char *, fgets, (char *ret, int size, FILE *file), (ret, size, file));
FAULTY64(FAULT_READ, EIO, NULL, struct dirent *, readdir, (DIR * folder), (folder));
FAULTY64(FAULT_READ, ENOMEM, -1, int, scandir,
	(const char *path, struct dirent ***ret, int (*filter)(const struct dirent *),
		int (*compare)(const struct dirent **, const struct dirent **)),
	(path, ret, filter, compare));
FAULTY64(FAULT_READ, EIO, -1, off_t, lseek, (int fd, off_t offset, int from), (fd, offset, from));
FAULTY(FAULT_READ, ENOSYS, -1, ssize_t, getrandom, (void *data, size_t size, unsigned flags),
	(data, size, flags));

/* ---- Writing ---- */

#define WRITE(name, parameters, arguments) FAULTY(FAULT_WRITE, ENOSPC, -1, int, name, parameters, arguments)
#define WRITE64(name, parameters, arguments) \
	FAULTY64(FAULT_WRITE, ENOSPC, -1, int, name, parameters, arguments)

ssize_t __wrap_write(int fd, const void *data, size_t size);
ssize_t __wrap_write(int fd, const void *data, size_t size)
{
	extern __typeof__(write) __real_write;

	if (fault(FAULT_WRITE, "write")) {
		errno = ENOSPC;
		return -1;
	}
	return __real_write(fd, data, size > 1 && fault(FAULT_SHORT_WRITE, "write") ? size / 2 : size);
}

ssize_t __wrap_pwrite64(int fd, const void *data, size_t size, off_t offset);
ssize_t __wrap_pwrite64(int fd, const void *data, size_t size, off_t offset)
{
	extern __typeof__(pwrite) __real_pwrite64;

	if (fault(FAULT_WRITE, "pwrite")) {
		errno = ENOSPC;
		return -1;
	}
	return __real_pwrite64(
		fd, data, size > 1 && fault(FAULT_SHORT_WRITE, "pwrite") ? size / 2 : size, offset);
}

WRITE64(ftruncate, (int fd, off_t size), (fd, size));
WRITE(mkdir, (const char *path, mode_t mode), (path, mode));
FAULTY(FAULT_WRITE, ENOSPC, NULL, char *, mkdtemp, (char *path), (path));
WRITE64(mkostemp, (char *path, int flags), (path, flags));
WRITE64(mkostemps, (char *path, int ending, int flags), (path, ending, flags));
FAULTY(FAULT_WRITE, EPERM, -1, int, fchmod, (int fd, mode_t mode), (fd, mode));
FAULTY(FAULT_WRITE, EPERM, -1, int, futimens, (int fd, const struct timespec *times), (fd, times));
FAULTY(FAULT_WRITE, EPERM, -1, int, utimensat,
	(int folder, const char *path, const struct timespec *times, int flags),
	(folder, path, times, flags));

/* What the C library gives up is given up all the same. What has no descriptor is in memory. */
int __wrap_fclose(FILE *file);
int __wrap_fclose(FILE *file)
{
	extern __typeof__(fclose) __real_fclose;
	bool in_memory = fileno(file) < 0, fails = fault(in_memory ? FAULT_MEMORY : FAULT_WRITE, "fclose");
	int r = __real_fclose(file);

	if (fails)
		errno = in_memory ? ENOMEM : ENOSPC;
	return fails ? EOF : r;
}

FAULTY(FAULT_WRITE, ENOSPC, EOF, int, fflush, (FILE * file), (file));

/* ---- Onto the disk, and under its name ---- */

FAULTY(FAULT_SYNC, EIO, -1, int, fsync, (int fd), (fd));
FAULTY(FAULT_SYNC, EIO, -1, int, fdatasync, (int fd), (fd));
FAULTY(FAULT_SYNC, EIO, -1, int, sync_file_range, (int fd, off_t offset, off_t size, unsigned flags),
	(fd, offset, size, flags));
FAULTY(FAULT_RENAME, EIO, -1, int, rename, (const char *from, const char *to), (from, to));
FAULTY(FAULT_RENAME, EIO, -1, int, link, (const char *from, const char *to), (from, to));
FAULTY(FAULT_RENAME, EIO, -1, int, linkat,
	(int from_folder, const char *from, int to_folder, const char *to, int flags),
	(from_folder, from, to_folder, to, flags));
FAULTY(FAULT_REMOVE, EIO, -1, int, unlink, (const char *path), (path));
FAULTY(FAULT_REMOVE, EIO, -1, int, unlinkat, (int folder, const char *path, int flags),
	(folder, path, flags));
FAULTY(FAULT_REMOVE, EIO, -1, int, rmdir, (const char *path), (path));

/* ---- Programs and threads ---- */

#define SPAWN(name, parameters, arguments) \
	FAULTY(FAULT_PROCESS, ENOMEM, ENOMEM, int, name, parameters, arguments)

SPAWN(posix_spawn_file_actions_init, (posix_spawn_file_actions_t * actions), (actions));
SPAWN(posix_spawn_file_actions_adddup2, (posix_spawn_file_actions_t * actions, int fd, int new),
	(actions, fd, new));
SPAWN(posix_spawnattr_init, (posix_spawnattr_t * attributes), (attributes));
FAULTY(FAULT_PROCESS, EAGAIN, EAGAIN, int, posix_spawnp,
	(pid_t * pid, const char *file, const posix_spawn_file_actions_t *actions,
		const posix_spawnattr_t *attributes, char *const argv[], char *const envp[]),
	(pid, file, actions, attributes, argv, envp));
FAULTY(FAULT_PROCESS, EMFILE, -1, int, pipe2, (int ends[2], int flags), (ends, flags));
FAULTY(FAULT_PROCESS, EAGAIN, -1, pid_t, fork, (void), ());
FAULTY(FAULT_PROCESS, EAGAIN, EAGAIN, int, pthread_create,
	(pthread_t * thread, const pthread_attr_t *attributes, void *(*run)(void *), void *userdata),
	(thread, attributes, run, userdata));
FAULTY(FAULT_PROCESS, ENOMEM, -1, int, poll, (struct pollfd * fds, nfds_t count, int wait),
	(fds, count, wait));
