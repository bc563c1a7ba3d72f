/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/pidfd.h>
#include <sys/un.h>

#include "base/file.h"

/* The longest name of a socket in a machine's folder: ssh adds 17 characters to that of its own while it
 * binds it. */
#define LONGEST_SOCKET "/ssh-control.0123456789abcdef"

void vm_folder_release(struct vm_folder *folder)
{
	cleanup_closep(&folder->lock_fd);
	free(folder->runtime);
	free(folder->path);
	free(folder->name);
	*folder = (struct vm_folder)VM_FOLDER_INIT;
}

char *vm_folder_file(const struct vm_folder *folder, const char *name)
{
	return string_format("%s/%s", folder->path, name);
}

/* A folder of ours that nobody else can write to. */
static int private_folder(const char *path, struct error **err)
{
	struct stat st;

	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return error_set_errno(err, -errno, "cannot make the folder %s", path);
	if (lstat(path, &st) < 0)
		return error_set_errno(err, -errno, "%s", path);
	if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 022) != 0)
		return error_set(err, -EPERM,
			"%s is not a folder of ours that others can't write to: remove it, or set "
			"XDG_RUNTIME_DIR",
			path);
	return 0;
}

int vm_runtime_prepare(const char *runtime, struct error **err)
{
	_cleanup_free_ char *machines = string_format("%s/vm", runtime);
	int r = machines ? private_folder(runtime, err) : error_set_errno(err, -ENOMEM, "%s", runtime);

	return r < 0 ? r : private_folder(machines, err);
}

/* Takes the lock under which folders are made and removed; the descriptor or a negative errno. */
static int lock_runtime(const char *runtime, struct error **err)
{
	_cleanup_free_ char *path = string_format("%s/vm.lock", runtime);
	_cleanup_close_ int fd = -1;

	if (!path)
		return error_set_errno(err, -ENOMEM, "%s", runtime);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return error_set_errno(err, -errno, "cannot open %s", path);
	while (flock(fd, LOCK_EX) < 0)
		if (errno != EINTR)
			return error_set_errno(err, -errno, "cannot lock %s", path);
	return TAKE_FD(fd);
}

static int folder_init(const char *runtime, const char *name, struct vm_folder *ret)
{
	ret->runtime = strdup(runtime);
	ret->name = strdup(name);
	ret->path = string_format("%s/vm/%s", runtime, name);
	return ret->runtime && ret->name && ret->path ? 0 : -ENOMEM;
}

/*
 * Opens a folder's lock where its machine runs. Where nobody holds it (or a crash left no lock at all) the
 * folder is removed. Called with the runtime's lock held. 0 or -ENOENT.
 */
static int open_living(struct vm_folder *folder, struct error **err)
{
	_cleanup_free_ char *path = vm_folder_file(folder, "lock");
	_cleanup_close_ int fd = -1;
	int r;

	if (!path)
		return error_set_errno(err, -ENOMEM, "%s", folder->path);
	fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK) {
		folder->lock_fd = TAKE_FD(fd);
		return 0;
	}
	r = remove_tree(folder->path, err);
	return r < 0 ? r : -ENOENT;
}

static int make_folder(struct vm_folder *folder, struct error **err)
{
	_cleanup_free_ char *lock = vm_folder_file(folder, "lock");
	_cleanup_close_ int fd = -1;

	if (!lock)
		return error_set_errno(err, -ENOMEM, "%s", folder->path);
	if (mkdir(folder->path, 0700) < 0)
		return error_set_errno(err, -errno, "cannot make the folder %s", folder->path);
	fd = open(lock, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
		return error_set_errno(err, -errno, "cannot lock %s", lock);
	folder->lock_fd = TAKE_FD(fd);
	return 0;
}

int vm_folder_create(const char *runtime, const char *name, struct vm_folder *ret, struct error **err)
{
	_cleanup_vm_folder_ struct vm_folder folder = VM_FOLDER_INIT;
	_cleanup_close_ int lock = -1;
	int r = folder_init(runtime, name, &folder);

	if (r < 0)
		return error_set_errno(err, r, "machine %s", name);
	if (strlen(folder.path) + strlen(LONGEST_SOCKET) >= sizeof((struct sockaddr_un){}.sun_path))
		return error_set(err, -ENAMETOOLONG,
			"%s: too long a path for sockets; set XDG_RUNTIME_DIR to a shorter one", folder.path);
	lock = lock_runtime(runtime, err);
	if (lock < 0)
		return lock;
	r = open_living(&folder, err);
	if (r == 0)
		return error_set(err, -EEXIST, "a machine %s runs already", name);
	if (r == -ENOENT)
		r = make_folder(&folder, err);
	if (r < 0)
		return r;
	*ret = folder;
	folder = (struct vm_folder)VM_FOLDER_INIT;
	return 0;
}

int vm_folder_open(const char *runtime, const char *name, struct vm_folder *ret, struct error **err)
{
	_cleanup_vm_folder_ struct vm_folder folder = VM_FOLDER_INIT;
	_cleanup_close_ int lock = -1;
	int r = folder_init(runtime, name, &folder);

	if (r < 0)
		return error_set_errno(err, r, "machine %s", name);
	lock = lock_runtime(runtime, err);
	if (lock < 0)
		return lock;
	r = open_living(&folder, err);
	if (r == -ENOENT)
		return error_set(err, r, "no machine %s runs (orlop vm list)", name);
	if (r < 0)
		return r;
	*ret = folder;
	folder = (struct vm_folder)VM_FOLDER_INIT;
	return 0;
}

static int list_names(const char *runtime, struct strv *ret, struct error **err)
{
	_cleanup_free_ char *path = string_format("%s/vm", runtime);
	DIR *folder = path ? opendir(path) : NULL;
	struct dirent *entry;
	int r = 0;

	if (!folder)
		return error_set_errno(err, path ? -errno : -ENOMEM, "%s/vm", runtime);
	while (r == 0 && (entry = readdir(folder)))
		if (entry->d_name[0] != '.')
			r = strv_add(ret, entry->d_name);
	(void)closedir(folder);
	return r < 0 ? error_set_errno(err, r, "%s", path) : 0;
}

int vm_folder_list(const char *runtime, struct strv *ret, struct error **err)
{
	_cleanup_strv_ struct strv names = {};
	_cleanup_close_ int lock = lock_runtime(runtime, err);
	int r = lock < 0 ? lock : list_names(runtime, &names, err);

	strv_sort_unique(&names);
	for (size_t i = 0; r == 0 && i < names.count; i++) {
		_cleanup_vm_folder_ struct vm_folder folder = VM_FOLDER_INIT;

		r = folder_init(runtime, names.items[i], &folder);
		if (r == 0)
			r = open_living(&folder, err);
		if (r == 0)
			r = strv_add(ret, names.items[i]);
		else if (r == -ENOENT)
			r = 0;
	}
	return r;
}

int vm_folder_set_supervisor(const struct vm_folder *folder, pid_t pid, struct error **err)
{
	char text[32];
	int length = snprintf(text, sizeof(text), "%d\n", (int)pid);
	int r = pwrite_full(folder->lock_fd, text, (size_t)length, 0);

	return r < 0 ? error_set_errno(err, r, "cannot write to the lock of %s", folder->path) : 0;
}

/* Whether somebody else holds the lock. Where nobody does, this takes it for a moment. */
static bool lock_is_held(const struct vm_folder *folder)
{
	if (flock(folder->lock_fd, LOCK_SH | LOCK_NB) < 0)
		return errno == EWOULDBLOCK;
	(void)flock(folder->lock_fd, LOCK_UN);
	return false;
}

/*
 * The process id in the lock is the supervisor's while the lock is held: that is asked after the process was
 * opened, since an id could be given to another process in between.
 */
int vm_folder_supervisor(const struct vm_folder *folder, struct error **err)
{
	_cleanup_close_ int pidfd = -1;
	char text[32] = {};
	uint64_t pid = 0;

	if (pread(folder->lock_fd, text, sizeof(text) - 1, 0) > 0) {
		text[strcspn(text, "\n")] = 0;
		(void)parse_u64(text, &pid);
	}
	if (pid > 0 && pid <= INT32_MAX)
		pidfd = pidfd_open((pid_t)pid, 0);
	if (pidfd < 0 || !lock_is_held(folder))
		return error_set(err, -ENOENT, "the machine %s has ended", folder->name);
	return TAKE_FD(pidfd);
}

int vm_folder_remove(const struct vm_folder *folder, struct error **err)
{
	_cleanup_close_ int lock = lock_runtime(folder->runtime, err);

	return lock < 0 ? lock : remove_tree(folder->path, err);
}
