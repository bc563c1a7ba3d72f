/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The system inside a machine: waiting until it is up, commands in it, and its end. Commands go through the
 * host's ssh, to the port that QEMU forwards, with a key made for this machine alone, whose public half the
 * guest gets as the systemd credential "ssh.authorized_keys.root".
 *
 * The guest's host key is not looked at: the connection goes to a port of 127.0.0.1 that our own QEMU has
 * held since the machine began, behind which there is nobody but the guest, and a guest may well change its
 * key.
 */
#pragma once

#include "vm/machine.h"

/*
 * Waits until commands can be run. An error says why not, with the last lines of the guest's console:
 * -ECONNRESET where the machine has ended, -EIO where the console says that the start has failed (not with
 * *past_failures*: the boot loader may have something to fall back on), -EACCES where the guest refuses the
 * key, -ETIMEDOUT.
 */
int vm_guest_wait(struct vm_machine *machine, uint64_t timeout_ms, bool past_failures, struct error **err);

/*
 * Runs a command line in the guest's root shell. *input* becomes its standard input (-1: nothing to read);
 * its output goes to ours byte for byte. Returns its exit status, or a negative errno: -ECONNRESET where the
 * connection broke. The guest must be up (vm_guest_wait()).
 */
int vm_guest_exec(struct vm_machine *machine, const char *line, int input, struct error **err);

/* Writes words as one command line, each quoted for a POSIX shell. malloc()ed; NULL where memory is out. */
char *vm_guest_quote(const char *const *words, size_t count);

/*
 * Has the guest power itself off: by a command, where that fails by the power button, and ends the machine
 * where neither has helped in *grace_ms*. Returns 1 where it ended by itself, 0 where it had to be ended.
 */
int vm_guest_power_off(struct vm_machine *machine, uint64_t grace_ms, struct error **err);

/* Ends the connection, which a reset would otherwise leave hanging. */
void vm_guest_disconnect(struct vm_machine *machine);
