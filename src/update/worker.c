/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "update/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/http.h"
#include "base/string-util.h"
#include "update/worker-main.h"
#include "update/worker-work.h"

#define SILENCE_SECONDS 120
#define TOTAL_SECONDS 86400
#define ASK_MS 1000	     /* hooks are asked so often */
#define FLOOD 1000	     /* messages at once, … */
#define FLOOD_PER_SECOND 100 /* … and from then on, that the worker may send without having done anything */
#define FD_ABOVE 32	     /* where descriptors are put that a child gets under small numbers */

int worker_new(const struct worker_options *options, struct worker **ret, struct error **err)
{
	struct worker *worker = calloc(1, sizeof(*worker));

	if (!worker)
		return error_set_errno(err, -ENOMEM, "worker");
	worker->options = options;
	*ret = worker;
	return 0;
}

struct worker *worker_free(struct worker *worker)
{
	free(worker);
	return NULL;
}

uint32_t worker_measures(const struct worker *worker)
{
	return worker->measures;
}

void worker_counts(const struct worker *worker, struct remote_counts *ret)
{
	*ret = worker->counts;
}

/* ---- Starting and ending it ---- */

/* Of the environment, a worker gets what libcurl knows proxies by. */
static int worker_environment(struct strv *ret)
{
	static const char *const names[] = {"http_proxy=", "https_proxy=", "HTTPS_PROXY=", "all_proxy=",
		"ALL_PROXY=", "no_proxy=", "NO_PROXY="};
	int r = strv_add(ret, "LC_ALL=C.UTF-8");

	for (char **variable = environ; *variable && r >= 0; variable++)
		for (size_t i = 0; i < ARRAY_SIZE(names) && r >= 0; i++)
			if (startswith(*variable, names[i]))
				r = strv_add(ret, *variable);
	return r;
}

/* The child's descriptors, all above those that they will have in it. */
struct spare {
	int fds[WORKER_PLACES + 1];
	size_t count;
};

static void spare_release(struct spare *spare)
{
	for (size_t i = 0; i < spare->count; i++)
		cleanup_closep(&spare->fds[i]);
}

static int spare_add(struct spare *spare, int fd)
{
	int copy = fd < 0 ? open("/dev/null", O_RDONLY | O_CLOEXEC) : fd;
	int moved = copy < 0 ? -1 : fcntl(copy, F_DUPFD_CLOEXEC, FD_ABOVE);
	int r = moved < 0 ? -errno : 0;

	if (fd < 0)
		cleanup_closep(&copy);
	spare->fds[spare->count] = moved;
	spare->count += moved >= 0;
	return r;
}

static int spawn_actions(const struct spare *spare, posix_spawn_file_actions_t *actions)
{
	int r = 0;

	for (int i = 0; i < 3 && r == 0; i++)
		r = posix_spawn_file_actions_addopen(
			actions, i, "/dev/null", i == 0 ? O_RDONLY : O_WRONLY, 0);
	for (size_t i = 0; i < spare->count && r == 0; i++)
		r = posix_spawn_file_actions_adddup2(actions, spare->fds[i], WORKER_FD_SOCKET + (int)i);
	if (r == 0)
		r = posix_spawn_file_actions_addclosefrom_np(actions, WORKER_FD_SOCKET + (int)spare->count);
	return r;
}

static int spawn(const struct worker_options *options, const struct spare *spare, pid_t *ret)
{
	const char *program = options->program ? options->program : "/proc/self/exe";
	_cleanup_strv_ struct strv environment = {};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none, all;
	int r;

	sigemptyset(&none);
	sigfillset(&all);
	if (worker_environment(&environment) < 0 || posix_spawn_file_actions_init(&actions) != 0)
		return -ENOMEM;
	if (posix_spawnattr_init(&attributes) != 0) {
		posix_spawn_file_actions_destroy(&actions);
		return -ENOMEM;
	}
	/* A session of its own: no terminal, and no signals of one. */
	posix_spawnattr_setflags(
		&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &all);
	r = spawn_actions(spare, &actions);
	if (r == 0)
		r = posix_spawn(ret, program, &actions, &attributes, (char *const *)options->arguments,
			environment.items);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return -r;
}

static int start(struct exchange *exchange, struct error **err)
{
	_cleanup_(spare_release) struct spare spare = {};
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return error_set_errno(err, -errno, "worker");
	exchange->fd = pair[0];
	r = spare_add(&spare, pair[1]);
	(void)close(pair[1]);
	for (size_t i = 0; i < exchange->fd_count && r >= 0; i++)
		r = spare_add(&spare, exchange->fds[i]);
	if (r >= 0)
		r = spawn(exchange->worker->options, &spare, &exchange->pid);
	return r < 0 ? error_set_errno(err, r, "starting the worker") : 0;
}

/* Ends the worker, however it is. Returns its wait status; -1 where somebody else has taken it. */
static int end(struct exchange *exchange)
{
	int status = -1;

	cleanup_closep(&exchange->fd);
	exchange->fd = -1;
	if (exchange->pid > 0) {
		/* One that has ended by itself keeps the status that it ended with. */
		(void)kill(exchange->pid, SIGKILL);
		while (waitpid(exchange->pid, &status, 0) < 0)
			if (errno != EINTR) {
				status = -1;
				break;
			}
	}
	exchange->pid = 0;
	return status;
}

static int died(struct exchange *exchange, struct error **err)
{
	int status = end(exchange);

	if (status != -1 && WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
		return error_set(err, -ECHILD,
			"the worker was killed for a system call that its sandbox does not allow");
	if (status != -1 && WIFSIGNALED(status))
		return error_set(err, -ECHILD, "the worker was killed by signal %d", WTERMSIG(status));
	return error_set(err, -ECHILD, "the worker ended (status %d) before it was done",
		status != -1 && WIFEXITED(status) ? WEXITSTATUS(status) : -1);
}

/* ---- What it says ---- */

static int take_ready(struct exchange *exchange, const struct wire_header *header, struct error **err)
{
	struct worker *worker = exchange->worker;
	uint32_t needed = worker->options->measures | SANDBOX_REQUIRED;
	uint32_t missing;

	if (header->type != WIRE_READY || header->serial != WIRE_VERSION ||
		header->offset & ~(uint64_t)SANDBOX_ALL)
		return error_set(err, -EPROTO, "the worker did not begin as it must: is it another version?");
	worker->measures = (uint32_t)header->offset;
	missing = needed & ~worker->measures;
	if (missing) {
		_cleanup_free_ char *text = sandbox_describe(missing);

		return error_set(err, -ENOTSUP, "the worker's sandbox lacks: %s (a newer kernel has it)",
			text ? text : "");
	}
	exchange->is_ready = true;
	return 0;
}

static int take_failed(const struct wire_message *message, struct error **err)
{
	_cleanup_free_ char *text = wire_text(message->payload, message->header.size);
	int code = message->header.offset > 0 && message->header.offset < 4096 ? -(int)message->header.offset
									       : -EPROTO;

	return error_set(err, code, "%s", text && text[0] ? text : "the worker failed");
}

/* Messages that cost nothing to send cost time to take. */
static int count_message(struct exchange *exchange, struct error **err)
{
	uint64_t seconds = (http_now_ms() - exchange->begun_ms) / 1000;

	if (++exchange->messages > FLOOD + FLOOD_PER_SECOND * seconds)
		return error_set(err, -EPROTO, "the worker floods its parent with messages");
	return 0;
}

static int take_message(struct exchange *exchange, const struct wire_message *message, struct error **err)
{
	const struct wire_header *header = &message->header;
	int r = 0;

	exchange->heard_ms = http_now_ms();
	if (header->type == WIRE_FAILED)
		return take_failed(message, err);
	if (!exchange->is_ready)
		return take_ready(exchange, header, err);
	if (header->type == WIRE_ALIVE || header->type == WIRE_PROGRESS)
		r = count_message(exchange, err);
	if (r < 0 || header->type == WIRE_ALIVE)
		return r;
	r = exchange->take(exchange, message, err);
	/* A disk that is slow to take it is not the worker's silence. */
	exchange->heard_ms = http_now_ms();
	return r;
}

int exchange_outcome(struct exchange *exchange, const struct wire_message *message, uint64_t blocks,
	struct worker_outcome *ret, struct error **err)
{
	int r = worker_outcome_parse(message->payload, message->header.size, blocks, ret, err);

	if (r < 0) {
		(void)error_wrap(err, "the worker sent");
		return r;
	}
	exchange->worker->counts = ret->counts;
	return 1;
}

/* ---- What it is told ---- */

void exchange_source(const struct exchange *exchange, struct worker_source_job *ret)
{
	const struct remote_http_options *source = exchange->source;

	*ret = (struct worker_source_job){.uid = exchange->worker->options->uid,
		.gid = exchange->worker->options->gid,
		.http = *source,
		.rate = exchange->rate,
		.is_limited = source->rate != NULL};
}

/* Never waits: a worker that does not listen has no part in what this process does with its time. */
static int say(
	struct exchange *exchange, enum wire_type type, uint64_t offset, uint64_t serial, struct error **err)
{
	const struct wire_header header = {.type = type, .offset = offset, .serial = serial};
	uint8_t raw[WIRE_HEADER_SIZE];
	ssize_t n;

	wire_header_write(&header, raw);
	do
		n = send(exchange->fd, raw, sizeof(raw), MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n == sizeof(raw))
		return 1;
	if (n < 0 && errno == EAGAIN)
		return 0;
	/* What has closed its end may still have said why. */
	if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
		return 0;
	return error_set_errno(err, n < 0 ? -errno : -EIO, "telling the worker");
}

/* What was done, and how fast it may go on; the last of each is enough. */
static int say_all(struct exchange *exchange, struct error **err)
{
	int r = 0;

	if (exchange->taken != exchange->taken_said) {
		r = say(exchange, WIRE_TAKEN, exchange->failed, exchange->taken, err);
		if (r > 0)
			exchange->taken_said = exchange->taken;
	}
	if (r >= 0 && exchange->rate != exchange->rate_said) {
		r = say(exchange, WIRE_RATE, exchange->rate, 0, err);
		if (r > 0)
			exchange->rate_said = exchange->rate;
	}
	return MIN(r, 0);
}

/* ---- The exchange ---- */

/* Asks the hooks and looks at the clock, once a second. */
static int ask(struct exchange *exchange, struct error **err)
{
	const struct worker_options *options = exchange->worker->options;
	const struct remote_http_options *source = exchange->source;
	uint64_t now = http_now_ms();
	uint64_t silence = options->silence_seconds ? options->silence_seconds : SILENCE_SECONDS;
	uint64_t total = options->total_seconds ? options->total_seconds : TOTAL_SECONDS;

	if (now - exchange->asked_ms < ASK_MS)
		return 0;
	exchange->asked_ms = now;
	if (source->stop && source->stop(source->userdata))
		return error_set(err, -ECANCELED, "stopped");
	if (source->rate)
		exchange->rate = source->rate(source->userdata);
	if (now - exchange->heard_ms >= silence * 1000)
		return error_set(err, -ETIMEDOUT, "the worker was silent for %u seconds", (unsigned)silence);
	if (now - exchange->begun_ms >= total * 1000)
		return error_set(err, -ETIMEDOUT, "not done after %u seconds", (unsigned)total);
	return 0;
}

/* Waits for something to read, or to be able to say what is to be said. */
static int wait_for(struct exchange *exchange, struct error **err)
{
	bool speaks = exchange->taken != exchange->taken_said || exchange->rate != exchange->rate_said;
	struct pollfd wait[] = {{.fd = exchange->fd, .events = (short)(POLLIN | (speaks ? POLLOUT : 0))},
		{.fd = exchange->wake ? exchange->wake_fd : -1, .events = POLLIN}};

	if (poll(wait, ARRAY_SIZE(wait), ASK_MS) < 0 && errno != EINTR)
		return error_set_errno(err, -errno, "waiting for the worker");
	return 0;
}

static int talk(struct exchange *exchange, struct error **err)
{
	for (;;) {
		struct wire_message message;
		_cleanup_error_ struct error *fault = NULL;
		int r = ask(exchange, err);

		if (exchange->wake)
			exchange->wake(exchange);
		if (r >= 0)
			r = say_all(exchange, err);
		if (r < 0)
			return r;
		r = wire_receive(exchange->fd, &exchange->reader, false, &message, &fault);
		if (r == -EPIPE)
			return died(exchange, err);
		if (r < 0) {
			error_move(err, TAKE_PTR(fault));
			(void)error_wrap(err, "the worker sent");
			return r;
		}
		r = r > 0 ? take_message(exchange, &message, err) : wait_for(exchange, err);
		if (r != 0)
			return r;
	}
}

/* Gives the job. The worker reads it before it does anything else. */
static int give(struct exchange *exchange, enum wire_type type, const struct buffer *job, struct error **err)
{
	_cleanup_error_ struct error *fault = NULL;
	struct wire_header header = {.type = type, .size = (uint32_t)job->size};
	int r = wire_send(exchange->fd, &header, job->data, &fault);

	for (size_t i = 0; exchange->files && i < exchange->files->count && r >= 0; i++)
		r = wire_files_send(exchange->fd, &exchange->files->items[i], &fault);
	if (r == -EPIPE)
		return died(exchange, err);
	error_move(err, TAKE_PTR(fault));
	return r;
}

int exchange_run(struct exchange *exchange, enum wire_type type, const struct buffer *job, struct error **err)
{
	int r;

	exchange->worker->measures = 0;
	exchange->worker->counts = (struct remote_counts){};
	exchange->fd = -1;
	exchange->pid = 0;
	exchange->reader = (struct wire_reader){.from = WIRE_WORKER};
	exchange->begun_ms = exchange->heard_ms = http_now_ms();
	exchange->rate_said = exchange->rate;
	r = start(exchange, err);
	if (r >= 0)
		r = give(exchange, type, job, err);
	if (r >= 0)
		r = talk(exchange, err);
	(void)end(exchange);
	wire_reader_release(&exchange->reader);
	return r;
}
