/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cmd/node-context.h"

#include <errno.h>
#include <pwd.h>
#include <time.h>

#include "base/file.h"
#include "base/string-util.h"
#include "cmd/command-json.h"
#include "cmd/node-print.h"

#define WORKER_USER "orlop-fetch"

/* That a repository has to answer where nothing is wanted of it but leave to go back. */
#define BACK_SECONDS 20

const char *const node_worker_arguments[] = {"orlop-node", "worker", NULL};

int node_worker_options(struct worker_options *ret, struct error **err)
{
	const struct passwd *user = geteuid() == 0 ? getpwnam(WORKER_USER) : NULL;

	*ret = (struct worker_options){.arguments = node_worker_arguments};
	if (geteuid() == 0 && !user)
		return error_set(
			err, -ENOENT, "there is no user " WORKER_USER ", as whom the network is asked");
	ret->uid = user ? user->pw_uid : geteuid();
	ret->gid = user ? user->pw_gid : getegid();
	return 0;
}

static int open_here(struct node **ret, struct error **settings_fault, struct error **err)
{
	const char *root = getenv("ORLOP_NODE_ROOT");
	const struct node_options options = {.root = root ? root : "", .settings_fault = settings_fault};

	return node_open(&options, ret, err);
}

int node_open_here(struct node **ret, struct error **err)
{
	return open_here(ret, NULL, err);
}

int node_open_without_settings(struct node **ret, struct error **ret_fault, struct error **err)
{
	_cleanup_error_ struct error *fault = NULL;
	int r = open_here(ret, &fault, err);

	if (r < 0 || !fault)
		return r;
	fprintf(stderr, "orlop-node: %s; going on without settings\n", error_message(fault));
	error_move(ret_fault, TAKE_PTR(fault));
	return 0;
}

int node_recall(const struct node *node, struct node_releases **ret, struct error **err)
{
	_cleanup_error_ struct error *why = NULL;
	int r = node_releases_recall(node, 0, ret, &why);

	/* Nothing was kept, or the image follows no repository. */
	if (r >= 0 || r == -ENOENT || r == -ENOKEY)
		return 0;
	error_move(err, TAKE_PTR(why));
	return r;
}

/* ---- A round ---- */

struct running {
	const struct node_round *round;
	struct node *node;
	struct worker_options worker;
	struct node_releases *releases; /* NULL: the repository could not be asked, … */
	struct node_releases *known;	/* … and this is what it said when it could last; NULL: nothing */
	struct node_lock lock;
	struct progress *progress;
	enum usr_update_step step;
	bool open; /* a step of progress */
	uint64_t shown;
};

static void running_release(struct running *running)
{
	node_releases_free(running->releases);
	node_releases_free(running->known);
	node_lock_release(&running->lock);
	node_free(running->node);
	progress_free(running->progress);
}

static int64_t now_seconds(void)
{
	return (int64_t)time(NULL);
}

static void show_step(enum install_step step, void *userdata)
{
	struct running *running = userdata;
	static const char *const names[] = {[INSTALL_PREPARE] = "free the other slot",
		[INSTALL_SIGNATURE] = "signature",
		[INSTALL_NAME] = "partition table",
		[INSTALL_ENTRY] = "boot entry"};

	if (running->open)
		progress_end(running->progress, NULL);
	running->open = false;
	if (!names[step])
		return;
	progress_note(running->progress, "%s", names[step]);
	node_lock_note(&running->lock, NULL, names[step]);
}

static bool is_wanted(void *userdata)
{
	return node_lock_is_wanted(&((struct running *)userdata)->lock);
}

static int show_progress(enum usr_update_step step, uint64_t done, uint64_t total, void *userdata)
{
	struct running *running = userdata;
	static const char *const names[] = {[USR_UPDATE_TREE] = "hash tree",
		[USR_UPDATE_SCAN] = "look at the slot",
		[USR_UPDATE_COPY] = "copy own blocks",
		[USR_UPDATE_FETCH] = "fetch blocks",
		[USR_UPDATE_CHECK] = "read back and check"};
	uint64_t unit = step == USR_UPDATE_TREE ? 1 : VERITY_BLOCK_SIZE;

	if (!running->open || step != running->step || done * unit < running->shown) {
		progress_begin(running->progress, names[step], total * unit, PROGRESS_BYTES);
		node_lock_note(&running->lock, NULL, names[step]);
		running->open = true;
		running->step = step;
		running->shown = 0;
	}
	progress_add(running->progress, done * unit - running->shown);
	running->shown = done * unit;
	return is_wanted(running) ? -ECANCELED : 0;
}

static int stage(struct running *running, const char *version, struct error **err)
{
	const struct node_stage_watch watch = {
		.step = show_step, .progress = show_progress, .userdata = running};
	struct node_stage_result result;
	char fetched[SIZE_TEXT_MAX], size[SIZE_TEXT_MAX];
	int r;

	node_lock_note(&running->lock, version, "kernel image");
	r = node_stage(running->node, running->releases, version, now_seconds(), &watch, &result, err);
	if (running->open)
		progress_end(running->progress, NULL);
	running->open = false;
	if (r < 0)
		return r;
	printf("%s is in the other slot: %s fetched for %s, %ju.%ju s\n", version,
		format_size(result.counts.bytes, fetched), format_size(result.size, size),
		(uintmax_t)result.ms / 1000, (uintmax_t)result.ms % 1000 / 100);
	return result.changed
		       ? node_remember(running->node, now_seconds(), HISTORY_STAGED, version, NULL, err)
		       : 0;
}

static int start(struct running *running, const char *version, struct error **err)
{
	int r = node_start_other(running->node, version, now_seconds(), err);

	if (r < 0)
		return r;
	printf("%s starts next%s\n", version, running->round->reboot ? "; restarting" : "");
	return running->round->reboot ? node_restart(err) : 0;
}

/* What the repository says, or said when it could last be asked; NULL: nothing is known. */
static const struct release_index *index_of(const struct running *running)
{
	const struct node_releases *releases = running->releases ? running->releases : running->known;

	return releases ? &releases->index : NULL;
}

/* What is known now to be withdrawn must not start next because it was chosen when it was not. */
static int drop_withdrawn(const struct running *running, struct error **err)
{
	const struct release_index *index = index_of(running);
	_cleanup_free_ char *version = NULL;
	int r = 0;

	if (index && !running->round->dry)
		r = node_drop_withdrawn(running->node, index, now_seconds(), &version, err);
	if (r >= 0 && version)
		printf("%s, in the other slot, was withdrawn or is below the floor, and can't start any "
		       "more\n",
			version);
	return r;
}

static int decide(struct running *running, struct policy_decision *ret, struct error **err)
{
	_cleanup_node_view_ struct node_view view = {};
	int r = node_view_open(
		running->node, index_of(running), &running->round->order, now_seconds(), &view, err);

	return r < 0 ? r : policy_decide(&view.input, ret, err);
}

/* What was ordered and is in the other slot now starts next, also where it is older than what runs. */
static int follow(struct running *running, struct error **err)
{
	_cleanup_policy_decision_ struct policy_decision decision = {};
	int r = decide(running, &decision, err);

	if (r < 0)
		return r;
	if (decision.refused) {
		if (decision.version)
			(void)node_remember(running->node, now_seconds(), HISTORY_REFUSED, decision.version,
				decision.sentence, NULL);
		return error_set(err, -EPERM, "%s", decision.sentence);
	}
	if (running->round->json)
		return command_print_json(node_decision_json(&decision), err);
	printf("%s\n", decision.sentence);
	if (running->round->dry || decision.action == POLICY_NOTHING)
		return 0;
	if (decision.action != POLICY_RESTART && !running->releases)
		return error_set(err, -ENOTCONN,
			"%s has to be fetched anew, and the repository can't be asked: try again when it can",
			decision.version);
	if (decision.action != POLICY_RESTART)
		r = stage(running, decision.version, err);
	return r < 0 ? r : start(running, decision.version, err);
}

static int open_releases(struct running *running, struct error **err)
{
	const struct node_releases_options options = {
		.worker = &running->worker, .now = now_seconds(), .stop = is_wanted, .userdata = running};

	node_lock_note(&running->lock, NULL, "ask the repository");
	return node_releases_open(running->node, &options, &running->releases, err);
}

/* Back to the other slot needs no repository; but where there is one, what it says counts. */
static int refresh(struct running *running, struct error **err)
{
	bool is_back = running->round->order.order == POLICY_ORDER_ROLLBACK;
	_cleanup_error_ struct error *why = NULL;
	int r;

	if (is_back && !running->node->config.repository)
		return node_recall(running->node, &running->known, err);
	if (is_back)
		running->worker.total_seconds = BACK_SECONDS;
	r = open_releases(running, &why);
	if (r >= 0)
		return 0;
	if (!is_back) {
		error_move(err, TAKE_PTR(why));
		return r;
	}
	fprintf(stderr, "orlop-node: %s; going by what is known of it on this node\n", error_message(why));
	return node_recall(running->node, &running->known, err);
}

static void tell_holder(const struct node_lock_holder *holder, void *userdata)
{
	_cleanup_free_ char *text = node_lock_holder_text(holder);

	(void)userdata;
	fprintf(stderr, "orlop-node: %s, and is asked to make way\n", text ? text : "somebody");
}

static int lock(struct running *running, struct error **err)
{
	enum policy_order order = running->round->order.order;
	const struct node_lock_request request = {
		.rank = order == POLICY_ORDER_ROLLBACK ? NODE_LOCK_URGENT : NODE_LOCK_OPERATOR,
		.command = running->round->command,
		.now = now_seconds(),
		.waits = tell_holder};

	return node_lock_take(running->node, &request, &running->lock, err);
}

int node_round_run(const struct node_round *round, struct error **err)
{
	_cleanup_(running_release) struct running running = {.round = round, .lock = NODE_LOCK_INIT};
	_cleanup_free_ char *folder = NULL;
	int r = round->order.order == POLICY_ORDER_ROLLBACK
			? node_open_without_settings(&running.node, NULL, err)
			: node_open_here(&running.node, err);

	if (r < 0)
		return r;
	r = node_require_slots(running.node, err);
	if (r < 0)
		return r;
	folder = node_path(running.node, NODE_STATE);
	r = folder ? mkdir_parents(folder, err) : error_set_errno(err, -ENOMEM, "state");
	if (r >= 0)
		r = node_worker_options(&running.worker, err);
	if (r >= 0)
		r = lock(&running, err);
	if (r < 0)
		return r;
	if (!round->quiet)
		running.progress = progress_new(STDERR_FILENO, progress_style_of(STDERR_FILENO));
	r = refresh(&running, err);
	if (r >= 0)
		r = drop_withdrawn(&running, err);
	if (r >= 0)
		r = follow(&running, err);
	return r == -ECANCELED ? error_wrap(err, "made way for orlop-node rollback, or for the release that "
						 "runs to be found good; call it again")
			       : r;
}
