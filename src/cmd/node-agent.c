/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * orlop-node agent: what orlop-node.service runs.
 */
#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>

#include "cmd/node-context.h"
#include "cmd/node.h"
#include "update/agent.h"

static const struct command_usage usage = {
	.name = "orlop-node agent",
	.arguments = "",
	.summary = "Follows the repository, brings what the node's settings want into the other slot, and "
		   "restarts the "
		   "machine when they allow it. Runs until SIGTERM; SIGHUP reads the settings and looks at "
		   "once.",
	.notes = "It tells the journal what it does: ORLOP_VERSION, ORLOP_STEP, ORLOP_DONE and ORLOP_TOTAL "
		 "are fields of its "
		 "entries. /run/orlop/metrics.prom has its state for Prometheus.",
};

static int open_signals(struct error **err)
{
	sigset_t set;
	int fd;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return error_set_errno(err, -errno, "signals");
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? error_set_errno(err, -errno, "signals") : fd;
}

static int restart(void *userdata, struct error **err)
{
	(void)userdata;
	return node_restart(err);
}

int node_agent(int argc, char **argv, struct error **err)
{
	_cleanup_node_ struct node *node = NULL;
	_cleanup_journal_ struct journal journal = JOURNAL_INIT;
	_cleanup_close_ int signals = -1;
	struct worker_options worker;
	struct command_call call;
	int r;

	if (!command_parse(&usage, argc, argv, NULL, &call, err))
		return call.status;
	journal_open(&journal, JOURNAL_SOCKET, "orlop-node", STDERR_FILENO);
	r = signals = open_signals(err);
	if (r >= 0)
		r = node_open_without_settings(&node, NULL, err);
	if (r >= 0)
		r = node_worker_options(&worker, err);
	return r < 0 ? r
		     : agent_run(
			       &(struct agent_options){
				       .node = node,
				       .worker = &worker,
				       .journal = &journal,
				       .signals = signals,
				       .restart = restart,
			       },
			       err);
}
