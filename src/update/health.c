/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "update/health.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <time.h>

#include "base/string-util.h"
#include "base/utf16.h"
#include "format/os-release.h"
#include "update/health-work.h"

#define HOOK_PREFIX "health.d/"

static uint64_t real_milliseconds(_unused_ void *userdata)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static int64_t real_seconds(_unused_ void *userdata)
{
	return time(NULL);
}

static void real_wait(_unused_ void *userdata, uint64_t milliseconds)
{
	const struct timespec pause = {
		.tv_sec = (time_t)(milliseconds / 1000), .tv_nsec = (long)(milliseconds % 1000) * 1000000};

	(void)nanosleep(&pause, NULL);
}

const struct health_options health_defaults = {
	.systemctl = "/usr/bin/systemctl",
	.ctr = "/usr/bin/ctr",
	.target = "multi-user.target",
	.containerd = "/usr/bin/containerd",
	.containerd_socket = "/run/containerd/containerd.sock",
	.network = "/run/systemd/netif",
	.os_release = OS_RELEASE_PATH,
	.boot_record = "/run/orlop/boot.json",
	.mounts = "/proc/self/mountinfo",
	.state = "/var",
	.hooks = "/etc/orlop/health.d",
	.startup_ms = 900000,
	.limit_ms = 300000,
	.each_ms = 30000,
	.pause_ms = 3000,
	.clock = {real_milliseconds, real_seconds, real_wait, NULL},
};

void health_report_release(struct health_report *report)
{
	free(report->checks);
	*report = (struct health_report){};
}

void health_clean(char *ret, size_t size, const char *text, size_t length)
{
	bool cut = length >= size;

	assert(size > 0 && size <= HEALTH_DETAIL_MAX);
	length = MIN(length, size - 1);
	/* No half of a character at the end: it begins at the last byte that is no continuation. */
	for (unsigned i = 0; cut && i < 3 && length > 0 && ((uint8_t)text[length] & 0xc0) == 0x80; i++)
		length--;
	for (size_t i = 0; i < length; i++)
		ret[i] = (uint8_t)text[i] < ' ' || text[i] == 0x7f ? ' ' : text[i];
	while (length > 0 && ret[length - 1] == ' ')
		length--;
	ret[length] = 0;
	if (utf8_is_valid(ret))
		return;
	for (size_t i = 0; i < length; i++)
		if ((uint8_t)ret[i] >= 0x80)
			ret[i] = '?';
}

/* A check and how it is made. */
struct task {
	health_check_fn check;
	char *path; /* of a program */
};

struct tasks {
	struct task *items;
	size_t count;
};

static void tasks_release(struct tasks *tasks)
{
	for (size_t i = 0; i < tasks->count; i++)
		free(tasks->items[i].path);
	free(tasks->items);
}

static bool name_is_taken(const struct health_report *report, const char *name)
{
	for (size_t i = 0; i < report->count; i++)
		if (streq(report->checks[i].name, name))
			return true;
	return false;
}

/* Two names may look the same once they are cut and cleaned; whoever counts by name must not mix them up. */
static void set_name(const struct health_report *report, const char *name, char ret[HEALTH_NAME_MAX])
{
	char clean[HEALTH_NAME_MAX - 12];

	health_clean(clean, sizeof(clean), name, strlen(name));
	(void)snprintf(ret, HEALTH_NAME_MAX, "%s", clean);
	for (unsigned n = 2; name_is_taken(report, ret); n++)
		(void)snprintf(ret, HEALTH_NAME_MAX, "%s#%u", clean, n);
}

/* Adds a check to both lists. *path* is taken over, also on failure. */
static int add_task(struct tasks *tasks, struct health_report *report, struct task task, const char *name)
{
	struct task *items = reallocarray(tasks->items, tasks->count + 1, sizeof(*items));
	struct health_check *checks;

	if (items)
		tasks->items = items;
	checks = items ? reallocarray(report->checks, report->count + 1, sizeof(*checks)) : NULL;
	if (!checks) {
		free(task.path);
		return -ENOMEM;
	}
	report->checks = checks;
	checks[report->count] = (struct health_check){.outcome = HEALTH_FAILED};
	set_name(report, name, checks[report->count].name);
	report->count++;
	tasks->items[tasks->count++] = task;
	return 0;
}

static void closedirp(DIR **dir)
{
	if (*dir)
		(void)closedir(*dir);
}

/* The names in the folder of programs, sorted by their bytes; hidden ones are left out. */
static int list_hooks(const char *folder, struct strv *ret)
{
	_cleanup_(closedirp) DIR *dir = opendir(folder);
	struct dirent *entry;

	if (!dir)
		return errno == ENOENT ? 0 : -errno;
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.' && strv_add(ret, entry->d_name) < 0)
			return -ENOMEM;
	strv_sort_unique(ret);
	return 0;
}

/* Stands for the programs of a folder that can't be read. */
static void check_unreadable(
	_unused_ const struct health_work *work, const char *path, struct health_check *ret)
{
	_cleanup_(closedirp) DIR *dir = opendir(path);

	if (dir)
		health_set(ret, HEALTH_FAILED, "%s could not be read before", path);
	else
		health_set(ret, HEALTH_FAILED, "%s: %s", path, strerror(errno));
}

static int add_hooks(const struct health_options *options, struct tasks *tasks, struct health_report *report)
{
	_cleanup_strv_ struct strv names = {};
	int r = list_hooks(options->hooks, &names);

	if (r < 0 && r != -ENOMEM) {
		struct task task = {check_unreadable, strdup(options->hooks)};

		return task.path ? add_task(tasks, report, task, "health.d") : -ENOMEM;
	}
	for (size_t i = 0; r >= 0 && i < names.count; i++) {
		_cleanup_free_ char *name = string_format(HOOK_PREFIX "%s", names.items[i]);
		struct task task = {
			health_check_hook, string_format("%s/%s", options->hooks, names.items[i])};

		if (!task.path || !name) {
			free(task.path);
			return -ENOMEM;
		}
		r = add_task(tasks, report, task, name);
	}
	return r;
}

static int list_tasks(const struct health_options *options, struct tasks *tasks, struct health_report *report)
{
	int r = 0;

	for (const struct health_builtin *builtin = health_builtins; r >= 0 && builtin->name; builtin++)
		r = add_task(tasks, report, (struct task){builtin->check, NULL}, builtin->name);
	return r < 0 ? r : add_hooks(options, tasks, report);
}

static int make_environment(const struct health_options *options, struct strv *ret)
{
	int r = strv_add(ret, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");

	if (r >= 0)
		r = strv_add(ret, "LC_ALL=C.UTF-8");
	if (r >= 0)
		r = strv_addf(ret, "ORLOP_VERSION=%s", options->version ? options->version : "");
	if (r >= 0)
		r = strv_addf(ret, "ORLOP_SLOT=%s", options->slot ? options->slot : "");
	return r;
}

/* One run of the checks, of which most of the functions below are about. */
struct run {
	struct health_work work;
	const struct tasks *tasks;
	struct health_report *report;
};

static uint64_t now_of(const struct run *run)
{
	const struct health_clock *clock = &run->work.options->clock;

	return clock->milliseconds(clock->userdata);
}

static void do_check(struct run *run, size_t index)
{
	struct health_check *check = &run->report->checks[index];
	const struct task *task = &run->tasks->items[index];
	uint64_t begin = now_of(run);

	assert(index < run->tasks->count);
	task->check(&run->work, task->path, check);
	check->ms = now_of(run) - begin;
}

/* Makes all checks, or those that have failed; returns whether none is failed then. */
static bool do_round(struct run *run, bool all)
{
	bool fine = true;

	for (size_t i = 0; i < run->report->count; i++) {
		if (all || run->report->checks[i].outcome == HEALTH_FAILED)
			do_check(run, i);
		fine = fine && run->report->checks[i].outcome != HEALTH_FAILED;
	}
	return fine;
}

/* Pauses; false where the time would be up then. */
static bool pause_before(const struct run *run, uint64_t deadline)
{
	const struct health_options *options = run->work.options;

	if (now_of(run) + options->pause_ms >= deadline)
		return false;
	options->clock.wait(options->clock.userdata, options->pause_ms);
	return true;
}

/* Until the node has come up, the other checks would only say that it has not. */
static void wait_for_start(struct run *run)
{
	run->work.deadline = now_of(run) + run->work.options->startup_ms;
	do
		do_check(run, 0);
	while (run->report->checks[0].outcome == HEALTH_FAILED && pause_before(run, run->work.deadline));
}

static bool run_checks(struct run *run)
{
	const struct health_options *options = run->work.options;
	bool all = true, fine;

	if (options->again)
		wait_for_start(run);
	run->work.deadline = now_of(run) + options->limit_ms;
	for (;;) {
		fine = do_round(run, all);
		if (!options->again || (fine && all))
			return fine;
		/* Passed one by one: now all together, at once. */
		all = fine;
		if (!fine && !pause_before(run, run->work.deadline))
			return false;
	}
}

int health_run(const struct health_options *options, struct health_report *ret, struct error **err)
{
	_cleanup_health_report_ struct health_report report = {};
	_cleanup_(tasks_release) struct tasks tasks = {};
	_cleanup_strv_ struct strv environment = {};
	struct run run = {.work = {.options = options}, .tasks = &tasks, .report = &report};
	uint64_t begin = now_of(&run);
	int r = make_environment(options, &environment);

	if (r >= 0)
		r = list_tasks(options, &tasks, &report);
	if (r < 0)
		return error_set_errno(err, r, "health checks");
	run.work.environment = environment.items;
	report.passed = run_checks(&run);
	report.ms = now_of(&run) - begin;
	*ret = report;
	report = (struct health_report){};
	return 0;
}
