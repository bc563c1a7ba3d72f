/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/work.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>

struct work {
	pthread_mutex_t lock;
	size_t next, count;
	work_fn fn;
	void *userdata;
	int failure; /* of the item *failed*, 0 while none has failed */
	size_t failed;
	struct error *error;
};

unsigned work_processors(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return 1;
	return CPU_COUNT(&set) > 0 ? (unsigned)CPU_COUNT(&set) : 1;
}

/* Takes the next index; false where there is none or something has failed. */
static bool work_next(struct work *work, size_t *ret)
{
	bool found;

	pthread_mutex_lock(&work->lock);
	found = work->failure == 0 && work->next < work->count;
	if (found)
		*ret = work->next++;
	pthread_mutex_unlock(&work->lock);
	return found;
}

static void work_fail(struct work *work, size_t index, int code, struct error *error)
{
	pthread_mutex_lock(&work->lock);
	if (work->failure == 0 || index < work->failed) {
		error_free(work->error);
		work->failure = code;
		work->failed = index;
		work->error = TAKE_PTR(error);
	}
	pthread_mutex_unlock(&work->lock);
	error_free(error);
}

static void *work_thread(void *userdata)
{
	struct work *work = userdata;
	size_t index;

	while (work_next(work, &index)) {
		struct error *error = NULL;
		int r = work->fn(index, work->userdata, &error);

		if (r < 0)
			work_fail(work, index, r, error);
	}
	return NULL;
}

int work_run(unsigned threads, size_t count, work_fn fn, void *userdata, struct error **err)
{
	struct work work = {
		.lock = PTHREAD_MUTEX_INITIALIZER, .count = count, .fn = fn, .userdata = userdata};
	_cleanup_free_ pthread_t *started = NULL;
	unsigned n = 0;

	if (threads == 0)
		threads = work_processors();
	if (threads > count)
		threads = count > 0 ? (unsigned)count : 1;
	/* This thread is one of them; where others can't be made, it does the work alone. */
	started = calloc(threads, sizeof(*started));
	if (!started)
		return error_set_errno(err, -ENOMEM, "threads");
	while (n + 1 < threads && pthread_create(&started[n], NULL, work_thread, &work) == 0)
		n++;
	work_thread(&work);
	while (n > 0)
		pthread_join(started[--n], NULL);
	pthread_mutex_destroy(&work.lock);
	if (work.failure < 0)
		error_move(err, work.error);
	return work.failure;
}
