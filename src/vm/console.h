/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A machine's serial console, for one user at a time.
 */
#pragma once

#include "vm/machine.h"

struct vm_console {
	int fd, lock;
};
#define VM_CONSOLE_INIT              \
	{                            \
		.fd = -1, .lock = -1 \
	}

void vm_console_release(struct vm_console *console);
#define _cleanup_vm_console_ _cleanup_(vm_console_release)

/* -EBUSY where somebody else has it. */
int vm_console_open(struct vm_console *console, const struct vm_machine *machine, struct error **err);

/*
 * Carries bytes between the console and two descriptors, until the machine ends (returns 0) or *escape* is
 * read from *input* (returns 1; -1: no byte is special). The end of *input* ends nothing; -1: there is none.
 */
int vm_console_run(struct vm_console *console, const struct vm_machine *machine, int input, int output,
	int escape, struct error **err);
