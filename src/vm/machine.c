/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm/machine.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/pidfd.h>

#include "base/file.h"
#include "format/json-text.h"
#include "vm/child.h"
#include "vm/prepare.h"
#include "vm/qmp.h"
#include "vm/supervisor.h"

#define QMP_TIMEOUT_MS 30000

/* How long the supervisor may take to end a machine: swtpm's grace periods and some more. */
#define END_TIMEOUT_MS 20000

#define LOG_TAIL 2048

void vm_machine_release(struct vm_machine *machine)
{
	cleanup_closep(&machine->lease);
	if (machine->child > 0 && machine->lease >= 0)
		(void)child_wait(machine->child);
	cleanup_closep(&machine->supervisor);
	cleanup_closep(&machine->serial_log);
	cleanup_closep(&machine->log);
	json_decref(machine->state);
	vm_folder_release(&machine->folder);
	*machine = (struct vm_machine)VM_MACHINE_INIT;
}

static int connect_qmp(const struct vm_machine *machine, struct qmp *qmp, struct error **err)
{
	_cleanup_free_ char *path = vm_folder_file(&machine->folder, "qmp");

	if (!path)
		return error_set_errno(err, -ENOMEM, "%s", machine->folder.name);
	return qmp_connect(qmp, path, QMP_TIMEOUT_MS, err);
}

/* One command on a connection of its own. */
static int command(const struct vm_machine *machine, const char *name, struct error **err)
{
	_cleanup_qmp_ struct qmp qmp = QMP_INIT;
	int r = connect_qmp(machine, &qmp, err);

	return r < 0 ? r : qmp_execute(&qmp, name, NULL, QMP_TIMEOUT_MS, NULL, err);
}

/* What `info usernet` says: under which ports of the host those of the guest are reached. */
static int query_ports(struct qmp *qmp, json_t **ret, struct error **err)
{
	json_t *arguments = json_pack("{s:s}", "command-line", "info usernet");

	return qmp_execute(qmp, "human-monitor-command", arguments, QMP_TIMEOUT_MS, ret, err);
}

/* The forwards in the form of the state file. */
static int describe_ports(
	const struct vm_config *config, const char *usernet, json_t *ret, struct error **err)
{
	for (size_t i = 0; i < config->port_count; i++) {
		const struct vm_port *port = &config->ports[i];
		const char *protocol = port->udp ? "UDP" : "TCP";
		uint16_t host = port->host;

		if (host == 0 && qmp_parse_usernet(usernet, protocol, port->guest, &host) < 0)
			return error_set(err, -EIO, "QEMU does not say which port leads to %u", port->guest);
		if (json_array_append_new(ret, json_pack("{s:i, s:i, s:s}", "host", host, "guest",
						       port->guest, "protocol", port->udp ? "udp" : "tcp")) <
			0)
			return error_set_errno(err, -ENOMEM, "state");
	}
	return 0;
}

static int write_state(struct vm_machine *machine, struct error **err)
{
	_cleanup_free_ char *path = vm_folder_file(&machine->folder, "state.json");
	_cleanup_free_ char *text = json_dumps(machine->state, JSON_INDENT(2));

	if (!path || !text)
		return error_set_errno(err, -ENOMEM, "state of %s", machine->folder.name);
	return file_write_atomic(path, text, strlen(text), 0600, err);
}

static int describe(struct vm_machine *machine, const struct vm_config *config,
	const struct vm_preparation *preparation, const char *usernet, int64_t now, struct error **err)
{
	json_t *ports = json_array();
	int r = ports ? describe_ports(config, usernet, ports, err) : error_set_errno(err, -ENOMEM, "state");

	if (r < 0) {
		json_decref(ports);
		return r;
	}
	machine->state = json_pack("{s:s, s:o, s:s, s:I, s:I, s:b, s:b, s:b, s:i, s:o, s:s, s:I}", "name",
		machine->folder.name, "image", json_text(preparation->image), "accelerator",
		machine->kvm ? "kvm" : "tcg", "memory", (json_int_t)config->memory, "cpus",
		(json_int_t)config->cpus, "secure_boot", config->variables == VM_VARIABLES_KEYS, "tpm",
		config->tpm, "write", config->write, "ssh_port", machine->ssh_port, "ports", ports,
		"serial_log", preparation->serial_log, "started", (json_int_t)now);
	if (!machine->state)
		return error_set_errno(err, -ENOMEM, "state");
	return write_state(machine, err);
}

static int grow_disk(struct qmp *qmp, const struct vm_config *config, struct error **err)
{
	json_t *arguments;

	if (config->disk_size == 0)
		return 0;
	arguments = json_pack("{s:s, s:I}", "device", VM_DISK_ID, "size", (json_int_t)config->disk_size);
	return qmp_execute(qmp, "block_resize", arguments, QMP_TIMEOUT_MS, NULL, err);
}

/* Asks QEMU what it has chosen, and has the rest done that only a running QEMU can do. */
static int set_up(struct vm_machine *machine, const struct vm_config *config,
	const struct vm_preparation *preparation, int64_t now, struct error **err)
{
	_cleanup_qmp_ struct qmp qmp = QMP_INIT;
	json_t *usernet = NULL;
	int r = connect_qmp(machine, &qmp, err);

	if (r == 0)
		r = grow_disk(&qmp, config, err);
	if (r == 0)
		r = query_ports(&qmp, &usernet, err);
	if (r < 0)
		return r;
	if (!json_is_string(usernet) ||
		qmp_parse_usernet(json_string_value(usernet), "TCP", 22, &machine->ssh_port) < 0)
		r = error_set(err, -EIO, "QEMU does not say which port leads to the guest's ssh");
	else
		r = describe(machine, config, preparation, json_string_value(usernet), now, err);
	json_decref(usernet);
	return r;
}

/* Takes what stays open from the preparation. */
static int adopt(struct vm_machine *machine, struct vm_preparation *preparation, struct error **err)
{
	machine->kvm = preparation->kvm;
	machine->log = TAKE_FD(preparation->log_fd);
	machine->supervisor = pidfd_open(machine->child, 0);
	machine->serial_log = open(preparation->serial_log, O_RDONLY | O_CLOEXEC);
	if (machine->supervisor < 0 || machine->serial_log < 0)
		return error_set_errno(err, -errno, "%s", preparation->serial_log);
	return 0;
}

static int start_supervisor(
	struct vm_machine *machine, const struct vm_preparation *preparation, struct error **err)
{
	const struct vm_supervision supervision = {
		.folder = &machine->folder,
		.qemu = &preparation->qemu,
		.swtpm = &preparation->swtpm,
		.qmp_fd = preparation->qmp_fd,
		.serial_fd = preparation->serial_fd,
		.tpm_fd = preparation->tpm_fd,
		.swtpm_fd = preparation->swtpm_fd,
		.log_fd = preparation->log_fd,
	};

	return vm_supervisor_start(&supervision, &machine->child, &machine->lease, err);
}

/* Adds what QEMU said to an error that its end has caused. */
static int explain(const struct vm_machine *machine, int code, struct error **err)
{
	_cleanup_free_ char *log = vm_machine_log(machine);
	_cleanup_error_ struct error *cause = err ? TAKE_PTR(*err) : NULL;

	if (log && *log)
		return error_set(err, code, "the machine did not start: %s", log);
	return error_set(err, code, "the machine did not start: %s", error_message(cause));
}

int vm_machine_start(const struct vm_config *config, const char *name,
	const struct vm_environment *environment, struct vm_machine *ret, struct error **err)
{
	_cleanup_vm_machine_ struct vm_machine machine = VM_MACHINE_INIT;
	_cleanup_vm_preparation_ struct vm_preparation preparation = VM_PREPARATION_INIT;
	int r = vm_runtime_prepare(environment->runtime, err);

	if (r == 0)
		r = vm_folder_create(environment->runtime, name, &machine.folder, err);
	if (r < 0)
		return r;
	r = vm_prepare(config, &machine.folder, environment, &preparation, err);
	if (r < 0) {
		(void)vm_folder_remove(&machine.folder, NULL);
		return r;
	}
	r = start_supervisor(&machine, &preparation, err);
	if (r < 0) {
		(void)vm_folder_remove(&machine.folder, NULL);
		return vm_prepare_explain(&preparation, r, err);
	}
	/* From here on the supervisor alone holds the lock, and QEMU alone the ends of its sockets. */
	cleanup_closep(&machine.folder.lock_fd);
	machine.folder.lock_fd = -1;
	vm_preparation_close(&preparation);
	r = adopt(&machine, &preparation, err);
	if (r == 0)
		r = set_up(&machine, config, &preparation, environment->now, err);
	if (r < 0)
		return explain(&machine, r, err);
	*ret = machine;
	machine = (struct vm_machine)VM_MACHINE_INIT;
	return 0;
}

int vm_machine_continue(struct vm_machine *machine, struct error **err)
{
	return command(machine, "cont", err);
}

int vm_machine_keep(struct vm_machine *machine, struct error **err)
{
	int r = vm_supervisor_keep(machine->lease, err);

	if (r == 0) {
		cleanup_closep(&machine->lease);
		machine->lease = -1;
		machine->child = 0;
	}
	return r;
}

static int read_state(struct vm_machine *machine, struct error **err)
{
	_cleanup_free_ char *path = vm_folder_file(&machine->folder, "state.json");
	const char *accelerator, *serial_log;
	int port;

	if (!path)
		return error_set_errno(err, -ENOMEM, "%s", machine->folder.name);
	if (access(path, F_OK) < 0)
		return error_set(err, -EAGAIN, "the machine %s is just being started", machine->folder.name);
	machine->state = json_load_file(path, 0, NULL);
	if (!machine->state ||
		json_unpack(machine->state, "{s:i, s:s, s:s}", "ssh_port", &port, "accelerator", &accelerator,
			"serial_log", &serial_log) < 0 ||
		port <= 0 || port > UINT16_MAX)
		return error_set(err, -EBADMSG, "%s: not a machine's state", path);
	machine->ssh_port = (uint16_t)port;
	machine->kvm = streq(accelerator, "kvm");
	machine->serial_log = open(serial_log, O_RDONLY | O_CLOEXEC);
	if (machine->serial_log < 0)
		return error_set_errno(err, -errno, "%s", serial_log);
	return 0;
}

int vm_machine_open(const char *runtime, const char *name, struct vm_machine *ret, struct error **err)
{
	_cleanup_vm_machine_ struct vm_machine machine = VM_MACHINE_INIT;
	int r = vm_name_check(name, err);

	if (r == 0)
		r = vm_runtime_prepare(runtime, err);
	if (r == 0)
		r = vm_folder_open(runtime, name, &machine.folder, err);
	if (r == 0)
		r = machine.supervisor = vm_folder_supervisor(&machine.folder, err);
	if (r >= 0)
		r = read_state(&machine, err);
	if (r < 0)
		return r;
	*ret = machine;
	machine = (struct vm_machine)VM_MACHINE_INIT;
	return 0;
}

/* A later wait for the guest looks at the console from here on: an earlier failure is past. */
static int note_serial_offset(struct vm_machine *machine, struct error **err)
{
	_cleanup_free_ char *offset =
		string_format("%lld", (long long)lseek(machine->serial_log, 0, SEEK_END));
	_cleanup_free_ char *path = vm_folder_file(&machine->folder, "serial-offset");

	if (!offset || !path)
		return error_set_errno(err, -ENOMEM, "%s", machine->folder.name);
	return file_write_atomic(path, offset, strlen(offset), 0600, err);
}

int vm_machine_reset(struct vm_machine *machine, struct error **err)
{
	int r = note_serial_offset(machine, err);

	return r < 0 ? r : command(machine, "system_reset", err);
}

int vm_machine_press_power(struct vm_machine *machine, struct error **err)
{
	return command(machine, "system_powerdown", err);
}

int vm_machine_kill(struct vm_machine *machine, struct error **err)
{
	if (pidfd_send_signal(machine->supervisor, SIGTERM, NULL, 0) < 0 && errno != ESRCH)
		return error_set_errno(err, -errno, "cannot stop %s", machine->folder.name);
	if (vm_machine_wait(machine, END_TIMEOUT_MS) == 0)
		return error_set(err, -ETIMEDOUT, "the supervisor of %s does not end", machine->folder.name);
	return 0;
}

int vm_machine_wait(struct vm_machine *machine, uint64_t timeout_ms)
{
	struct pollfd poll_fd = {.fd = machine->supervisor, .events = POLLIN};
	uint64_t begin = now_ms(), passed;

	do {
		passed = MIN(now_ms() - begin, timeout_ms);
		if (poll(&poll_fd, 1, (int)MIN(timeout_ms - passed, 60000U)) > 0)
			return 1;
	} while (passed < timeout_ms);
	return 0;
}

char *vm_machine_log(const struct vm_machine *machine)
{
	char text[LOG_TAIL + 1] = {};
	off_t size = machine->log < 0 ? 0 : lseek(machine->log, 0, SEEK_END);
	off_t from = size > LOG_TAIL ? size - LOG_TAIL : 0;
	ssize_t n = size > 0 ? pread(machine->log, text, LOG_TAIL, from) : 0;

	while (n > 0 && text[n - 1] == '\n')
		n--;
	text[MAX(n, 0)] = 0;
	return strdup(text);
}
