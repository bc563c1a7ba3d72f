/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "base/file.h"
#include "base/string-util.h"
#include "http-server.h"
#include "update/http-get.h"

#define SIZE 100000u

struct fixture {
	char folder[64];
	char *content, *url, *file_url;
	struct http_server *server;
	struct http_get_options options;
	bool stop, stop_late;
};

static bool is_stopped(void *userdata)
{
	const struct fixture *f = userdata;

	return f->stop || (f->stop_late && http_server_requests(f->server, "/file") > 1);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	_cleanup_free_ char *file = NULL, *empty = NULL;

	(void)snprintf(f->folder, sizeof(f->folder), "/tmp/orlop-test-get-XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	file = string_format("%s/file", f->folder);
	empty = string_format("%s/empty", f->folder);
	f->content = malloc(SIZE);
	for (size_t i = 0; i < SIZE; i++)
		f->content[i] = (char)(i * 7 + i / 251);
	assert_int_equal(file_write_atomic(file, f->content, SIZE, 0644, NULL), 0);
	assert_int_equal(file_write_atomic(empty, "", 0, 0644, NULL), 0);
	f->server = http_server_start(f->folder);
	f->url = string_format("%s/file", http_server_url(f->server));
	f->file_url = string_format("file://%s", file);
	f->options = (struct http_get_options){.tries = 3,
		.stall_seconds = 1,
		.pause_ms = 1,
		.refuse_pages = true,
		.stop = is_stopped,
		.userdata = f};
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	http_server_stop(f->server);
	assert_int_equal(remove_tree(f->folder, NULL), 0);
	free(f->content);
	free(f->url);
	free(f->file_url);
	free(f);
	return 0;
}

static void a_file_comes_whole_behind_what_the_buffer_has(void **state)
{
	struct fixture *f = *state;
	const char *const urls[] = {f->url, f->file_url};

	for (size_t i = 0; i < ARRAY_SIZE(urls); i++) {
		_cleanup_buffer_ struct buffer got = {};
		_cleanup_error_ struct error *err = NULL;

		buffer_append_string(&got, "before");
		assert_ok(http_get(urls[i], SIZE, &f->options, &got, &err), err);
		assert_int_equal(got.size, 6 + SIZE);
		assert_memory_equal(got.data, "before", 6);
		assert_memory_equal(got.data + 6, f->content, SIZE);
	}
}

static void a_longer_file_is_refused_and_nothing_of_it_stays(void **state)
{
	struct fixture *f = *state;
	const char *const urls[] = {f->url, f->file_url};

	for (size_t i = 0; i < ARRAY_SIZE(urls); i++) {
		_cleanup_buffer_ struct buffer got = {};
		_cleanup_error_ struct error *err = NULL;

		assert_error(http_get(urls[i], SIZE - 1, &f->options, &got, &err), -EFBIG, err,
			"longer than the 99999 bytes");
		assert_int_equal(got.size, 0);
	}
	assert_int_equal(http_server_requests(f->server, "/file"), 1);
}

static void an_empty_file_is_one(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *url = string_format("%s/empty", http_server_url(f->server));
	_cleanup_buffer_ struct buffer got = {};
	_cleanup_error_ struct error *err = NULL;

	assert_ok(http_get(url, 0, &f->options, &got, &err), err);
	assert_int_equal(got.size, 0);
}

static void what_is_not_there_is_not_asked_for_twice(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *url = string_format("%s/nothing", http_server_url(f->server)),
			    *file = string_format("file://%s/nothing", f->folder);
	_cleanup_buffer_ struct buffer got = {};
	_cleanup_error_ struct error *err = NULL;

	assert_error(
		http_get(url, SIZE, &f->options, &got, &err), -ENOENT, err, "/nothing: the server does not");
	assert_int_equal(http_server_requests(f->server, "/nothing"), 1);
	assert_error(
		http_get(file, SIZE, &f->options, &got, &err), -ENOENT, err, "/nothing: the server does not");
}

/* Faults of the moment are tried again, from the beginning; others are not; and tries have an end. */
static void faults_are_tried_again_where_that_may_help(void **state)
{
	static const struct {
		enum http_fault fault;
		uint64_t argument;
		unsigned times, requests;
		int code;
		const char *message;
	} cases[] = {
		{HTTP_CUT, 0, 2, 3, 0, NULL},
		{HTTP_CUT, 50000, 2, 3, 0, NULL},
		{HTTP_RESET, 50000, 1, 2, 0, NULL},
		{HTTP_STALL, 50000, 1, 2, 0, NULL},
		{HTTP_STATUS, 503, 2, 3, 0, NULL},
		{HTTP_STATUS, 429, 1, 2, 0, NULL},
		{HTTP_RETRY_AFTER, 1, 1, 2, 0, NULL},
		{HTTP_RETRY_AFTER, 100000, 1, 1, -EBUSY, "come back in 100000 seconds"},
		{HTTP_STATUS, 500, 3, 3, -ETIMEDOUT,
			"given up after 3 tries: the server answers with status 500"},
		{HTTP_CUT, 10, 3, 3, -ETIMEDOUT, "given up after 3 tries"},
		{HTTP_STATUS, 403, 1, 1, -EACCES, "status 403"},
		{HTTP_STATUS, 410, 1, 1, -ENOENT, "does not have it"},
		{HTTP_STATUS, 400, 1, 1, -EPROTO, "status 400"},
		{HTTP_PORTAL, 0, 1, 1, -EPROTO, "web page"},
		{HTTP_REDIRECT, 0, 1, 1, -EPROTO, "web page"},
		{HTTP_LONGER, 1, 1, 1, -EFBIG, "longer than"},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		unsigned before = http_server_requests(f->server, "/file");
		_cleanup_buffer_ struct buffer got = {};
		_cleanup_error_ struct error *err = NULL;
		int r;

		http_server_fault(f->server, "/file", cases[i].fault, cases[i].argument, cases[i].times);
		r = http_get(f->url, SIZE, &f->options, &got, &err);
		if (r != cases[i].code ||
			http_server_requests(f->server, "/file") - before != cases[i].requests ||
			(r < 0 && !strstr(error_message(err), cases[i].message)))
			fail_msg("%zu: %d: %s", i, r, error_message(err));
		assert_int_equal(got.size, r < 0 ? 0 : SIZE);
		if (r == 0)
			assert_memory_equal(got.data, f->content, SIZE);
	}
}

/* A target may well be a page. */
static void pages_are_files_where_they_may_be(void **state)
{
	struct fixture *f = *state;
	_cleanup_buffer_ struct buffer got = {};
	_cleanup_error_ struct error *err = NULL;

	f->options.refuse_pages = false;
	http_server_fault(f->server, "/file", HTTP_PORTAL, 0, 1);
	assert_ok(http_get(f->url, SIZE, &f->options, &got, &err), err);
	assert_int_equal(got.data[0], '<');
}

static int refuse(uint64_t offset, const uint8_t *data, size_t size, void *userdata, struct error **err)
{
	(void)offset, (void)data, (void)size, (void)err;
	return *(int *)userdata;
}

static void a_sink_that_fails_ends_it(void **state)
{
	struct fixture *f = *state;
	_cleanup_error_ struct error *err = NULL;
	int code = -ENOSPC;

	assert_error(
		http_get_to(f->url, SIZE, &f->options, refuse, &code, &err), -ENOSPC, err, "No space left");
	assert_int_equal(http_server_requests(f->server, "/file"), 1);
}

static void it_ends_when_it_is_stopped(void **state)
{
	struct fixture *f = *state;
	_cleanup_buffer_ struct buffer got = {};
	_cleanup_error_ struct error *err = NULL;

	f->stop = true;
	assert_error(http_get(f->url, SIZE, &f->options, &got, &err), -ECANCELED, err, "stopped");
	/* … also in the long pause before another try. */
	f->stop = false;
	f->stop_late = true;
	http_server_fault(f->server, "/file", HTTP_STATUS, 503, 1);
	http_server_fault(f->server, "/file", HTTP_RETRY_AFTER, 100, 1);
	assert_error(http_get(f->url, SIZE, &f->options, &got, &err), -ECANCELED, err, "stopped");
}

static void other_kinds_of_url_are_refused(void **state)
{
	struct fixture *f = *state;
	static const char *const urls[] = {"ftp://127.0.0.1/file", "scp://127.0.0.1/file", "http://a b/"};

	for (size_t i = 0; i < ARRAY_SIZE(urls); i++) {
		_cleanup_buffer_ struct buffer got = {};
		_cleanup_error_ struct error *err = NULL;

		assert_error(http_get(urls[i], SIZE, &f->options, &got, &err), -EIO, err, urls[i]);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_file_comes_whole_behind_what_the_buffer_has),
		TEST(a_longer_file_is_refused_and_nothing_of_it_stays),
		TEST(an_empty_file_is_one),
		TEST(what_is_not_there_is_not_asked_for_twice),
		TEST(faults_are_tried_again_where_that_may_help),
		TEST(pages_are_files_where_they_may_be),
		TEST(a_sink_that_fails_ends_it),
		TEST(it_ends_when_it_is_stopped),
		TEST(other_kinds_of_url_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
