/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the verbs of `orlop vm` share.
 */
#pragma once

#include "cmd/command.h"
#include "vm/machine.h"

int cmd_vm_run(int argc, char **argv, struct error **err);
int cmd_vm_start(int argc, char **argv, struct error **err);

/* Milliseconds that a guest is given to come up where --timeout (in seconds, 0: not given) does not say. */
uint64_t vm_up_timeout(const struct vm_machine *machine, uint64_t option);

/* Milliseconds that a guest is given to power itself off. */
uint64_t vm_down_timeout(const struct vm_machine *machine);

/* Our standard input where a guest's command may have it: -1 where it is a terminal or closed. */
int vm_command_input(void);

/*
 * From here on SIGINT, SIGTERM and SIGHUP end the machine, where this process owns it, and put the terminal
 * back, before they end this process.
 */
void vm_guard_begin(const struct vm_machine *machine);
void vm_guard_end(void);

/* Connects the terminal (or standard input and output) with the console. Returns as vm_console_run() does. */
int vm_attach_console(
	const struct vm_machine *machine, void (*ready)(void *), void *userdata, struct error **err);
