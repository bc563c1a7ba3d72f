/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Virtual machines as a whole: started, found again by name, reset, stopped. A machine is a supervisor with
 * QEMU and swtpm (supervisor.h), and a folder (folder.h).
 */
#pragma once

#include <jansson.h>

#include "vm/config.h"
#include "vm/folder.h"

struct vm_machine {
	struct vm_folder folder;
	int supervisor; /* pidfd, readable when the machine has ended */
	pid_t child;	/* the supervisor, where this process started it; 0 otherwise */
	int lease;	/* ends the machine when it is closed; -1 where it lives by itself */
	int serial_log; /* what the guest has written to its console */
	int log;	/* what QEMU and swtpm have said; -1 where this process did not start them */
	uint16_t ssh_port;
	bool kvm;
	json_t *state; /* what `orlop vm list --json` says of it; NULL while it starts */
};
#define VM_MACHINE_INIT                                                                              \
	{                                                                                            \
		.folder = VM_FOLDER_INIT, .supervisor = -1, .lease = -1, .serial_log = -1, .log = -1 \
	}

/* Closes everything; a machine that was started by this process and not kept ends by that. */
void vm_machine_release(struct vm_machine *machine);
#define _cleanup_vm_machine_ _cleanup_(vm_machine_release)

/* What comes from outside. */
struct vm_environment {
	const char *runtime; /* folder of orlop's for what lives as long as the host is up */
	const char *boot_id;
	const char *ssh_key; /* file, made where it is missing: the key of machines whose disk keeps what they
				write */
	int64_t now;	     /* seconds since 1970 */
};

/*
 * Starts a machine; its processors stand still until vm_machine_continue(), so that nothing of what the guest
 * writes is missed. -ENOENT with *err* naming the package where a program or the firmware is missing, -EEXIST
 * where *name* is taken.
 */
int vm_machine_start(const struct vm_config *config, const char *name,
	const struct vm_environment *environment, struct vm_machine *ret, struct error **err);

/* Lets the processors run. */
int vm_machine_continue(struct vm_machine *machine, struct error **err);

/* Lets a machine that this process has started live on after it. */
int vm_machine_keep(struct vm_machine *machine, struct error **err);

/* Finds a machine that runs; -ENOENT where there is none, -EAGAIN where it is just being started. */
int vm_machine_open(const char *runtime, const char *name, struct vm_machine *ret, struct error **err);

/* Resets the machine as its reset button would: what the guest had not written to its disk is lost. */
int vm_machine_reset(struct vm_machine *machine, struct error **err);

/* Presses the power button (ACPI). */
int vm_machine_press_power(struct vm_machine *machine, struct error **err);

/* Ends it at once. When this returns 0 nothing of it is left. */
int vm_machine_kill(struct vm_machine *machine, struct error **err);

/* Waits for the machine's end: 1 when it has ended, 0 after *timeout_ms* (UINT64_MAX: without limit). */
int vm_machine_wait(struct vm_machine *machine, uint64_t timeout_ms);

/* The last lines of what QEMU and swtpm said, malloc()ed, "" where that is not known; NULL where memory is
 * out. */
char *vm_machine_log(const struct vm_machine *machine);
