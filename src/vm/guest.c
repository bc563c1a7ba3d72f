/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm/guest.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/file.h"
#include "vm/child.h"
#include "vm/serial.h"

enum {
	SSH_FAILED = 255, /* ssh's own exit status where it could not do its work */
	TAIL_LINES = 25,  /* of the console in an error */
	DENIALS_MAX = 3,  /* how often a guest may refuse the key before we believe it */
	POLL_MS = 250,	  /* how often the console is looked at */
	PROBES = 4,	  /* connections under way at once */
	PROBE_EVERY_MS = 8000,
	PROBE_MS = PROBES * PROBE_EVERY_MS, /* how long a connection may take to greet */
	RETRY_MS = 500,
};

/* Nothing of the user's own configuration counts. Paths are relative to the machine's folder, where ssh runs.
 */
static const char *const ssh_options[] = {"ssh", "-F", "none", "-T", "-e", "none", "-l", "root", "-i",
	"ssh-key", "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none", "-o", "BatchMode=yes", "-o",
	"PreferredAuthentications=publickey", "-o", "StrictHostKeyChecking=no", "-o",
	"UserKnownHostsFile=/dev/null", "-o", "GlobalKnownHostsFile=/dev/null", "-o", "HostKeyAlias=guest",
	"-o", "UpdateHostKeys=no", "-o", "LogLevel=ERROR", "-o", "ConnectTimeout=60", "-o",
	"ServerAliveInterval=5", "-o", "ServerAliveCountMax=12", "-o", "ControlMaster=auto", "-o",
	"ControlPath=ssh-control", "-o", "ControlPersist=yes"};

/* Runs ssh with some more words, of which the last are NULL. The exit status or a negative errno. */
static int run_ssh(
	const struct vm_machine *machine, const char *const *words, const int files[3], struct error **err)
{
	_cleanup_strv_ struct strv arguments = {};
	struct child_spec spec = {
		.input = files[0], .output = files[1], .message = files[2], .folder = machine->folder.path};
	pid_t pid;
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(ssh_options); i++)
		r = strv_add(&arguments, ssh_options[i]);
	if (r == 0)
		r = strv_addf(&arguments, "-p%u", machine->ssh_port);
	for (; r == 0 && *words; words++)
		r = strv_add(&arguments, *words);
	if (r < 0)
		return error_set_errno(err, r, "ssh");
	spec.arguments = (const char *const *)arguments.items;
	r = child_spawn(&spec, &pid, err);
	if (r == -ENOENT)
		return error_wrap(err, "install the package openssh-client");
	return r < 0 ? r : child_wait(pid);
}

/* A request ("check", "exit") to the ssh process that holds the connection. True where it is there and obeys.
 */
static bool ask_master(const struct vm_machine *machine, const char *request)
{
	static const int nothing[3] = {-1, -1, -1};

	return run_ssh(machine, (const char *const[]){"-O", request, "127.0.0.1", NULL}, nothing, NULL) == 0;
}

static int fail(struct vm_serial *serial, int code, const char *why, struct error **err)
{
	_cleanup_free_ char *tail = vm_serial_tail(serial, TAIL_LINES);

	return error_set(err, code, "the guest does not come up: %s%s%s", why,
		tail && *tail ? "\nthe last lines of its console:\n" : "", tail ? tail : "");
}

/* Logs in once. 0, -EACCES where the key is refused, -EAGAIN where it is worth another try; *message* says
 * more. */
static int log_in(const struct vm_machine *machine, char message[static 512], struct error **err)
{
	_cleanup_close_ int said = memfd_create("ssh", MFD_CLOEXEC);
	const int files[3] = {-1, -1, said};
	ssize_t n;
	int status;

	if (said < 0)
		return error_set_errno(err, -errno, "cannot make a file in memory");
	status = run_ssh(machine, (const char *const[]){"127.0.0.1", "true", NULL}, files, err);
	if (status <= 0)
		return status;
	n = pread(said, message, 511, 0);
	message[MAX(n, 0)] = 0;
	message[strcspn(message, "\r\n")] = 0;
	return strstr(message, "Permission denied") ? -EACCES : -EAGAIN;
}

/*
 * Connections under way to the guest's ssh. QEMU accepts each at once and then tries to reach the guest, more
 * and more rarely: one that was made before the guest's network was up may greet long after a younger one. A
 * busy guest, on the other hand, needs seconds to greet. So a new one is made from time to time while the
 * older ones go on waiting.
 */
struct probes {
	struct {
		int fd;
		uint64_t limit;
	} items[PROBES];
	uint64_t next; /* when to make another */
};

static void probes_init(struct probes *probes)
{
	*probes = (struct probes){};
	for (size_t i = 0; i < PROBES; i++)
		probes->items[i].fd = -1;
}

static void probe_end(struct probes *probes, size_t i)
{
	cleanup_closep(&probes->items[i].fd);
	probes->items[i].fd = -1;
}

/* Ends all, and makes no other for a while. */
static void probes_end(struct probes *probes, uint64_t pause_ms)
{
	for (size_t i = 0; i < PROBES; i++)
		probe_end(probes, i);
	probes->next = now_ms() + pause_ms;
}

static void probe_begin(struct probes *probes, uint16_t port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	size_t i = 0;

	while (i < PROBES && probes->items[i].fd >= 0)
		i++;
	if (i == PROBES || now_ms() < probes->next)
		return;
	probes->next = now_ms() + PROBE_EVERY_MS;
	probes->items[i].limit = now_ms() + PROBE_MS;
	probes->items[i].fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (probes->items[i].fd >= 0 &&
		connect(probes->items[i].fd, (struct sockaddr *)&address, sizeof(address)) < 0 &&
		errno != EINPROGRESS)
		probe_end(probes, i);
}

/* True where the other side has greeted as an ssh server does (RFC 4253, 4.2). A closed port is tried again
 * soon. */
static bool probe_greeted(struct probes *probes, size_t i)
{
	char greeting[4];
	ssize_t n = recv(probes->items[i].fd, greeting, sizeof(greeting), MSG_DONTWAIT);
	bool waiting = n < 0 && (errno == EAGAIN || errno == EINTR);

	if (waiting && now_ms() < probes->items[i].limit)
		return false;
	probe_end(probes, i);
	if (!waiting)
		probes->next = MIN(probes->next, now_ms() + RETRY_MS);
	return n == (ssize_t)sizeof(greeting) && memcmp(greeting, "SSH-", sizeof(greeting)) == 0;
}

/* Waits a moment for a greeting: 1 where it came, 0 where not yet, -ECONNRESET where the machine has ended.
 */
static int probes_step(struct probes *probes, const struct vm_machine *machine)
{
	struct pollfd polls[PROBES + 1] = {[PROBES] = {.fd = machine->supervisor, .events = POLLIN}};
	int greeted = 0;

	probe_begin(probes, machine->ssh_port);
	for (size_t i = 0; i < PROBES; i++)
		polls[i] = (struct pollfd){.fd = probes->items[i].fd, .events = POLLIN};
	(void)poll(polls, ARRAY_SIZE(polls), POLL_MS);
	if (polls[PROBES].revents)
		return -ECONNRESET;
	for (size_t i = 0; i < PROBES; i++)
		greeted |= probes->items[i].fd >= 0 && probe_greeted(probes, i);
	return greeted;
}

static off_t serial_offset(const struct vm_machine *machine)
{
	_cleanup_free_ char *path = vm_folder_file(&machine->folder, "serial-offset"), *text = NULL;
	uint64_t offset = 0;

	if (path && file_read(path, 32, &text, NULL, NULL) == 0)
		(void)parse_u64(text, &offset);
	return (off_t)offset;
}

/* One round of waiting: 1 where the guest is up. */
static int wait_step(struct vm_machine *machine, struct probes *probes, struct vm_serial *serial,
	bool past_failures, unsigned *denials, char message[static 512], struct error **err)
{
	int r = probes_step(probes, machine);

	(void)vm_serial_read(serial);
	if (r == -ECONNRESET) {
		_cleanup_free_ char *log = vm_machine_log(machine);

		return fail(serial, r, log && *log ? log : "the machine has ended", err);
	}
	if (serial->failure && !past_failures)
		return fail(serial, -EIO, serial->failure, err);
	if (r == 0)
		return 0;
	probes_end(probes, 0);
	r = log_in(machine, message, err);
	if (r == -EACCES && ++*denials >= DENIALS_MAX)
		return fail(serial, r, message, err);
	probes->next = now_ms() + RETRY_MS * (*denials + 1);
	return r == 0 ? 1 : r == -EACCES || r == -EAGAIN ? 0 : r;
}

int vm_guest_wait(struct vm_machine *machine, uint64_t timeout_ms, bool past_failures, struct error **err)
{
	_cleanup_vm_serial_ struct vm_serial serial = {.fd = machine->serial_log};
	char message[512] = "its ssh does not answer";
	uint64_t deadline = now_ms() + timeout_ms;
	_cleanup_free_ char *why = NULL;
	struct probes probes;
	unsigned denials = 0;
	int r = 0;

	if (ask_master(machine, "check"))
		return 0;
	serial.offset = serial_offset(machine);
	probes_init(&probes);
	while (r == 0 && now_ms() < deadline)
		r = wait_step(machine, &probes, &serial, past_failures, &denials, message, err);
	probes_end(&probes, 0);
	if (r != 0)
		return r < 0 ? r : 0;
	why = string_format("not up after %llu s: %s", (unsigned long long)timeout_ms / 1000, message);
	return fail(&serial, -ETIMEDOUT, why ? why : message, err);
}

int vm_guest_exec(struct vm_machine *machine, const char *line, int input, struct error **err)
{
	const int files[3] = {input, STDOUT_FILENO, STDERR_FILENO};
	int status = run_ssh(machine, (const char *const[]){"127.0.0.1", "--", line, NULL}, files, err);

	/* A command may itself exit with ssh's own status: then the connection still stands. */
	if (status == SSH_FAILED && !ask_master(machine, "check"))
		return error_set(
			err, -ECONNRESET, "the connection to the guest broke while it ran: %s", line);
	return status;
}

char *vm_guest_quote(const char *const *words, size_t count)
{
	struct buffer line = {};

	for (size_t i = 0; i < count; i++) {
		buffer_append_string(&line, i ? " '" : "'");
		for (const char *at = words[i]; *at; at++) {
			if (*at == '\'')
				buffer_append_string(&line, "'\\''");
			else
				buffer_append(&line, at, 1);
		}
		buffer_append_string(&line, "'");
	}
	return buffer_take(&line, NULL);
}

int vm_guest_power_off(struct vm_machine *machine, uint64_t grace_ms, struct error **err)
{
	static const int nothing[3] = {-1, -1, -1};
	const char *const words[] = {"127.0.0.1", "systemctl", "poweroff", NULL};
	int r;

	if (!ask_master(machine, "check") || run_ssh(machine, words, nothing, NULL) != 0)
		(void)vm_machine_press_power(machine, NULL);
	if (vm_machine_wait(machine, grace_ms / 2))
		return 1;
	(void)vm_machine_press_power(machine, NULL);
	if (vm_machine_wait(machine, grace_ms / 2))
		return 1;
	r = vm_machine_kill(machine, err);
	return r < 0 ? r : 0;
}

void vm_guest_disconnect(struct vm_machine *machine)
{
	(void)ask_master(machine, "exit");
}
