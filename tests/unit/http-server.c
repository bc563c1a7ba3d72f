/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "http-server.h"

#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "base/file.h"
#include "base/string-util.h"

#define FAULTS_MAX 64
#define REQUESTS_MAX 4096
#define CONNECTIONS_MAX 512
#define FILE_MAX MiB(64)

static const char portal[] = "<!DOCTYPE html>\n<html><head><title>Guest network</title></head>"
			     "<body>Please log in.</body></html>\n";

struct fault {
	char *suffix;
	enum http_fault kind;
	uint64_t argument;
	unsigned left;
};

struct request {
	char *path;
	uint64_t bytes;
};

struct http_server {
	char *folder;
	char url[64];
	int listener, stop;
	pthread_t thread;
	pthread_mutex_t lock; /* of what follows */
	struct fault faults[FAULTS_MAX];
	size_t fault_count;
	struct request requests[REQUESTS_MAX];
	size_t request_count;
	pthread_t connections[CONNECTIONS_MAX];
	size_t connection_count;
};

struct connection {
	struct http_server *server;
	int fd;
};

/* One answer in the making. */
struct answer {
	unsigned status;
	const char *type;
	char extra[160]; /* header lines */
	char *body;
	size_t size; /* of the body as announced */
	size_t send; /* how much of it is sent */
	enum { AFTER_NOTHING, AFTER_CLOSE, AFTER_RESET, AFTER_STALL } after;
};

/* Waits until *fd* is readable. Returns false where the server stops or the client has gone. */
static bool wait_readable(const struct http_server *server, int fd)
{
	struct pollfd polls[2] = {{.fd = fd, .events = POLLIN}, {.fd = server->stop, .events = POLLIN}};

	while (poll(polls, 2, -1) < 0)
		if (errno != EINTR)
			return false;
	return !polls[1].revents && polls[0].revents;
}

static bool read_request(const struct http_server *server, int fd, char *text, size_t max)
{
	size_t size = 0;

	for (text[0] = 0; !strstr(text, "\r\n\r\n");) {
		ssize_t n;

		if (size + 1 >= max || !wait_readable(server, fd))
			return false;
		n = recv(fd, text + size, max - 1 - size, 0);
		if (n <= 0)
			return false;
		size += (size_t)n;
		text[size] = 0;
	}
	return true;
}

/* Takes the next fault for *path* off the list; returns false where none is left. */
static bool take_fault(struct http_server *server, const char *path, struct fault *ret)
{
	bool found = false;

	pthread_mutex_lock(&server->lock);
	for (size_t i = 0; i < server->fault_count && !found; i++) {
		struct fault *fault = &server->faults[i];

		if (fault->left == 0 || !endswith(path, fault->suffix))
			continue;
		fault->left--;
		*ret = *fault;
		found = true;
	}
	pthread_mutex_unlock(&server->lock);
	return found;
}

static void note(struct http_server *server, const char *path, uint64_t bytes)
{
	pthread_mutex_lock(&server->lock);
	if (server->request_count < REQUESTS_MAX)
		server->requests[server->request_count++] = (struct request){strdup(path), bytes};
	pthread_mutex_unlock(&server->lock);
}

static void set_page(struct answer *answer, unsigned status, const char *type, const char *text)
{
	free(answer->body);
	answer->status = status;
	answer->type = type;
	answer->body = strdup(text);
	answer->size = answer->send = strlen(text);
}

/* Cuts the body to the range that was asked for, "Range: bytes=N-" or "Range: bytes=N-M". */
static void apply_range(struct answer *answer, const char *request, bool wrong)
{
	const char *range = strcasestr(request, "\r\nRange: bytes=");
	unsigned long long begin, last = answer->size - 1;

	if (!range || answer->status != 200 || sscanf(range, "\r\n%*[^=]=%llu-%llu", &begin, &last) < 1)
		return;
	last = MIN(last, answer->size - 1);
	if (begin >= answer->size || last < begin) {
		set_page(answer, 416, "text/plain", "no such range\n");
		return;
	}
	begin = wrong ? 0 : begin;
	(void)snprintf(answer->extra, sizeof(answer->extra), "Content-Range: bytes %llu-%llu/%zu\r\n", begin,
		last, answer->size);
	answer->status = 206;
	memmove(answer->body, answer->body + begin, last + 1 - begin);
	answer->size = answer->send = last + 1 - begin;
}

static void lengthen(struct answer *answer, size_t extra)
{
	answer->body = realloc(answer->body, answer->size + extra + 1);
	assert_non_null(answer->body);
	memset(answer->body + answer->size, 'x', extra);
	answer->size += extra;
	answer->send = answer->size;
}

static void apply_fault(struct answer *answer, const struct fault *fault)
{
	switch (fault->kind) {
	case HTTP_CUT:
	case HTTP_RESET:
	case HTTP_STALL:
		answer->send = MIN(answer->size, fault->argument);
		answer->after = fault->kind == HTTP_CUT	    ? AFTER_CLOSE
				: fault->kind == HTTP_RESET ? AFTER_RESET
							    : AFTER_STALL;
		break;
	case HTTP_STATUS:
		set_page(answer, (unsigned)fault->argument, "text/html", "<html>an error</html>\n");
		break;
	case HTTP_RETRY_AFTER:
		set_page(answer, 503, "text/plain", "busy\n");
		(void)snprintf(answer->extra, sizeof(answer->extra), "Retry-After: %ju\r\n",
			(uintmax_t)fault->argument);
		break;
	case HTTP_SHORTER:
		answer->size = answer->send = MIN(answer->size, fault->argument);
		break;
	case HTTP_LONGER:
		lengthen(answer, fault->argument);
		break;
	case HTTP_OTHER_BYTE:
		assert_true(fault->argument < answer->size);
		answer->body[fault->argument] ^= 1;
		break;
	case HTTP_PORTAL:
		set_page(answer, 200, "text/html", portal);
		break;
	case HTTP_REDIRECT:
		set_page(answer, 302, "text/html", "");
		(void)snprintf(answer->extra, sizeof(answer->extra), "Location: /login\r\n");
		break;
	case HTTP_IGNORE_RANGE:
	case HTTP_WRONG_RANGE:
		break;
	}
}

static void make_answer(
	struct http_server *server, const char *path, const char *request, struct answer *answer)
{
	_cleanup_free_ char *file = string_format("%s%s", server->folder, path);
	struct fault fault = {};
	bool faulty = take_fault(server, path, &fault);

	answer->status = 200;
	answer->type = "application/octet-stream";
	if (streq(path, "/login"))
		set_page(answer, 200, "text/html", portal);
	else if (strstr(path, "..") || file_read(file, FILE_MAX, &answer->body, &answer->size, NULL) < 0)
		set_page(answer, 404, "text/html", "<html>not found</html>\n");
	answer->send = answer->size;
	if (!streq(path, "/login") && (!faulty || fault.kind != HTTP_IGNORE_RANGE))
		apply_range(answer, request, faulty && fault.kind == HTTP_WRONG_RANGE);
	if (faulty)
		apply_fault(answer, &fault);
}

static bool send_all(int fd, const char *data, size_t size)
{
	while (size > 0) {
		ssize_t n = send(fd, data, size, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		data += n;
		size -= (size_t)n;
	}
	return true;
}

/* Sends an answer; returns true where the connection may go on. */
static bool send_answer(struct connection *connection, const char *path, const struct answer *answer)
{
	const struct linger reset = {.l_onoff = 1, .l_linger = 0};
	_cleanup_free_ char *head = NULL;
	char ignored;

	head = string_format("HTTP/1.1 %u x\r\nContent-Type: %s\r\nContent-Length: %zu\r\n%s\r\n",
		answer->status, answer->type, answer->size, answer->extra);
	if (!head)
		return false;
	note(connection->server, path, answer->send);
	if (!send_all(connection->fd, head, strlen(head)) ||
		!send_all(connection->fd, answer->body, answer->send))
		return false;
	if (answer->after == AFTER_STALL)
		while (wait_readable(connection->server, connection->fd) &&
			recv(connection->fd, &ignored, 1, 0) > 0)
			;
	if (answer->after == AFTER_RESET)
		(void)setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	return answer->after == AFTER_NOTHING;
}

static void *serve_connection(void *userdata)
{
	struct connection *connection = userdata;
	char request[8192], path[1024];
	bool more = true;

	while (more && read_request(connection->server, connection->fd, request, sizeof(request))) {
		struct answer answer = {};

		if (sscanf(request, "GET %1023s HTTP/1.1\r\n", path) != 1)
			break;
		make_answer(connection->server, path, request, &answer);
		more = send_answer(connection, path, &answer);
		free(answer.body);
	}
	(void)close(connection->fd);
	free(connection);
	return NULL;
}

static void *serve(void *userdata)
{
	struct http_server *server = userdata;

	while (wait_readable(server, server->listener)) {
		struct connection *connection = calloc(1, sizeof(*connection));

		connection->server = server;
		connection->fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC);
		if (connection->fd < 0 || server->connection_count == CONNECTIONS_MAX ||
			pthread_create(&server->connections[server->connection_count], NULL, serve_connection,
				connection) != 0)
			abort();
		server->connection_count++;
	}
	return NULL;
}

struct http_server *http_server_start(const char *folder)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct http_server *server = calloc(1, sizeof(*server));
	socklen_t size = sizeof(address);

	assert_non_null(server);
	server->folder = strdup(folder);
	server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	server->stop = eventfd(0, EFD_CLOEXEC);
	assert_true(server->listener >= 0 && server->stop >= 0);
	assert_int_equal(bind(server->listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(server->listener, 64), 0);
	assert_int_equal(getsockname(server->listener, (struct sockaddr *)&address, &size), 0);
	(void)snprintf(server->url, sizeof(server->url), "http://127.0.0.1:%u", ntohs(address.sin_port));
	assert_int_equal(pthread_mutex_init(&server->lock, NULL), 0);
	assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
	return server;
}

struct http_server *http_server_stop(struct http_server *server)
{
	const uint64_t one = 1;

	if (!server)
		return NULL;
	assert_int_equal(write(server->stop, &one, sizeof(one)), (ssize_t)sizeof(one));
	(void)pthread_join(server->thread, NULL);
	for (size_t i = 0; i < server->connection_count; i++)
		(void)pthread_join(server->connections[i], NULL);
	for (size_t i = 0; i < server->fault_count; i++)
		free(server->faults[i].suffix);
	for (size_t i = 0; i < server->request_count; i++)
		free(server->requests[i].path);
	(void)close(server->listener);
	(void)close(server->stop);
	pthread_mutex_destroy(&server->lock);
	free(server->folder);
	free(server);
	return NULL;
}

const char *http_server_url(const struct http_server *server)
{
	return server->url;
}

void http_server_fault(struct http_server *server, const char *suffix, enum http_fault fault,
	uint64_t argument, unsigned times)
{
	pthread_mutex_lock(&server->lock);
	assert_true(server->fault_count < FAULTS_MAX);
	server->faults[server->fault_count++] = (struct fault){strdup(suffix), fault, argument, times};
	pthread_mutex_unlock(&server->lock);
}

void http_server_forgive(struct http_server *server)
{
	pthread_mutex_lock(&server->lock);
	for (size_t i = 0; i < server->fault_count; i++)
		server->faults[i].left = 0;
	pthread_mutex_unlock(&server->lock);
}

static uint64_t count(struct http_server *server, const char *suffix, unsigned *ret_requests)
{
	uint64_t bytes = 0;

	*ret_requests = 0;
	pthread_mutex_lock(&server->lock);
	for (size_t i = 0; i < server->request_count; i++)
		if (endswith(server->requests[i].path, suffix)) {
			bytes += server->requests[i].bytes;
			(*ret_requests)++;
		}
	pthread_mutex_unlock(&server->lock);
	return bytes;
}

unsigned http_server_requests(struct http_server *server, const char *suffix)
{
	unsigned requests;

	(void)count(server, suffix, &requests);
	return requests;
}

uint64_t http_server_bytes(struct http_server *server, const char *suffix)
{
	unsigned requests;

	return count(server, suffix, &requests);
}
