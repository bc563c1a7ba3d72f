/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the files of `orlop keys` have of each other.
 */
#pragma once

#include "cmd/command.h"
#include "cmd/repository.h"

struct rotate_values {
	struct repository_values repository; /* first: OPTION_TO */
	const char *new_key;
	bool enrol, passphrase; /* of db */
};

int keys_init_verb(int argc, char **argv, struct error **err);
int keys_sign_verb(int argc, char **argv, struct error **err);

/* Changes the key that signs what starts. */
int keys_rotate_db(const struct command_usage *usage, struct rotate_values *values, struct error **err);
