/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm/console.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/file.h"

void vm_console_release(struct vm_console *console)
{
	cleanup_closep(&console->fd);
	cleanup_closep(&console->lock);
	*console = (struct vm_console)VM_CONSOLE_INIT;
}

int vm_console_open(struct vm_console *console, const struct vm_machine *machine, struct error **err)
{
	_cleanup_free_ char *path = vm_folder_file(&machine->folder, "serial");
	_cleanup_free_ char *lock = vm_folder_file(&machine->folder, "serial.lock");
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (!path || !lock)
		return error_set_errno(err, -ENOMEM, "%s", machine->folder.name);
	if (strlen(path) >= sizeof(address.sun_path))
		return error_set_errno(err, -ENAMETOOLONG, "%s", path);
	memcpy(address.sun_path, path, strlen(path));
	console->lock = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (console->lock < 0)
		return error_set_errno(err, -errno, "cannot open %s", lock);
	if (flock(console->lock, LOCK_EX | LOCK_NB) < 0)
		return error_set(
			err, -EBUSY, "somebody else has the console of %s open", machine->folder.name);
	console->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (console->fd < 0 || connect(console->fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return error_set_errno(err, -errno, "cannot reach the console at %s", path);
	return 0;
}

/* From the guest to the user: 1 where there is more to come, 0 at the console's end. */
static int show(struct vm_console *console, int output)
{
	char chunk[4096];
	ssize_t n = recv(console->fd, chunk, sizeof(chunk), 0);
	int r;

	if (n < 0)
		return errno == EINTR ? 1 : errno == ECONNRESET ? 0 : -errno;
	if (n == 0)
		return 0;
	r = write_full(output, chunk, (size_t)n);
	return r < 0 ? r : 1;
}

/* From the user to the guest: 1 for go on, 0 at the input's end, 2 at the escape. */
static int type(struct vm_console *console, int input, int escape)
{
	uint8_t chunk[1024], *end = NULL;
	ssize_t n = read(input, chunk, sizeof(chunk));
	size_t length, sent = 0;

	if (n < 0)
		return errno == EINTR || errno == EAGAIN ? 1 : -errno;
	if (n == 0)
		return 0;
	if (escape >= 0)
		end = memchr(chunk, escape, (size_t)n);
	length = end ? (size_t)(end - chunk) : (size_t)n;
	while (sent < length) {
		ssize_t k = send(console->fd, chunk + sent, length - sent, MSG_NOSIGNAL);

		if (k < 0 && errno != EINTR)
			return errno == EPIPE || errno == ECONNRESET ? 1 : -errno;
		sent += k > 0 ? (size_t)k : 0;
	}
	return end ? 2 : 1;
}

int vm_console_run(struct vm_console *console, const struct vm_machine *machine, int input, int output,
	int escape, struct error **err)
{
	int r = 1;

	while (r > 0) {
		struct pollfd polls[3] = {
			{.fd = console->fd, .events = POLLIN},
			{.fd = input, .events = POLLIN},
			{.fd = machine->supervisor, .events = POLLIN},
		};

		if (poll(polls, 3, -1) < 0 && errno != EINTR)
			r = -errno;
		else if (polls[1].revents)
			r = type(console, input, escape);
		if (r == 2)
			return 1;
		if (r == 0) { /* nothing more to type; the guest goes on */
			input = -1;
			r = 1;
		}
		if (r == 1 && polls[0].revents)
			r = show(console, output);
		else if (r == 1 && polls[2].revents)
			return 0;
	}
	return r < 0 ? error_set_errno(err, r, "console of %s", machine->folder.name) : 0;
}
