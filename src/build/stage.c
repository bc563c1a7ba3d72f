/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "build/stage.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>

#include "base/buffer.h"
#include "base/draft.h"
#include "base/file.h"

#define NAMES_MAX KiB(64)
#define REMOVE_TRIES 100
#define ENOUGH SIGRTMIN /* for the thread that waits for signals */

/* In a stage's folder while its outputs are shown: their names, one a line, and the older ones' place. */
#define SHOWN ".shown"
#define ASIDE ".aside"

struct stage {
	char *output;
	struct draft draft;

	/* A thread waits for signals that end the program, and for the one that ends the thread; all others
	 * block them. */
	pthread_t watcher;
	bool is_watched;
	sigset_t watched, before;
	pthread_mutex_t showing; /* held while outputs are shown */
};

/* Outputs on their way from a stage to the output folder. The last name is the manifest's. */
struct outputs {
	const char *output, *stage;
	char *aside;
	struct strv names;
};

static void outputs_release(struct outputs *outputs)
{
	free(outputs->aside);
	strv_release(&outputs->names);
}

static int outputs_init(struct outputs *ret, const char *output, const char *stage, struct error **err)
{
	*ret = (struct outputs){.output = output, .stage = stage, .aside = string_format("%s/" ASIDE, stage)};
	return ret->aside ? 0 : error_set_errno(err, -ENOMEM, "%s", stage);
}

/* ---- Showing outputs, and taking that back ---- */

/* Returns 1 or 0. What can't be known is an error: taken for a name that is not there, it would be
 * overwritten. */
static int is_in(const char *folder, const char *name, struct error **err)
{
	_cleanup_free_ char *path = string_format("%s/%s", folder, name);
	struct stat st;

	if (!path)
		return error_set_errno(err, -ENOMEM, "%s", name);
	if (lstat(path, &st) == 0)
		return 1;
	return errno == ENOENT ? 0 : error_set_errno(err, -errno, "%s", path);
}

static int move(const char *from_folder, const char *to_folder, const char *name, struct error **err)
{
	_cleanup_free_ char *from = string_format("%s/%s", from_folder, name);
	_cleanup_free_ char *to = string_format("%s/%s", to_folder, name);

	if (!from || !to)
		return error_set_errno(err, -ENOMEM, "%s", name);
	return rename(from, to) < 0 ? error_set_errno(err, -errno, "%s", to) : 0;
}

static int move_if_there(const char *from_folder, const char *to_folder, const char *name, struct error **err)
{
	int r = is_in(from_folder, name, err);

	return r > 0 ? move(from_folder, to_folder, name, err) : r;
}

/* Moves an older output of this name out of the way. A folder is none, and nothing that we may remove. */
static int set_aside(const struct outputs *outputs, const char *name, struct error **err)
{
	_cleanup_free_ char *path = string_format("%s/%s", outputs->output, name);
	struct stat st;

	if (!path)
		return error_set_errno(err, -ENOMEM, "%s", name);
	if (lstat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return error_set_errno(err, -EISDIR, "%s", path);
	return move_if_there(outputs->output, outputs->aside, name, err);
}

/*
 * The older manifest goes before anything else, and the new one comes after everything else: whenever this
 * ends, a manifest that is there is about outputs that are there.
 */
static int show_all(const struct outputs *outputs, struct error **err)
{
	char *const *names = outputs->names.items;
	size_t others = outputs->names.count - 1;
	int r = set_aside(outputs, names[others], err);

	if (r >= 0)
		r = fsync_parent(outputs->stage, err);
	for (size_t i = 0; r >= 0 && i < others; i++)
		r = set_aside(outputs, names[i], err);
	for (size_t i = 0; r >= 0 && i < others; i++)
		r = move(outputs->stage, outputs->output, names[i], err);
	if (r >= 0)
		r = fsync_parent(outputs->stage, err);
	if (r >= 0)
		r = move(outputs->stage, outputs->output, names[others], err);
	return r < 0 ? r : fsync_parent(outputs->stage, err);
}

static int take_back(const struct outputs *outputs, const char *name, struct error **err)
{
	int r = is_in(outputs->stage, name, err);

	return r == 0 ? move_if_there(outputs->output, outputs->stage, name, err) : MIN(r, 0);
}

/*
 * Undoes show_all() from wherever it got to: what was shown returns to the stage, and what was set aside to
 * its place, the manifest last. May be stopped as well, and done again from the beginning.
 */
static int undo(const struct outputs *outputs, struct error **err)
{
	char *const *names = outputs->names.items;
	size_t others = outputs->names.count - 1;
	int r = take_back(outputs, names[others], err);

	for (size_t i = 0; r >= 0 && i < others; i++) {
		r = take_back(outputs, names[i], err);
		if (r >= 0)
			r = move_if_there(outputs->aside, outputs->output, names[i], err);
	}
	if (r >= 0)
		r = move_if_there(outputs->aside, outputs->output, names[others], err);
	return r < 0 ? r : fsync_parent(outputs->stage, err);
}

/* ---- What killed builds left ---- */

/* Reads the names that a stage was showing. -ENOENT where it had not begun to. */
static int read_names(const char *stage, struct strv *ret)
{
	_cleanup_free_ char *path = string_format("%s/" SHOWN, stage), *text = NULL;
	int r = path ? file_read(path, NAMES_MAX, &text, NULL, NULL) : -ENOMEM;

	for (char *at = text; r >= 0 && at && *at;) {
		char *end = at + strcspn(at, "\n");
		bool more = *end;

		*end = 0;
		r = strchr(at, '/') ? -EBADMSG : strv_add(ret, at);
		at = end + more;
	}
	return r >= 0 && ret->count == 0 ? -ENOENT : r;
}

/*
 * Undoes what a killed build was showing. Where there is a manifest the set is whole: that build's, or the
 * older one, or somebody put another one there since.
 */
static int recover(const char *output, const char *stage)
{
	_cleanup_(outputs_release) struct outputs outputs = {};
	int r = outputs_init(&outputs, output, stage, NULL);

	if (r >= 0)
		r = read_names(stage, &outputs.names);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	r = is_in(output, outputs.names.items[outputs.names.count - 1], NULL);
	return r == 0 ? undo(&outputs, NULL) : MIN(r, 0);
}

static const struct draft_kind stage_kind = {.prefix = ".orlop-build-", .recover = recover};

/* ---- What ends a build ---- */

/* Those of them that do: a shell may have the program ignore some. */
static void list_signals(sigset_t *ret)
{
	static const int all[] = {SIGHUP, SIGINT, SIGTERM};
	struct sigaction action;

	sigemptyset(ret);
	sigaddset(ret, ENOUGH);
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (sigaction(all[i], NULL, &action) == 0 && action.sa_handler == SIG_DFL)
			sigaddset(ret, all[i]);
}

/*
 * Outputs that are being shown are shown first. Other threads may go on making files until there is no folder
 * any more; who fails for that closes the stage, and waits there for the end.
 */
static void *watch(void *userdata)
{
	struct stage *stage = userdata;
	sigset_t unblocked;
	int number;

	if (sigwait(&stage->watched, &number) != 0 || number == ENOUGH)
		return NULL;
	(void)pthread_mutex_lock(&stage->showing);
	for (unsigned i = 0; i < REMOVE_TRIES && remove_tree(stage->draft.path, NULL) < 0; i++)
		;
	sigemptyset(&unblocked);
	sigaddset(&unblocked, number);
	(void)pthread_sigmask(SIG_UNBLOCK, &unblocked, NULL);
	(void)raise(number);
	return NULL;
}

/* They wait from before there is a folder until somebody takes them. */
static void block_signals(struct stage *stage)
{
	list_signals(&stage->watched);
	(void)pthread_sigmask(SIG_BLOCK, &stage->watched, &stage->before);
}

static void begin_watch(struct stage *stage)
{
	stage->is_watched = pthread_create(&stage->watcher, NULL, watch, stage) == 0;
	if (!stage->is_watched)
		(void)pthread_sigmask(SIG_SETMASK, &stage->before, NULL);
}

static void end_watch(struct stage *stage)
{
	if (stage->is_watched) {
		(void)pthread_kill(stage->watcher, ENOUGH);
		(void)pthread_join(stage->watcher, NULL);
	}
	(void)pthread_sigmask(SIG_SETMASK, &stage->before, NULL);
}

/* ---- Stages ---- */

int stage_open(const char *output, struct stage **ret, struct error **err)
{
	_cleanup_stage_ struct stage *stage = calloc(1, sizeof(*stage));
	int r;

	if (!stage)
		return error_set_errno(err, -ENOMEM, "%s", output);
	stage->draft = (struct draft)DRAFT_INIT;
	(void)pthread_mutex_init(&stage->showing, NULL);
	block_signals(stage);
	stage->output = strdup(output);
	if (!stage->output)
		return error_set_errno(err, -ENOMEM, "%s", output);
	r = mkdir_parents(output, err);
	if (r < 0)
		return r;
	r = draft_open(&stage->draft, output, &stage_kind, err);
	if (r < 0)
		return error_wrap(err, "cannot write to the output folder");
	begin_watch(stage);
	*ret = TAKE_PTR(stage);
	return 0;
}

char *stage_path(const struct stage *stage, const char *name)
{
	return string_format("%s/%s", stage->draft.path, name);
}

static int flush(const struct stage *stage, const char *name, struct error **err)
{
	_cleanup_free_ char *path = stage_path(stage, name);
	_cleanup_close_ int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;

	if (!path)
		return error_set_errno(err, -ENOMEM, "%s", name);
	if (fd < 0 || fsync(fd) < 0)
		return error_set_errno(err, -errno, "%s", path);
	return 0;
}

/* Writes down what is about to be shown, for whoever finds the stage should this process be killed. */
static int announce(const struct outputs *outputs, struct error **err)
{
	_cleanup_free_ char *path = string_format("%s/" SHOWN, outputs->stage);
	_cleanup_buffer_ struct buffer text = {};

	for (size_t i = 0; i < outputs->names.count; i++)
		buffer_printf(&text, "%s\n", outputs->names.items[i]);
	if (!path || buffer_failed(&text))
		return error_set_errno(err, -ENOMEM, "%s", outputs->output);
	if (mkdir(outputs->aside, 0700) < 0)
		return error_set_errno(err, -errno, "%s", outputs->aside);
	return file_write_atomic(path, text.data, text.size, 0600, err);
}

static int commit(struct stage *stage, const char *const *names, struct error **err)
{
	_cleanup_(outputs_release) struct outputs outputs = {};
	_cleanup_close_ int lock = -1;
	int r = outputs_init(&outputs, stage->output, stage->draft.path, err);

	for (; r >= 0 && *names; names++) {
		r = flush(stage, *names, err);
		if (r >= 0 && strv_add(&outputs.names, *names) < 0)
			r = error_set_errno(err, -ENOMEM, "%s", *names);
	}
	if (r < 0 || outputs.names.count == 0)
		return r;
	/* One at a time, and after what others began is undone: no more than one set is ever half shown. */
	lock = draft_lock(stage->output, &stage_kind, err);
	r = lock < 0 ? lock : announce(&outputs, err);
	if (r < 0)
		return r;
	r = show_all(&outputs, err);
	/* What can't be undone now may be later. */
	if (r < 0 && undo(&outputs, NULL) < 0)
		draft_abandon(&stage->draft);
	return r;
}

int stage_commit(struct stage *stage, const char *const *names, struct error **err)
{
	int r;

	(void)pthread_mutex_lock(&stage->showing);
	r = commit(stage, names, err);
	(void)pthread_mutex_unlock(&stage->showing);
	return r;
}

struct stage *stage_close(struct stage *stage)
{
	if (stage) {
		end_watch(stage);
		(void)pthread_mutex_destroy(&stage->showing);
		draft_close(&stage->draft);
		free(stage->output);
		free(stage);
	}
	return NULL;
}
