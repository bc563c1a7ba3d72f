/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#include "base/work.h"

#define ITEMS 500

struct counts {
	atomic_uint of[ITEMS];
	size_t fail_from, fail_step;
};

static int count_item(size_t index, void *userdata, struct error **err)
{
	struct counts *counts = userdata;

	atomic_fetch_add(&counts->of[index], 1);
	if (counts->fail_step > 0 && index >= counts->fail_from && index % counts->fail_step == 0)
		return error_set(err, -EUCLEAN, "item %zu", index);
	return 0;
}

static void does_each_item_once_on_any_number_of_threads(void **state)
{
	static const unsigned threads[] = {0, 1, 2, 3, 16, 2 * ITEMS};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++) {
		struct counts counts = {};
		_cleanup_error_ struct error *err = NULL;

		assert_ok(work_run(threads[i], ITEMS, count_item, &counts, &err), err);
		for (size_t j = 0; j < ITEMS; j++)
			assert_int_equal(counts.of[j], 1);
	}
}

static void no_items_are_no_work(void **state)
{
	(void)state;
	assert_int_equal(work_run(4, 0, count_item, NULL, NULL), 0);
}

static void reports_the_error_of_the_lowest_index(void **state)
{
	(void)state;
	for (unsigned threads = 1; threads <= 8; threads++) {
		struct counts counts = {.fail_from = 100, .fail_step = 7};
		_cleanup_error_ struct error *err = NULL;

		/* 105 is the first multiple of 7 from 100 on, and is begun before all later ones. */
		assert_int_equal(work_run(threads, ITEMS, count_item, &counts, &err), -EUCLEAN);
		assert_string_equal(error_message(err), "item 105");
	}
}

static void begins_nothing_new_after_a_failure(void **state)
{
	struct counts counts = {.fail_from = 10, .fail_step = 1};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_int_equal(work_run(1, ITEMS, count_item, &counts, &err), -EUCLEAN);
	for (size_t i = 0; i < ITEMS; i++)
		assert_int_equal(counts.of[i], i <= 10);
}

static int fail_silently(size_t index, void *userdata, struct error **err)
{
	(void)userdata;
	(void)err;
	return index == 3 ? -EIO : 0;
}

static void a_failure_needs_no_text(void **state)
{
	struct error *err = NULL;

	(void)state;
	assert_int_equal(work_run(2, 9, fail_silently, NULL, &err), -EIO);
	assert_null(err);
	assert_int_equal(work_run(2, 9, fail_silently, NULL, NULL), -EIO);
}

struct meeting {
	pthread_mutex_t lock;
	pthread_cond_t all_there;
	unsigned there, expected;
};

/* Comes back only when as many threads are here as there should be. */
static int meet(size_t index, void *userdata, struct error **err)
{
	struct meeting *meeting = userdata;

	(void)index;
	(void)err;
	pthread_mutex_lock(&meeting->lock);
	if (++meeting->there == meeting->expected)
		pthread_cond_broadcast(&meeting->all_there);
	while (meeting->there < meeting->expected)
		pthread_cond_wait(&meeting->all_there, &meeting->lock);
	pthread_mutex_unlock(&meeting->lock);
	return 0;
}

static void items_run_at_the_same_time(void **state)
{
	struct meeting meeting = {
		.lock = PTHREAD_MUTEX_INITIALIZER, .all_there = PTHREAD_COND_INITIALIZER, .expected = 5};

	(void)state;
	assert_int_equal(work_run(5, 5, meet, &meeting, NULL), 0);
	assert_int_equal(meeting.there, 5);
}

/* Three items on three threads, of which item 0 fails last: when a thread that did another one has come to
 * its end. */
struct race {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	pthread_key_t at_exit;
	unsigned begun, ended;
};

static void note_end(void *userdata)
{
	struct race *race = userdata;

	pthread_mutex_lock(&race->lock);
	race->ended++;
	pthread_cond_broadcast(&race->changed);
	pthread_mutex_unlock(&race->lock);
}

static int fail_in_turn(size_t index, void *userdata, struct error **err)
{
	struct race *race = userdata;

	pthread_mutex_lock(&race->lock);
	race->begun++;
	pthread_cond_broadcast(&race->changed);
	while (race->begun < 3 || (index == 0 && race->ended == 0))
		pthread_cond_wait(&race->changed, &race->lock);
	pthread_mutex_unlock(&race->lock);
	if (index > 0)
		assert_int_equal(pthread_setspecific(race->at_exit, race), 0);
	return error_set(err, -EUCLEAN, "item %zu", index);
}

static void a_lower_index_that_fails_later_is_reported(void **state)
{
	struct race race = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_int_equal(pthread_key_create(&race.at_exit, note_end), 0);
	assert_int_equal(work_run(3, 3, fail_in_turn, &race, &err), -EUCLEAN);
	assert_string_equal(error_message(err), "item 0");
	(void)pthread_setspecific(race.at_exit, NULL); /* this thread was one of them, and goes on */
	pthread_key_delete(race.at_exit);
}

static void counts_the_processors_that_it_may_use(void **state)
{
	cpu_set_t all, one;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
	assert_int_equal(work_processors(), CPU_COUNT(&all));
	CPU_ZERO(&one);
	for (size_t i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; i++)
		if (CPU_ISSET(i, &all))
			CPU_SET(i, &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	assert_int_equal(work_processors(), 1);
	assert_int_equal(sched_setaffinity(0, sizeof(all), &all), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(does_each_item_once_on_any_number_of_threads),
		cmocka_unit_test(no_items_are_no_work),
		cmocka_unit_test(reports_the_error_of_the_lowest_index),
		cmocka_unit_test(begins_nothing_new_after_a_failure),
		cmocka_unit_test(a_failure_needs_no_text),
		cmocka_unit_test(items_run_at_the_same_time),
		cmocka_unit_test(a_lower_index_that_fails_later_is_reported),
		cmocka_unit_test(counts_the_processors_that_it_may_use),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
