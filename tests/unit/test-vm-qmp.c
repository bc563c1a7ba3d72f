/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/file.h"
#include "base/string-util.h"
#include "vm/child.h"
#include "vm/qmp.h"

/* As QEMU 7.2 answers "info usernet" with these forwards and a connection. */
static const char usernet[] =
	"Hub -1 (net):\r\n"
	"  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ\r\n"
	"  TCP[ESTABLISHED]   21       127.0.0.1 33333       10.0.2.15    22     0     0\r\n"
	"  TCP[HOST_FORWARD]  14       127.0.0.1 37497       10.0.2.15    80     0     0\r\n"
	"  TCP[HOST_FORWARD]  13       127.0.0.1 46845       10.0.2.15    22     0     0\r\n"
	"  UDP[HOST_FORWARD]  15       127.0.0.1 58142       10.0.2.15    53     0     0\r\n"
	"  UDP[2 sec]         22       127.0.0.1 11111       10.0.2.15    54     0     0\r\n";

static void finds_ports_that_qemu_has_chosen(void **state)
{
	uint16_t port = 0;

	(void)state;
	assert_int_equal(qmp_parse_usernet(usernet, "TCP", 22, &port), 0);
	assert_int_equal(port, 46845);
	assert_int_equal(qmp_parse_usernet(usernet, "TCP", 80, &port), 0);
	assert_int_equal(port, 37497);
	assert_int_equal(qmp_parse_usernet(usernet, "UDP", 53, &port), 0);
	assert_int_equal(port, 58142);
	assert_int_equal(qmp_parse_usernet(usernet, "TCP", 53, &port), -ENOENT);
	assert_int_equal(qmp_parse_usernet(usernet, "UDP", 54, &port), -ENOENT);
	assert_int_equal(qmp_parse_usernet("", "TCP", 22, &port), -ENOENT);
}

/* A stand-in for QEMU that says its lines, each after one line from the client; "" means to go away. */
struct server {
	char folder[32];
	char *path;
	pid_t pid;
};

static void serve(int listener, const char *const *lines)
{
	char ignored[1024];
	int fd = accept(listener, NULL, NULL);

	for (; fd >= 0 && *lines; lines++) {
		if (write_full(fd, *lines, strlen(*lines)) < 0)
			_exit(1);
		if (lines[1] && read(fd, ignored, sizeof(ignored)) <= 0)
			_exit(1);
	}
	_exit(0);
}

static void server_start(struct server *server, const char *const *lines)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(server->folder, sizeof(server->folder), "/tmp/test-vm-qmp.XXXXXX");
	assert_non_null(mkdtemp(server->folder));
	server->path = string_format("%s/qmp", server->folder);
	assert_non_null(server->path);
	memcpy(address.sun_path, server->path, strlen(server->path));
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 1), 0);
	server->pid = fork();
	assert_true(server->pid >= 0);
	if (server->pid == 0)
		serve(fd, lines);
	(void)close(fd);
}

static void server_end(struct server *server)
{
	assert_int_equal(child_wait(server->pid), 0);
	assert_int_equal(remove_tree(server->folder, NULL), 0);
	free(server->path);
}

#define GREETING "{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n"
#define EVENT "{\"timestamp\": {\"seconds\": 1, \"microseconds\": 2}, \"event\": \"RESUME\"}\r\n"

static void events_are_passed_over_and_errors_told_in_qemus_words(void **state)
{
	const char *const answers[] = {GREETING, "{\"return\": {}}\r\n",
		EVENT EVENT "{\"return\": \"text\"}\r\n" EVENT,
		"{\"error\": {\"class\": \"GenericError\", \"desc\": \"Device is busy\"}}\r\n", NULL};
	struct server server;
	_cleanup_qmp_ struct qmp qmp = QMP_INIT;
	struct error *err = NULL;
	json_t *value = NULL;

	(void)state;
	server_start(&server, answers);
	assert_ok(qmp_connect(&qmp, server.path, 10000, &err), err);
	assert_ok(qmp_execute(&qmp, "first", json_pack("{s:i}", "a", 1), 10000, &value, &err), err);
	assert_string_equal(json_string_value(value), "text");
	json_decref(value);
	assert_error(
		qmp_execute(&qmp, "second", NULL, 10000, NULL, &err), -EIO, err, "second: Device is busy");
	assert_error(qmp_execute(&qmp, "third", NULL, 10000, NULL, &err), -ECONNRESET, err, "third");
	server_end(&server);
}

static void silence_ends_after_the_time_that_is_given(void **state)
{
	const char *const lines[] = {GREETING, "{\"return\": {}}\r\n", EVENT, "", NULL};
	struct server server;
	struct qmp qmp = QMP_INIT;
	struct error *err = NULL;
	uint64_t begin = now_ms();

	(void)state;
	server_start(&server, lines);
	assert_ok(qmp_connect(&qmp, server.path, 10000, &err), err);
	assert_error(qmp_execute(&qmp, "first", NULL, 50, NULL, &err), -ETIMEDOUT, err, "first");
	assert_true(now_ms() - begin < 10000);
	assert_int_equal(write_full(qmp.fd, "\n", 1), 0); /* lets the server end */
	qmp_release(&qmp);
	server_end(&server);
}

static void nonsense_is_an_error(void **state)
{
	const char *const lines[] = {"hello\n", NULL};
	struct server server;
	_cleanup_qmp_ struct qmp qmp = QMP_INIT;
	struct error *err = NULL;

	(void)state;
	server_start(&server, lines);
	assert_error(qmp_connect(&qmp, server.path, 10000, &err), -EBADMSG, err, "does not greet");
	server_end(&server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_ports_that_qemu_has_chosen),
		cmocka_unit_test(events_are_passed_over_and_errors_told_in_qemus_words),
		cmocka_unit_test(silence_ends_after_the_time_that_is_given),
		cmocka_unit_test(nonsense_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
