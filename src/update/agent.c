/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "update/agent.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <time.h>

#include "base/encoding.h"
#include "base/file.h"
#include "base/string-util.h"
#include "update/health-gate.h"
#include "update/metrics.h"
#include "update/node-lock.h"

#define RETRY_SECONDS 300 /* after a round that failed, at least so long */
#define WAIT_MAX 86400	  /* seconds; the clock may be set meanwhile */
#define ACTIONS_MAX 3	  /* of one round: stage; restart, or select; look again */
#define LOCK_SECONDS 30	  /* until the lock is tried again that somebody has */
#define PROGRESS_STEP 10  /* percent */

enum { ERROR_LOOK, ERROR_CHECK, ERROR_STAGE, ERROR_START, ERROR_KINDS };
static const char *const error_kinds[ERROR_KINDS] = {"look", "check", "stage", "start"};

struct agent {
	const struct agent_options *options;
	bool stop, again; /* told to */
	bool restarting;
	int64_t last_check, last_success, expires, next; /* Unix seconds */
	uint64_t fetched;				 /* bytes */
	struct metrics_errors errors[ERROR_KINDS];
	char *available, *said; /* newest version for the node; the last sentence that was logged */
	struct node_lock lock;	/* of this round */
	bool made_way;		/* this round ended since somebody else wanted the lock */
	const char *version;	/* that is being staged, … */
	unsigned percent;	/* … and how far */
};

static int64_t now_seconds(void)
{
	return (int64_t)time(NULL);
}

/* ---- Telling ---- */

static void say(struct agent *agent, int priority, const char *version, const char *step, const char *text)
{
	const struct journal_field fields[] = {
		{.name = "ORLOP_VERSION", .value = version},
		{.name = "ORLOP_STEP", .value = step},
		{.name = "ORLOP_RUNNING", .value = agent->options->node->version},
	};

	(void)journal_log(agent->options->journal, priority, fields, ARRAY_SIZE(fields), "%s", text);
}

/* An error is told, counted and, where it is about a version, remembered. */
static void fail(struct agent *agent, unsigned kind, const char *version, const struct error *error)
{
	agent->errors[kind].count++;
	say(agent, LOG_ERR, version, error_kinds[kind], error_message(error));
	if (version)
		(void)node_remember(agent->options->node, now_seconds(), HISTORY_ERROR, version,
			error_message(error), NULL);
}

static void tell_decision(struct agent *agent, const struct policy_decision *decision)
{
	if (agent->said && streq(agent->said, decision->sentence))
		return;
	free(agent->said);
	agent->said = strdup(decision->sentence);
	say(agent, LOG_INFO, decision->version, "decide", decision->sentence);
}

static void write_metrics(struct agent *agent)
{
	struct node *node = agent->options->node;
	_cleanup_free_ char *root = hex_encode_new(node->root_hash, SHA256_SIZE),
			    *path = node_path(node, METRICS_PATH),
			    *health_path = node_path(node, health_gate_paths.report);
	_cleanup_health_report_ struct health_report health = {};
	const char slot[] = {node->slot, 0};
	struct metrics metrics = METRICS_INIT;
	_cleanup_install_state_ struct install_state state = {};
	struct install install;
	unsigned place;

	metrics.version = node->version;
	metrics.edition = node->edition;
	metrics.slot = slot;
	metrics.root_hash = root;
	metrics.available = agent->available;
	metrics.last_check = agent->last_check > 0 ? agent->last_check : -1;
	metrics.last_success = agent->last_success > 0 ? agent->last_success : -1;
	metrics.expires = agent->expires > 0 ? agent->expires : -1;
	metrics.bytes_fetched = (int64_t)agent->fetched;
	metrics.errors = agent->errors;
	metrics.error_count = ERROR_KINDS;
	if (agent->available && policy_place(node->machine, node->edition, agent->available, &place) >= 0) {
		metrics.place = place;
		metrics.places = POLICY_PLACES;
	}
	if (node_open_disk(node, false, NULL) >= 0) {
		install = node_install(node, now_seconds());
		if (install_look(&install, &state, NULL) >= 0) {
			if (state.other_entry &&
				(state.next == state.other_entry || boot_entry_is_staged(state.other_entry)))
				metrics.staged = state.other_entry->version;
			if (state.running_entry && state.running_entry->counted)
				metrics.tries_left = state.running_entry->left;
		}
	}
	if (health_path && health_gate_load(health_path, &health, NULL) >= 0)
		metrics.health = &health;
	if (path)
		(void)metrics_write(&metrics, path, NULL);
}

/* ---- Staging ---- */

static void read_signals(struct agent *agent)
{
	struct signalfd_siginfo info;

	while (read(agent->options->signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGHUP)
			agent->again = true;
		else
			agent->stop = true;
	}
}

static bool is_stopped(void *userdata)
{
	struct agent *agent = userdata;

	read_signals(agent);
	agent->made_way = agent->made_way || node_lock_is_wanted(&agent->lock);
	return agent->stop || agent->made_way;
}

static const char *step_name(enum install_step step)
{
	static const char *const names[] = {[INSTALL_PREPARE] = "prepare",
		[INSTALL_USR] = "usr",
		[INSTALL_SIGNATURE] = "signature",
		[INSTALL_NAME] = "name",
		[INSTALL_ENTRY] = "entry"};

	return names[step];
}

static void tell_step(enum install_step step, void *userdata)
{
	struct agent *agent = userdata;

	node_lock_note(&agent->lock, agent->version, step_name(step));
	say(agent, LOG_DEBUG, agent->version, step_name(step), step_name(step));
}

/* Every tenth of what is fetched is an entry of the journal. */
static int tell_progress(enum usr_update_step step, uint64_t done, uint64_t total, void *userdata)
{
	struct agent *agent = userdata;
	unsigned percent = total > 0 ? (unsigned)(done * 100 / total) / PROGRESS_STEP * PROGRESS_STEP : 0;
	char done_text[24], total_text[24];
	const struct journal_field fields[] = {
		{.name = "ORLOP_VERSION", .value = agent->version},
		{.name = "ORLOP_STEP", .value = "fetch"},
		{.name = "ORLOP_DONE", .value = done_text},
		{.name = "ORLOP_TOTAL", .value = total_text},
	};

	if (is_stopped(agent))
		return -ECANCELED;
	if (step != USR_UPDATE_FETCH || percent == agent->percent)
		return 0;
	agent->percent = percent;
	(void)snprintf(done_text, sizeof(done_text), "%ju", (uintmax_t)done);
	(void)snprintf(total_text, sizeof(total_text), "%ju", (uintmax_t)total);
	(void)journal_log(agent->options->journal, LOG_INFO, fields, ARRAY_SIZE(fields),
		"%s: %u %% of the blocks that had to be fetched", agent->version, percent);
	return 0;
}

static int stage(struct agent *agent, struct node_releases *releases, const char *version, struct error **err)
{
	const struct node_stage_watch watch = {
		.step = tell_step, .progress = tell_progress, .userdata = agent};
	struct node_stage_result result;
	_cleanup_free_ char *text = NULL;
	char fetched[SIZE_TEXT_MAX], size[SIZE_TEXT_MAX];
	int r;

	agent->version = version;
	agent->percent = 0;
	r = node_stage(agent->options->node, releases, version, now_seconds(), &watch, &result, err);
	agent->fetched += result.counts.bytes + result.counts.overhead;
	if (r < 0 || !result.changed)
		return r;
	text = string_format("%s is in the other slot: %s fetched for %s, %ju.%ju s", version,
		format_size(result.counts.bytes, fetched), format_size(result.size, size),
		(uintmax_t)result.ms / 1000, (uintmax_t)result.ms % 1000 / 100);
	if (text)
		say(agent, LOG_NOTICE, version, "staged", text);
	return node_remember(agent->options->node, now_seconds(), HISTORY_STAGED, version, text, err);
}

/* ---- A round ---- */

/*
 * Does what a decision says. Returns 1 where another one has to be made after it. Where the releases were
 * only recalled, nothing can be staged.
 */
static int act(struct agent *agent, struct node_releases *releases, const struct policy_decision *decision)
{
	_cleanup_error_ struct error *err = NULL;
	struct node *node = agent->options->node;
	unsigned kind = ERROR_STAGE;
	int r = 0;

	switch (decision->action) {
	case POLICY_NOTHING:
		return 0;
	case POLICY_STAGE:
	case POLICY_STAGE_AND_RESTART:
		if (!releases->worker)
			return 0;
		r = stage(agent, releases, decision->version, &err);
		break;
	case POLICY_SELECT:
	case POLICY_RESTART:
		kind = ERROR_START;
		r = node_start_other(node, decision->version, now_seconds(), &err);
		if (r >= 0 && decision->action == POLICY_RESTART)
			r = agent->options->restart(agent->options->userdata, &err);
		agent->restarting = r >= 0 && decision->action == POLICY_RESTART;
		break;
	}
	if (r < 0 && !agent->stop && !agent->made_way)
		fail(agent, kind, decision->version, err);
	return r < 0 ? r : decision->action != POLICY_RESTART;
}

static void note_available(struct agent *agent, const struct policy_decision *decision)
{
	free(agent->available);
	agent->available = decision->version ? strdup(decision->version) : NULL;
}

/* Decides and acts, until there is nothing more to do now. *agent->next* is when there may be. */
static int follow(struct agent *agent, struct node_releases *releases, struct error **err)
{
	struct node *node = agent->options->node;
	static const struct node_order nobody = {};
	int r = 1;

	for (unsigned i = 0; i < ACTIONS_MAX && r > 0 && !agent->restarting && !agent->made_way; i++) {
		_cleanup_policy_decision_ struct policy_decision decision = {};
		_cleanup_node_view_ struct node_view view = {};

		r = node_view_open(node, &releases->index, &nobody, now_seconds(), &view, err);
		if (r >= 0)
			r = policy_decide(&view.input, &decision, err);
		if (r < 0)
			return r;
		tell_decision(agent, &decision);
		note_available(agent, &decision);
		r = act(agent, releases, &decision);
		if (r < 0)
			agent->next = MIN(agent->next, now_seconds() + RETRY_SECONDS);
		else if (decision.when > 0)
			agent->next = MIN(agent->next, decision.when);
	}
	return 0;
}

static int drop_withdrawn(struct agent *agent, struct node_releases *releases, struct error **err)
{
	_cleanup_free_ char *version = NULL;
	int r = node_drop_withdrawn(agent->options->node, &releases->index, now_seconds(), &version, err);

	if (r >= 0 && version)
		say(agent, LOG_NOTICE, version, "withdrawn",
			"the release in the other slot was withdrawn and can't start any more");
	return r;
}

/* What is staged need not wait for a server that is away, as long as what it said is valid. */
static int follow_known(struct agent *agent, struct error **err)
{
	_cleanup_node_releases_ struct node_releases *known = NULL;
	int r = node_releases_recall(agent->options->node, now_seconds(), &known, err);

	if (r >= 0)
		r = drop_withdrawn(agent, known, err);
	return r < 0 ? r : follow(agent, known, err);
}

static void look_round(struct agent *agent)
{
	struct node *node = agent->options->node;
	const struct node_releases_options options = {.worker = agent->options->worker,
		.now = now_seconds(),
		.stop = is_stopped,
		.userdata = agent};
	_cleanup_node_releases_ struct node_releases *releases = NULL;
	_cleanup_error_ struct error *err = NULL;
	unsigned kind = ERROR_CHECK;
	int r;

	agent->last_check = now_seconds();
	r = node_releases_open(node, &options, &releases, &err);
	if (r >= 0) {
		agent->last_success = agent->last_check;
		agent->expires = node_releases_expire(releases);
		kind = ERROR_LOOK;
		r = drop_withdrawn(agent, releases, &err);
	}
	if (r >= 0)
		r = follow(agent, releases, &err);
	if (r >= 0 || agent->stop || agent->made_way)
		return;
	fail(agent, kind, NULL, err);
	agent->next = MIN(agent->next, now_seconds() + RETRY_SECONDS);
	err = error_free(err);
	if (kind == ERROR_CHECK && (r = follow_known(agent, &err)) < 0 && r != -ENOENT)
		say(agent, LOG_WARNING, NULL, error_kinds[kind], error_message(err));
}

/* What is left of a change that was cut is harmless, but looks like damage. */
static void mend(struct agent *agent)
{
	_cleanup_error_ struct error *err = NULL;
	bool mended;

	if (node_mend(agent->options->node, now_seconds(), &mended, &err) < 0)
		fail(agent, ERROR_LOOK, NULL, err);
	else if (mended)
		say(agent, LOG_NOTICE, NULL, "mended",
			"the boot partition, whose last change was cut, was put right");
}

/* One round under the lock. The settings are read anew; where they are wrong, those of before count, or none.
 */
static void go_round(struct agent *agent)
{
	struct node *node = agent->options->node;
	_cleanup_error_ struct error *err = NULL;
	bool wrong;

	agent->again = agent->made_way = false;
	wrong = node_reload(node, &err) < 0;
	if (wrong) {
		fail(agent, ERROR_LOOK, NULL, err);
		err = error_free(err);
	}
	if (policy_next_check(&node->config, node->machine, now_seconds(), &agent->next) < 0)
		agent->next = now_seconds() + RETRY_SECONDS;
	if (node->netboot || !node->config.repository) {
		agent->next = now_seconds() + (wrong ? RETRY_SECONDS : WAIT_MAX);
		return;
	}
	if (node_lock_take(node,
		    &(struct node_lock_request){
			    .rank = NODE_LOCK_AGENT, .command = "agent", .now = now_seconds()},
		    &agent->lock, &err) < 0) {
		agent->next = now_seconds() + LOCK_SECONDS;
		return;
	}
	mend(agent);
	look_round(agent);
	node_lock_release(&agent->lock);
	if (agent->made_way) {
		say(agent, LOG_NOTICE, NULL, "lock",
			"made way for somebody who is changing what this node starts");
		agent->next = now_seconds() + LOCK_SECONDS;
	}
}

static void wait_until(struct agent *agent, int64_t instant)
{
	struct pollfd poll_fd = {.fd = agent->options->signals, .events = POLLIN};
	int64_t seconds = MIN(MAX(instant - now_seconds(), (int64_t)0), (int64_t)WAIT_MAX);

	(void)poll(&poll_fd, 1, (int)seconds * 1000);
	read_signals(agent);
}

static void settle(struct agent *agent)
{
	_cleanup_error_ struct error *err = NULL;

	/* Said once: there is nothing to be done about it here, and it is no failure. */
	if (node_require_slots(agent->options->node, &err) < 0)
		say(agent, LOG_INFO, agent->options->node->version, "netboot", error_message(err));
	else if (node_settle(agent->options->node, now_seconds(), &err) < 0)
		fail(agent, ERROR_LOOK, NULL, err);
}

int agent_run(const struct agent_options *options, struct error **err)
{
	struct agent agent = {.options = options, .lock = NODE_LOCK_INIT};
	_cleanup_free_ char *folder = node_path(options->node, NODE_STATE);
	int r = folder ? mkdir_parents(folder, err) : error_set_errno(err, -ENOMEM, "agent");

	if (r < 0)
		return r;
	for (size_t i = 0; i < ERROR_KINDS; i++)
		agent.errors[i].step = error_kinds[i];
	settle(&agent);
	while (!agent.stop && !agent.restarting) {
		if (agent.again || now_seconds() >= agent.next)
			go_round(&agent);
		write_metrics(&agent);
		if (!agent.stop && !agent.restarting && !agent.again)
			wait_until(&agent, agent.next);
	}
	free(agent.available);
	free(agent.said);
	return 0;
}
