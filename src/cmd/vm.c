/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `orlop vm`: the verbs for machines that run. Those that start one are in vm-run.c.
 */
#include "cmd/vm.h"

#include <errno.h>
#include <fcntl.h>

#include "base/string-util.h"
#include "cmd/command-json.h"
#include "cmd/paths.h"
#include "format/canonical-json.h"
#include "format/json-text.h"
#include "vm/guest.h"

uint64_t vm_up_timeout(const struct vm_machine *machine, uint64_t option)
{
	uint64_t seconds = option ? MIN(option, 1000000U) : machine->kvm ? 180 : 900;

	return seconds * 1000;
}

uint64_t vm_down_timeout(const struct vm_machine *machine)
{
	return machine->kvm ? 60000 : 180000;
}

int vm_command_input(void)
{
	return fcntl(STDIN_FILENO, F_GETFD) < 0 || isatty(STDIN_FILENO) ? -1 : STDIN_FILENO;
}

/* Returns 0, a negative errno, or EXIT_USAGE for what can't be the name of a machine. */
static int open_machine(const char *name, struct vm_machine *ret, struct error **err)
{
	_cleanup_free_ char *runtime = NULL;

	if (vm_name_check(name, err) < 0)
		return EXIT_USAGE;
	runtime = path_runtime(err);
	return runtime ? vm_machine_open(runtime, name, ret, err) : -ENOMEM;
}

struct options {
	uint64_t timeout;
	bool force, json, past_failures;
};

static int vm_exec(int argc, char **argv, struct error **err)
{
	static const struct command_option options[] = {
		{"timeout", 't', "SECONDS",
			"How long the guest may take to come up. Default: 180, under TCG 900.", OPTION_NUMBER,
			offsetof(struct options, timeout)},
		{"past-failures", 0, NULL,
			"Go on waiting where the guest's console says that a start failed.", OPTION_TRUE,
			offsetof(struct options, past_failures)},
		{},
	};
	static const struct command_usage usage = {
		.name = "orlop vm exec",
		.arguments = "NAME COMMAND [ARGUMENT…]",
		.summary = "Runs a command in a machine, as root, when the guest is up. A COMMAND alone is a "
			   "command line "
			   "for the guest's shell; with arguments, each word reaches it as it is.",
		.options = options,
		.notes = "The command reads standard input where that is no terminal; what it writes comes "
			 "out as it is."
			 "\n\nExit status: that of the command; 1 where it could not be run; 2 where the "
			 "command line is "
			 "wrong.",
		.least = 2,
		.most = SIZE_MAX,
		.options_first = true,
	};
	_cleanup_vm_machine_ struct vm_machine machine = VM_MACHINE_INIT;
	_cleanup_free_ char *quoted = NULL;
	struct options values = {};
	struct command_call call;
	const char *line;
	int r;

	if (!command_parse(&usage, argc, argv, &values, &call, err))
		return call.status;
	r = open_machine(call.arguments[0], &machine, err);
	if (r != 0)
		return r;
	line = call.arguments[1];
	if (call.count > 2) {
		line = quoted = vm_guest_quote((const char *const *)call.arguments + 1, call.count - 1);
		if (!quoted)
			return error_set_errno(err, -ENOMEM, "%s", call.arguments[0]);
	}
	r = vm_guest_wait(&machine, vm_up_timeout(&machine, values.timeout), values.past_failures, err);
	return r < 0 ? r : vm_guest_exec(&machine, line, vm_command_input(), err);
}

static int vm_console(int argc, char **argv, struct error **err)
{
	static const struct command_usage usage = {
		.name = "orlop vm console",
		.arguments = "NAME",
		.summary = "Connects the terminal with a machine's serial console. Ctrl-] leaves it; the "
			   "machine goes on.",
		.least = 1,
		.most = 1,
	};
	_cleanup_vm_machine_ struct vm_machine machine = VM_MACHINE_INIT;
	struct command_call call;
	int r;

	if (!command_parse(&usage, argc, argv, NULL, &call, err))
		return call.status;
	r = open_machine(call.arguments[0], &machine, err);
	if (r != 0)
		return r;
	vm_guard_begin(&machine);
	r = vm_attach_console(&machine, NULL, NULL, err);
	return r < 0 ? r : 0;
}

static int vm_stop(int argc, char **argv, struct error **err)
{
	static const struct command_option options[] = {
		{"force", 'f', NULL, "End it at once, as if the power failed.", OPTION_TRUE,
			offsetof(struct options, force)},
		{"timeout", 't', "SECONDS",
			"How long the guest may take to power off. Default: 60, under TCG 180.",
			OPTION_NUMBER, offsetof(struct options, timeout)},
		{},
	};
	static const struct command_usage usage = {
		.name = "orlop vm stop",
		.arguments = "NAME",
		.summary = "Has the guest power itself off, presses the power button where it doesn't, and "
			   "ends the machine "
			   "where that does not help either.",
		.options = options,
		.least = 1,
		.most = 1,
	};
	_cleanup_vm_machine_ struct vm_machine machine = VM_MACHINE_INIT;
	struct options values = {};
	struct command_call call;
	uint64_t timeout;
	int r;

	if (!command_parse(&usage, argc, argv, &values, &call, err))
		return call.status;
	r = open_machine(call.arguments[0], &machine, err);
	if (r != 0)
		return r;
	if (values.force)
		return vm_machine_kill(&machine, err);
	timeout = values.timeout ? MIN(values.timeout, 1000000U) * 1000 : vm_down_timeout(&machine);
	r = vm_guest_power_off(&machine, timeout, err);
	if (r == 0)
		fprintf(stderr, "vm %s: did not power off, was ended\n", call.arguments[0]);
	return r < 0 ? r : 0;
}

static int vm_reset(int argc, char **argv, struct error **err)
{
	static const struct command_usage usage = {
		.name = "orlop vm reset",
		.arguments = "NAME",
		.summary = "Resets a machine as its reset button would: what the guest has not written to "
			   "its disk is lost.",
		.least = 1,
		.most = 1,
	};
	_cleanup_vm_machine_ struct vm_machine machine = VM_MACHINE_INIT;
	struct command_call call;
	int r;

	if (!command_parse(&usage, argc, argv, NULL, &call, err))
		return call.status;
	r = open_machine(call.arguments[0], &machine, err);
	if (r != 0)
		return r;
	vm_guest_disconnect(&machine);
	return vm_machine_reset(&machine, err);
}

static int vm_wait(int argc, char **argv, struct error **err)
{
	static const struct command_option options[] = {
		{"timeout", 't', "SECONDS", "Give up after that time, with exit status 1. Default: never.",
			OPTION_NUMBER, offsetof(struct options, timeout)},
		{},
	};
	static const struct command_usage usage = {
		.name = "orlop vm wait",
		.arguments = "NAME",
		.summary = "Waits until a machine has ended.",
		.options = options,
		.least = 1,
		.most = 1,
	};
	_cleanup_vm_machine_ struct vm_machine machine = VM_MACHINE_INIT;
	struct options values = {};
	struct command_call call;
	int r;

	if (!command_parse(&usage, argc, argv, &values, &call, err))
		return call.status;
	r = open_machine(call.arguments[0], &machine, err);
	if (r != 0)
		return r;
	if (!vm_machine_wait(&machine, values.timeout ? MIN(values.timeout, 1000000U) * 1000 : UINT64_MAX))
		return error_set(err, -ETIMEDOUT, "the machine %s still runs after %llu s", call.arguments[0],
			(unsigned long long)values.timeout);
	return 0;
}

/* What is known of each machine that runs; one that is just being started has a name alone. */
static int collect(json_t *machines, struct error **err)
{
	_cleanup_free_ char *runtime = path_runtime(err);
	_cleanup_strv_ struct strv names = {};
	int r = runtime ? vm_runtime_prepare(runtime, err) : -ENOMEM;

	if (r == 0)
		r = vm_folder_list(runtime, &names, err);
	for (size_t i = 0; r >= 0 && i < names.count; i++) {
		_cleanup_vm_machine_ struct vm_machine machine = VM_MACHINE_INIT;
		_cleanup_error_ struct error *gone = NULL;
		json_t *state;

		r = vm_machine_open(runtime, names.items[i], &machine, &gone);
		if (r < 0 && r != -EAGAIN) {
			r = 0; /* it has ended in the meantime */
			continue;
		}
		state = r == 0 ? json_deep_copy(machine.state)
			       : json_pack("{s:o}", "name", json_text(names.items[i]));
		r = 0;
		if (json_array_append_new(machines, state) < 0)
			r = error_set_errno(err, -ENOMEM, "list");
	}
	return r;
}

static const char *text_of(const json_t *state, const char *key)
{
	const char *text = json_string_value(json_object_get(state, key));

	return text ? text : "-";
}

static void print_machine(const json_t *state)
{
	const json_t *port, *ports = json_object_get(state, "ports");
	json_int_t memory = json_integer_value(json_object_get(state, "memory"));
	char size[SIZE_TEXT_MAX];
	size_t i;

	if (!json_object_get(state, "image")) {
		printf("%-20s starting\n", text_of(state, "name"));
		return;
	}
	printf("%-20s %-8s %4lld %10s %6lld  %s", text_of(state, "name"), text_of(state, "accelerator"),
		(long long)json_integer_value(json_object_get(state, "cpus")),
		format_size((uint64_t)memory, size),
		(long long)json_integer_value(json_object_get(state, "ssh_port")), text_of(state, "image"));
	json_array_foreach((json_t *)ports, i, port) printf("%s%lld:%lld/%s", i ? ", " : " (",
		(long long)json_integer_value(json_object_get(port, "host")),
		(long long)json_integer_value(json_object_get(port, "guest")), text_of(port, "protocol"));
	printf("%s\n", json_array_size(ports) ? ")" : "");
}

static int vm_list(int argc, char **argv, struct error **err)
{
	static const struct command_option options[] = {
		{"json", 0, NULL, "Print a JSON array.", OPTION_TRUE, offsetof(struct options, json)},
		{},
	};
	static const struct command_usage usage = {
		.name = "orlop vm list",
		.arguments = "",
		.summary = "Lists the machines that run: name, accelerator, processors, memory, the port of "
			   "127.0.0.1 that "
			   "leads to ssh, the image and forwarded ports.",
		.options = options,
	};
	struct options values = {};
	struct command_call call;
	_cleanup_json_ json_t *machines = NULL;
	json_t *state;
	size_t i;
	int r;

	if (!command_parse(&usage, argc, argv, &values, &call, err))
		return call.status;
	machines = json_array();
	r = machines ? collect(machines, err) : error_set_errno(err, -ENOMEM, "list");
	if (r == 0 && values.json)
		return command_print_json(TAKE_PTR(machines), err);
	if (r == 0 && json_array_size(machines) > 0) {
		printf("%-20s %-8s %4s %10s %6s  %s\n", "NAME", "ACCEL", "CPUS", "MEMORY", "SSH", "IMAGE");
		json_array_foreach(machines, i, state) print_machine(state);
	}
	return r;
}

static const struct command commands[] = {
	{"run", "Start an image, run commands in it, power it off", cmd_vm_run},
	{"start", "Start an image in a machine that goes on running", cmd_vm_start},
	{"exec", "Run a command in a machine", vm_exec},
	{"console", "Connect the terminal with a machine's console", vm_console},
	{"reset", "Press a machine's reset button", vm_reset},
	{"stop", "Power a machine off", vm_stop},
	{"wait", "Wait for a machine's end", vm_wait},
	{"list", "List the machines that run", vm_list},
	{},
};

static const struct command_group vm = {
	.name = "orlop vm",
	.summary = "Starts images in virtual machines, with Secure Boot and a TPM. Needs no root.",
	.commands = commands,
};

int cmd_vm(int argc, char **argv, struct error **err)
{
	return command_dispatch(&vm, argc, argv, err);
}
