/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "base/file.h"
#include "base/http.h"
#include "base/string-util.h"
#include "http-server.h"
#include "update/pieces.h"
#include "update/remote-http.h"

#define SIZE 300000u
#define RANGES 5

/* A server with one file, and what came of its ranges. */
struct fixture {
	char folder[64];
	uint8_t *content, *got;
	struct http_server *server;
	struct remote_http *http;
	struct remote remote;
	uint64_t have[RANGES];
	int sink_fails; /* with this errno, at the first byte */
	bool stop;
	uint64_t rate;
};

static const struct remote_range ranges[RANGES] = {
	{0, 1000}, {5000, 1}, {5001, 70000}, {100000, 100000}, {SIZE - 10, 10}};

static bool is_stopped(void *userdata)
{
	return ((struct fixture *)userdata)->stop;
}

static uint64_t rate_of(void *userdata)
{
	return ((struct fixture *)userdata)->rate;
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct remote_http_options options = {.tries = 4,
		.stall_seconds = 1,
		.pause_ms = 1,
		.connections = 3,
		.stop = is_stopped,
		.rate = rate_of,
		.userdata = f};
	_cleanup_free_ char *file = NULL;

	(void)snprintf(f->folder, sizeof(f->folder), "/tmp/orlop-test-remote-XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	file = string_format("%s/file", f->folder);
	f->content = malloc(SIZE);
	f->got = calloc(1, SIZE);
	for (size_t i = 0; i < SIZE; i++)
		f->content[i] = (uint8_t)(i * 7 + i / 251);
	assert_int_equal(file_write_atomic(file, f->content, SIZE, 0644, NULL), 0);
	f->server = http_server_start(f->folder);
	options.url = http_server_url(f->server);
	assert_int_equal(remote_http_new(&options, &f->http, NULL), 0);
	f->remote = remote_http_remote(f->http);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	remote_http_free(f->http);
	http_server_stop(f->server);
	assert_int_equal(remove_tree(f->folder, NULL), 0);
	free(f->content);
	free(f->got);
	free(f);
	return 0;
}

static int take(size_t range, const uint8_t *data, size_t size, void *userdata, struct error **err)
{
	struct fixture *f = userdata;

	assert_true(range < RANGES);
	assert_true(size <= ranges[range].size - f->have[range]);
	if (f->sink_fails < 0)
		return error_set(err, f->sink_fails, "enough");
	memcpy(f->got + ranges[range].offset + f->have[range], data, size);
	f->have[range] += size;
	return 0;
}

static int fetch(struct fixture *f, struct error **err)
{
	const struct remote_request request = {.name = "file",
		.file_size = SIZE,
		.ranges = ranges,
		.count = RANGES,
		.sink = take,
		.userdata = f};

	memset(f->have, 0, sizeof(f->have));
	memset(f->got, 0, SIZE);
	return remote_fetch(&f->remote, &request, err);
}

static void assert_fetched(const struct fixture *f)
{
	for (size_t i = 0; i < RANGES; i++) {
		assert_int_equal(f->have[i], ranges[i].size);
		assert_memory_equal(f->got + ranges[i].offset, f->content + ranges[i].offset, ranges[i].size);
	}
}

static struct remote_counts counts_of(const struct fixture *f)
{
	struct remote_counts counts;

	f->remote.ops->counts(f->remote.userdata, &counts);
	return counts;
}

static void fetches_ranges_and_nothing_else(void **state)
{
	struct fixture *f = *state;
	_cleanup_error_ struct error *err = NULL;

	assert_ok(fetch(f, &err), err);
	assert_fetched(f);
	assert_int_equal(http_server_requests(f->server, "/file"), RANGES);
	assert_int_equal(http_server_bytes(f->server, "/file"), 171011);
	assert_int_equal(counts_of(f).bytes, 171011);
	assert_int_equal(counts_of(f).requests, RANGES);
	assert_true(counts_of(f).overhead > RANGES * 100);
	assert_false(counts_of(f).whole);
}

static void fetches_from_a_folder_of_this_machine(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *url = string_format("file://%s", f->folder);
	const struct remote_http_options options = {.url = url};
	_cleanup_error_ struct error *err = NULL;

	f->http = remote_http_free(f->http);
	assert_ok(remote_http_new(&options, &f->http, &err), err);
	f->remote = remote_http_remote(f->http);
	assert_ok(fetch(f, &err), err);
	assert_fetched(f);
}

/* What passes: the range is asked for again, from where it broke off. */
static void passing_faults_are_got_over(void **state)
{
	static const struct {
		enum http_fault fault;
		uint64_t argument;
	} faults[] = {{HTTP_CUT, 0}, {HTTP_CUT, 500}, {HTTP_RESET, 500}, {HTTP_STALL, 0}, {HTTP_STALL, 700},
		{HTTP_STATUS, 500}, {HTTP_STATUS, 502}, {HTTP_STATUS, 503}, {HTTP_STATUS, 429},
		{HTTP_STATUS, 408}, {HTTP_STATUS, 416}, {HTTP_RETRY_AFTER, 1}, {HTTP_SHORTER, 500},
		{HTTP_LONGER, 10}, {HTTP_WRONG_RANGE, 0}};

	for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
		struct fixture *f = *state;
		_cleanup_error_ struct error *err = NULL;

		http_server_fault(f->server, "/file", faults[i].fault, faults[i].argument, 2);
		assert_ok(fetch(f, &err), err);
		assert_fetched(f);
	}
}

static void broken_ranges_go_on_where_they_broke_off(void **state)
{
	struct fixture *f = *state;
	_cleanup_error_ struct error *err = NULL;

	/*
	 * Which requests come first is up to the machine. Two ranges are shorter than what is let through, so
	 * at least one of three is cut.
	 */
	http_server_fault(f->server, "/file", HTTP_CUT, 100, 3);
	assert_ok(fetch(f, &err), err);
	assert_fetched(f);
	/* Nothing came twice. */
	assert_int_equal(counts_of(f).bytes, 171011);
	assert_true(counts_of(f).faults >= 1);
}

static void server_without_ranges_sends_the_file_once(void **state)
{
	struct fixture *f = *state;
	_cleanup_error_ struct error *err = NULL;

	http_server_fault(f->server, "/file", HTTP_IGNORE_RANGE, 0, 1000);
	assert_ok(fetch(f, &err), err);
	assert_fetched(f);
	assert_true(counts_of(f).whole);
	/* Some requests for ranges, and one for all. */
	assert_true(http_server_requests(f->server, "/file") <= 4);
}

/* Who can do with the whole file as well wants to know before it comes. */
static void server_without_ranges_is_told_of_where_that_is_wanted(void **state)
{
	struct fixture *f = *state;
	_cleanup_error_ struct error *err = NULL;
	_cleanup_free_ uint8_t *data = NULL;
	const struct remote_request request = {
		.name = "file", .file_size = SIZE, .ranges = ranges + 1, .count = 1, .ranges_only = true};

	assert_ok(remote_fetch_bytes(&f->remote, &request, &data, &err), err);
	assert_memory_equal(data, f->content + ranges[1].offset, ranges[1].size);
	free(TAKE_PTR(data));
	assert_int_equal(http_server_requests(f->server, "/file"), 1);
	http_server_fault(f->server, "/file", HTTP_IGNORE_RANGE, 0, 1000);
	for (unsigned i = 0; i < 2; i++)
		assert_error(
			remote_fetch_bytes(&f->remote, &request, &data, &err), -EOPNOTSUPP, err, "no ranges");
	/* It is asked once, and its answer is not taken in. */
	assert_int_equal(http_server_requests(f->server, "/file"), 2);
	assert_true(counts_of(f).whole);
	assert_int_equal(counts_of(f).bytes, ranges[1].size);
	assert_ok(fetch(f, &err), err);
	assert_fetched(f);
	assert_int_equal(http_server_requests(f->server, "/file"), 3);
}

static void server_that_forgets_ranges_half_way(void **state)
{
	struct fixture *f = *state;
	_cleanup_error_ struct error *err = NULL;

	http_server_fault(f->server, "/file", HTTP_CUT, 20000, 3);
	http_server_fault(f->server, "/file", HTTP_IGNORE_RANGE, 0, 1000);
	assert_ok(fetch(f, &err), err);
	assert_fetched(f);
}

/* What lasts is an error that names the file, after a bounded number of requests. */
static void lasting_faults_are_errors(void **state)
{
	static const struct {
		enum http_fault fault;
		uint64_t argument;
		int code;
		const char *text;
	} faults[] = {
		{HTTP_STATUS, 404, -ENOENT, "does not have it"},
		{HTTP_STATUS, 410, -ENOENT, "does not have it"},
		{HTTP_STATUS, 403, -EACCES, "status 403"},
		{HTTP_STATUS, 501, -EPROTO, "status 501"},
		{HTTP_STATUS, 500, -ETIMEDOUT, "given up after 4 tries"},
		{HTTP_CUT, 0, -ETIMEDOUT, "given up after 4 tries"},
		{HTTP_STALL, 0, -ETIMEDOUT, "given up after 4 tries"},
		{HTTP_STATUS, 416, -EBADMSG, "too short for the release"},
		{HTTP_WRONG_RANGE, 0, -ETIMEDOUT, "another range"},
		{HTTP_RETRY_AFTER, 4000, -EBUSY, "come back in 4000 seconds"},
		{HTTP_PORTAL, 0, -EPROTO, "login page"},
		{HTTP_REDIRECT, 0, -EPROTO, "login page"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
		struct fixture *f;
		_cleanup_error_ struct error *err = NULL;
		_cleanup_free_ char *url = NULL;

		assert_int_equal(tear_down(state), 0);
		assert_int_equal(set_up(state), 0);
		f = *state;
		url = string_format("%s/file", http_server_url(f->server));
		http_server_fault(f->server, "/file", faults[i].fault, faults[i].argument, 1000);
		assert_int_equal(fetch(f, &err), faults[i].code);
		assert_non_null(strstr(error_message(err), faults[i].text));
		assert_non_null(strstr(error_message(err), url));
		assert_true(http_server_requests(f->server, "/file") < 20);
	}
}

static void files_that_are_longer_than_signed_are_refused(void **state)
{
	struct fixture *f = *state;
	static const struct remote_range range = {0, 1000};
	struct remote_request request = {.name = "file",
		.file_size = SIZE - 1,
		.ranges = &range,
		.count = 1,
		.sink = take,
		.userdata = f};
	_cleanup_error_ struct error *err = NULL;

	assert_error(remote_fetch(&f->remote, &request, &err), -EBADMSG, err, "the release one of");
	assert_int_equal(f->have[0], 0);
}

static int drop(size_t range, const uint8_t *data, size_t size, void *userdata, struct error **err)
{
	(void)range;
	(void)data;
	(void)err;
	*(uint64_t *)userdata += size;
	return 0;
}

/* A copy that did not get there whole: it is that file which is to blame, and not the way to it. */
static void files_that_are_shorter_than_signed_are_refused(void **state)
{
	struct fixture *f = *state;
	static const struct remote_range range = {0, SIZE};
	uint64_t got = 0;
	const struct remote_request request = {.name = "short",
		.file_size = SIZE,
		.ranges = &range,
		.count = 1,
		.sink = drop,
		.userdata = &got};
	_cleanup_free_ char *path = string_format("%s/short", f->folder);
	static const size_t sizes[] = {700, 0};

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		_cleanup_error_ struct error *err = NULL;

		assert_int_equal(file_write_atomic(path, f->content, sizes[i], 0644, NULL), 0);
		assert_error(
			remote_fetch(&f->remote, &request, &err), -EBADMSG, err, "given up after 4 tries");
		assert_int_equal(got, 700);
	}
	/* Nobody knows what would have come of a try that the server was too busy for. */
	http_server_fault(f->server, "/short", HTTP_STATUS, 500, 1);
	assert_int_equal(remote_fetch(&f->remote, &request, NULL), -ETIMEDOUT);
}

static void nobody_there_is_an_error(void **state)
{
	struct fixture *f = *state;
	const struct remote_http_options options = {.url = "http://127.0.0.1:1/x", .tries = 2, .pause_ms = 1};
	_cleanup_error_ struct error *err = NULL;

	f->http = remote_http_free(f->http);
	assert_ok(remote_http_new(&options, &f->http, &err), err);
	f->remote = remote_http_remote(f->http);
	assert_error(fetch(f, &err), -ETIMEDOUT, err, "http://127.0.0.1:1/x/file: given up after 2 tries");
}

static void error_of_the_sink_ends_it(void **state)
{
	struct fixture *f = *state;
	_cleanup_error_ struct error *err = NULL;

	f->sink_fails = -ENOSPC;
	assert_error(fetch(f, &err), -ENOSPC, err, "enough");
}

static void stops_when_told_to(void **state)
{
	struct fixture *f = *state;
	_cleanup_error_ struct error *err = NULL;

	f->stop = true;
	assert_error(fetch(f, &err), -ECANCELED, err, "stopped");
}

static int count_bytes(size_t range, const uint8_t *data, size_t size, void *userdata, struct error **err)
{
	(void)range;
	(void)data;
	(void)err;
	*(uint64_t *)userdata += size;
	return 0;
}

/* Some of it comes at once, as much as fits the buffers on the way. */
static void rate_is_kept(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *file = string_format("%s/large", f->folder);
	_cleanup_free_ uint8_t *large = calloc(24, MiB(1));
	static const struct remote_range range = {0, MiB(24)};
	uint64_t begin = http_now_ms(), have = 0;
	const struct remote_request request = {.name = "large",
		.file_size = MiB(24),
		.ranges = &range,
		.count = 1,
		.sink = count_bytes,
		.userdata = &have};
	_cleanup_error_ struct error *err = NULL;

	assert_int_equal(file_write_atomic(file, large, MiB(24), 0644, NULL), 0);
	f->rate = MiB(12);
	assert_ok(remote_fetch(&f->remote, &request, &err), err);
	assert_int_equal(have, MiB(24));
	assert_true(http_now_ms() - begin > 900);
}

struct seen {
	const struct fixture *f;
	unsigned pieces;
};

static int see_piece(const struct piece *piece, const uint8_t *data, void *userdata, struct error **err)
{
	struct seen *seen = userdata;

	(void)err;
	assert_memory_equal(data, seen->f->content + piece->offset, piece->size);
	seen->pieces |= 1u << piece->number;
	return 0;
}

static void pieces_that_are_close_come_in_one_range(void **state)
{
	struct fixture *f = *state;
	static const struct piece pieces[] = {{0, 100, 0}, {100, 5, 1}, {105 + PIECES_GAP, 7, 2},
		{113 + 2 * PIECES_GAP, 9000, 3}, {SIZE - 1, 1, 4}};
	struct seen seen = {.f = f};
	const struct pieces_request request = {.name = "file",
		.file_size = SIZE,
		.pieces = pieces,
		.count = ARRAY_SIZE(pieces),
		.fn = see_piece,
		.userdata = &seen};
	_cleanup_error_ struct error *err = NULL;

	assert_ok(pieces_fetch(&f->remote, &request, &err), err);
	assert_int_equal(seen.pieces, 31);
	assert_int_equal(http_server_requests(f->server, "/file"), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
		TEST(fetches_ranges_and_nothing_else),
		TEST(fetches_from_a_folder_of_this_machine),
		TEST(passing_faults_are_got_over),
		TEST(broken_ranges_go_on_where_they_broke_off),
		TEST(server_without_ranges_sends_the_file_once),
		TEST(server_without_ranges_is_told_of_where_that_is_wanted),
		TEST(server_that_forgets_ranges_half_way),
		TEST(lasting_faults_are_errors),
		TEST(files_that_are_longer_than_signed_are_refused),
		TEST(files_that_are_shorter_than_signed_are_refused),
		TEST(nobody_there_is_an_error),
		TEST(error_of_the_sink_ends_it),
		TEST(stops_when_told_to),
		TEST(rate_is_kept),
		TEST(pieces_that_are_close_come_in_one_range),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
