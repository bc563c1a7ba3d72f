/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What all verbs share that write to a repository: where it is, with which keys, for how long they sign.
 */
#pragma once

#include "cmd/command.h"
#include "cmd/secret.h"
#include "release/repository.h"

struct repository_values {
	const char *to, *keys, *expires;
	struct secrets secrets;
};

/* Their options, for a structure that begins with these values. */
#define OPTION_TO                                                                                     \
	{                                                                                             \
		"to", 't', "DIR", "The repository: a folder, which a web server may serve as it is.", \
			OPTION_STRING, offsetof(struct repository_values, to)                         \
	}
#define OPTION_KEYS                                                                                      \
	{"keys", 'k', "DIR", "The keys, made by `orlop keys init`. Default: $XDG_DATA_HOME/orlop/keys.", \
		OPTION_STRING, offsetof(struct repository_values, keys)},                                \
		OPTION_PASSPHRASE_FILE(struct repository_values), OPTION_PIN_FILE(struct repository_values)
#define OPTION_EXPIRES                                                                                      \
	{                                                                                                   \
		"expires", 'e', "DAYS",                                                                     \
			"Nodes refuse the repository after so many days without a new signature. Default: " \
			"7.",                                                                               \
			OPTION_STRING, offsetof(struct repository_values, expires)                          \
	}

/*
 * Opens it for writing; *create* makes one where there is none. *values* must stay where they are: their
 * secrets are asked for keys later, too. The keys' folder is malloc()ed in *ret_keys*. Returns 0; EXIT_USAGE
 * with *err* set; a negative errno.
 */
int open_repository(const struct command_usage *usage, struct repository_values *values, bool create,
	int64_t now, char **ret_keys, struct repository **ret, struct error **err);

/* "valid until 2026-12-05T12:00:00Z" of what the timestamp says. */
void print_validity(const struct repository *repository, const char *path);
