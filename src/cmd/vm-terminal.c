/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <termios.h>

#include "cmd/vm.h"
#include "vm/console.h"

#define ESCAPE 0x1d /* Ctrl-] */

/* What a signal's handler has to end: it can get at nothing but static storage. */
static struct {
	volatile sig_atomic_t lease; /* -1: the machine isn't ours */
	volatile sig_atomic_t supervisor;
	volatile sig_atomic_t raw;
	struct termios terminal;
} guard = {.lease = -1};

static const int guarded[] = {SIGINT, SIGTERM, SIGHUP};

/* The lease's end ends the machine; its supervisor ends when nothing of the machine is left. */
static void end_all(int number)
{
	if (guard.raw)
		(void)tcsetattr(STDIN_FILENO, TCSANOW, &guard.terminal);
	if (guard.lease >= 0) {
		(void)close((int)guard.lease);
		while (waitpid((pid_t)guard.supervisor, NULL, 0) < 0 && errno == EINTR)
			;
	}
	(void)signal(number, SIG_DFL);
	(void)raise(number);
}

static void set_handler(void (*handler)(int))
{
	struct sigaction action = {.sa_handler = handler};

	for (size_t i = 0; i < ARRAY_SIZE(guarded); i++)
		sigaddset(&action.sa_mask, guarded[i]);
	for (size_t i = 0; i < ARRAY_SIZE(guarded); i++)
		(void)sigaction(guarded[i], &action, NULL);
}

void vm_guard_begin(const struct vm_machine *machine)
{
	guard.lease = machine->lease;
	guard.supervisor = machine->child;
	set_handler(end_all);
}

void vm_guard_end(void)
{
	set_handler(SIG_DFL);
	guard.lease = -1;
}

static void terminal_raw(void)
{
	struct termios raw;

	if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &guard.terminal) < 0)
		return;
	raw = guard.terminal;
	cfmakeraw(&raw);
	guard.raw = true;
	if (tcsetattr(STDIN_FILENO, TCSANOW, &raw) < 0)
		guard.raw = false;
}

static void terminal_restore(void)
{
	if (guard.raw)
		(void)tcsetattr(STDIN_FILENO, TCSANOW, &guard.terminal);
	guard.raw = false;
}

int vm_attach_console(
	const struct vm_machine *machine, void (*ready)(void *), void *userdata, struct error **err)
{
	_cleanup_vm_console_ struct vm_console console = VM_CONSOLE_INIT;
	int input = fcntl(STDIN_FILENO, F_GETFD) < 0 ? -1 : STDIN_FILENO;
	int r = vm_console_open(&console, machine, err);

	if (r < 0)
		return r;
	if (ready)
		ready(userdata);
	terminal_raw();
	r = vm_console_run(&console, machine, input, STDOUT_FILENO, guard.raw ? ESCAPE : -1, err);
	terminal_restore();
	return r;
}
