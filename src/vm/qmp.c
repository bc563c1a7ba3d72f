/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm/qmp.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/file.h"
#include "vm/child.h"

/* An answer is at most this long; those that we ask for have some hundred bytes. */
#define LINE_MAX_SIZE MiB(1)

void qmp_release(struct qmp *qmp)
{
	cleanup_closep(&qmp->fd);
	buffer_release(&qmp->pending);
	*qmp = (struct qmp)QMP_INIT;
}

static int receive(struct qmp *qmp, uint64_t deadline)
{
	struct pollfd poll_fd = {.fd = qmp->fd, .events = POLLIN};
	uint64_t now = now_ms();
	uint8_t chunk[4096];
	ssize_t n;

	if (now >= deadline)
		return -ETIMEDOUT;
	if (poll(&poll_fd, 1, (int)MIN(deadline - now, 60000U)) < 0)
		return errno == EINTR ? 0 : -errno;
	if (!poll_fd.revents)
		return 0;
	n = recv(qmp->fd, chunk, sizeof(chunk), 0);
	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	if (n == 0)
		return -ECONNRESET;
	if (qmp->pending.size + (size_t)n > LINE_MAX_SIZE)
		return -EMSGSIZE;
	buffer_append(&qmp->pending, chunk, (size_t)n);
	return buffer_failed(&qmp->pending) ? -ENOMEM : 0;
}

/* Reads the next object; the caller releases it. */
static int read_object(struct qmp *qmp, uint64_t deadline, json_t **ret)
{
	const uint8_t *end;
	json_t *object;
	size_t length;
	int r;

	while (!(end = qmp->pending.size ? memchr(qmp->pending.data, '\n', qmp->pending.size) : NULL)) {
		r = receive(qmp, deadline);
		if (r < 0)
			return r;
	}
	length = (size_t)(end - qmp->pending.data) + 1;
	object = json_loadb((char *)qmp->pending.data, length, 0, NULL);
	memmove(qmp->pending.data, qmp->pending.data + length, qmp->pending.size - length);
	qmp->pending.size -= length;
	if (!object)
		return -EBADMSG;
	*ret = object;
	return 0;
}

/* Reads until an object with one of the two keys comes; everything else is an event. */
static int read_answer(struct qmp *qmp, uint64_t deadline, const char *key, json_t **ret)
{
	for (;;) {
		json_t *object = NULL;
		int r = read_object(qmp, deadline, &object);

		if (r < 0)
			return r;
		if (json_object_get(object, key) || json_object_get(object, "error")) {
			*ret = object;
			return 0;
		}
		json_decref(object);
	}
}

int qmp_connect(struct qmp *qmp, const char *path, uint64_t timeout_ms, struct error **err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	json_t *greeting = NULL;
	int r;

	if (strlen(path) >= sizeof(address.sun_path))
		return error_set_errno(err, -ENAMETOOLONG, "%s", path);
	memcpy(address.sun_path, path, strlen(path));
	qmp->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (qmp->fd < 0)
		return error_set_errno(err, -errno, "cannot make a socket");
	if (connect(qmp->fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return error_set_errno(err, -errno, "cannot reach QEMU at %s", path);
	r = read_answer(qmp, now_ms() + timeout_ms, "QMP", &greeting);
	if (r < 0)
		return error_set_errno(err, r, "QEMU does not greet");
	json_decref(greeting);
	return qmp_execute(qmp, "qmp_capabilities", NULL, timeout_ms, NULL, err);
}

static int send_command(struct qmp *qmp, const char *command, json_t *arguments)
{
	json_t *object = json_pack("{s:s}", "execute", command);
	_cleanup_free_ char *line = NULL;
	int r = 0;

	if (arguments && (!object || json_object_set(object, "arguments", arguments) < 0))
		r = -ENOMEM;
	line = r == 0 && object ? json_dumps(object, JSON_COMPACT) : NULL;
	json_decref(arguments);
	json_decref(object);
	if (!line)
		return -ENOMEM;
	for (size_t sent = 0, length = strlen(line); sent < length;) {
		ssize_t n = send(qmp->fd, line + sent, length - sent, MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR)
			return errno == EPIPE ? -ECONNRESET : -errno;
		sent += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

int qmp_execute(struct qmp *qmp, const char *command, json_t *arguments, uint64_t timeout_ms, json_t **ret,
	struct error **err)
{
	json_t *answer = NULL, *value;
	const char *description;
	int r = send_command(qmp, command, arguments);

	if (r == 0)
		r = read_answer(qmp, now_ms() + timeout_ms, "return", &answer);
	if (r < 0)
		return error_set_errno(err, r, "QEMU: %s", command);
	value = json_object_get(answer, "return");
	if (!value) {
		description = json_string_value(json_object_get(json_object_get(answer, "error"), "desc"));
		r = error_set(err, -EIO, "QEMU: %s: %s", command, description ? description : "refused");
	} else if (ret) {
		*ret = json_incref(value);
	}
	json_decref(answer);
	return r;
}

/*
 * A line is "  TCP[HOST_FORWARD]  12        127.0.0.1 40001       10.0.2.15    22     0     0"; a hub's name
 * may stand before the lines.
 */
int qmp_parse_usernet(const char *text, const char *protocol, uint16_t guest, uint16_t *ret)
{
	while (*text) {
		char name[32];
		unsigned from, to;

		if (sscanf(text, " %31[A-Z][HOST_FORWARD] %*d %*s %9u %*s %9u", name, &from, &to) == 3 &&
			strcmp(name, protocol) == 0 && to == guest && from > 0 && from <= UINT16_MAX) {
			*ret = (uint16_t)from;
			return 0;
		}
		text += strcspn(text, "\n");
		text += *text == '\n';
	}
	return -ENOENT;
}
