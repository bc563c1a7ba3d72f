/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the commands of `orlop publish` have in common.
 */
#pragma once

#include "base/string-util.h"
#include "cmd/command.h"
#include "cmd/repository.h"
#include "release/publish.h"

extern const struct command publish_commands[];
int publish_refresh(int argc, char **argv, struct error **err);
int publish_list(int argc, char **argv, struct error **err);

/* Which releases of a version, or of all: "filter" in the values of a command that has these options. */
struct publish_filter {
	const char *edition, *architecture;
};
#define OPTION_EDITION                                                                                      \
	{                                                                                                   \
		"edition", 0, "EDITION", "Only the release of this edition. Default: of all that have it.", \
			OPTION_STRING, offsetof(struct values, filter.edition)                              \
	}
#define OPTION_ARCH                                                                             \
	{                                                                                       \
		"arch", 'a', "ARCH", "Only the release for amd64 or arm64. Default: for both.", \
			OPTION_STRING, offsetof(struct values, filter.architecture)             \
	}

/*
 * Reads --rollout (may be NULL) and --channel. *ret_steps* is what *ret* points to, and the caller's. Returns
 * 0, or what command_usage_error() does.
 */
int publish_read_audience(const struct command_usage *of, const char *rollout, const struct strv *channels,
	struct release_step **ret_steps, struct publish_audience *ret, struct error **err);
