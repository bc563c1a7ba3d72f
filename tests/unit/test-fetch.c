/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <time.h>

#include "base/file.h"
#include "base/string-util.h"
#include "http-server.h"
#include "source/fetch.h"

#define SIZE 300000u

/* A server with some files, a folder to fetch into, and a fetcher that does not wait long. */
struct fixture {
	char folder[64];
	char *content;
	uint8_t digest[SHA256_SIZE];
	struct http_server *server;
	struct fetch *fetch;
	char *url, *path, *part;
};

static int set_up(void **state)
{
	static const struct fetch_options options = {.tries = 3, .stall_seconds = 1, .pause_ms = 1};
	struct fixture *f = calloc(1, sizeof(*f));
	_cleanup_free_ char *served = NULL, *file = NULL;

	(void)snprintf(f->folder, sizeof(f->folder), "/tmp/orlop-test-fetch-XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	served = string_format("%s/served", f->folder);
	file = string_format("%s/file", served);
	assert_int_equal(mkdir(served, 0755), 0);
	f->content = malloc(SIZE);
	for (size_t i = 0; i < SIZE; i++)
		f->content[i] = (char)(i * 7 + i / 251);
	assert_int_equal(sha256_bytes(f->content, SIZE, f->digest), 0);
	assert_int_equal(file_write_atomic(file, f->content, SIZE, 0644, NULL), 0);
	f->server = http_server_start(served);
	f->url = string_format("%s/file", http_server_url(f->server));
	f->path = string_format("%s/got", f->folder);
	f->part = string_format("%s/got.part", f->folder);
	assert_int_equal(fetch_new(&options, &f->fetch, NULL), 0);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	fetch_free(f->fetch);
	http_server_stop(f->server);
	assert_int_equal(remove_tree(f->folder, NULL), 0);
	free(f->content);
	free(f->url);
	free(f->path);
	free(f->part);
	free(f);
	return 0;
}

static struct fetch_item item_of(const struct fixture *f)
{
	return (struct fetch_item){
		.name = "the file", .url = f->url, .sha256 = f->digest, .size = SIZE, .path = f->path};
}

static int fetch_one(const struct fixture *f, struct error **err)
{
	struct fetch_item item = item_of(f);

	return fetch_run(f->fetch, &item, 1, NULL, err);
}

static void assert_fetched(const struct fixture *f)
{
	_cleanup_free_ char *found = NULL;
	size_t size;

	assert_int_equal(file_read(f->path, SIZE + 1, &found, &size, NULL), 0);
	assert_int_equal(size, SIZE);
	assert_memory_equal(found, f->content, SIZE);
	assert_int_not_equal(access(f->part, F_OK), 0);
}

static void assert_nothing_under_the_name(const struct fixture *f)
{
	assert_int_not_equal(access(f->path, F_OK), 0);
}

static void leave_part(const struct fixture *f, size_t size, bool wrong)
{
	_cleanup_free_ char *part = malloc(size);

	memcpy(part, f->content, size);
	if (wrong)
		part[size / 2] ^= 1;
	assert_int_equal(file_write_atomic(f->part, part, size, 0644, NULL), 0);
}

static off_t part_size(const struct fixture *f)
{
	struct stat st;

	return stat(f->part, &st) == 0 ? st.st_size : -1;
}

static void fetches_many_files_over_few_connections(void **state)
{
	struct fixture *f = *state;
	_cleanup_error_ struct error *err = NULL;
	_cleanup_strv_ struct strv paths = {};
	struct fetch_item items[40];

	for (size_t i = 0; i < ARRAY_SIZE(items); i++) {
		assert_int_equal(strv_addf(&paths, "%s.%zu", f->path, i), 0);
		items[i] = item_of(f);
		items[i].path = paths.items[i];
	}
	assert_ok(fetch_run(f->fetch, items, ARRAY_SIZE(items), NULL, &err), err);
	for (size_t i = 0; i < ARRAY_SIZE(items); i++)
		assert_int_equal(access(paths.items[i], R_OK), 0);
	assert_int_equal(http_server_requests(f->server, "/file"), ARRAY_SIZE(items));
}

static void resumes_where_the_connection_broke(void **state)
{
	static const enum http_fault faults[] = {HTTP_CUT, HTTP_RESET};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
		_cleanup_error_ struct error *err = NULL;
		uint64_t before = http_server_bytes(f->server, "/file");

		http_server_fault(f->server, "/file", faults[i], 100000, 1);
		assert_ok(fetch_one(f, &err), err);
		assert_fetched(f);
		/* A reset may drop what was under way. Without one, each byte is sent once. */
		if (faults[i] == HTTP_CUT)
			assert_int_equal(http_server_bytes(f->server, "/file") - before, SIZE);
		assert_int_equal(unlink(f->path), 0);
	}
	assert_int_equal(http_server_requests(f->server, "/file"), 4);
}

static void resumes_what_an_earlier_run_left(void **state)
{
	struct fixture *f = *state;
	_cleanup_error_ struct error *err = NULL;

	leave_part(f, SIZE - 1000, false);
	assert_ok(fetch_one(f, &err), err);
	assert_fetched(f);
	assert_int_equal(http_server_bytes(f->server, "/file"), 1000);
}

static void takes_a_complete_part_without_asking(void **state)
{
	struct fixture *f = *state;
	_cleanup_error_ struct error *err = NULL;

	leave_part(f, SIZE, false);
	assert_ok(fetch_one(f, &err), err);
	assert_fetched(f);
	assert_int_equal(http_server_requests(f->server, "/file"), 0);
}

static void begins_again_where_the_part_is_of_another_file(void **state)
{
	static const size_t sizes[] = {1000, SIZE, SIZE + 1};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		_cleanup_error_ struct error *err = NULL;

		leave_part(f, MIN(sizes[i], SIZE), true);
		assert_int_equal(truncate(f->part, (off_t)sizes[i]), 0);
		assert_ok(fetch_one(f, &err), err);
		assert_fetched(f);
		assert_int_equal(unlink(f->path), 0);
	}
}

static void copes_with_servers_that_do_ranges_badly(void **state)
{
	static const struct {
		enum http_fault fault;
		unsigned requests;
		uint64_t bytes;
	} table[] = {
		/* The whole answer is the file. */
		{HTTP_IGNORE_RANGE, 1, SIZE},
		/* The first answer is of no use, and stopped before it is there. */
		{HTTP_WRONG_RANGE, 2, SIZE + SIZE},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		_cleanup_error_ struct error *err = NULL;
		unsigned requests = http_server_requests(f->server, "/file");
		uint64_t bytes = http_server_bytes(f->server, "/file");

		leave_part(f, 5000, false);
		http_server_fault(f->server, "/file", table[i].fault, 0, 1);
		assert_ok(fetch_one(f, &err), err);
		assert_fetched(f);
		assert_int_equal(http_server_requests(f->server, "/file") - requests, table[i].requests);
		assert_int_equal(http_server_bytes(f->server, "/file") - bytes, table[i].bytes);
		assert_int_equal(unlink(f->path), 0);
	}
}

static void waits_out_passing_faults(void **state)
{
	static const unsigned statuses[] = {500, 502, 503, 504, 408, 429};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(statuses); i++) {
		_cleanup_error_ struct error *err = NULL;

		http_server_fault(f->server, "/file", HTTP_STATUS, statuses[i], 2);
		assert_ok(fetch_one(f, &err), err);
		assert_fetched(f);
		assert_int_equal(unlink(f->path), 0);
	}
	assert_int_equal(http_server_requests(f->server, "/file"), 3 * ARRAY_SIZE(statuses));
}

static void comes_back_when_the_server_says(void **state)
{
	struct fixture *f = *state;
	_cleanup_error_ struct error *err = NULL;
	struct timespec begin, end;

	http_server_fault(f->server, "/file", HTTP_RETRY_AFTER, 1, 1);
	(void)clock_gettime(CLOCK_MONOTONIC, &begin);
	assert_ok(fetch_one(f, &err), err);
	(void)clock_gettime(CLOCK_MONOTONIC, &end);
	assert_true((end.tv_sec - begin.tv_sec) * 1000 + (end.tv_nsec - begin.tv_nsec) / 1000000 >= 1000);
	assert_int_equal(unlink(f->path), 0);
	http_server_fault(f->server, "/file", HTTP_RETRY_AFTER, 3600, 1);
	assert_error(fetch_one(f, &err), -EBUSY, err, "3600 seconds");
}

static void gives_up_in_the_end_and_keeps_the_part(void **state)
{
	struct fixture *f = *state;
	_cleanup_error_ struct error *err = NULL;

	http_server_fault(f->server, "/file", HTTP_CUT, 50000, 3);
	assert_error(fetch_one(f, &err), -ETIMEDOUT, err, "given up after 3 tries");
	assert_nothing_under_the_name(f);
	assert_int_equal(part_size(f), 150000);
	assert_ok(fetch_one(f, &err), err);
	assert_fetched(f);
	assert_int_equal(http_server_bytes(f->server, "/file"), SIZE);
}

static void does_not_wait_for_a_server_that_stalls(void **state)
{
	struct fixture *f = *state;
	_cleanup_error_ struct error *err = NULL;

	http_server_fault(f->server, "/file", HTTP_STALL, 1000, 1);
	assert_ok(fetch_one(f, &err), err);
	assert_fetched(f);
	assert_int_equal(http_server_bytes(f->server, "/file"), SIZE);
}

static void lasting_faults_are_not_tried_again(void **state)
{
	static const struct {
		enum http_fault fault;
		uint64_t argument;
		int code;
		const char *text;
	} table[] = {
		{HTTP_STATUS, 404, -ENOENT, "does not have it"},
		{HTTP_STATUS, 410, -ENOENT, "does not have it"},
		{HTTP_STATUS, 403, -EACCES, "status 403"},
		{HTTP_STATUS, 400, -EPROTO, "status 400"},
		{HTTP_STATUS, 511, -EPROTO, "login page"},
		{HTTP_PORTAL, 0, -EPROTO, "login page"},
		{HTTP_REDIRECT, 0, -EPROTO, "login page"},
		{HTTP_LONGER, 1, -EBADMSG, "longer than the 300000 bytes"},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		_cleanup_error_ struct error *err = NULL;

		http_server_fault(f->server, "/file", table[i].fault, table[i].argument, 1);
		assert_error(fetch_one(f, &err), table[i].code, err, table[i].text);
		assert_nothing_under_the_name(f);
		assert_int_equal(http_server_requests(f->server, "/file"), i + 1);
		(void)unlink(f->part);
	}
}

static void errors_name_the_item_and_its_url(void **state)
{
	struct fixture *f = *state;
	_cleanup_error_ struct error *err = NULL;
	_cleanup_free_ char *text = string_format("the file: %s: ", f->url);

	http_server_fault(f->server, "/file", HTTP_STATUS, 404, 1);
	assert_error(fetch_one(f, &err), -ENOENT, err, text);
}

static void a_portal_does_not_cost_the_part(void **state)
{
	struct fixture *f = *state;
	_cleanup_error_ struct error *err = NULL;

	leave_part(f, SIZE - 10, false);
	http_server_fault(f->server, "/file", HTTP_PORTAL, 0, 1);
	assert_error(fetch_one(f, &err), -EPROTO, err, "login page");
	assert_int_equal(part_size(f), SIZE - 10);
}

static void refuses_other_bytes_and_keeps_none(void **state)
{
	struct fixture *f = *state;
	_cleanup_error_ struct error *err = NULL;

	http_server_fault(f->server, "/file", HTTP_OTHER_BYTE, 1234, 2);
	assert_error(fetch_one(f, &err), -EBADMSG, err, "SHA-256");
	assert_nothing_under_the_name(f);
	assert_int_equal(part_size(f), -1);
	assert_ok(fetch_one(f, &err), err);
	assert_fetched(f);
}

static void refuses_a_file_that_is_too_short(void **state)
{
	struct fixture *f = *state;
	_cleanup_error_ struct error *err = NULL;

	http_server_fault(f->server, "/file", HTTP_SHORTER, 1000, 1);
	http_server_fault(f->server, "/file", HTTP_SHORTER, 0, 2);
	assert_error(fetch_one(f, &err), -ETIMEDOUT, err, "ended after 1000 of 300000 bytes");
	assert_nothing_under_the_name(f);
}

static void optional_items_may_be_missing(void **state)
{
	struct fixture *f = *state;
	_cleanup_error_ struct error *err = NULL;
	_cleanup_buffer_ struct buffer body = {};
	_cleanup_free_ char *url = string_format("%s/nothing", http_server_url(f->server));
	struct fetch_item items[] = {
		{.name = "a", .url = url, .size = 10, .body = &body, .optional = true},
		item_of(f),
	};

	assert_ok(fetch_run(f->fetch, items, 2, NULL, &err), err);
	assert_true(items[0].missing);
	assert_false(items[1].missing);
	assert_int_equal(body.size, 0);
	assert_fetched(f);
}

static void bodies_are_bounded(void **state)
{
	struct fixture *f = *state;
	_cleanup_error_ struct error *err = NULL;
	_cleanup_buffer_ struct buffer body = {};
	struct fetch_item item = {.name = "a", .url = f->url, .size = SIZE, .body = &body};

	http_server_fault(f->server, "/file", HTTP_CUT, 10, 1);
	assert_ok(fetch_run(f->fetch, &item, 1, NULL, &err), err);
	assert_int_equal(body.size, SIZE);
	assert_memory_equal(body.data, f->content, SIZE);
	item.size = SIZE - 1;
	assert_error(fetch_run(f->fetch, &item, 1, NULL, &err), -EBADMSG, err, "longer than");
	assert_true(body.size < SIZE);
}

static void reads_file_urls(void **state)
{
	struct fixture *f = *state;
	_cleanup_error_ struct error *err = NULL;
	_cleanup_free_ char *url = string_format("file://%s/served/file", f->folder);
	_cleanup_free_ char *other = string_format("file://%s/served/nothing", f->folder);
	struct fetch_item item = item_of(f);

	leave_part(f, 1000, false);
	item.url = url;
	assert_ok(fetch_run(f->fetch, &item, 1, NULL, &err), err);
	assert_fetched(f);
	item.url = other;
	assert_error(fetch_run(f->fetch, &item, 1, NULL, &err), -ENOENT, err, "does not have it");
}

static void other_schemes_are_refused(void **state)
{
	struct fixture *f = *state;
	_cleanup_error_ struct error *err = NULL;
	struct fetch_item item = item_of(f);

	item.url = "ftp://127.0.0.1/file";
	assert_error(fetch_run(f->fetch, &item, 1, NULL, &err), -EIO, err, "ftp");
}

static void a_full_disk_is_said(void **state)
{
	struct fixture *f = *state;
	_cleanup_error_ struct error *err = NULL;
	struct rlimit old, small;
	int r;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small = old;
	small.rlim_cur = 100000;
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	r = fetch_one(f, &err);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_error(r, -EFBIG, err, "no room");
	assert_nothing_under_the_name(f);
	assert_ok(fetch_one(f, &err), err);
	assert_fetched(f);
}

static void two_that_fetch_one_file_keep_out_of_each_others_way(void **state)
{
	struct fixture *f = *state;
	_cleanup_error_ struct error *err = NULL;
	_cleanup_close_ int other = -1;

	leave_part(f, 1000, true);
	other = open(f->part, O_RDWR | O_CLOEXEC);
	assert_int_equal(flock(other, LOCK_EX), 0);
	assert_ok(fetch_one(f, &err), err);
	assert_int_equal(access(f->path, R_OK), 0);
	assert_int_equal(part_size(f), 1000);
	assert_int_equal(http_server_bytes(f->server, "/file"), SIZE);
	assert_int_equal(unlink(f->part), 0);
	assert_fetched(f);
}

static void a_folder_that_cannot_be_written_is_named(void **state)
{
	struct fixture *f = *state;
	_cleanup_error_ struct error *err = NULL;
	_cleanup_free_ char *path = string_format("%s/none/file", f->folder);
	struct fetch_item item = item_of(f);

	item.path = path;
	assert_error(fetch_run(f->fetch, &item, 1, NULL, &err), -ENOENT, err, path);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(fetches_many_files_over_few_connections),
		TEST(resumes_where_the_connection_broke),
		TEST(resumes_what_an_earlier_run_left),
		TEST(takes_a_complete_part_without_asking),
		TEST(begins_again_where_the_part_is_of_another_file),
		TEST(copes_with_servers_that_do_ranges_badly),
		TEST(waits_out_passing_faults),
		TEST(comes_back_when_the_server_says),
		TEST(gives_up_in_the_end_and_keeps_the_part),
		TEST(does_not_wait_for_a_server_that_stalls),
		TEST(lasting_faults_are_not_tried_again),
		TEST(errors_name_the_item_and_its_url),
		TEST(a_portal_does_not_cost_the_part),
		TEST(refuses_other_bytes_and_keeps_none),
		TEST(refuses_a_file_that_is_too_short),
		TEST(optional_items_may_be_missing),
		TEST(bodies_are_bounded),
		TEST(reads_file_urls),
		TEST(other_schemes_are_refused),
		TEST(a_full_disk_is_said),
		TEST(two_that_fetch_one_file_keep_out_of_each_others_way),
		TEST(a_folder_that_cannot_be_written_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
