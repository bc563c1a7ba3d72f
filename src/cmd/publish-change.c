/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * orlop publish pause, resume, plan, withdraw, floor: changes of what a repository says of its releases.
 */
#include <errno.h>
#include <time.h>

#include "base/string-util.h"
#include "base/utf16.h"
#include "cmd/publish.h"
#include "cmd/repository.h"
#include "release/publish.h"

struct values {
	struct repository_values repository; /* first: OPTION_TO */
	struct publish_filter filter;
	const char *reason, *rollout;
	struct strv channels;
};

#define OPTIONS_OF_ALL OPTION_TO, OPTION_KEYS, OPTION_EXPIRES, OPTION_EDITION, OPTION_ARCH

static const struct command_option change_options[] = {OPTIONS_OF_ALL, {}};

static const struct command_option withdraw_options[] = {
	{"reason", 'r', "TEXT", "Why no node shall run it. Must be given.", OPTION_STRING,
		offsetof(struct values, reason)},
	OPTIONS_OF_ALL, {}};

static const struct command_option plan_options[] = {
	{"rollout", 'r', "PLAN",
		"How many nodes may have it from when on, as with `orlop publish`; the hours count from when "
		"its rollout began. \"100%@0h\": all at once.",
		OPTION_STRING, offsetof(struct values, rollout)},
	{"channel", 'c', "CHANNEL", "\"weekly\" or \"security\"; may be given for both.", OPTION_LIST,
		offsetof(struct values, channels)},
	OPTIONS_OF_ALL, {}};

#define USAGE(NAME, OPTIONS, SUMMARY)                                                        \
	{                                                                                    \
		.name = "orlop publish " NAME, .arguments = "VERSION", .summary = (SUMMARY), \
		.options = (OPTIONS), .least = 1, .most = 1                                  \
	}

static const struct {
	struct command_usage usage;
	const char *done, *already;
} changes[] = {
	[PUBLISH_PAUSE] =
		{USAGE("pause", change_options,
			 "Pauses a release: no node begins with it that has not begun, and the clock of "
			 "its rollout stands still."),
			"Paused", "is paused already"},
	[PUBLISH_RESUME] =
		{USAGE("resume", change_options,
			 "Lets nodes begin with a release again that was paused; its rollout goes on "
			 "where it was."),
			"Resumed", "is not paused"},
	[PUBLISH_PLAN] =
		{USAGE("plan", plan_options,
			 "Changes for whom a release is that is published: its rollout, its channels, or "
			 "both. What nodes have begun with stays."),
			"Changed the plan of", "has that plan already"},
	[PUBLISH_WITHDRAW] =
		{USAGE("withdraw", withdraw_options,
			 "Withdraws a release for good: no node goes to it, by itself or by hand. Its "
			 "files stay, since patches may lead from it."),
			"Withdrew", "is withdrawn already, for that reason"},
	[PUBLISH_FLOOR] =
		{USAGE("floor", change_options,
			 "Sets the security floor: no node goes to a version below this one, not even "
			 "back. A floor never goes down."),
			"Set the floor:", ""},
};

static int commit(struct repository *repository, const struct release_index *index, struct error **err)
{
	int r = publish_put_index(repository, index, err);

	return r < 0 ? r : repository_commit(repository, err);
}

static int change(
	struct values *values, const struct publish_change *how, const char *version, struct error **err)
{
	const struct publish_selection selection = {.version = version,
		.edition = values->filter.edition,
		.architecture = values->filter.architecture};
	_cleanup_repository_ struct repository *repository = NULL;
	_cleanup_release_index_ struct release_index index = {};
	_cleanup_free_ char *keys = NULL;
	int count, r = open_repository(&changes[how->kind].usage, &values->repository, false, how->now, &keys,
			   &repository, err);

	if (r != 0)
		return r;
	r = publish_read_index(repository, &index, err);
	if (r < 0)
		return r;
	count = publish_change(&index, how, &selection, err);
	r = count > 0 ? commit(repository, &index, err) : count;
	if (r < 0)
		return r;
	if (count > 0)
		printf("%s %s (%d %s)\n", changes[how->kind].done, version, count,
			count == 1 ? "release" : "releases");
	else
		printf("%s %s\n", version, changes[how->kind].already);
	print_validity(repository, values->repository.to);
	return 0;
}

static int run_values(
	struct values *values, enum publish_change_kind kind, const char *version, struct error **err)
{
	const struct command_usage *usage = &changes[kind].usage;
	struct publish_change how = {.kind = kind, .reason = values->reason, .now = time(NULL)};
	_cleanup_free_ struct release_step *steps = NULL;
	int r;

	if (kind == PUBLISH_WITHDRAW && (!values->reason || !*values->reason))
		return command_usage_error(usage, err, "--reason is missing");
	if (values->reason && !utf8_is_valid(values->reason))
		return command_usage_error(usage, err, "--reason: the text is not UTF-8");
	if (kind == PUBLISH_PLAN && !values->rollout && values->channels.count == 0)
		return command_usage_error(usage, err, "--rollout or --channel is missing");
	r = publish_read_audience(usage, values->rollout, &values->channels, &steps, &how.audience, err);
	return r == 0 ? change(values, &how, version, err) : r;
}

static int run(int argc, char **argv, enum publish_change_kind kind, struct error **err)
{
	struct values values = {};
	struct command_call call;
	int r = command_parse(&changes[kind].usage, argc, argv, &values, &call, err)
			? run_values(&values, kind, call.arguments[0], err)
			: call.status;

	strv_release(&values.channels);
	return r;
}

static int run_pause(int argc, char **argv, struct error **err)
{
	return run(argc, argv, PUBLISH_PAUSE, err);
}

static int run_resume(int argc, char **argv, struct error **err)
{
	return run(argc, argv, PUBLISH_RESUME, err);
}

static int run_plan(int argc, char **argv, struct error **err)
{
	return run(argc, argv, PUBLISH_PLAN, err);
}

static int run_withdraw(int argc, char **argv, struct error **err)
{
	return run(argc, argv, PUBLISH_WITHDRAW, err);
}

static int run_floor(int argc, char **argv, struct error **err)
{
	return run(argc, argv, PUBLISH_FLOOR, err);
}

const struct command publish_commands[] = {
	{"refresh", "Sign the timestamp again, so that nodes go on believing", publish_refresh},
	{"pause", "Let no further node begin with a release", run_pause},
	{"resume", "Let nodes begin with a paused release again", run_resume},
	{"plan", "Change a release's rollout or channels", run_plan},
	{"withdraw", "Withdraw a release for good", run_withdraw},
	{"floor", "Let no node go below a version any more", run_floor},
	{"list", "List the releases", publish_list},
	{},
};
