/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/buffer.h"
#include "base/file.h"
#include "vm/child.h"

/* What is said over the lease. */
enum {
	LEASE_RUNNING = 'R', /* from the supervisor: QEMU and swtpm run */
	LEASE_FAILED = 'F',  /* from the supervisor: an errno (int) and a message follow */
	LEASE_KEEP = 'K',    /* to the supervisor */
};

/* How long swtpm may take to write its state after QEMU has ended, and then to react to SIGTERM. */
#define SWTPM_GRACE_MS 3000

struct supervisor {
	int lease, signals;
	pid_t qemu, swtpm; /* 0: not running */
	bool kept, stop;
};

static int spawn_swtpm(const struct vm_supervision *supervision, pid_t *ret, struct error **err)
{
	const struct child_spec spec = {
		.arguments = (const char *const *)supervision->swtpm->items,
		.input = -1,
		.output = supervision->log_fd,
		.message = supervision->log_fd,
		.keep = &supervision->swtpm_fd,
		.keep_count = 1,
	};

	if (supervision->swtpm->count == 0)
		return 0;
	return child_spawn(&spec, ret, err);
}

static int spawn_qemu(const struct vm_supervision *supervision, pid_t *ret, struct error **err)
{
	const int keep[] = {supervision->qmp_fd, supervision->serial_fd, supervision->tpm_fd};
	const struct child_spec spec = {
		.arguments = (const char *const *)supervision->qemu->items,
		.input = -1,
		.output = supervision->log_fd,
		.message = supervision->log_fd,
		.keep = keep,
		.keep_count = supervision->tpm_fd >= 0 ? 3 : 2,
	};

	return child_spawn(&spec, ret, err);
}

static void reap(struct supervisor *supervisor)
{
	pid_t pid;

	while ((pid = waitpid(-1, NULL, WNOHANG)) > 0) {
		if (pid == supervisor->qemu)
			supervisor->qemu = 0;
		if (pid == supervisor->swtpm)
			supervisor->swtpm = 0;
	}
}

static void take_signals(struct supervisor *supervisor)
{
	struct signalfd_siginfo info;

	while (read(supervisor->signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
		if (info.ssi_signo != SIGCHLD)
			supervisor->stop = true;
	reap(supervisor);
}

static void take_lease(struct supervisor *supervisor)
{
	char word;
	ssize_t n = recv(supervisor->lease, &word, 1, 0);

	if (n == 1 && word == LEASE_KEEP) {
		supervisor->kept = true;
	} else if (n == 0 || (n < 0 && errno != EINTR)) {
		supervisor->stop = supervisor->stop || !supervisor->kept;
		cleanup_closep(&supervisor->lease);
		supervisor->lease = -1;
	}
}

/* Waits once for something to happen, at most *timeout_ms*. */
static void wait_event(struct supervisor *supervisor, int timeout_ms)
{
	struct pollfd polls[2] = {
		{.fd = supervisor->signals, .events = POLLIN},
		{.fd = supervisor->lease, .events = POLLIN},
	};

	if (poll(polls, 2, timeout_ms) <= 0)
		return;
	if (polls[0].revents)
		take_signals(supervisor);
	if (polls[1].revents)
		take_lease(supervisor);
}

/* Gives swtpm, whose connection QEMU's end has closed, the time to write its state, then less and less of it.
 */
static void end_swtpm(struct supervisor *supervisor)
{
	static const int signals[] = {0, SIGTERM, SIGKILL};

	for (size_t i = 0; supervisor->swtpm && i < ARRAY_SIZE(signals); i++) {
		uint64_t deadline = now_ms() + SWTPM_GRACE_MS, now;

		if (signals[i])
			(void)kill(supervisor->swtpm, signals[i]);
		while (supervisor->swtpm && (now = now_ms()) < deadline)
			wait_event(supervisor, (int)(deadline - now));
	}
}

static void end_qemu(struct supervisor *supervisor)
{
	if (supervisor->qemu)
		(void)kill(supervisor->qemu, SIGKILL);
	while (supervisor->qemu)
		wait_event(supervisor, -1);
}

static int block_signals(int *ret)
{
	sigset_t all;
	int fd;

	sigemptyset(&all);
	sigaddset(&all, SIGCHLD);
	sigaddset(&all, SIGTERM);
	sigaddset(&all, SIGINT);
	sigaddset(&all, SIGHUP);
	if (sigprocmask(SIG_SETMASK, &all, NULL) < 0)
		return -errno;
	fd = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return -errno;
	*ret = fd;
	return 0;
}

/* Leaves the employer's session, folder, standard files and whatever else was open. */
static int detach(const struct vm_supervision *supervision, int lease)
{
	const int keep[] = {lease, supervision->folder->lock_fd, supervision->qmp_fd, supervision->serial_fd,
		supervision->log_fd, supervision->tpm_fd, supervision->swtpm_fd};
	_cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0 || setsid() < 0 || chdir("/") < 0)
		return -errno;
	for (int i = 0; i < 3; i++)
		if (dup2(null, i) < 0)
			return -errno;
	/* *null* is closed here too where it isn't one of the three: the descriptor is not used again. */
	TAKE_FD(null);
	return close_all_but(keep, ARRAY_SIZE(keep));
}

static void tell_failure(int lease, const struct error *error, int code)
{
	const char *text = error_message(error);
	struct buffer message = {};

	buffer_append_u8(&message, LEASE_FAILED);
	buffer_append(&message, &code, sizeof(code));
	buffer_append_string(&message, text);
	if (!buffer_failed(&message))
		(void)send(lease, message.data, message.size, MSG_NOSIGNAL);
	buffer_release(&message);
}

static int launch(struct supervisor *supervisor, const struct vm_supervision *supervision, struct error **err)
{
	int r = detach(supervision, supervisor->lease);

	if (r == 0)
		r = block_signals(&supervisor->signals);
	if (r < 0)
		return error_set_errno(err, r, "cannot prepare the machine's supervisor");
	r = vm_folder_set_supervisor(supervision->folder, getpid(), err);
	if (r == 0)
		r = spawn_swtpm(supervision, &supervisor->swtpm, err);
	if (r == 0)
		r = spawn_qemu(supervision, &supervisor->qemu, err);
	return r;
}

/* The supervisor's life. The two sockets and the TPM's connection are closed here once QEMU and swtpm have
 * them. */
static void supervise(const struct vm_supervision *supervision, int lease)
{
	struct supervisor supervisor = {.lease = lease, .signals = -1};
	const int inherited[] = {
		supervision->qmp_fd, supervision->serial_fd, supervision->tpm_fd, supervision->swtpm_fd};
	const char running = LEASE_RUNNING;
	struct error *err = NULL;
	int r = launch(&supervisor, supervision, &err);

	for (size_t i = 0; i < ARRAY_SIZE(inherited); i++)
		if (inherited[i] >= 0)
			(void)close(inherited[i]);
	if (r == 0 && send(lease, &running, 1, MSG_NOSIGNAL) < 0)
		supervisor.stop = true;
	while (r == 0 && !supervisor.stop && supervisor.qemu)
		wait_event(&supervisor, -1);
	end_qemu(&supervisor);
	end_swtpm(&supervisor);
	(void)vm_folder_remove(supervision->folder, NULL);
	if (r < 0)
		tell_failure(lease, err, r);
	error_free(err);
}

/* Hears whether the machine runs. */
static int hear(int lease, struct error **err)
{
	char message[1024];
	ssize_t n;
	int code;

	do
		n = recv(lease, message, sizeof(message), 0);
	while (n < 0 && errno == EINTR);
	if (n >= 1 && message[0] == LEASE_RUNNING)
		return 0;
	if (n < (ssize_t)(1 + sizeof(code)))
		return error_set(err, -ECHILD, "the machine's supervisor ended without a word");
	memcpy(&code, message + 1, sizeof(code));
	return error_set(err, code < 0 ? code : -EIO, "%.*s", (int)((size_t)n - 1 - sizeof(code)),
		message + 1 + sizeof(code));
}

int vm_supervisor_start(
	const struct vm_supervision *supervision, pid_t *ret_pid, int *ret_lease, struct error **err)
{
	_cleanup_close_ int mine = -1, its = -1;
	int pair[2], r;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return error_set_errno(err, -errno, "cannot make a socket");
	mine = pair[0];
	its = pair[1];
	pid = fork();
	if (pid < 0)
		return error_set_errno(err, -errno, "cannot start the machine's supervisor");
	if (pid == 0) {
		supervise(supervision, its);
		_exit(EXIT_SUCCESS);
	}
	cleanup_closep(&its);
	its = -1;
	r = hear(mine, err);
	if (r < 0) {
		(void)child_wait(pid);
		return r;
	}
	*ret_pid = pid;
	*ret_lease = TAKE_FD(mine);
	return 0;
}

int vm_supervisor_keep(int lease, struct error **err)
{
	const char keep = LEASE_KEEP;

	if (send(lease, &keep, 1, MSG_NOSIGNAL) < 0)
		return error_set_errno(err, -errno, "the machine has ended");
	return 0;
}
