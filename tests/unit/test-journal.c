/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scratch.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/bytes.h"
#include "base/journal.h"

/* A socket as the journal has it. */
struct listener {
	char *folder, *path;
	int socket;
};

static void listen_at(struct listener *listener)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	listener->folder = scratch_new();
	listener->path = string_format("%s/socket", listener->folder);
	listener->socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_non_null(listener->path);
	assert_true(listener->socket >= 0 && strlen(listener->path) < sizeof(address.sun_path));
	memcpy(address.sun_path, listener->path, strlen(listener->path) + 1);
	assert_int_equal(bind(listener->socket, (struct sockaddr *)&address, sizeof(address)), 0);
}

static void listener_release(struct listener *listener)
{
	cleanup_closep(&listener->socket);
	scratch_remove(&listener->folder);
	free(listener->path);
}

/* What came: a datagram's payload, or, in its place, the content of the file that came with it. */
struct arrival {
	uint8_t *data;
	size_t size;
	int fd; /* -1: no file came */
};

static void arrival_release(struct arrival *arrival)
{
	free(arrival->data);
	cleanup_closep(&arrival->fd);
}

static void receive(const struct listener *listener, struct arrival *ret)
{
	uint8_t control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8))) = {};
	struct iovec part = {.iov_base = malloc(MiB(1)), .iov_len = MiB(1)};
	struct msghdr message = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	struct cmsghdr *header;
	ssize_t n = recvmsg(listener->socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	assert_true(n >= 0);
	*ret = (struct arrival){.data = part.iov_base, .size = (size_t)n, .fd = -1};
	header = CMSG_FIRSTHDR(&message);
	if (header) {
		_cleanup_error_ struct error *err = NULL;
		char *content;

		memcpy(&ret->fd, CMSG_DATA(header), sizeof(ret->fd));
		assert_int_equal(n, 0); /* "datagrams with both payload and file descriptors" are ignored */
		free(ret->data);
		assert_int_equal(lseek(ret->fd, 0, SEEK_SET), 0);
		assert_ok(file_read_fd(ret->fd, "memfd", MiB(16), &content, &ret->size, &err), err);
		ret->data = (uint8_t *)content;
	}
}

/* The value of the field *name*, read as the protocol says; how many fields there are of that name. */
static size_t find_field(
	const struct arrival *arrival, const char *name, const uint8_t **ret, size_t *ret_size)
{
	const uint8_t *at = arrival->data, *end = at + arrival->size;
	size_t found = 0;

	while (at < end) {
		const uint8_t *separator = at, *value;
		size_t size, length;

		while (separator < end && *separator != '=' && *separator != '\n')
			separator++;
		assert_true(separator < end && separator > at);
		length = (size_t)(separator - at);
		value = separator + 1;
		if (*separator == '=') {
			const uint8_t *newline = memchr(value, '\n', (size_t)(end - value));

			assert_non_null(newline);
			size = (size_t)(newline - value);
		} else {
			assert_true(end - value >= 8);
			size = read_le64(value);
			value += 8;
		}
		assert_true(size < (size_t)(end - value) && value[size] == '\n');
		if (length == strlen(name) && memcmp(at, name, length) == 0) {
			*ret = value;
			*ret_size = size;
			found++;
		}
		at = value + size + 1;
	}
	return found;
}

static void assert_field(const struct arrival *arrival, const char *name, const char *expected)
{
	const uint8_t *value;
	size_t size;

	assert_int_equal(find_field(arrival, name, &value, &size), 1);
	assert_int_equal(size, strlen(expected));
	assert_memory_equal(value, expected, size);
}

/* The example of "Native Journal Protocol", which writes every byte of it down. */
static void the_example_of_the_specification_is_encoded_byte_for_byte(void **state)
{
	static const struct journal_field fields[] = {
		{"PRIORITY", "3", 0},
		{"SYSLOG_FACILITY", "3", 0},
		{"CODE_FILE", "src/foobar.c", 0},
		{"CODE_LINE", "77", 0},
		{"BINARY_BLOB", "xx\nx", 4},
		{"CODE_FUNC", "some_func", 0},
		{"SYSLOG_IDENTIFIER", "footool", 0},
		{"MESSAGE", "Something happened.", 0},
	};
	static const char expected[] = "PRIORITY=3\nSYSLOG_FACILITY=3\nCODE_FILE=src/foobar.c\nCODE_LINE=77\n"
				       "BINARY_BLOB\n\004\000\000\000\000\000\000\000xx\nx\n"
				       "CODE_FUNC=some_func\nSYSLOG_IDENTIFIER=footool\n"
				       "MESSAGE=Something happened.\n";
	_cleanup_buffer_ struct buffer entry = {};

	(void)state;
	assert_int_equal(journal_encode(fields, ARRAY_SIZE(fields), &entry), 0);
	assert_int_equal(entry.size, sizeof(expected) - 1);
	assert_memory_equal(entry.data, expected, entry.size);
}

static void a_name_that_the_journal_would_not_take_is_refused(void **state)
{
	static const char *const bad[] = {"", "_BOOT_ID", "lower", "1ST", "A-B", "A=B", "A\nB", "A B",
		"\xc3\x84", "A2345678901234567890123456789012345678901234567890123456789012345"};
	static const char *const good[] = {
		"A", "ORLOP_STEP", "A1_", "A234567890123456789012345678901234567890123456789012345678901234"};
	_cleanup_buffer_ struct buffer entry = {};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(journal_encode(&(struct journal_field){bad[i], "x", 0}, 1, &entry), -EINVAL);
	assert_int_equal(entry.size, 0);
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_int_equal(journal_encode(&(struct journal_field){good[i], "x", 0}, 1, &entry), 0);
}

static void an_entry_arrives_with_its_fields(void **state)
{
	static const struct journal_field fields[] = {
		{"ORLOP_VERSION", "202611.23.0", 0},
		{"ORLOP_STEP", NULL, 0},
		{"ORLOP_NOTE", "two\nlines\n", 0},
		{"ORLOP_RAW", "a\0b", 3},
		{"ORLOP_EMPTY", "", 0},
	};
	_cleanup_(listener_release) struct listener listener = {};
	_cleanup_(arrival_release) struct arrival arrival = {.fd = -1};
	_cleanup_journal_ struct journal journal = JOURNAL_INIT;
	const uint8_t *value;
	size_t size;

	(void)state;
	listen_at(&listener);
	journal_open(&journal, listener.path, "orlop-node", -1);
	assert_int_equal(
		journal_log(&journal, LOG_WARNING, fields, ARRAY_SIZE(fields), "%d of %s\nmore", 3, "4"), 0);
	receive(&listener, &arrival);
	assert_int_equal(arrival.fd, -1);
	assert_field(&arrival, "MESSAGE", "3 of 4\nmore");
	assert_field(&arrival, "PRIORITY", "4"); /* syslog(3): warning */
	assert_field(&arrival, "SYSLOG_IDENTIFIER", "orlop-node");
	assert_field(&arrival, "ORLOP_VERSION", "202611.23.0");
	assert_field(&arrival, "ORLOP_NOTE", "two\nlines\n");
	assert_field(&arrival, "ORLOP_EMPTY", "");
	assert_int_equal(find_field(&arrival, "ORLOP_STEP", &value, &size), 0);
	assert_int_equal(find_field(&arrival, "ORLOP_RAW", &value, &size), 1);
	assert_int_equal(size, 3);
	assert_memory_equal(value, "a\0b", 3);
}

/* A value can't make fields of its own, whatever is in it. */
static void a_value_can_not_pretend_to_be_another_field(void **state)
{
	_cleanup_(listener_release) struct listener listener = {};
	_cleanup_(arrival_release) struct arrival arrival = {.fd = -1};
	_cleanup_journal_ struct journal journal = JOURNAL_INIT;

	(void)state;
	listen_at(&listener);
	journal_open(&journal, listener.path, "orlop-node", -1);
	assert_int_equal(journal_log(&journal, LOG_ERR, NULL, 0, "x\nPRIORITY=0\n_UID=0"), 0);
	receive(&listener, &arrival);
	assert_field(&arrival, "PRIORITY", "3");
	assert_field(&arrival, "MESSAGE", "x\nPRIORITY=0\n_UID=0");
}

static void an_entry_too_large_for_a_datagram_comes_as_a_sealed_file(void **state)
{
	const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;
	_cleanup_(listener_release) struct listener listener = {};
	_cleanup_(arrival_release) struct arrival arrival = {.fd = -1};
	_cleanup_journal_ struct journal journal = JOURNAL_INIT;
	_cleanup_free_ char *large = malloc(MiB(8) + 1);
	struct journal_field field = {"ORLOP_LARGE", large, 0};
	const uint8_t *value;
	size_t size;

	(void)state;
	assert_non_null(large);
	memset(large, 'x', MiB(8));
	large[MiB(8)] = 0;
	listen_at(&listener);
	journal_open(&journal, listener.path, "orlop-node", -1);
	assert_int_equal(journal_log(&journal, LOG_INFO, &field, 1, "much"), 0);
	receive(&listener, &arrival);
	assert_true(arrival.fd >= 0);
	assert_int_equal(fcntl(arrival.fd, F_GET_SEALS), seals);
	assert_field(&arrival, "MESSAGE", "much");
	assert_int_equal(find_field(&arrival, "ORLOP_LARGE", &value, &size), 1);
	assert_int_equal(size, MiB(8));
	assert_memory_equal(value, large, size);
}

/* The message that got to the fallback, a pipe. */
static void assert_fallback(int fd, const char *expected)
{
	char text[256] = "";
	ssize_t n = read(fd, text, sizeof(text) - 1);

	assert_int_equal(n, (ssize_t)strlen(expected));
	assert_string_equal(text, expected);
}

static void without_a_journal_the_message_goes_to_the_fallback(void **state)
{
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_free_ char *nowhere = string_format("%s/socket", folder);
	char long_path[200];
	const char *const paths[] = {nowhere, long_path};
	struct journal_field field = {"ORLOP_STEP", "plan", 0};
	int ends[2];

	(void)state;
	memset(long_path, 'p', sizeof(long_path));
	long_path[sizeof(long_path) - 1] = 0;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		_cleanup_journal_ struct journal journal = JOURNAL_INIT;

		journal_open(&journal, paths[i], "orlop-node", ends[1]);
		assert_int_equal(journal_log(&journal, LOG_INFO, &field, 1, "to %s", "somebody"), 1);
		assert_fallback(ends[0], "orlop-node: to somebody\n");
		journal.fallback = -1;
		assert_true(journal_log(&journal, LOG_INFO, &field, 1, "to nobody") < 0);
	}
	close(ends[0]);
	close(ends[1]);
}

/* journald was stopped, or hangs with its queue full: what happens must not wait for it. */
static void a_journal_that_does_not_read_is_no_reason_to_hang(void **state)
{
	_cleanup_(listener_release) struct listener listener = {};
	_cleanup_journal_ struct journal journal = JOURNAL_INIT;
	int ends[2], r = 0, sent = 0;

	(void)state;
	listen_at(&listener);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	journal_open(&journal, listener.path, "orlop-node", ends[1]);
	while (r == 0 && sent++ < 100000)
		r = journal_log(&journal, LOG_INFO, NULL, 0, "again");
	assert_int_equal(r, 1);
	assert_fallback(ends[0], "orlop-node: again\n");
	close(ends[0]);
	close(ends[1]);
}

static void a_journal_that_was_started_anew_gets_the_next_entry(void **state)
{
	_cleanup_(listener_release) struct listener listener = {};
	_cleanup_(arrival_release) struct arrival arrival = {.fd = -1};
	_cleanup_journal_ struct journal journal = JOURNAL_INIT;
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	(void)state;
	listen_at(&listener);
	journal_open(&journal, listener.path, "orlop-node", -1);
	assert_int_equal(journal_log(&journal, LOG_INFO, NULL, 0, "first"), 0);
	close(listener.socket);
	assert_true(journal_log(&journal, LOG_INFO, NULL, 0, "lost") < 0);
	assert_int_equal(unlink(listener.path), 0);
	listener.socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	memcpy(address.sun_path, listener.path, strlen(listener.path) + 1);
	assert_int_equal(bind(listener.socket, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(journal_log(&journal, LOG_INFO, NULL, 0, "second"), 0);
	receive(&listener, &arrival);
	assert_field(&arrival, "MESSAGE", "second");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_example_of_the_specification_is_encoded_byte_for_byte),
		cmocka_unit_test(a_name_that_the_journal_would_not_take_is_refused),
		cmocka_unit_test(an_entry_arrives_with_its_fields),
		cmocka_unit_test(a_value_can_not_pretend_to_be_another_field),
		cmocka_unit_test(an_entry_too_large_for_a_datagram_comes_as_a_sealed_file),
		cmocka_unit_test(without_a_journal_the_message_goes_to_the_fallback),
		cmocka_unit_test(a_journal_that_does_not_read_is_no_reason_to_hang),
		cmocka_unit_test(a_journal_that_was_started_anew_gets_the_next_entry),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
