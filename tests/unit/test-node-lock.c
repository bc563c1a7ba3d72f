/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scratch.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include "update/node-lock.h"

#define SINCE 1796000000

struct fixture {
	char folder[64];
	struct node node;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	(void)snprintf(f->folder, sizeof(f->folder), "/tmp/orlop-test-node-lock-XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	shell(f->folder, "mkdir -p run/orlop");
	f->node.root = f->folder;
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(remove_tree(f->folder, NULL), 0);
	free(f);
	return 0;
}

static int take(struct fixture *f, enum node_lock_rank rank, struct node_lock *ret, struct error **err)
{
	static const char *const commands[] = {"agent", "update", "rollback"};
	const struct node_lock_request request = {.rank = rank, .command = commands[rank], .now = SINCE};

	return node_lock_take(&f->node, &request, ret, err);
}

/* ---- A holder that is another process ---- */

enum manner { MAKES_WAY, IS_QUICK, STAYS };

struct other {
	pid_t pid;
	int fd; /* of its end of a pipe */
};

static int hold(struct fixture *f, enum node_lock_rank rank, enum manner manner, int ready)
{
	struct node_lock lock = NODE_LOCK_INIT;

	if (take(f, rank, &lock, NULL) < 0)
		return 1;
	node_lock_note(&lock, "202611.23.0", "fetch blocks");
	if (write(ready, "", 1) != 1)
		return 2;
	for (unsigned i = 0; i < 1000; i++) {
		if (manner == MAKES_WAY && node_lock_is_wanted(&lock))
			break;
		if (manner == IS_QUICK && i == 20)
			break;
		(void)poll(NULL, 0, 10);
	}
	/* Nobody is told of by its rank alone, if it is not a higher one. */
	if (manner == IS_QUICK && node_lock_is_wanted(&lock))
		return 3;
	node_lock_release(&lock);
	return 0;
}

static struct other start(struct fixture *f, enum node_lock_rank rank, enum manner manner)
{
	struct other other;
	int ends[2];
	char byte;

	assert_int_equal(pipe(ends), 0);
	other.pid = fork();
	assert_true(other.pid >= 0);
	if (other.pid == 0)
		_exit(hold(f, rank, manner, ends[1]));
	(void)close(ends[1]);
	other.fd = ends[0];
	assert_int_equal(read(other.fd, &byte, 1), 1);
	return other;
}

static int finish(const struct other *other)
{
	int status;

	(void)close(other->fd);
	assert_int_equal(waitpid(other->pid, &status, 0), other->pid);
	return status;
}

static void kill_other(const struct other *other)
{
	assert_int_equal(kill(other->pid, SIGKILL), 0);
	assert_true(WIFSIGNALED(finish(other)));
}

/* ---- Tests ---- */

static void note_wait(const struct node_lock_holder *holder, void *userdata)
{
	struct node_lock_holder *seen = userdata;

	assert_int_equal(seen->pid, 0); /* told once */
	*seen = *holder;
}

static void a_higher_rank_gets_it_from_one_that_makes_way(void **state)
{
	struct fixture *f = *state;
	static const enum node_lock_rank cases[][2] = {{NODE_LOCK_AGENT, NODE_LOCK_OPERATOR},
		{NODE_LOCK_AGENT, NODE_LOCK_URGENT}, {NODE_LOCK_OPERATOR, NODE_LOCK_URGENT}};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct other other = start(f, cases[i][0], MAKES_WAY);
		struct node_lock_holder seen = {};
		const struct node_lock_request request = {.rank = cases[i][1],
			.command = "rollback",
			.now = SINCE,
			.waits = note_wait,
			.userdata = &seen};
		_cleanup_node_lock_ struct node_lock lock = NODE_LOCK_INIT;
		_cleanup_error_ struct error *err = NULL;

		assert_ok(node_lock_take(&f->node, &request, &lock, &err), err);
		assert_int_equal(finish(&other), 0);
		assert_int_equal(seen.pid, other.pid);
		assert_int_equal(seen.rank, cases[i][0]);
		assert_string_equal(seen.version, "202611.23.0");
		/* Who has it waits for it no more. */
		assert_false(node_lock_is_wanted(&lock));
		assert_int_equal(fcntl(lock.fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	}
}

static void the_same_or_a_lower_rank_is_told_who_has_it(void **state)
{
	struct fixture *f = *state;
	static const enum node_lock_rank cases[][2] = {{NODE_LOCK_AGENT, NODE_LOCK_AGENT},
		{NODE_LOCK_OPERATOR, NODE_LOCK_OPERATOR}, {NODE_LOCK_OPERATOR, NODE_LOCK_AGENT},
		{NODE_LOCK_URGENT, NODE_LOCK_OPERATOR}};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct other other = start(f, cases[i][0], STAYS);
		_cleanup_node_lock_ struct node_lock lock = NODE_LOCK_INIT;
		_cleanup_error_ struct error *err = NULL;
		_cleanup_free_ char *who = string_format("process %ld (orlop-node ", (long)other.pid);

		assert_error(take(f, cases[i][1], &lock, &err), -EBUSY, err, who);
		assert_error(take(f, cases[i][1], &lock, &err), -EBUSY, err,
			"is at work on 202611.23.0 (fetch blocks): wait for it");
		kill_other(&other);
	}
}

static void what_is_urgent_waits_for_what_is_urgent(void **state)
{
	struct fixture *f = *state;
	struct other other = start(f, NODE_LOCK_URGENT, IS_QUICK);
	_cleanup_node_lock_ struct node_lock lock = NODE_LOCK_INIT;
	_cleanup_error_ struct error *err = NULL;

	assert_ok(take(f, NODE_LOCK_URGENT, &lock, &err), err);
	assert_int_equal(finish(&other), 0);
}

static void a_holder_that_dies_leaves_it_free(void **state)
{
	struct fixture *f = *state;
	struct other other = start(f, NODE_LOCK_URGENT, STAYS);
	_cleanup_node_lock_ struct node_lock lock = NODE_LOCK_INIT;
	_cleanup_error_ struct error *err = NULL;
	struct node_lock_holder holder;

	assert_int_equal(node_lock_find_holder(&f->node, &holder), 1);
	kill_other(&other);
	assert_int_equal(node_lock_find_holder(&f->node, &holder), 0);
	assert_ok(take(f, NODE_LOCK_AGENT, &lock, &err), err);
}

static void others_see_what_it_is_about(void **state)
{
	struct fixture *f = *state;
	_cleanup_node_lock_ struct node_lock lock = NODE_LOCK_INIT;
	_cleanup_error_ struct error *err = NULL;
	struct node_lock_holder holder;
	char *text;

	assert_int_equal(node_lock_find_holder(&f->node, &holder), 0);
	assert_ok(take(f, NODE_LOCK_OPERATOR, &lock, &err), err);
	node_lock_note(&lock, "202611.23.0", "a step with a long name, to be overwritten");
	node_lock_note(&lock, NULL, "signature");
	assert_int_equal(node_lock_find_holder(&f->node, &holder), 1);
	assert_int_equal(holder.pid, getpid());
	assert_int_equal(holder.since, SINCE);
	assert_int_equal(holder.rank, NODE_LOCK_OPERATOR);
	assert_string_equal(holder.command, "update");
	assert_string_equal(holder.version, "202611.23.0");
	assert_string_equal(holder.step, "signature");
	text = node_lock_holder_text(&holder);
	assert_non_null(strstr(text, "(orlop-node update) is at work on 202611.23.0 (signature)"));
	free(text);
	node_lock_release(&lock);
	assert_int_equal(node_lock_find_holder(&f->node, &holder), 0);
	assert_false(node_lock_is_wanted(&lock));
}

static void what_another_left_in_the_file_does_not_matter(void **state)
{
	struct fixture *f = *state;
	static const char *const texts[] = {"1234", "{", "{\"rank\": 99}", "{\"rank\": -1, \"pid\": 7}",
		"{\"rank\": 2, \"command\": [], \"version\": {\"a\": null}, \"step\": 4}"};
	_cleanup_free_ char *path = string_format("%s/run/orlop/update.lock", f->folder);

	assert_non_null(path);
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		_cleanup_node_lock_ struct node_lock lock = NODE_LOCK_INIT;
		_cleanup_error_ struct error *err = NULL;
		struct node_lock_holder holder;

		assert_ok(file_write_atomic(path, texts[i], strlen(texts[i]), 0600, &err), err);
		assert_int_equal(node_lock_find_holder(&f->node, &holder), 0);
		assert_ok(take(f, NODE_LOCK_AGENT, &lock, &err), err);
		assert_int_equal(node_lock_find_holder(&f->node, &holder), 1);
		assert_int_equal(holder.rank, NODE_LOCK_AGENT);
	}
}

/* A lock that can't be had for another reason is no sign that somebody is at work. */
static void a_lock_that_can_not_be_made_is_not_a_busy_one(void **state)
{
	struct fixture *f = *state;
	_cleanup_node_lock_ struct node_lock lock = NODE_LOCK_INIT;
	_cleanup_error_ struct error *err = NULL;

	shell(f->folder, "rm -r run/orlop");
	assert_error(take(f, NODE_LOCK_AGENT, &lock, &err), -ENOENT, err, "/run/orlop/update.lock");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
		TEST(a_higher_rank_gets_it_from_one_that_makes_way),
		TEST(the_same_or_a_lower_rank_is_told_who_has_it),
		TEST(what_is_urgent_waits_for_what_is_urgent),
		TEST(a_holder_that_dies_leaves_it_free),
		TEST(others_see_what_it_is_about),
		TEST(what_another_left_in_the_file_does_not_matter),
		TEST(a_lock_that_can_not_be_made_is_not_a_busy_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
