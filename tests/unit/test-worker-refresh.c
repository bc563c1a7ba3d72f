/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A repository on a web server, followed through a real worker, and through hostile ones: this program,
 * started again. What they deliver is judged by a client of this process.
 */
#include "unit.h"

#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/file.h"
#include "base/string-util.h"
#include "http-server.h"
#include "tuf-repository.h"
#include "update/worker-job.h"
#include "update/worker-main.h"
#include "update/worker.h"

#define USER 64991 /* nobody's */
#define TARGET "434728a410a78f56fc1b5899c3593436e61ab0c731e9072d95e96db290205e53.file"

/* ---- Hostile workers ---- */

static void say(enum wire_type type, uint64_t offset, uint64_t serial, const void *payload, size_t size)
{
	const struct wire_header header = {
		.type = type, .size = (uint32_t)size, .offset = offset, .serial = serial};

	if (wire_send(WORKER_FD_SOCKET, &header, payload, NULL) < 0)
		_exit(1);
}

static void say_part(const char *name, uint64_t offset, uint64_t whole, const char *text, size_t size)
{
	_cleanup_buffer_ struct buffer payload = {};

	wire_put_string(&payload, name);
	buffer_append(&payload, text, size);
	say(WIRE_FILE, offset, whole, payload.data, payload.size);
}

static void finish(void)
{
	static const uint8_t outcome[15 * 8 + 16];

	say(WIRE_FINISHED, 0, 0, outcome, sizeof(outcome));
}

static void deliver_unsigned(void)
{
	say_part("metadata/2.root.json", 0, UINT64_MAX, NULL, 0);
	say_part("metadata/timestamp.json", 0, 2, "{}", 2);
	finish();
}

static void deliver_nothing(void)
{
	finish();
}

static void deliver_without_end(void)
{
	for (unsigned i = 0;; i++) {
		char name[64];

		(void)snprintf(name, sizeof(name), "metadata/%u.root.json", i);
		say_part(name, 0, 1, "x", 1);
	}
}

static void deliver_too_much(void)
{
	say_part("metadata/timestamp.json", 0, GiB(3), "x", 1);
}

static void deliver_twice(void)
{
	say_part("metadata/timestamp.json", 0, 1, "x", 1);
	say_part("metadata/timestamp.json", 0, 1, "y", 1);
}

static void deliver_out_of_order(void)
{
	say_part("metadata/timestamp.json", 0, 10, "x", 1);
	say_part("metadata/timestamp.json", 5, 10, "y", 1);
}

static void deliver_more_than_said(void)
{
	say_part("metadata/timestamp.json", 0, 10, "x", 1);
	say_part("metadata/timestamp.json", 1, 10, "yyyyyyyyyyyyyyyyy", 17);
}

static void deliver_mixed(void)
{
	say_part("metadata/timestamp.json", 0, 10, "x", 1);
	say_part("metadata/snapshot.json", 1, 10, "y", 1);
}

static void finish_within_a_file(void)
{
	say_part("metadata/timestamp.json", 0, 10, "x", 1);
	finish();
}

static void deliver_blocks(void)
{
	static const char block[4096];

	say(WIRE_DATA, 0, 1, block, sizeof(block));
}

static const struct hostile {
	const char *name;
	void (*run)(void);
	int code; /* of the worker's delivery, or of the client over it */
	const char *text;
	bool is_delivered;
} hostiles[] = {
	{"deliver_unsigned", deliver_unsigned, -EBADMSG, "timestamp.json", true},
	{"deliver_nothing", deliver_nothing, -ENODATA, "did not fetch", true},
	{"deliver_without_end", deliver_without_end, -EFBIG, "more files than", false},
	{"deliver_too_much", deliver_too_much, -EFBIG, "more files than", false},
	{"deliver_twice", deliver_twice, -EPROTO, "a file twice", false},
	{"deliver_out_of_order", deliver_out_of_order, -EPROTO, "does not follow", false},
	{"deliver_more_than_said", deliver_more_than_said, -EPROTO, "does not follow", false},
	{"deliver_mixed", deliver_mixed, -EPROTO, "does not follow", false},
	{"finish_within_a_file", finish_within_a_file, -EPROTO, "does not belong here", false},
	{"deliver_blocks", deliver_blocks, -EPROTO, "does not belong here", false},
};

_Noreturn static void be_hostile(const char *name)
{
	struct wire_reader reader = {.from = WIRE_PARENT};
	struct wire_message message;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (wire_receive(WORKER_FD_SOCKET, &reader, true, &message, NULL) < 0)
		_exit(99);
	say(WIRE_READY, SANDBOX_ALL, WIRE_VERSION, NULL, 0);
	for (size_t i = 0; i < ARRAY_SIZE(hostiles); i++)
		if (streq(hostiles[i].name, name))
			hostiles[i].run();
	for (;;)
		(void)pause();
}

/* ---- A node that follows a repository ---- */

struct fixture {
	struct repository repository;
	char folder[64];
	struct http_server *server;
	const char *arguments[4];
	struct worker_options options;
	struct remote_http_options source;
	struct worker *worker;
	struct wire_files files; /* of the last delivery */
};

static void put_file(struct fixture *f, const char *name, const char *text)
{
	_cleanup_free_ char *path = string_format("%s/%s", f->folder, name);

	assert_int_equal(file_write_atomic(path, text, strlen(text), 0644, NULL), 0);
}

/* Has the web server serve what the repository in memory has. */
static void serve(struct fixture *f)
{
	const char *name;
	json_t *text;

	json_object_foreach(f->repository.server, name, text)
	{
		_cleanup_free_ char *path = string_format("metadata/%s", name);

		put_file(f, path, json_string_value(text));
	}
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	_cleanup_free_ char *targets = NULL, *metadata = NULL;

	assert_non_null(f);
	(void)snprintf(f->folder, sizeof(f->folder), "/tmp/orlop-test-refresh-XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	targets = string_format("%s/targets", f->folder);
	metadata = string_format("%s/metadata", f->folder);
	assert_int_equal(mkdir_parents(targets, NULL), 0);
	assert_int_equal(mkdir_parents(metadata, NULL), 0);
	repository_init(&f->repository);
	serve(f);
	put_file(f, "targets/" TARGET, "content\n");
	f->server = http_server_start(f->folder);
	f->arguments[0] = "test-worker-refresh";
	f->arguments[1] = "worker";
	f->options = (struct worker_options){.arguments = f->arguments, .uid = USER, .gid = USER};
	f->source =
		(struct remote_http_options){.url = http_server_url(f->server), .tries = 2, .pause_ms = 1};
	assert_int_equal(worker_new(&f->options, &f->worker, NULL), 0);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	worker_free(f->worker);
	wire_files_release(&f->files);
	http_server_stop(f->server);
	repository_release(&f->repository);
	assert_int_equal(remove_tree(f->folder, NULL), 0);
	free(f);
	return 0;
}

static int load_kept(void *userdata, const char *name, uint64_t max, struct buffer *ret, struct error **err)
{
	const struct fixture *f = userdata;
	const char *text = json_string_value(json_object_get(f->repository.kept, name));

	if (!text || strlen(text) > max)
		return error_set(err, -ENOENT, "%s", name);
	buffer_append_string(ret, text);
	return 0;
}

static int keep(void *userdata, const char *name, const void *data, size_t size, struct error **err)
{
	struct fixture *f = userdata;

	(void)err;
	return json_object_set_new(f->repository.kept, name, json_stringn(data, size));
}

static int fetch_delivered(
	void *userdata, const char *name, uint64_t max, struct buffer *ret, struct error **err)
{
	return worker_files_fetch(&((struct fixture *)userdata)->files, name, max, ret, err);
}

static int deliver(struct fixture *f, const char *wanted, struct error **err)
{
	const struct tuf_client_io io = {.load = load_kept, .userdata = f};
	const struct worker_wanted list = {.name = wanted, .max = 100};
	const struct worker_metadata in = {.source = &f->source,
		.kept = &io,
		.root = f->repository.root,
		.root_size = strlen(f->repository.root),
		.now = f->repository.now,
		.wanted = &list,
		.wanted_count = wanted ? 1 : 0};

	wire_files_release(&f->files);
	return worker_refresh(f->worker, &in, &f->files, err);
}

/* Lets a client of this process go through what was delivered; *ret* is the content of *wanted* (NULL: none).
 */
static int judge(struct fixture *f, const char *wanted, struct buffer *ret, struct error **err)
{
	const struct tuf_client_io io = {
		.fetch = fetch_delivered, .load = load_kept, .store = keep, .userdata = f};
	const struct tuf_client_options options = {.io = &io,
		.root = f->repository.root,
		.root_size = strlen(f->repository.root),
		.now = f->repository.now};
	_cleanup_tuf_client_ struct tuf_client *client = NULL;
	int r = tuf_client_new(&options, &client, err);

	if (r >= 0)
		r = tuf_client_refresh(client, err);
	if (r >= 0 && wanted)
		r = worker_files_target(&f->files, client, wanted, ret, err);
	return r;
}

static void follow(struct fixture *f)
{
	_cleanup_error_ struct error *err = NULL;
	_cleanup_buffer_ struct buffer content = {};

	assert_ok(deliver(f, "file", &err), err);
	assert_ok(judge(f, "file", &content, &err), err);
	assert_int_equal(content.size, 8);
	assert_memory_equal(content.data, "content\n", 8);
}

static void follows_a_repository(void **state)
{
	struct fixture *f = *state;

	follow(f);
	assert_int_equal(repository_kept(&f->repository, "targets.json"), 1);
	/* Nothing is new: the timestamp alone is fetched, and the target that is wanted. */
	follow(f);
	assert_int_equal(http_server_requests(f->server, "1.targets.json"), 1);
	assert_int_equal(http_server_requests(f->server, "timestamp.json"), 2);
	/* A new root, and all else with it. */
	repository_publish_root(&f->repository, TUF_TARGETS, (const int[]){8, -1}, 1, (const int[]){1, -1});
	f->repository.signers[TUF_TARGETS] = (const int[]){8, -1};
	repository_publish(&f->repository);
	serve(f);
	follow(f);
	assert_int_equal(repository_kept(&f->repository, "targets.json"), 2);
	assert_int_equal(repository_kept(&f->repository, "root.json"), 2);
}

static void targets_that_are_not_listed_are_the_clients_affair(void **state)
{
	struct fixture *f = *state;
	_cleanup_buffer_ struct buffer content = {};
	_cleanup_error_ struct error *err = NULL;

	assert_ok(deliver(f, "other", &err), err);
	assert_error(judge(f, "other", &content, &err), -ENOENT, err, "other");
}

static void wrong_targets_are_refused(void **state)
{
	struct fixture *f = *state;
	_cleanup_buffer_ struct buffer content = {};
	_cleanup_error_ struct error *err = NULL;

	put_file(f, "targets/" TARGET, "cOntent\n");
	assert_error(deliver(f, "file", &err), -EBADMSG, err, "file");
	/* It has delivered them all the same; this process thinks no better of them. */
	assert_error(judge(f, "file", &content, &err), -EBADMSG, err, "file");
	assert_int_equal(content.size, 0);
}

static void faults_of_the_metadata_are_told(void **state)
{
	struct fixture *f = *state;
	_cleanup_error_ struct error *err = NULL;

	put_file(f, "metadata/1.snapshot.json", "{}");
	assert_error(deliver(f, NULL, &err), -EBADMSG, err, "snapshot.json");
	/* What was right of it is kept. */
	assert_error(judge(f, NULL, NULL, &err), -EBADMSG, err, "snapshot.json");
	assert_int_equal(repository_kept(&f->repository, "timestamp.json"), 1);
}

static void hostile_workers_deliver_nothing_of_use(void **state)
{
	struct fixture *f = *state;

	f->arguments[1] = "hostile";
	for (size_t i = 0; i < ARRAY_SIZE(hostiles); i++) {
		_cleanup_error_ struct error *err = NULL;
		int r;

		f->arguments[2] = hostiles[i].name;
		r = deliver(f, "file", &err);
		if (hostiles[i].is_delivered) {
			assert_ok(r, err);
			r = judge(f, NULL, NULL, &err);
		}
		if (r != hostiles[i].code || !strstr(error_message(err), hostiles[i].text))
			fail_msg("%s: %d: %s", hostiles[i].name, r, error_message(err));
		assert_int_equal(repository_kept(&f->repository, "timestamp.json"), 0);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
		TEST(follows_a_repository),
		TEST(targets_that_are_not_listed_are_the_clients_affair),
		TEST(wrong_targets_are_refused),
		TEST(faults_of_the_metadata_are_told),
		TEST(hostile_workers_deliver_nothing_of_use),
#undef TEST
	};

	if (argc == 2 && streq(argv[1], "worker"))
		worker_main();
	if (argc == 3 && streq(argv[1], "hostile"))
		be_hostile(argv[2]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
