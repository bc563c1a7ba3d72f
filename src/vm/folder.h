/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where running machines are noted: one folder for each, RUNTIME/vm/NAME, which exists exactly as long as the
 * machine does. Its file "lock" is held (flock) by the machine's supervisor and contains the supervisor's
 * process id; a folder whose lock nobody holds is what a crash left behind, and whoever meets it removes it.
 * RUNTIME/vm.lock is held while folders are made and removed.
 *
 * In a machine's folder: "state.json" (what `orlop vm list` says, written when the machine runs), "qmp" and
 * "serial" (sockets), "vars.fd", "tpm/", "credential.N", "ssh-key" and its kin, "serial.log".
 */
#pragma once

#include <sys/types.h>

#include "base/error.h"
#include "base/string-util.h"

struct vm_folder {
	char *runtime;
	char *path;
	char *name;
	int lock_fd; /* held by the supervisor and, until it has taken over, by the process that starts it */
};
#define VM_FOLDER_INIT        \
	{                     \
		.lock_fd = -1 \
	}

/* Closes the lock and forgets the folder, which stays. */
void vm_folder_release(struct vm_folder *folder);
#define _cleanup_vm_folder_ _cleanup_(vm_folder_release)

/*
 * Makes *runtime* and its folder for machines, mode 0700, where they are missing. -EPERM with *err* set where
 * they belong to somebody else or others may write to them.
 */
int vm_runtime_prepare(const char *runtime, struct error **err);

/*
 * Makes a machine's folder and takes its lock. -EEXIST where a machine of that name runs; -ENAMETOOLONG where
 * the sockets in it would have too long a path.
 */
int vm_folder_create(const char *runtime, const char *name, struct vm_folder *ret, struct error **err);

/* Opens the folder of a machine that runs; -ENOENT where there is none. */
int vm_folder_open(const char *runtime, const char *name, struct vm_folder *ret, struct error **err);

/* The names of the machines that run, sorted. */
int vm_folder_list(const char *runtime, struct strv *ret, struct error **err);

/* Notes the supervisor's process id in the lock; to be called with the lock held. */
int vm_folder_set_supervisor(const struct vm_folder *folder, pid_t pid, struct error **err);

/*
 * A pidfd of the supervisor, which becomes readable when it has ended, and everything of the machine with it.
 * -ENOENT where the machine has gone already.
 */
int vm_folder_supervisor(const struct vm_folder *folder, struct error **err);

/* Removes the folder. To be called by who holds its lock. */
int vm_folder_remove(const struct vm_folder *folder, struct error **err);

/* "PATH/NAME", malloc()ed. */
char *vm_folder_file(const struct vm_folder *folder, const char *name);
